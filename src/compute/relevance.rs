//! The elementwise steps of relevance, with the sums the ledger needs. Sums are f64, per
//! sample (the first axis), in pieces of fixed length that are added in order.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::array::{Array, Real};
use super::flow::{Flow, places};
use super::host::tiles::{Tiles, dot, quotients, sum_and_mass};
use super::place::on_card;
use crate::{Result, by_type};

/// Numbers of one task.
const PIECE: usize = 1 << 14;

/// How a sum of contributions is kept away from zero before relevance is divided by it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stabiliser {
    /// ε.
    pub epsilon: f64,
    /// What ε does.
    pub mode: Damping,
    /// Whether a sum of exactly 0 counts as positive; if not, its relevance stops there.
    pub zero_is_positive: bool,
}

/// What ε does to a sum z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damping {
    /// `z + ε sign(z)`.
    Absolute,
    /// `z + ε · rms(z) · sign(z)`, the root mean square over one sample of the layer.
    RootMeanSquare,
    /// `max(|z|, ε) sign(z)`.
    Clipped,
}

impl Default for Stabiliser {
    fn default() -> Self {
        Self { epsilon: 1e-6, mode: Damping::Absolute, zero_is_positive: true }
    }
}

impl Stabiliser {
    /// The same with another ε.
    pub fn with(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// In words, for results.
    pub fn words(&self) -> String {
        let zero = if self.zero_is_positive { "+1" } else { "0" };
        let mode = match self.mode {
            Damping::Absolute => "absolute",
            Damping::RootMeanSquare => "times the root mean square of z",
            Damping::Clipped => "as the least |z|",
        };
        format!("{:e} {mode}, sign(0) = {zero}", self.epsilon)
    }

    /// What z is divided as, and what of that the stabiliser added; `root` scales ε.
    fn below(&self, z: f64, root: f64) -> (f64, f64) {
        let positive = z >= 0.0;
        if z == 0.0 && !self.zero_is_positive {
            return (0.0, 0.0);
        }
        let signed = |v: f64| if positive { v } else { -v };
        let added = match self.mode {
            Damping::Absolute => signed(self.epsilon),
            Damping::RootMeanSquare => signed(self.epsilon * root),
            Damping::Clipped => signed((self.epsilon - z.abs()).max(0.0)),
        };
        (z + added, added)
    }
}

/// Quotients `s = gain · R / stabilised(z)` and where the stabiliser's share went.
#[derive(Debug)]
pub struct Quotient {
    /// `s`, shaped like `z`.
    pub s: Array,
    /// Sums per sample and channel, or per sample where a channel is one number, `[rows, 3]` in
    /// f64: what the stabiliser took at outputs with z ≠ 0; relevance at outputs with z = 0, where
    /// no contribution can take it; Σ s. They stay where they were made.
    pub bins: Array,
}

/// Which outputs a quotient serves, and how much of their relevance.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Share of the relevance.
    pub gain: f64,
    /// Only outputs where this array is positive (`true`) or negative; relevance at its
    /// zeros is booked as degenerate by the positive side.
    pub only: Option<(&'a Array, bool)>,
    /// Outputs where this array is 0 have no other group to serve them: their gain is 1.
    pub beside: Option<&'a Array>,
}

impl Served<'_> {
    /// All outputs.
    pub fn all(gain: f64) -> Self {
        Self { gain, only: None, beside: None }
    }
}

/// Sums of a piece: the stabiliser's share, the degenerate one, Σ s.
type Bins = [f64; 3];

fn added(bins: Bins, more: &Bins) -> Bins {
    [bins[0] + more[0], bins[1] + more[1], bins[2] + more[2]]
}

/// What the quotient of one channel looks at besides relevance and sums.
struct Channel<'a, T> {
    only: Option<(&'a [T], bool)>,
    beside: Option<&'a [T]>,
    gain: f64,
    stabiliser: Stabiliser,
    root: f64,
}

