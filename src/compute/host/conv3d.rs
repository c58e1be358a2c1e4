//! Convolution on the CPU: windows to columns, one matrix product per block.
#![expect(unsafe_code, reason = "blocks of one output channel-major array are written in parallel")]

use rayon::prelude::*;

use super::super::array::Real;
use super::columns::Frame;
use super::disjoint::Disjoint;
use super::gemm::{View, ViewMut, product};

/// Channels of one call.
#[derive(Debug, Clone, Copy)]
pub struct Channels {
    /// Samples.
    pub batch: usize,
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Groups that each see their own channels only.
    pub groups: usize,
}

/// `y = conv(x, w) + b`. Every output element is made by one task in a fixed order.
pub fn forward<T: Real>(
    f: &Frame<'_>,
    c: Channels,
    x: &[T],
    w: &[T],
    b: Option<&[T]>,
    y: &mut [T],
) {
    let g = f.geometry.groups;
    let (cin, cout, taps) = (c.input / g, c.output / g, f.geometry.taps());
    let (ilen, olen, depth) = (f.input_len(), f.output_len(), cin * taps);
    let shared = Disjoint::new(y);
    (0..c.batch * g * f.blocks()).into_par_iter().for_each(|task| {
        let (block, group, n) = (task % f.blocks(), task / f.blocks() % g, task / f.blocks() / g);
        let (first, rows) = f.block(block);
        let len = rows * f.output[2];
        T::with_scratch(depth * len, |columns| {
            for ci in 0..cin {
                let from = ((n * c.input) + group * cin + ci) * ilen;
                let part = &mut columns[ci * taps * len..(ci + 1) * taps * len];
                f.gather(&x[from..from + ilen], block, part, len);
            }
            let start = (n * c.output + group * cout) * olen + first * f.output[2];
            let mut out = BlockRows { shared: &shared, start, step: olen, rows: cout, len };
            out.fill(|o| b.map_or(T::ZERO, |b| b[group * cout + o]));
            out.add_product(&w[group * cout * depth..(group + 1) * cout * depth], depth, columns);
        });
    });
}

/// The rows of one block in a channel-major output: this task's alone.
struct BlockRows<'a, 'b, T> {
    shared: &'a Disjoint<'b, T>,
    start: usize,
    step: usize,
    rows: usize,
    len: usize,
}

impl<T: Real> BlockRows<'_, '_, T> {
    fn fill(&mut self, value: impl Fn(usize) -> T) {
        for row in 0..self.rows {
            // SAFETY: blocks cover separate output rows of separate channels and samples.
            unsafe { self.shared.part(self.start + row * self.step, self.len) }.fill(value(row));
        }
    }

    /// Adds `weights (rows × depth) · columns (depth × len)`, in panels of this block so
    /// that no view spans another task's elements.
    fn add_product(&mut self, weights: &[T], depth: usize, columns: &[T]) {
        let (rows, len) = (self.rows, self.len);
        let mut panel = vec![T::ZERO; rows * len];
        product(
            [rows, len, depth],
            View { data: weights, row_step: depth, col_step: 1 },
            View { data: columns, row_step: len, col_step: 1 },
            ViewMut { data: &mut panel, row_step: len, col_step: 1 },
            false,
        );
        for row in 0..rows {
            // SAFETY: as in `fill`.
            let target = unsafe { self.shared.part(self.start + row * self.step, len) };
            target.iter_mut().zip(&panel[row * len..]).for_each(|(t, p)| *t += *p);
        }
    }
}

/// `dx = convᵀ(dy, w)`: one task per input channel and sample.
pub fn grad_input<T: Real>(f: &Frame<'_>, c: Channels, dy: &[T], w: &[T], dx: &mut [T]) {
    let g = f.geometry.groups;
    let (cin, cout, taps) = (c.input / g, c.output / g, f.geometry.taps());
    let (ilen, olen) = (f.input_len(), f.output_len());
    dx.par_chunks_mut(ilen).enumerate().for_each(|(task, channel)| {
        let (n, ci) = (task / c.input, task % c.input);
        let (group, ci) = (ci / cin, ci % cin);
        channel.fill(T::ZERO);
        let weights = &w[(group * cout * cin + ci) * taps..];
        for block in 0..f.blocks() {
            let (first, rows) = f.block(block);
            let len = rows * f.output[2];
            let from = (n * c.output + group * cout) * olen + first * f.output[2];
            T::with_scratch(taps * len, |columns| {
                product(
                    [taps, len, cout],
                    View { data: weights, row_step: 1, col_step: cin * taps },
                    View { data: &dy[from..], row_step: olen, col_step: 1 },
                    ViewMut { data: columns, row_step: len, col_step: 1 },
                    false,
                );
                f.scatter(channel, block, columns, len);
            });
        }
    });
}

/// Slabs a sample's blocks are cut into for the weight gradient: by shape alone.
const SLABS: usize = 4;

/// `dw = Σ dy ⊗ windows(x)`: partial sums per sample and slab, added in order.
pub fn grad_weight<T: Real>(f: &Frame<'_>, c: Channels, x: &[T], dy: &[T], dw: &mut [T]) {
    let g = f.geometry.groups;
    let (cin, cout, taps) = (c.input / g, c.output / g, f.geometry.taps());
    let (ilen, olen, depth) = (f.input_len(), f.output_len(), cin * taps);
    let slabs = SLABS.min(f.blocks());
    let partials: Vec<Vec<T>> = (0..c.batch * g * slabs)
        .into_par_iter()
        .map(|task| {
            let (slab, group, n) = (task % slabs, task / slabs % g, task / slabs / g);
            let mut sum = vec![T::ZERO; cout * depth];
            for block in slab * f.blocks() / slabs..(slab + 1) * f.blocks() / slabs {
                let (first, rows) = f.block(block);
                let len = rows * f.output[2];
                T::with_scratch(depth * len, |columns| {
                    for ci in 0..cin {
                        let from = (n * c.input + group * cin + ci) * ilen;
                        let part = &mut columns[ci * taps * len..(ci + 1) * taps * len];
                        f.gather(&x[from..from + ilen], block, part, len);
                    }
                    let from = (n * c.output + group * cout) * olen + first * f.output[2];
                    product(
                        [cout, depth, len],
                        View { data: &dy[from..], row_step: olen, col_step: 1 },
                        View { data: columns, row_step: 1, col_step: len },
                        ViewMut { data: &mut sum, row_step: depth, col_step: 1 },
                        true,
                    );
                });
            }
            sum
        })
        .collect();
    dw.fill(T::ZERO);
    for (task, partial) in partials.iter().enumerate() {
        let group = task / slabs % g;
        let target = &mut dw[group * cout * depth..(group + 1) * cout * depth];
        target.iter_mut().zip(partial).for_each(|(t, p)| *t += *p);
    }
}
