//! Batch norm, ReLU and max pool as one step: `y = max over window of max(a z + b, 0)`, with
//! `a = γ / √(σ² + ε)` and `b = β − a μ`, or 1 and 0 without a batch norm.
//!
//! Only `z` and the pooled `y` exist. The way back needs of each window only which voxel won,
//! a byte, and takes its sums over the pooled values alone; the gradient of `z` is written
//! over `z`. Windows lie side by side; a window of one voxel is no pool.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::geometry::PoolGeometry;
use super::host::tiles::{CUT, Tiles, gated_sums, rectified_maxima, spread};
use super::marks::Marks;
use super::norm::{ChannelMap, Statistics, narrowed};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

/// The window of a pool, if the pool can be part of a fused block.
pub fn window(g: &PoolGeometry) -> Option<[usize; 3]> {
    let tiles = g.stride == g.kernel && g.dilation == [1; 3];
    let side_by_side = tiles && [g.pad_before, g.pad_after] == [[0; 3]; 2];
    let counted = (1..=usize::from(CUT)).contains(&g.kernel.iter().product());
    (side_by_side && counted).then_some(g.kernel)
}

/// Output of a block and the voxel that won each window.
#[derive(Debug)]
pub struct Rectified {
    /// `[n, c, k', j', i']`.
    pub output: Array,
    /// Number of the voxel in its window; 255 where the output is 0.
    pub winners: Marks<u8>,
}

/// Windows of a channel of `z`; without a pool the channel is one row, of any rank.
pub(super) fn tiles(shape: &[usize], kernel: [usize; 3]) -> Result<Tiles> {
    if kernel == [1; 3] {
        let row = [1, 1, shape[2..].iter().product()];
        return Ok(Tiles { input: row, kernel, output: row });
    }
    let [_, _, k, j, i] = shape[..] else {
        return Err(Error::shape("fused block", "[n, c, k, j, i]", shape));
    };
    let pool = PoolGeometry { kernel, stride: kernel, ..PoolGeometry::tiles(1) };
    Ok(Tiles { input: [k, j, i], kernel, output: pool.output([k, j, i])? })
}

/// The block's output; `map` holds `a` and `b`.
///
/// # Errors
/// [`Error::Shape`] when the window does not fit.
pub fn forward(
    z: &Array,
    map: Option<&ChannelMap>,
    kernel: [usize; 3],
    ws: &mut Workspace,
) -> Result<Rectified> {
    let mut done = Rectified::room(z, z.shape(), kernel, ws)?;
    done.fill(0, z, map, kernel)?;
    Ok(done)
}

impl Rectified {
    /// Room, where `like` is, for what a block makes of an array of this shape; contents are
    /// whatever was there.
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
    pub fn room(
        like: &Array,
        shape: &[usize],
        kernel: [usize; 3],
        ws: &mut Workspace,
    ) -> Result<Self> {
        let t = tiles(shape, kernel)?;
        let mut shape = shape.to_vec();
        if kernel != [1; 3] {
            shape[2..].copy_from_slice(&t.output);
        }
        let output = ws.take_beside(like, &shape)?;
        on_card!(like, card => Ok(Self { winners: card.winners(output.len())?, output }));
        let winners = Marks::Host(ws.take_winners(output.len()));
        Ok(Self { output, winners })
    }

    /// Numbers of a channel.
    fn outer(&self) -> usize {
        self.output.shape()[2..].iter().product()
    }

    /// Writes the samples from `first` on, those of `z`; `map` as in [`forward`].
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
    pub fn fill(
        &mut self,
        first: usize,
        z: &Array,
        map: Option<&ChannelMap>,
        kernel: [usize; 3],
    ) -> Result<()> {
        let t = tiles(z.shape(), kernel)?;
        let (samples, channels, outer) = (z.shape()[0], z.shape()[1], self.outer());
        let inner = z.len() / (samples * channels);
        let own = first * channels * outer..(first + samples) * channels * outer;
        on_card!(z, card => card.rectified_maxima(self, own.start, z, map, &t));
        let map = map.map(ChannelMap::host).transpose()?;
        let winners = self.winners.host_mut()?;
        by_type!(z, T => {
            let sources = z.host::<T>()?.par_chunks(inner);
            let targets = self.output.host_mut::<T>()?[own.clone()].par_chunks_mut(outer);
            let targets = targets.zip(winners[own].par_chunks_mut(outer));
            targets.zip(sources).enumerate().for_each(|(at, ((y, winners), z))| {
                let c = at % channels;
                let map = map.map_or([T::ONE, T::ZERO], |(a, b)| [T::of(a[c]), T::of(b[c])]);
                rectified_maxima(z, t, map, y, winners);
            });
        });
        Ok(())
    }
}