impl<T: Real> Channel<'_, T> {
    /// Whether nothing but relevance and sum decide: then ε above 0 is added to |z|.
    fn plain(&self) -> bool {
        let Stabiliser { epsilon, mode, zero_is_positive } = self.stabiliser;
        let alone = self.only.is_none() && self.beside.is_none();
        alone && zero_is_positive && mode == Damping::Absolute && epsilon > 0.0
    }

    /// `s` of one output with relevance `r` and sum `z`.
    fn one(&self, at: usize, r: T, z: T, bins: &mut Bins) -> T {
        let mut part = self.gain * r.wide();
        if let Some((sign, side)) = self.only {
            if sign[at] == T::ZERO && side {
                bins[1] += part;
            }
            if sign[at] == T::ZERO || (sign[at] > T::ZERO) != side {
                return T::ZERO;
            }
        }
        if self.beside.is_some_and(|b| b[at] == T::ZERO) && z != T::ZERO {
            part = r.wide();
        } else if self.beside.is_some_and(|b| b[at] != T::ZERO) && z == T::ZERO {
            return T::ZERO;
        }
        let (below, added) = self.stabiliser.below(z.wide(), self.root);
        // with ε = 0 an output of exactly 0 has nothing to divide by
        let s = if below != 0.0 && part != 0.0 { T::of(part / below) } else { T::ZERO };
        if z != T::ZERO {
            bins[0] += added * s.wide();
        } else if below == 0.0 {
            bins[1] += part;
        } else {
            bins[1] += added * s.wide();
        }
        bins[2] += s.wide();
        s
    }

    /// Every output: `s` is written over `z`.
    fn whole(&self, r: &[T], z: &mut [T]) -> Bins {
        if self.plain() {
            return quotients(r, [self.gain, self.stabiliser.epsilon], z);
        }
        let mut bins = Bins::default();
        for (at, (z, r)) in z.iter_mut().zip(r).enumerate() {
            *z = self.one(at, *r, *z, &mut bins);
        }
        bins
    }

    /// The voxels that won their windows; nothing comes to the others.
    fn won(&self, values: &[T], winners: &[u8], tiles: &Tiles, z: &mut [T]) -> Bins {
        let mut bins = Bins::default();
        T::with_scratch(values.len(), |won| {
            if self.plain() {
                places(tiles, winners, &mut |window, at| won[window] = z[at]);
                bins = quotients(values, [self.gain, self.stabiliser.epsilon], won);
            } else {
                places(tiles, winners, &mut |window, at| {
                    won[window] = self.one(at, values[window], z[at], &mut bins);
                });
            }
            z.fill(T::ZERO);
            places(tiles, winners, &mut |window, at| z[at] = won[window]);
        });
        bins
    }
}

/// `s = gain · R / stabilised(z)` at the outputs served, 0 at the others; `z` becomes `s`.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn quotient(
    r: &Flow<'_>,
    mut z: Array,
    served: Served<'_>,
    stabiliser: Stabiliser,
) -> Result<Quotient> {
    on_card!(z, card => card.quotient(r, z, served, stabiliser));
    let samples = z.shape()[0];
    let channels = samples * z.shape()[1];
    // Features of a dense layer are channels of one voxel: they are done a sample at a time.
    let voxels = (z.len() / channels.max(1)).max(1);
    let rows = voxels == 1 && matches!(r, Flow::Whole(_));
    let len = if rows { z.len() / samples } else { voxels };
    let numbers = z.len();
    let bins: Vec<Bins> = by_type!(z, T => {
        let z_data = z.host_mut::<T>()?;
        let only = served.only.map(|(a, side)| Ok::<_, crate::Error>((a.host::<T>()?, side)));
        let only = only.transpose()?;
        let beside = served.beside.map(Array::host::<T>).transpose()?;
        let roots: Vec<f64> = match stabiliser.mode {
            Damping::RootMeanSquare => {
                z_data.par_chunks(numbers / samples).map(root_mean_square).collect()
            }
            Damping::Absolute | Damping::Clipped => vec![0.0; samples],
        };
        let part = |at: std::ops::Range<usize>| Channel {
            only: only.map(|(a, side)| (&a[at.clone()], side)),
            beside: beside.map(|b| &b[at.clone()]),
            gain: served.gain,
            stabiliser,
            root: roots[at.start * samples / numbers],
        };
        match r {
            Flow::Whole(r) => {
                let r = r.host::<T>()?;
                let channel = |(c, z): (usize, &mut [T])| {
                    let piece = |(p, z): (usize, &mut [T])| {
                        let from = c * len + p * PIECE;
                        part(from..from + z.len()).whole(&r[from..from + z.len()], z)
                    };
                    let pieces: Vec<Bins> =
                        z.par_chunks_mut(PIECE).enumerate().map(piece).collect();
                    pieces.iter().fold(Bins::default(), added)
                };
                z_data.par_chunks_mut(len).enumerate().map(channel).collect()
            }
            Flow::Winners(of) => {
                let (tiles, [_, _, windows]) = (of.tiles()?, of.sizes());
                let (values, winners) = (of.values.host::<T>()?, of.winners.host()?);
                let channel = |(c, z): (usize, &mut [T])| {
                    let own = c * windows..(c + 1) * windows;
                    let (values, winners) = (&values[own.clone()], &winners[own]);
                    part(c * len..(c + 1) * len).won(values, winners, &tiles, z)
                };
                z_data.par_chunks_mut(len).enumerate().map(channel).collect()
            }
        }
    });
    let rows = bins.len();
    Ok(Quotient { s: z, bins: Array::from_vec(bins.into_flattened(), &[rows, 3])? })
}

