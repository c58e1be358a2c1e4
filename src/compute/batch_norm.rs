//! Batch normalisation `y = γ (x − μ) / √(σ² + ε) + β` per channel, `[n, c, k, j, i]`.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::elementwise::sums_of_two;
use super::host::tiles::{merged, moments};
use super::norm::{Statistics, narrowed};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

/// Statistics per channel over samples and voxels: two passes in f64 over blocks, merged in order.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn statistics(x: &Array) -> Result<Statistics> {
    let mut gathered = Moments::default();
    gathered.add(x)?;
    gathered.finished()
}

/// The [`statistics`] of samples that come some at a time: in their order, the same numbers.
#[derive(Debug, Default)]
pub struct Moments {
    /// Numbers of a channel so far.
    count: usize,
    /// Count, mean and squares about it per channel `[c, 3]`, f64.
    state: Option<Array>,
}

impl Moments {
    /// Adds samples `[n, c, …]`.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn add(&mut self, x: &Array) -> Result<()> {
        let channels = x.shape()[1];
        let voxels: usize = x.shape()[2..].iter().product();
        self.count += x.shape()[0] * voxels;
        on_card!(x, card => {
            let lines = x.shape()[0] * channels;
            self.state = Some(card.moments(x, [lines, channels], self.state.take())?);
            Ok(())
        });
        let lines: Vec<[f64; 3]> =
            by_type!(x, T => x.host::<T>()?.par_chunks(voxels).map(moments).collect());
        let state = self.state.get_or_insert_with(|| Array::zeros::<f64>(&[channels, 3]));
        let state = state.host_mut::<f64>()?.as_chunks_mut::<3>().0;
        for sample in lines.chunks(channels) {
            state.iter_mut().zip(sample).for_each(|(all, &line)| *all = merged(*all, line));
        }
        Ok(())
    }

    /// Mean and biased variance per channel.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when nothing was added; `E-DEVICE-003` when the card fails.
    pub fn finished(self) -> Result<Statistics> {
        let state = self.state.ok_or_else(|| Error::internal("statistics of nothing"))?;
        let count = self.count as f64;
        on_card!(state, card => card.statistics(&state, count, 1));
        let lines = state.host::<f64>()?.as_chunks::<3>().0;
        let of = lines.iter().map(|[count, mean, squares]| (*mean, squares / count)).unzip();
        Statistics::new(of, count, 1)
    }
}

/// Gradients of the training form, `(dx, [dγ, dβ])` in the number type of `x`, with
/// `x̂ = (x − μ) / √(σ² + ε)` of this batch:
/// `dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ · mean(dy · x̂))`.
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
    let (samples, channels) = (x.shape()[0], x.shape()[1]);
    on_card!(x, card => card.norm_backward(x, dy, gamma, of, epsilon));
    let voxels: usize = x.shape()[2..].iter().product();
    let (mean, variance) = of.host()?;
    let inverse = |c: usize| Statistics::inverse(variance, c, epsilon);
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
            // dx = a·dy + b·x + d
            let a = gamma[c] * inverse(c);
            let b = -a * inverse(c) * dgamma[c] / of.count;
            let [a, b, d] = [a, b, -a * dbeta[c] / of.count - b * mean[c]].map(T::of);
            let range = at * voxels..(at + 1) * voxels;
            for ((dx, &x), &g) in dx.iter_mut().zip(&xd[range.clone()]).zip(&gd[range]) {
                *dx = a * g + b * x + d;
            }
        });
        Ok((dx, [narrowed(dgamma, x)?, narrowed(dbeta, x)?]))
    })
}
