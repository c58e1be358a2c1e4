//! The elementwise steps of relevance, with the sums the ledger needs. Sums are f64, per
//! sample (the first axis), in pieces of fixed length that are added in order.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::array::{Array, Real};
use super::host::tiles::{dot, sum_and_mass};
use super::workspace::Workspace;
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
    /// Per sample: what the stabiliser took at outputs with z ≠ 0.
    pub stabiliser: Vec<f64>,
    /// Per sample: relevance at outputs with z = 0, where no contribution can take it.
    pub degenerate: Vec<f64>,
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

/// `s = gain · R / stabilised(z)` at the outputs served, 0 at the others.
///
/// # Errors
/// [`crate::Error::Internal`] when an array is not on the host.
pub fn quotient(
    r: &Array,
    z: &Array,
    served: Served<'_>,
    stabiliser: Stabiliser,
    ws: &mut Workspace,
) -> Result<Quotient> {
    let len = (z.len() / z.shape()[0]).max(1);
    let mut s = ws.take(z.dtype(), z.shape())?;
    let bins: Vec<(f64, f64)> = by_type!(z, T => {
        let (r, z) = (r.host::<T>()?, z.host::<T>()?);
        let only = served.only.map(|(a, side)| Ok::<_, crate::Error>((a.host::<T>()?, side)));
        let only = only.transpose()?;
        let beside = served.beside.map(Array::host::<T>).transpose()?;
        s.host_mut::<T>()?
            .par_chunks_mut(len)
            .enumerate()
            .map(|(n, s)| {
                let from = n * len;
                let root = match stabiliser.mode {
                    Damping::RootMeanSquare => root_mean_square(&z[from..from + s.len()]),
                    Damping::Absolute | Damping::Clipped => 0.0,
                };
                let piece = |(p, s): (usize, &mut [T])| {
                    let (from, mut bins) = (from + p * PIECE, (0.0, 0.0));
                    for (at, s) in (from..).zip(s) {
                        *s = T::ZERO;
                        let mut part = served.gain * r[at].wide();
                        if let Some((sign, side)) = only {
                            if sign[at] == T::ZERO && side {
                                bins.1 += part;
                            }
                            if sign[at] == T::ZERO || (sign[at] > T::ZERO) != side {
                                continue;
                            }
                        }
                        if beside.is_some_and(|b| b[at] == T::ZERO) && z[at] != T::ZERO {
                            part = r[at].wide();
                        } else if beside.is_some_and(|b| b[at] != T::ZERO) && z[at] == T::ZERO {
                            continue;
                        }
                        let (below, added) = stabiliser.below(z[at].wide(), root);
                        // with ε = 0 an output of exactly 0 has nothing to divide by
                        if below != 0.0 && part != 0.0 {
                            *s = T::of(part / below);
                        }
                        if z[at] != T::ZERO {
                            bins.0 += added * s.wide();
                        } else if below == 0.0 {
                            bins.1 += part;
                        } else {
                            bins.1 += added * s.wide();
                        }
                    }
                    bins
                };
                let pieces: Vec<(f64, f64)> =
                    s.par_chunks_mut(PIECE).enumerate().map(piece).collect();
                pieces.iter().fold((0.0, 0.0), |sum, bins| (sum.0 + bins.0, sum.1 + bins.1))
            })
            .collect()
    });
    let (stabiliser, degenerate) = bins.into_iter().unzip();
    Ok(Quotient { s, stabiliser, degenerate })
}

fn root_mean_square<T: Real>(z: &[T]) -> f64 {
    (dot(z, z) / z.len().max(1) as f64).sqrt()
}

/// `Σ_p s[n, c, p] · bias[c]` per sample and channel, row by row.
///
/// # Errors
/// [`crate::Error::Internal`] when an array is not on the host.
pub fn bias_by_channel(s: &Array, bias: &Array) -> Result<Vec<f64>> {
    let channels = s.shape()[1];
    let len: usize = s.shape()[2..].iter().product();
    by_type!(s, T => {
        let (s, b) = (s.host::<T>()?, bias.host::<T>()?);
        let share = |(at, s): (usize, &[T])| {
            b[at % channels].wide() * sum_and_mass(s)[0]
        };
        Ok(s.par_chunks(len).enumerate().map(share).collect())
    })
}

/// Per sample: (Σ, Σ|·|), in pieces added in order.
///
/// # Errors
/// [`crate::Error::Internal`] when the array is not on the host.
pub fn sample_sums(x: &Array) -> Result<Vec<(f64, f64)>> {
    let len = (x.len() / x.shape()[0]).max(1);
    let add = |a: (f64, f64), b: &[f64; 2]| (a.0 + b[0], a.1 + b[1]);
    by_type!(x, T => {
        let of = |sample: &[T]| {
            let pieces: Vec<[f64; 2]> = sample.par_chunks(PIECE).map(sum_and_mass).collect();
            pieces.iter().fold((0.0, 0.0), add)
        };
        Ok(x.host::<T>()?.par_chunks(len).map(of).collect())
    })
}
