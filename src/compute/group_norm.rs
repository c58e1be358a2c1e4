//! Group normalisation `y = γ (x − μ) / √(σ² + ε) + β`, with mean and variance of each sample's
//! groups of channels, `[n, c, …]`.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::elementwise::{sum_of, sums_of_two};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Mean and biased variance per sample and group `[n · groups]`: two passes in f64.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn statistics(x: &Array, groups: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let len = (x.len() / x.shape()[0] / groups).max(1);
    on_card!(x, card => {
        let lines = card.row_moments(x, x.shape()[0] * groups)?;
        Ok(lines.iter().map(|[count, mean, squares]| (*mean, squares / count)).unzip())
    });
    by_type!(x, T => {
        let of = |group: &[T]| {
            let mean = sum_of(group, |v| v) / len as f64;
            (mean, sum_of(group, |v| (v - mean) * (v - mean)) / len as f64)
        };
        Ok(x.host::<T>()?.par_chunks(len).map(of).unzip())
    })
}

/// `y = x · scale[n, c] + shift[n, c]`.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn affine(x: &Array, scale: &[f64], shift: &[f64], ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.affine(x, scale, shift));
    let voxels = x.shape()[2..].iter().product::<usize>().max(1);
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let data = x.host::<T>()?.par_chunks(voxels);
        let lines = y.host_mut::<T>()?.par_chunks_mut(voxels).zip(data);
        lines.zip(scale.par_iter().zip(shift)).for_each(|((y, x), (a, b))| {
            let (a, b) = (T::of(*a), T::of(*b));
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * a + b);
        });
    });
    Ok(y)
}

/// Statistics of a forward pass, per sample and group.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Means.
    pub mean: &'a [f64],
    /// Biased variances.
    pub variance: &'a [f64],
    /// ε of the variance.
    pub epsilon: f64,
}

/// Gradients `(dx, dγ, dβ)`, statistics differentiated too. With `x̂ = (x − μ) / √(σ² + ε)` and
/// `g = γ dy`: `dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + ε)`, means over the group.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn backward(
    x: &Array,
    dy: &Array,
    gamma: &[f64],
    held: &Held<'_>,
    ws: &mut Workspace,
) -> Result<(Array, Vec<f64>, Vec<f64>)> {
    let (samples, channels) = (x.shape()[0], gamma.len());
    let voxels: usize = x.shape()[2..].iter().product();
    let groups = held.mean.len() / samples;
    let width = channels / groups;
    let count = (width * voxels) as f64;
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    on_card!(x, card => {
        // Per channel of each sample: Σ dy (x − μ of its group), Σ dy.
        let of_line = |line: usize| line / channels * groups + line % channels / width;
        let centres: Vec<f64> =
            (0..samples * channels).map(|line| held.mean[of_line(line)]).collect();
        let lines = card.row_products(x, dy, samples * channels, &centres)?;
        let inverse: Vec<f64> =
            held.variance.iter().map(|v| 1.0 / (v + held.epsilon).sqrt()).collect();
        let (mut hat, mut plain) = (vec![0.0; samples * groups], vec![0.0; samples * groups]);
        for (line, [h, p]) in lines.iter().enumerate() {
            let (c, group) = (line % channels, of_line(line));
            let h = h * inverse[group];
            dgamma[c] += h;
            dbeta[c] += p;
            hat[group] += gamma[c] * h;
            plain[group] += gamma[c] * p;
        }
        let map = |line: usize| {
            let (c, group) = (line % channels, of_line(line));
            let b = -inverse[group] * inverse[group] * hat[group] / count;
            let d = -inverse[group] * plain[group] / count - b * held.mean[group];
            [gamma[c] * inverse[group], b, d]
        };
        let maps: Vec<_> = (0..samples * channels).map(map).collect();
        Ok((card.combined(x, dy, &maps)?, dgamma, dbeta))
    });
    let mut dx = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let (xd, gd, target) = (x.host::<T>()?, dy.host::<T>()?, dx.host_mut::<T>()?);
        for group in 0..samples * groups {
            let (mean, inverse) =
                (held.mean[group], 1.0 / (held.variance[group] + held.epsilon).sqrt());
            let (mut hat, mut plain) = (0.0, 0.0);
            let lines = || (0..width).map(|w| {
                let c = group % groups * width + w;
                (c, (group / groups * channels + c) * voxels)
            });
            for (c, from) in lines() {
                let (x, g) = (&xd[from..from + voxels], &gd[from..from + voxels]);
                let (h, p) = sums_of_two(x, g, |x, g| (g * (x - mean) * inverse, g));
                dgamma[c] += h;
                dbeta[c] += p;
                hat += gamma[c] * h;
                plain += gamma[c] * p;
            }
            for (c, from) in lines() {
                for v in from..from + voxels {
                    let x_hat = (xd[v].wide() - mean) * inverse;
                    let g = gamma[c] * gd[v].wide();
                    target[v] = T::of(inverse * (g - plain / count - x_hat * hat / count));
                }
            }
        }
    });
    Ok((dx, dgamma, dbeta))
}
