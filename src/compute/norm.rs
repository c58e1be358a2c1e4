//! What normalisations have in common: mean and variance of sets of numbers, and the affine map per
//! channel that they become. A set is a channel of the whole batch ([`super::batch_norm`]) or some
//! neighbouring channels of one sample ([`super::group_norm`]).
//!
//! Both are f64 and stay where the numbers are that they are of: a card goes on without the host.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Mean and biased variance of every set.
#[derive(Debug)]
pub struct Statistics {
    /// Means `[sets]`, f64.
    pub mean: Array,
    /// Biased variances `[sets]`, f64.
    pub variance: Array,
    /// Numbers in a set.
    pub count: f64,
    /// Channels of a sample in a set.
    pub width: usize,
}

impl Statistics {
    /// Statistics on the host.
    ///
    /// # Errors
    /// Never in practice.
    pub(super) fn new(of: (Vec<f64>, Vec<f64>), count: f64, width: usize) -> Result<Self> {
        let one = |values: Vec<f64>| {
            let sets = values.len();
            Array::from_vec(values, &[sets])
        };
        Ok(Self { mean: one(of.0)?, variance: one(of.1)?, count, width })
    }

    /// Means and variances, where these are on the host.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where they are not.
    pub fn host(&self) -> Result<(&[f64], &[f64])> {
        Ok((self.mean.host()?, self.variance.host()?))
    }

    /// `1 / √(σ² + ε)` of a set on the host.
    pub(super) fn inverse(variance: &[f64], set: usize, epsilon: f64) -> f64 {
        1.0 / (variance[set] + epsilon).sqrt()
    }

    /// `γ / √(σ² + ε)` and `β − μ γ / √(σ² + ε)` of each channel of a set, the channels in turn.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn map(&self, gamma: &[f64], beta: &[f64], epsilon: f64) -> Result<ChannelMap> {
        on_card!(self.mean, card => card.norm_map(self, gamma, beta, epsilon));
        let (mean, variance) = self.host()?;
        let of = |line: usize| {
            let (set, channel) = (line / self.width, line % gamma.len());
            let scale = gamma[channel] / (variance[set] + epsilon).sqrt();
            (scale, beta[channel] - mean[set] * scale)
        };
        let (scale, shift) = (0..mean.len() * self.width).map(of).unzip();
        ChannelMap::new(scale, shift)
    }
}

/// `y = scale · x + shift`, two numbers per channel or per sample and channel of `x [n, c, …]`.
#[derive(Debug)]
pub struct ChannelMap {
    /// Factors, f64.
    pub scale: Array,
    /// Terms, f64.
    pub shift: Array,
}

impl ChannelMap {
    /// A map on the host.
    ///
    /// # Errors
    /// Never in practice.
    pub fn new(scale: Vec<f64>, shift: Vec<f64>) -> Result<Self> {
        let (scales, shifts) = (scale.len(), shift.len());
        Ok(Self {
            scale: Array::from_vec(scale, &[scales])?,
            shift: Array::from_vec(shift, &[shifts])?,
        })
    }

    /// Scales alone.
    ///
    /// # Errors
    /// Never in practice.
    pub fn scales(scale: Vec<f64>) -> Result<Self> {
        let shift = vec![0.0; scale.len()];
        Self::new(scale, shift)
    }

    /// Scales and shifts, where these are on the host.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where they are not.
    pub fn host(&self) -> Result<(&[f64], &[f64])> {
        Ok((self.scale.host()?, self.shift.host()?))
    }

    /// `y` of `x`.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn apply(&self, x: &Array, ws: &mut Workspace) -> Result<Array> {
        on_card!(x, card => card.affine(x, self));
        let (scale, shift) = self.host()?;
        let voxels = x.shape()[2..].iter().product::<usize>().max(1);
        let mut y = ws.take(x.dtype(), x.shape())?;
        by_type!(x, T => {
            let lines = y.host_mut::<T>()?.par_chunks_mut(voxels);
            lines.zip(x.host::<T>()?.par_chunks(voxels)).enumerate().for_each(|(at, (y, x))| {
                let map = at % scale.len();
                let (a, b) = (T::of(scale[map]), T::of(shift[map]));
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * a + b);
            });
        });
        Ok(y)
    }
}

/// Sums in f64 as an array of the number type of `like`, on the host.
pub(super) fn narrowed(sums: Vec<f64>, like: &Array) -> Result<Array> {
    let shape = [sums.len()];
    let wide = Array::from_vec(sums, &shape)?;
    by_type!(like, T => wide.cast::<T>())
}
