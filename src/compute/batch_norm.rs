//! Batch normalisation `y = γ (x − μ) / √(σ² + ε) + β` per channel, `[n, c, k, j, i]`.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::elementwise::sums_of_two;
use super::host::tiles::{merged, moments};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Mean and biased variance per channel over samples and voxels: two passes in f64 over blocks,
/// merged in order.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn statistics(x: &Array) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut gathered = Moments::default();
    gathered.add(x)?;
    Ok(gathered.finished())
}

/// The [`statistics`] of samples that come some at a time: in their order, the same numbers.
#[derive(Debug, Default)]
pub struct Moments(Vec<[f64; 3]>);

impl Moments {
    /// Adds samples `[n, c, …]`.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn add(&mut self, x: &Array) -> Result<()> {
        let channels = x.shape()[1];
        let voxels: usize = x.shape()[2..].iter().product();
        let lines = lines_of(x, voxels)?;
        self.0.resize(channels, [0.0; 3]);
        for sample in lines.chunks(channels) {
            self.0.iter_mut().zip(sample).for_each(|(all, &line)| *all = merged(*all, line));
        }
        Ok(())
    }

    /// Mean and biased variance per channel.
    pub fn finished(&self) -> (Vec<f64>, Vec<f64>) {
        self.0.iter().map(|[count, mean, squares]| (*mean, squares / count)).unzip()
    }
}

/// Count, mean and squares of every channel of every sample.
fn lines_of(x: &Array, voxels: usize) -> Result<Vec<[f64; 3]>> {
    on_card!(x, card => card.row_moments(x, x.len() / voxels.max(1)));
    by_type!(x, T => Ok(x.host::<T>()?.par_chunks(voxels).map(moments).collect()))
}

/// `y = x · scale[c] + shift[c]`.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn affine(x: &Array, scale: &[f64], shift: &[f64], ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.affine(x, scale, shift));
    let channels = x.shape()[1];
    let voxels: usize = x.shape()[2..].iter().product();
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let data = x.host::<T>()?.par_chunks(voxels);
        y.host_mut::<T>()?.par_chunks_mut(voxels).zip(data).enumerate().for_each(|(at, (y, x))| {
            let (a, b) = (T::of(scale[at % channels]), T::of(shift[at % channels]));
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * a + b);
        });
    });
    Ok(y)
}

/// Gradients of the training form: `(dx, dγ, dβ)`, with `x̂ = (x − μ) / √(σ² + ε)` of this batch:
/// `dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ · mean(dy · x̂))`.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn backward(
    x: &Array,
    dy: &Array,
    gamma: &[f64],
    (mean, variance): (&[f64], &[f64]),
    epsilon: f64,
    ws: &mut Workspace,
) -> Result<(Array, Vec<f64>, Vec<f64>)> {
    let (samples, channels) = (x.shape()[0], x.shape()[1]);
    let voxels: usize = x.shape()[2..].iter().product();
    let count = (samples * voxels) as f64;
    let inverse = |c: usize| 1.0 / (variance[c] + epsilon).sqrt();
    // dx = a·dy + b·x + d, the three constants of a channel
    let map = |c: usize, dgamma: f64, dbeta: f64| {
        let a = gamma[c] * inverse(c);
        let b = -a * inverse(c) * dgamma / count;
        [a, b, -a * dbeta / count - b * mean[c]]
    };
    on_card!(x, card => {
        let lines = card.row_products(x, dy, samples * channels, mean)?;
        let sum = |c: usize, of: usize| -> f64 {
            lines.iter().skip(c).step_by(channels).map(|line| line[of]).sum()
        };
        let dgamma: Vec<f64> = (0..channels).map(|c| sum(c, 0) * inverse(c)).collect();
        let dbeta: Vec<f64> = (0..channels).map(|c| sum(c, 1)).collect();
        let maps: Vec<_> = (0..channels).map(|c| map(c, dgamma[c], dbeta[c])).collect();
        Ok((card.combined(x, dy, &maps)?, dgamma, dbeta))
    });
    let mut dx = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let (xd, gd) = (x.host::<T>()?, dy.host::<T>()?);
        let (dgamma, dbeta): (Vec<f64>, Vec<f64>) = (0..channels)
            .into_par_iter()
            .map(|c| {
                let (inverse, mut hat, mut plain) = (inverse(c), 0.0, 0.0);
                for n in 0..samples {
                    let from = (n * channels + c) * voxels;
                    let (x, g) = (&xd[from..from + voxels], &gd[from..from + voxels]);
                    let (h, p) = sums_of_two(x, g, |x, g| (g * (x - mean[c]), g));
                    hat += h * inverse;
                    plain += p;
                }
                (hat, plain)
            })
            .unzip();
        dx.host_mut::<T>()?.par_chunks_mut(voxels).enumerate().for_each(|(at, dx)| {
            let c = at % channels;
            let [a, b, d] = map(c, dgamma[c], dbeta[c]).map(T::of);
            let range = at * voxels..(at + 1) * voxels;
            for ((dx, &x), &g) in dx.iter_mut().zip(&xd[range.clone()]).zip(&gd[range]) {
                *dx = a * g + b * x + d;
            }
        });
        Ok((dx, dgamma, dbeta))
    })
}
