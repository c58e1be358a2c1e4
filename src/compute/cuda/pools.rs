//! Max and average pools.

use candle_core::DType;

use super::super::array::{Array, five};
use super::super::geometry::PoolGeometry;
use super::super::marks::Marks;
use super::super::pool3d::Maxima;
use super::Card;
use super::divider::Divider;
use super::launch::Argument;
use crate::Result;

/// Voxels of a window that gets a block of threads to itself.
const LARGE: usize = 512;

/// A window as kernels know it.
fn window(g: &PoolGeometry, input: &[usize], output: &[usize]) -> Argument {
    let (counts, volumes) = ([usize::from(g.count_padding)], [input, output].map(Divider::volume));
    let extents = [&g.kernel, &g.stride, &g.dilation, &g.pad_before, input, output, &counts];
    let extents: Vec<usize> = extents.concat();
    Argument::ints(&[&extents, &volumes.concat(), &Divider::all(&g.stride)])
}

impl Card {
    /// `pool3d::max_forward`, shapes checked.
    pub fn max_pool(&self, x: &Array, g: &PoolGeometry, out: [usize; 5]) -> Result<Maxima> {
        let output = self.room(x.dtype(), &out)?;
        let places = self.room(DType::U32, &out)?;
        let w = window(g, &five(x, "max pool")?[2..], &out[2..]);
        let arguments = [self.of(x)?, self.of(&output)?, self.of(&places)?, w];
        self.each("max_pool", x.dtype(), output.len(), &arguments)?;
        Ok(Maxima { output, places: Marks::Card(places) })
    }

    /// `pool3d::max_backward`.
    pub fn max_pool_backward(
        &self,
        dy: &Array,
        places: &Marks<u32>,
        g: &PoolGeometry,
        input: [usize; 3],
    ) -> Result<Array> {
        let d = five(dy, "max pool gradient")?;
        let dx = self.room(dy.dtype(), &[d[0], d[1], input[0], input[1], input[2]])?;
        let w = window(g, &input, &d[2..]);
        let arguments = [self.of(dy)?, self.of(places.array()?)?, self.of(&dx)?, w];
        self.each("max_pool_backward", dy.dtype(), dx.len(), &arguments)?;
        Ok(dx)
    }

    /// `pool3d::average_forward`, shapes checked.
    pub fn average_pool(&self, x: &Array, g: &PoolGeometry, out: [usize; 5]) -> Result<Array> {
        let y = self.room(x.dtype(), &out)?;
        let w = window(g, &five(x, "average pool")?[2..], &out[2..]);
        let arguments = [self.of(x)?, self.of(&y)?, w];
        if g.kernel.iter().product::<usize>() >= LARGE {
            self.run("average_pool", x.dtype(), [y.len() as u32, 1, 1], &arguments)?;
        } else {
            self.each("average_pool_small", x.dtype(), y.len(), &arguments)?;
        }
        Ok(y)
    }

    /// `pool3d::average_backward`, shapes checked.
    pub fn average_pool_backward(
        &self,
        dy: &Array,
        g: &PoolGeometry,
        input: [usize; 5],
    ) -> Result<Array> {
        let dx = self.room(dy.dtype(), &input)?;
        let w = window(g, &input[2..], &five(dy, "average pool gradient")?[2..]);
        let arguments = [self.of(dy)?, self.of(&dx)?, w];
        self.each("average_pool_backward", dy.dtype(), dx.len(), &arguments)?;
        Ok(dx)
    }
}
