//! Fused blocks, and relevance on its way through their pools.

use candle_core::DType;

use super::super::array::Array;
use super::super::flow::Winners;
use super::super::fused::Rectified;
use super::super::host::tiles::Tiles;
use super::super::marks::Marks;
use super::Card;
use super::launch::Argument;
use crate::Result;

/// Windows as kernels know them.
pub(super) fn tiles(t: &Tiles) -> Argument {
    Argument::ints(&[&t.input, &t.kernel, &t.output])
}

impl Card {
    /// Room for the winners of `len` windows.
    pub fn winners(&self, len: usize) -> Result<Marks<u8>> {
        Ok(Marks::Card(self.room(DType::U8, &[len])?))
    }

    /// `fused::Rectified::fill`: `first` is where the samples of `z` begin in the block's output.
    pub fn rectified_maxima(
        &self,
        done: &Rectified,
        first: usize,
        z: &Array,
        (scale, shift): (&[f64], &[f64]),
        t: &Tiles,
    ) -> Result<()> {
        let (scales, shifts) = (self.doubles(scale)?, self.doubles(shift)?);
        let arguments = [
            self.of(z)?,
            self.of(&scales)?,
            self.of(&shifts)?,
            scale.len().into(),
            self.of(&done.output)?,
            self.of(done.winners.array()?)?,
            first.into(),
            tiles(t),
        ];
        let windows = z.shape()[0] * z.shape()[1] * t.output.iter().product::<usize>();
        self.each("rectified_maxima", z.dtype(), windows, &arguments)
    }

    /// Per channel of each sample of `z`: Σ dy (z − centre) and Σ dy over the winners.
    pub fn row_won(
        &self,
        (dy, block): (&Array, &Rectified),
        first: usize,
        z: &Array,
        centre: &[f64],
        t: &Tiles,
    ) -> Result<Vec<[f64; 2]>> {
        let centres = self.doubles(centre)?;
        let arguments = [
            self.of(dy)?,
            self.of(block.winners.array()?)?,
            self.of(z)?,
            first.into(),
            self.of(&centres)?,
            centre.len().into(),
            tiles(t),
        ];
        let sizes = [z.shape()[0] * z.shape()[1], t.output.iter().product(), 2];
        let sums = self.sums_of_rows("row_won", z.dtype(), sizes, &arguments)?.to_f64()?;
        Ok(sums.chunks_exact(2).map(|s| [s[0], s[1]]).collect())
    }

    /// `fused::Backward::spread`: over `z`, from number `first` of the block on; without maps the
    /// gradient alone.
    pub fn spread(
        &self,
        z: &Array,
        (dy, block): (&Array, &Rectified),
        first: usize,
        maps: &[[f64; 3]],
        t: &Tiles,
    ) -> Result<()> {
        let numbers = self.doubles(maps.as_flattened())?;
        let arguments = [
            self.of(z)?,
            self.of(dy)?,
            self.of(block.winners.array()?)?,
            first.into(),
            self.of(&numbers)?,
            maps.len().into(),
            tiles(t),
        ];
        self.each("spread", z.dtype(), z.len(), &arguments)
    }

    /// `flow::Flow::whole` behind a pool.
    pub fn whole(&self, of: &Winners<'_>) -> Result<Array> {
        let r = self.room(of.values.dtype(), &of.shape)?;
        let winners = self.of(of.winners.array()?)?;
        let arguments = [self.of(&of.values)?, winners, self.of(&r)?, tiles(&of.tiles()?)];
        self.each("whole", r.dtype(), r.len(), &arguments)?;
        Ok(r)
    }
}