/// A batch norm on the way back.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// γ per channel.
    pub gamma: &'a [f64],
    /// β per channel.
    pub beta: &'a [f64],
    /// Of the batch.
    pub statistics: &'a Statistics,
    /// ε of the variance.
    pub epsilon: f64,
}

/// γ below this share of β: `x̂ = (y − β) / γ` would lose digits.
const LEAST_SLOPE: f64 = 0.125;

impl Norm<'_> {
    /// Whether the pooled values of a channel tell x̂.
    pub(super) fn told(&self, c: usize) -> bool {
        self.gamma[c] != 0.0 && self.gamma[c].abs() >= LEAST_SLOPE * self.beta[c].abs()
    }

    /// Whether [`Backward::add`] looks at no `z`.
    pub fn told_by_output(&self) -> bool {
        (0..self.gamma.len()).all(|c| self.told(c))
    }

    /// Mean and `1 / √(σ² + ε)` of a channel on the host.
    fn of(&self, c: usize) -> Result<(f64, f64)> {
        let (mean, variance) = self.statistics.host()?;
        Ok((mean[c], Statistics::inverse(variance, c, self.epsilon)))
    }

    /// Σ dy·x̂ and Σ dy of one channel of one sample, from the pooled values; from `z` itself
    /// where these do not tell x̂.
    fn sums<T: Real>(
        &self,
        c: usize,
        z: Option<(&[T], Tiles)>,
        block: (&[T], &[T], &[u8]),
    ) -> Result<[f64; 2]> {
        let (dy, y, winners) = block;
        let [plain, product] = gated_sums(dy, y);
        let (gamma, beta) = (self.gamma[c], self.beta[c]);
        let Some((z, t)) = z.filter(|_| !self.told(c)) else {
            return Ok([(product - beta * plain) / gamma, plain]);
        };
        let (mean, inverse) = self.of(c)?;
        let won = (0..dy.len()).filter(|&at| winners[at] != CUT);
        let hat: f64 =
            won.map(|at| dy[at].wide() * (z[t.place(at, winners[at])].wide() - mean)).sum();
        Ok([hat * inverse, plain])
    }

    /// `dz = a dy + b z + d`, as [`super::batch_norm::backward`] has it.
    fn map(&self, c: usize, [dgamma, dbeta]: [f64; 2]) -> Result<[f64; 3]> {
        let ((mean, inverse), count) = (self.of(c)?, self.statistics.count);
        let a = self.gamma[c] * inverse;
        let b = -a * inverse * dgamma / count;
        Ok([a, b, -a * dbeta / count - b * mean])
    }
}

/// Gradients of a block, `(dz, [dγ, dβ])`; `z` becomes `dz`. Without a batch norm there are no
/// second.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree.
pub fn backward(
    mut z: Array,
    block: &Rectified,
    dy: &Array,
    norm: Option<Norm<'_>>,
    kernel: [usize; 3],
) -> Result<(Array, Vec<Array>)> {
    let mut back = Backward::new(block, dy, norm, kernel)?;
    back.add(0..z.shape()[0], Some(&z))?;
    back.spread(0, &mut z)?;
    Ok((z, back.parameters()?))
}

/// The way back through a block of which `z` comes some samples at a time: first all are added,
/// then each is written over.
#[derive(Debug)]
pub struct Backward<'a> {
    block: &'a Rectified,
    dy: &'a Array,
    norm: Option<Norm<'a>>,
    kernel: [usize; 3],
    /// dγ and dβ of every channel `[c, 2]`, f64; none without a batch norm.
    sums: Option<Array>,
}

