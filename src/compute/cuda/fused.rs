//! Fused blocks, and relevance on its way through their pools.

use candle_core::DType;

use super::super::array::Array;
use super::super::flow::Winners;
use super::super::fused::{Norm, Rectified};
use super::super::host::tiles::Tiles;
use super::super::marks::Marks;
use super::super::norm::ChannelMap;
use super::Card;
use super::divider::Divider;
use super::launch::Argument;
use crate::Result;

/// Windows as kernels know them.
pub(super) fn tiles(t: &Tiles) -> Argument {
    let [_, rows, columns] = t.kernel;
    let voxels = Divider::all(&[t.input.iter().product()]);
    let volumes = [t.output, cells(t)].map(|e| Divider::volume(&e)).concat();
    let window = Divider::all(&[rows * columns, columns]);
    Argument::ints(&[&t.input, &t.kernel, &t.output, &voxels, &volumes, &window])
}

/// Windows along each axis, what is left of one at the far border counted with them.
pub(super) fn cells(t: &Tiles) -> [usize; 3] {
    std::array::from_fn(|a| t.input[a].div_ceil(t.kernel[a]))
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
        map: Option<&ChannelMap>,
        t: &Tiles,
    ) -> Result<()> {
        let [scale, shift] = match map {
            Some(map) => [self.lent(&map.scale)?, self.lent(&map.shift)?],
            // What is not looked at stays unread: any array will do for it.
            None => [self.lent(z)?, self.lent(z)?],
        };
        let arguments = [
            self.of(z)?,
            self.of(scale.array())?,
            self.of(shift.array())?,
            map.map_or(0, |map| map.scale.len()).into(),
            self.of(&done.output)?,
            self.of(done.winners.array()?)?,
            first.into(),
            tiles(t),
        ];
        let windows = z.shape()[0] * z.shape()[1] * t.output.iter().product::<usize>();
        self.each("rectified_maxima", z.dtype(), windows, &arguments)
    }

    /// `fused::Backward::spread`: over `z`, from number `first` of the block on; without a norm and
    /// its sums the gradient alone.
    pub fn spread(
        &self,
        z: &Array,
        (dy, block): (&Array, &Rectified),
        first: usize,
        norm: Option<(Norm<'_>, &Array)>,
        t: &Tiles,
    ) -> Result<()> {
        let slopes = norm
            .map(|(norm, sums)| self.norm_slopes(sums, norm.gamma, norm.statistics, norm.epsilon));
        let slopes = slopes.transpose()?;
        let arguments = [
            self.of(z)?,
            self.of(dy)?,
            self.of(block.winners.array()?)?,
            first.into(),
            // What is not looked at stays unread: any array will do for it.
            self.of(slopes.as_ref().unwrap_or(z))?,
            slopes.as_ref().map_or(0, |s| s.shape()[0]).into(),
            tiles(t),
        ];
        let cells = z.shape()[0] * z.shape()[1] * cells(t).iter().product::<usize>();
        self.each("spread", z.dtype(), cells, &arguments)
    }

    /// `flow::Flow::whole` behind a pool.
    pub fn whole(&self, of: &Winners<'_>) -> Result<Array> {
        let r = self.room(of.values.dtype(), &of.shape)?;
        let winners = self.of(of.winners.array()?)?;
        let t = of.tiles()?;
        let arguments = [self.of(&of.values)?, winners, self.of(&r)?, tiles(&t)];
        let cells = of.sizes()[0] * cells(&t).iter().product::<usize>();
        self.each("whole", r.dtype(), cells, &arguments)?;
        Ok(r)
    }
}
