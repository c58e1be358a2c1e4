//! Volume to columns and back: the window of every output voxel as one column of a
//! matrix, a block of whole output rows at a time so that it stays in cache.

use super::super::array::Real;
use super::super::geometry::ConvGeometry;

/// Extents of one convolution on one channel group.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The window.
    pub geometry: &'a ConvGeometry,
    /// Input extent `[k, j, i]`.
    pub input: [usize; 3],
    /// Output extent `[k, j, i]`.
    pub output: [usize; 3],
}

/// Block length aimed at, in output voxels: 27 taps × 8 channels × 1024 × 4 bytes stay
/// in a 2 MB second-level cache.
const BLOCK_VOXELS: usize = 1024;

impl Frame<'_> {
    /// Output rows (along i) per block.
    pub fn block_rows(&self) -> usize {
        (BLOCK_VOXELS / self.output[2]).max(1)
    }

    /// Output rows in all.
    pub fn rows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Blocks in all.
    pub fn blocks(&self) -> usize {
        self.rows().div_ceil(self.block_rows())
    }

    /// First row and number of rows of a block.
    pub fn block(&self, block: usize) -> (usize, usize) {
        let first = block * self.block_rows();
        (first, self.block_rows().min(self.rows() - first))
    }

    /// Voxels of one input channel.
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Voxels of one output channel.
    pub fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Where output row `row` and tap `(tk, tj)` read: offset of the input row, or `None`
    /// in the padding.
    fn input_row(&self, row: usize, tk: usize, tj: usize) -> Option<usize> {
        let g = self.geometry;
        let at = |axis: usize, out: usize, tap: usize| {
            (out * g.stride[axis] + tap * g.dilation[axis])
                .checked_sub(g.pad_before[axis])
                .filter(|&p| p < self.input[axis])
        };
        let k = at(0, row / self.output[1], tk)?;
        let j = at(1, row % self.output[1], tj)?;
        Some((k * self.input[1] + j) * self.input[2])
    }

    /// Output positions `[from, to)` along i whose tap `ti` reads inside the input, and
    /// the input position of the first.
    fn valid(&self, ti: usize) -> (usize, usize, usize) {
        let g = self.geometry;
        let (shift, pad, step) = (ti * g.dilation[2], g.pad_before[2], g.stride[2]);
        let from = pad.saturating_sub(shift).div_ceil(step).min(self.output[2]);
        let limit = (self.input[2] + pad).saturating_sub(shift);
        let to = limit.div_ceil(step).min(self.output[2]).max(from);
        (from, to, (from * step + shift).saturating_sub(pad))
    }

    /// Calls `visit(row of the matrix, column, offset in channel, count)` for every run of
    /// voxels that block `block` reads from one channel, and `blank(row, from, to)` for
    /// every run in the padding.
    fn runs<V: FnMut(usize, usize, usize, usize), B: FnMut(usize, usize, usize)>(
        &self,
        block: usize,
        mut visit: V,
        mut blank: B,
    ) {
        let [kk, kj, ki] = self.geometry.kernel;
        let (first, rows) = self.block(block);
        let width = self.output[2];
        for ti in 0..ki {
            let (from, to, start) = self.valid(ti);
            for tk in 0..kk {
                for tj in 0..kj {
                    let tap = (tk * kj + tj) * ki + ti;
                    for r in 0..rows {
                        let column = r * width;
                        match self.input_row(first + r, tk, tj) {
                            Some(offset) if to > from => {
                                blank(tap, column, column + from);
                                visit(tap, column + from, offset + start, to - from);
                                blank(tap, column + to, column + width);
                            }
                            _ => blank(tap, column, column + width),
                        }
                    }
                }
            }
        }
    }

    /// Fills `columns` (`taps × len`, row-major) with the windows of a block of one channel.
    pub fn gather<T: Real>(&self, channel: &[T], block: usize, columns: &mut [T], len: usize) {
        let step = self.geometry.stride[2];
        let cell = std::cell::RefCell::new(columns);
        self.runs(
            block,
            |tap, column, offset, count| {
                let target = &mut cell.borrow_mut()[tap * len + column..][..count];
                if step == 1 {
                    target.copy_from_slice(&channel[offset..offset + count]);
                } else {
                    let source = channel[offset..].iter().step_by(step);
                    target.iter_mut().zip(source).for_each(|(t, s)| *t = *s);
                }
            },
            |tap, from, to| cell.borrow_mut()[tap * len + from..tap * len + to].fill(T::ZERO),
        );
    }

    /// Adds `columns` of a block back to where [`Frame::gather`] read them.
    pub fn scatter<T: Real>(&self, channel: &mut [T], block: usize, columns: &[T], len: usize) {
        let step = self.geometry.stride[2];
        self.runs(
            block,
            |tap, column, offset, count| {
                let source = &columns[tap * len + column..][..count];
                if step == 1 {
                    let target = &mut channel[offset..offset + count];
                    target.iter_mut().zip(source).for_each(|(t, s)| *t += *s);
                } else {
                    let target = channel[offset..].iter_mut().step_by(step);
                    target.zip(source).for_each(|(t, s)| *t += *s);
                }
            },
            |_, _, _| {},
        );
    }
}
