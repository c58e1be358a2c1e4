//! Shape algebra of convolution and pooling. Axes are `[k, j, i]`, as in the tensor.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Window of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvGeometry {
    /// Taps along k, j, i.
    pub kernel: [usize; 3],
    /// Step along each axis.
    pub stride: [usize; 3],
    /// Zeros before the first voxel.
    pub pad_before: [usize; 3],
    /// Zeros after the last voxel.
    pub pad_after: [usize; 3],
    /// Distance between taps.
    pub dilation: [usize; 3],
    /// Independent channel groups.
    pub groups: usize,
}

impl ConvGeometry {
    /// A cubic kernel of odd size with stride 1 that keeps the extent.
    pub fn same(kernel: usize) -> Self {
        Self { pad_before: [kernel / 2; 3], pad_after: [kernel / 2; 3], ..Self::valid(kernel) }
    }

    /// A cubic kernel with stride 1 and no padding.
    pub fn valid(kernel: usize) -> Self {
        Self {
            kernel: [kernel; 3],
            stride: [1; 3],
            pad_before: [0; 3],
            pad_after: [0; 3],
            dilation: [1; 3],
            groups: 1,
        }
    }

    /// Taps in the window.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Output extent for an input extent.
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit or a parameter is zero.
    pub fn output(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        window_output(
            "conv3d",
            input,
            self.kernel,
            self.stride,
            self.dilation,
            [self.pad_before, self.pad_after],
        )
    }

    /// Multiply-adds of one output voxel and channel, given the input channels.
    pub fn macs(&self, channels_in: usize) -> usize {
        self.taps() * channels_in / self.groups
    }
}

/// Window of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolGeometry {
    /// Extent of the window along k, j, i.
    pub kernel: [usize; 3],
    /// Step along each axis.
    pub stride: [usize; 3],
    /// Padding before (never a maximum; counted in an average only if `count_padding`).
    pub pad_before: [usize; 3],
    /// Padding after.
    pub pad_after: [usize; 3],
    /// Distance between the voxels of a window.
    pub dilation: [usize; 3],
    /// Whether an average divides by the whole window at the border.
    pub count_padding: bool,
}

impl PoolGeometry {
    /// Windows of `kernel`³ side by side; a rest at the far border is left out.
    pub fn tiles(kernel: usize) -> Self {
        Self {
            kernel: [kernel; 3],
            stride: [kernel; 3],
            pad_before: [0; 3],
            pad_after: [0; 3],
            dilation: [1; 3],
            count_padding: true,
        }
    }

    /// Output extent for an input extent.
    ///
    /// # Errors
    /// [`Error::Shape`] when the window does not fit, a parameter is zero, or a window
    /// could lie wholly in the padding.
    pub fn output(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        let reach = |a: usize| self.dilation[a] * self.kernel[a].saturating_sub(1) + 1;
        if (0..3).any(|a| self.pad_before[a].max(self.pad_after[a]) * 2 > reach(a)) {
            return Err(Error::shape("pool3d padding", "at most half the window", self));
        }
        let output = window_output(
            "pool3d",
            input,
            self.kernel,
            self.stride,
            self.dilation,
            [self.pad_before, self.pad_after],
        )?;
        // The gaps of a dilated window may straddle a narrow volume.
        let empty = |a: usize| {
            self.dilation[a] > 1 && (0..output[a]).any(|o| self.taps(a, o, input[a]).is_empty())
        };
        if (0..3).any(empty) {
            return Err(Error::shape("pool3d dilation", "a voxel in every window", self));
        }
        Ok(output)
    }

    /// Places of the voxels of window `out` on `axis`, those beyond the border left out.
    pub fn taps(&self, axis: usize, out: usize, extent: usize) -> Taps {
        let (start, step) = (out * self.stride[axis], self.dilation[axis]);
        // The window begins `before` voxels ahead of the volume: whole steps lead into it.
        let before = self.pad_before[axis].saturating_sub(start);
        let from =
            start.saturating_sub(self.pad_before[axis]) + before.div_ceil(step) * step - before;
        let end = start + step * (self.kernel[axis] - 1) + 1;
        Taps { from, to: end.saturating_sub(self.pad_before[axis]).min(extent), step }
    }
}

/// Places `from`, `from + step`, … below `to` on one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taps {
    /// First place.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// Distance between places.
    pub step: usize,
}

impl Taps {
    /// How many.
    pub fn len(self) -> usize {
        self.to.saturating_sub(self.from).div_ceil(self.step)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// One after another.
    pub fn places(self) -> std::iter::StepBy<std::ops::Range<usize>> {
        (self.from..self.to).step_by(self.step)
    }
}

fn window_output(
    what: &str,
    input: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    pads: [[usize; 3]; 2],
) -> Result<[usize; 3]> {
    let mut output = [0; 3];
    for a in 0..3 {
        if kernel[a] == 0 || stride[a] == 0 || dilation[a] == 0 {
            return Err(Error::shape(
                what,
                "positive kernel, stride and dilation",
                [kernel, stride, dilation],
            ));
        }
        let reach = dilation[a] * (kernel[a] - 1) + 1;
        let padded = input[a] + pads[0][a] + pads[1][a];
        if padded < reach {
            return Err(Error::shape(what, format!("an extent of at least {reach}"), input));
        }
        output[a] = (padded - reach) / stride[a] + 1;
    }
    Ok(output)
}
