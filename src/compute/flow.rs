//! Relevance on its way from one layer to the one before.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::fused;
use super::host::tiles::{CUT, Tiles};
use super::marks::Marks;
use super::place::on_card;
use super::relevance::sample_sums;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Relevance of every output of a layer.
#[derive(Debug)]
pub enum Flow<'t> {
    /// As it is.
    Whole(Array),
    /// Behind a max pool with windows side by side: 0 but at the voxels that won.
    Winners(Winners<'t>),
}

/// Relevance of the windows of a max pool.
#[derive(Debug)]
pub struct Winners<'t> {
    /// Per window `[n, c, k', j', i']`.
    pub values: Array,
    /// Number of the voxel in its window that won; 255 where none is above 0.
    pub winners: &'t Marks<u8>,
    /// Extent of a window.
    pub kernel: [usize; 3],
    /// Shape of the layer before the pool, `[n, c, k, j, i]`.
    pub shape: Vec<usize>,
}

impl Winners<'_> {
    /// The windows of a channel.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when they do not fit.
    pub fn tiles(&self) -> Result<Tiles> {
        fused::tiles(&self.shape, self.kernel)
    }

    /// Channels of all samples, voxels of one, windows of one.
    pub fn sizes(&self) -> [usize; 3] {
        let channels = self.shape[0] * self.shape[1];
        [channels, self.shape[2..].iter().product(), self.values.len() / channels.max(1)]
    }
}

/// Calls `visit(window, place in the channel of the voxel that won it)`. Of equal voxels the
/// first wins: that of a window without a number above 0.
pub fn places(tiles: &Tiles, winners: &[u8], visit: &mut impl FnMut(usize, usize)) {
    let ([_, height, width], [kk, kj, ki]) = (tiles.input, tiles.kernel);
    let mut ahead = [0; 256];
    for (t, ahead) in ahead.iter_mut().enumerate().take(kk * kj * ki) {
        *ahead = (t / (kj * ki) * height + t / ki % kj) * width + t % ki;
    }
    let columns = tiles.output[2];
    for (row, winners) in winners.chunks_exact(columns).enumerate() {
        let (k, j) = (row / tiles.output[1] * kk, row % tiles.output[1] * kj);
        let start = (k * height + j) * width;
        for (i, winner) in winners.iter().enumerate() {
            // No window is so large that its last voxel is the mark of one without a winner.
            let at = if *winner == CUT { 0 } else { ahead[usize::from(*winner)] };
            visit(row * columns + i, start + i * ki + at);
        }
    }
}

impl Flow<'_> {
    /// Σ and Σ|·| per sample, as [`sample_sums`].
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn sums(&self) -> Result<Array> {
        match self {
            Self::Whole(r) => sample_sums(r),
            Self::Winners(r) => sample_sums(&r.values),
        }
    }

    /// The numbers it holds, without the zeros where no voxel won.
    pub fn numbers(&self) -> &Array {
        match self {
            Self::Whole(r) => r,
            Self::Winners(r) => &r.values,
        }
    }

    /// A number for every output.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn whole(self, ws: &mut Workspace) -> Result<Array> {
        let of = match self {
            Self::Whole(r) => return Ok(r),
            Self::Winners(of) => of,
        };
        on_card!(of.values, card => card.whole(&of));
        let (tiles, [_, inner, outer]) = (of.tiles()?, of.sizes());
        let winners = of.winners.host()?;
        let mut r = ws.take(of.values.dtype(), &of.shape)?;
        by_type!(r, T => {
            let channels = r.host_mut::<T>()?.par_chunks_mut(inner);
            let windows = of.values.host::<T>()?.par_chunks(outer);
            channels.zip(windows.zip(winners.par_chunks(outer))).for_each(|(r, (values, won))| {
                r.fill(T::ZERO);
                places(&tiles, won, &mut |window, at| r[at] = values[window]);
            });
        });
        ws.give(of.values);
        Ok(r)
    }

    /// Hands the buffers back.
    pub fn recycle(self, ws: &mut Workspace) {
        match self {
            Self::Whole(r) => ws.give(r),
            Self::Winners(r) => ws.give(r.values),
        }
    }
}
