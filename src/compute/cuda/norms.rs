//! Norms: from sums over a layer's numbers to the maps of the next kernel without the host.

#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::DType;

use super::super::array::Array;
use super::super::fused::{Norm, Rectified};
use super::super::host::tiles::Tiles;
use super::super::norm::{ChannelMap, Statistics};
use super::Card;
use crate::Result;

/// For kernels that are the same for every number type: one that is compiled already.
const EITHER: DType = DType::F32;

impl Card {
    /// Count, mean and squares about it `[sets, 3]` of `x`, whose `lines` belong to the sets in turn,
    /// and, if any, of what came before.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn moments(
        &self,
        x: &Array,
        [lines, sets]: [usize; 2],
        before: Option<Array>,
    ) -> Result<Array> {
        let row = x.len() / lines.max(1);
        let sums = self.sums_of_rows("row_moments", x.dtype(), [lines, row, 3], &[self.of(x)?])?;
        let fresh = before.is_none();
        let state = match before {
            Some(state) => state,
            None => self.room(DType::F64, &[sets, 3])?,
        };
        let arguments = [
            self.of(&sums)?,
            self.of(&state)?,
            fresh.into(),
            (lines / sets.max(1)).into(),
            row.into(),
        ];
        self.each("merge_moments", x.dtype(), sets, &arguments)?;
        Ok(state)
    }

    /// Mean and variance of [`Card::moments`].
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn statistics(&self, state: &Array, count: f64, width: usize) -> Result<Statistics> {
        let sets = state.shape()[0];
        let [mean, variance] = [self.room(DType::F64, &[sets])?, self.room(DType::F64, &[sets])?];
        let arguments = [self.of(state)?, self.of(&mean)?, self.of(&variance)?];
        self.each("statistics", EITHER, sets, &arguments)?;
        Ok(Statistics { mean, variance, count, width })
    }

    /// `norm::Statistics::map`.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn norm_map(
        &self,
        of: &Statistics,
        gamma: &[f64],
        beta: &[f64],
        epsilon: f64,
    ) -> Result<ChannelMap> {
        let (weights, lines) = (self.doubles(&[gamma, beta].concat())?, of.mean.len() * of.width);
        let [scale, shift] = [self.room(DType::F64, &[lines])?, self.room(DType::F64, &[lines])?];
        let arguments = [
            self.of(&weights)?,
            self.of(&of.mean)?,
            self.of(&of.variance)?,
            epsilon.into(),
            gamma.len().into(),
            of.width.into(),
            self.of(&scale)?,
            self.of(&shift)?,
        ];
        self.each("norm_map", EITHER, lines, &arguments)?;
        Ok(ChannelMap { scale, shift })
    }

    /// `batch_norm::backward` and `group_norm::backward`.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn norm_backward(
        &self,
        x: &Array,
        dy: &Array,
        gamma: &[f64],
        of: &Statistics,
        epsilon: f64,
    ) -> Result<(Array, [Array; 2])> {
        let (samples, channels) = (x.shape()[0], x.shape()[1]);
        let arguments = [
            self.of(x)?,
            self.of(dy)?,
            self.of(&of.mean)?,
            self.of(&of.variance)?,
            epsilon.into(),
            of.width.into(),
            of.mean.len().into(),
        ];
        let sizes = [samples * channels, x.len() / (samples * channels).max(1), 2];
        let lines = self.sums_of_rows("row_products", x.dtype(), sizes, &arguments)?;
        let slopes = self.norm_slopes(&lines, gamma, of, epsilon)?;
        let dx = self.combined(x, dy, &slopes)?;
        let parameters = self.norm_totals(&lines, x.dtype(), samples)?;
        Ok((dx, <[Array; 2]>::try_from(parameters).map_err(|_| super::card::elsewhere())?))
    }

    /// a, b and d of `dx = a dy + b x + d`, `[lines, 3]` per channel or per sample and channel, from
    /// Σ dy·x̂ and Σ dy of the lines of all samples or of channels.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub(super) fn norm_slopes(
        &self,
        lines: &Array,
        gamma: &[f64],
        of: &Statistics,
        epsilon: f64,
    ) -> Result<Array> {
        let (weights, own) = (self.doubles(gamma)?, of.mean.len() * of.width);
        let slopes = self.room(DType::F64, &[own, 3])?;
        let arguments = [
            self.of(lines)?,
            self.of(&weights)?,
            self.of(&of.mean)?,
            self.of(&of.variance)?,
            epsilon.into(),
            of.count.into(),
            gamma.len().into(),
            of.width.into(),
            (lines.len() / (2 * own).max(1)).into(),
            self.of(&slopes)?,
        ];
        self.each("norm_slopes", EITHER, own, &arguments)?;
        Ok(slopes)
    }

    /// dγ and dβ from Σ dy·x̂ and Σ dy of every channel of so many samples.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn norm_totals(&self, lines: &Array, dtype: DType, samples: usize) -> Result<Vec<Array>> {
        let channels = lines.len() / (2 * samples).max(1);
        let made = vec![self.room(dtype, &[channels])?, self.room(dtype, &[channels])?];
        let arguments = [self.of(lines)?, self.of(&made[0])?, self.of(&made[1])?, samples.into()];
        self.each("norm_totals", dtype, channels, &arguments)?;
        Ok(made)
    }

    /// `fused::Backward::add`: to `sums`, Σ dy·x̂ and Σ dy of every channel, those of some samples;
    /// `z` is theirs.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn add_gradients(
        &self,
        norm: Norm<'_>,
        (dy, block): (&Array, &Rectified),
        samples: Range<usize>,
        z: Option<(&Array, Tiles)>,
        sums: &Array,
    ) -> Result<()> {
        let (all, channels) = (dy.shape()[0], dy.shape()[1]);
        let z = z.filter(|_| !norm.told_by_output());
        let told = |c| f64::from(u8::from(norm.told(c) || z.is_none()));
        let told: Vec<f64> = (0..channels).map(told).collect();
        let weights = self.doubles(&[norm.gamma, norm.beta, &told].concat())?;
        let windows = block.output.len() / (all * channels).max(1);
        // The pooled values tell the sums of all samples at once; they are taken with the first.
        if samples.start == 0 {
            let arguments = [self.of(dy)?, self.of(&block.output)?];
            let sizes = [all * channels, windows, 2];
            let lines = self.sums_of_rows("row_gated", dy.dtype(), sizes, &arguments)?;
            let arguments = [self.of(&lines)?, self.of(&weights)?, self.of(sums)?, all.into()];
            self.each("add_gated", EITHER, channels, &arguments)?;
        }
        let Some((z, t)) = z else { return Ok(()) };
        let arguments = [
            self.of(dy)?,
            self.of(block.winners.array()?)?,
            self.of(z)?,
            (samples.start * channels * windows).into(),
            self.of(&norm.statistics.mean)?,
            self.of(&norm.statistics.variance)?,
            norm.epsilon.into(),
            channels.into(),
            super::fused::tiles(&t),
        ];
        let sizes = [samples.len() * channels, t.output.iter().product(), 2];
        let lines = self.sums_of_rows("row_won", z.dtype(), sizes, &arguments)?;
        let many = samples.len();
        let arguments = [self.of(&lines)?, self.of(&weights)?, self.of(sums)?, many.into()];
        self.each("add_won", EITHER, channels, &arguments)
    }
}
