//! Group normalisation `y = γ (x − μ) / √(σ² + ε) + β`, with mean and variance of each sample's
//! groups of channels, `[n, c, …]`.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::elementwise::{sum_of, sums_of_two};
use super::norm::{Statistics, narrowed};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Statistics per sample and group: two passes in f64.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn statistics(x: &Array, groups: usize) -> Result<Statistics> {
    let len = (x.len() / x.shape()[0] / groups).max(1);
    let (count, width) = (len as f64, x.shape()[1] / groups);
    on_card!(x, card => {
        let state = card.moments(x, [x.shape()[0] * groups; 2], None)?;
        card.statistics(&state, count, width)
    });
    let of = by_type!(x, T => {
        let of = |group: &[T]| {
            let mean = sum_of(group, |v| v) / count;
            (mean, sum_of(group, |v| (v - mean) * (v - mean)) / count)
        };
        x.host::<T>()?.par_chunks(len).map(of).unzip()
    });
    Statistics::new(of, count, width)
}

/// Gradients `(dx, [dγ, dβ])` in the number type of `x`, statistics differentiated too. With
/// `x̂ = (x − μ) / √(σ² + ε)` and `g = γ dy`:
/// `dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + ε)`, means over the group.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn backward(
    x: &Array,
    dy: &Array,
    gamma: &[f64],
    of: &Statistics,
    epsilon: f64,
    ws: &mut Workspace,
) -> Result<(Array, [Array; 2])> {
    on_card!(x, card => card.norm_backward(x, dy, gamma, of, epsilon));
    let (channels, width, count) = (gamma.len(), of.width, of.count);
    let (groups, voxels) = (channels / width, x.shape()[2..].iter().product::<usize>());
    let (means, variances) = of.host()?;
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    let mut dx = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let (xd, gd, target) = (x.host::<T>()?, dy.host::<T>()?, dx.host_mut::<T>()?);
        for (group, &mean) in means.iter().enumerate() {
            let inverse = Statistics::inverse(variances, group, epsilon);
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
    Ok((dx, [narrowed(dgamma, x)?, narrowed(dbeta, x)?]))
}