impl<'a> Backward<'a> {
    /// Before any sample.
    ///
    /// # Errors
    /// [`Error::Shape`] when shapes do not agree.
    pub fn new(
        block: &'a Rectified,
        dy: &'a Array,
        norm: Option<Norm<'a>>,
        kernel: [usize; 3],
    ) -> Result<Self> {
        if dy.shape() != block.output.shape() {
            return Err(Error::shape("fused block's gradient", block.output.shape(), dy.shape()));
        }
        let zeros = || Array::zeros::<f64>(&[dy.shape()[1], 2]).beside(dy);
        let sums = norm.map(|_| zeros()).transpose()?;
        Ok(Self { block, dy, norm, kernel, sums })
    }

    /// Adds the sums of some samples; `z` is theirs and can be left out where
    /// [`Norm::told_by_output`].
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
    pub fn add(&mut self, samples: std::ops::Range<usize>, z: Option<&Array>) -> Result<()> {
        let (Some(norm), Some(sums)) = (self.norm, &mut self.sums) else { return Ok(()) };
        on_card!(self.dy, card => {
            let z = z.map(|z| Ok::<_, Error>((z, tiles(z.shape(), self.kernel)?))).transpose()?;
            card.add_gradients(norm, (self.dy, self.block), samples, z, sums)
        });
        let (channels, outer) = (self.dy.shape()[1], self.block.outer());
        by_type!(self.dy, T => {
            let (dy, y) = (self.dy.host::<T>()?, self.block.output.host::<T>()?);
            let winners = self.block.winners.host()?;
            let z = z.map(|z| Ok::<_, Error>((z.host::<T>()?, tiles(z.shape(), self.kernel)?)));
            let z = z.transpose()?;
            let lines = samples.start * channels..samples.end * channels;
            let all: Result<Vec<[f64; 2]>> = lines.clone().into_par_iter().map(|at| {
                let of = at * outer..(at + 1) * outer;
                let block = (&dy[of.clone()], &y[of.clone()], &winners[of]);
                norm.sums(at % channels, z.map(|(z, t)| {
                    let inner: usize = z.len() / lines.len();
                    (&z[(at - lines.start) * inner..][..inner], t)
                }), block)
            }).collect();
            let sums = sums.host_mut::<f64>()?.as_chunks_mut::<2>().0;
            for sample in all?.chunks(channels) {
                for (sum, more) in sums.iter_mut().zip(sample) {
                    *sum = [sum[0] + more[0], sum[1] + more[1]];
                }
            }
        });
        Ok(())
    }

    /// dγ and dβ in the number type of the gradient; nothing without a batch norm.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn parameters(&self) -> Result<Vec<Array>> {
        let Some(sums) = &self.sums else { return Ok(Vec::new()) };
        on_card!(sums, card => card.norm_totals(sums, self.dy.dtype(), 1));
        let sums = sums.host::<f64>()?.as_chunks::<2>().0;
        let of = |part: usize| narrowed(sums.iter().map(|s| s[part]).collect(), self.dy);
        Ok(vec![of(0)?, of(1)?])
    }

    /// Writes `dz` over the `z` of the samples from `first` on, when all have been added.
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
    pub fn spread(&self, first: usize, z: &mut Array) -> Result<()> {
        let t = tiles(z.shape(), self.kernel)?;
        let (samples, channels, outer) = (z.shape()[0], z.shape()[1], self.block.outer());
        let inner = z.len() / (samples * channels);
        on_card!(z, card => {
            let norm = self.norm.zip(self.sums.as_ref());
            card.spread(z, (self.dy, self.block), first * channels * outer, norm, &t)
        });
        let maps: Vec<[f64; 3]> = match (self.norm, &self.sums) {
            (Some(norm), Some(sums)) => {
                let lines = sums.host::<f64>()?.as_chunks::<2>().0.iter().enumerate();
                lines.map(|(c, sums)| norm.map(c, *sums)).collect::<Result<_>>()?
            }
            _ => Vec::new(),
        };
        let winners = self.block.winners.host()?;
        by_type!(z, T => {
            let dy = self.dy.host::<T>()?;
            z.host_mut::<T>()?.par_chunks_mut(inner).enumerate().for_each(|(at, z)| {
                let c = at % channels;
                let map = match maps.get(c) {
                    Some(map) => map.map(T::of),
                    None => {
                        z.fill(T::ZERO);
                        [T::ONE, T::ZERO, T::ZERO]
                    }
                };
                let of = (first * channels + at) * outer..(first * channels + at + 1) * outer;
                spread(z, t, &dy[of.clone()], &winners[of], map);
            });
        });
        Ok(())
    }
}
