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
    pub winners: Vec<u8>,
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

/// The block's output; `map` holds `a` and `b` per channel.
///
/// # Errors
/// [`Error::Shape`] when the window does not fit.
pub fn forward(
    z: &Array,
    map: Option<(&[f64], &[f64])>,
    kernel: [usize; 3],
    ws: &mut Workspace,
) -> Result<Rectified> {
    let t = tiles(z.shape(), kernel)?;
    let (samples, channels) = (z.shape()[0], z.shape()[1]);
    let mut shape = z.shape().to_vec();
    if kernel != [1; 3] {
        shape[2..].copy_from_slice(&t.output);
    }
    let mut output = ws.take(z.dtype(), &shape)?;
    let mut winners = ws.take_winners(output.len());
    let (inner, outer) = (z.len() / (samples * channels), output.len() / (samples * channels));
    by_type!(z, T => {
        let sources = z.host::<T>()?.par_chunks(inner);
        let targets = output.host_mut::<T>()?.par_chunks_mut(outer);
        let targets = targets.zip(winners.par_chunks_mut(outer));
        targets.zip(sources).enumerate().for_each(|(at, ((y, winners), z))| {
            let c = at % channels;
            let map = map.map_or([T::ONE, T::ZERO], |(a, b)| [T::of(a[c]), T::of(b[c])]);
            rectified_maxima(z, t, map, y, winners);
        });
    });
    Ok(Rectified { output, winners })
}

/// A batch norm on the way back: its numbers per channel, and those of its batch.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// γ.
    pub gamma: &'a [f64],
    /// β.
    pub beta: &'a [f64],
    /// Means of the batch.
    pub mean: &'a [f64],
    /// Biased variances of the batch.
    pub variance: &'a [f64],
    /// ε of the variance.
    pub epsilon: f64,
}

/// γ below this share of β: `x̂ = (y − β) / γ` would lose digits.
const LEAST_SLOPE: f64 = 0.125;

impl Norm<'_> {
    /// `1 / √(σ² + ε)`.
    fn inverse(&self, c: usize) -> f64 {
        1.0 / (self.variance[c] + self.epsilon).sqrt()
    }

    /// Σ dy·x̂ and Σ dy of one channel of one sample, from the pooled values; from `z` itself
    /// where these do not tell x̂.
    fn sums<T: Real>(&self, c: usize, z: &[T], t: Tiles, block: (&[T], &[T], &[u8])) -> [f64; 2] {
        let (dy, y, winners) = block;
        let [plain, product] = gated_sums(dy, y);
        let (gamma, beta) = (self.gamma[c], self.beta[c]);
        if gamma != 0.0 && gamma.abs() >= LEAST_SLOPE * beta.abs() {
            return [(product - beta * plain) / gamma, plain];
        }
        let won = (0..dy.len()).filter(|&at| winners[at] != CUT);
        let hat: f64 =
            won.map(|at| dy[at].wide() * (z[t.place(at, winners[at])].wide() - self.mean[c])).sum();
        [hat * self.inverse(c), plain]
    }

    /// `dz = a dy + b z + d`, as [`super::batch_norm::backward`] has it.
    fn map(&self, c: usize, [dgamma, dbeta]: [f64; 2], count: f64) -> [f64; 3] {
        let inverse = self.inverse(c);
        let a = self.gamma[c] * inverse;
        let b = -a * inverse * dgamma / count;
        [a, b, -a * dbeta / count - b * self.mean[c]]
    }
}

/// Gradients of a block, `(dz, dγ and dβ per channel)`; `z` becomes `dz`. Without a batch norm
/// the second are empty.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree.
pub fn backward(
    mut z: Array,
    block: &Rectified,
    dy: &Array,
    norm: Option<Norm<'_>>,
    kernel: [usize; 3],
) -> Result<(Array, Vec<[f64; 2]>)> {
    let t = tiles(z.shape(), kernel)?;
    let (samples, channels) = (z.shape()[0], z.shape()[1]);
    if dy.shape() != block.output.shape() {
        return Err(Error::shape("fused block's gradient", block.output.shape(), dy.shape()));
    }
    let (inner, outer) = (z.len() / (samples * channels), dy.len() / (samples * channels));
    let count = (samples * inner) as f64;
    by_type!(dy, T => {
        let (dy, y, winners) = (dy.host::<T>()?, block.output.host::<T>()?, &block.winners);
        let of = |at: usize| at * outer..(at + 1) * outer;
        let z_data = z.host_mut::<T>()?;
        let sums: Vec<[f64; 2]> = norm.map_or_else(Vec::new, |norm| {
            let one = |(at, z): (usize, &[T])| {
                let block = (&dy[of(at)], &y[of(at)], &winners[of(at)]);
                norm.sums(at % channels, z, t, block)
            };
            let all: Vec<[f64; 2]> = z_data.par_chunks(inner).enumerate().map(one).collect();
            let sum = |c| {
                let samples = all.iter().skip(c).step_by(channels);
                samples.fold([0.0; 2], |sum, s| [sum[0] + s[0], sum[1] + s[1]])
            };
            (0..channels).map(sum).collect()
        });
        z_data.par_chunks_mut(inner).enumerate().for_each(|(at, z)| {
            let map = match norm {
                Some(norm) => norm.map(at % channels, sums[at % channels], count).map(T::of),
                None => {
                    z.fill(T::ZERO);
                    [T::ONE, T::ZERO, T::ZERO]
                }
            };
            spread(z, t, &dy[of(at)], &winners[of(at)], map);
        });
        Ok((z, sums))
    })
}