/// What a stabiliser and outputs of 0 took per sample, from the [`Quotient::bins`] of so many.
pub fn taken(bins: &[f64], samples: usize) -> Vec<[f64; 2]> {
    let (rows, _) = bins.as_chunks::<3>();
    let of = |sample: &[Bins]| {
        let [stabiliser, degenerate, _] = sample.iter().fold(Bins::default(), added);
        [stabiliser, degenerate]
    };
    rows.chunks((rows.len() / samples.max(1)).max(1)).map(of).collect()
}

/// Whether any relevance comes to outputs where `z` is positive, or negative. A card is waited for.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn comes_to(r: &Flow<'_>, z: &Array, positive: bool) -> Result<bool> {
    on_card!(z, card => match r {
        Flow::Whole(r) => card.meets(r, z, positive),
        Flow::Winners(of) => card.meets_won(of, z, positive),
    });
    by_type!(z, T => {
        let z = z.host::<T>()?;
        let side = |z: T| if positive { z > T::ZERO } else { z < T::ZERO };
        Ok(match r {
            Flow::Whole(r) => {
                let pieces = r.host::<T>()?.par_chunks(PIECE).zip(z.par_chunks(PIECE));
                pieces.any(|(r, z)| {
                    let both = |any: bool, (r, z): (&T, &T)| any | ((*r != T::ZERO) & side(*z));
                    r.iter().zip(z).fold(false, both)
                })
            }
            Flow::Winners(of) => {
                let (tiles, [_, len, windows]) = (of.tiles()?, of.sizes());
                let winners = of.winners.host()?;
                let channels = of.values.host::<T>()?.par_chunks(windows).enumerate();
                channels.any(|(c, values)| {
                    let mut any = false;
                    places(&tiles, &winners[c * windows..(c + 1) * windows], &mut |w, at| {
                        any |= values[w] != T::ZERO && side(z[c * len + at]);
                    });
                    any
                })
            }
        })
    })
}

fn root_mean_square<T: Real>(z: &[T]) -> f64 {
    (dot(z, z) / z.len().max(1) as f64).sqrt()
}

/// Σ and Σ|·| per sample, `[n, 2]` in f64, in pieces added in order. They stay where `x` is.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn sample_sums(x: &Array) -> Result<Array> {
    on_card!(x, card => card.row_sums(x, x.shape()[0]));
    let len = (x.len() / x.shape()[0]).max(1);
    let add = |a: [f64; 2], b: &[f64; 2]| [a[0] + b[0], a[1] + b[1]];
    by_type!(x, T => {
        let of = |sample: &[T]| {
            let pieces: Vec<[f64; 2]> = sample.par_chunks(PIECE).map(sum_and_mass).collect();
            pieces.iter().fold([0.0; 2], add)
        };
        let sums: Vec<[f64; 2]> = x.host::<T>()?.par_chunks(len).map(of).collect();
        let samples = sums.len();
        Array::from_vec(sums.into_flattened(), &[samples, 2])
    })
}
