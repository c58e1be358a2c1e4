//! A correlation of a batch, and its weights as the kernels read them.

use rayon::prelude::*;

use super::conv3d::Channels;
use super::kernels::Kernels;
use super::pass::Pass;

/// Weights side by side for blocks of output channels, and what every output channel begins
/// with.
#[derive(Debug)]
pub struct Packed<'a> {
    /// Rows of a block.
    pub rows: usize,
    /// Blocks of a group of channels.
    pub blocks: usize,
    weights: &'a [f32],
    start: Vec<f32>,
    /// Numbers of one block in `weights`.
    depth: usize,
}

impl<'a> Packed<'a> {
    /// Numbers of all blocks, with `each` places for every row.
    pub fn numbers(kernels: Kernels, c: Channels, each: usize) -> usize {
        let outputs = c.output / c.groups;
        let rows = kernels.block(outputs);
        c.groups * outputs.div_ceil(rows) * rows * each
    }

    /// Weights in a room of [`Packed::numbers`]. `pack(first output channel, output channels,
    /// block)` writes those of one block.
    pub fn new(
        kernels: Kernels,
        c: Channels,
        each: usize,
        bias: Option<&[f32]>,
        weights: &'a mut [f32],
        pack: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) -> Self {
        let outputs = c.output / c.groups;
        let rows = kernels.block(outputs);
        let (blocks, depth) = (outputs.div_ceil(rows), each * rows);
        weights.par_chunks_mut(depth.max(1)).enumerate().for_each(|(task, block)| {
            let first = task % blocks * rows;
            let count = rows.min(outputs - first);
            if count < rows {
                block.fill(0.0);
            }
            pack(task / blocks * outputs + first, count, block);
        });
        let mut start = vec![0.0; c.groups * blocks * rows];
        for (group, start) in start.chunks_exact_mut(blocks * rows).enumerate() {
            if let Some(bias) = bias {
                start[..outputs].copy_from_slice(&bias[group * outputs..][..outputs]);
            }
        }
        Self { rows, blocks, weights, start, depth }
    }

    /// Weights and biases of one block.
    pub fn block(&self, group: usize, block: usize) -> (&[f32], &[f32]) {
        let at = group * self.blocks + block;
        (&self.weights[at * self.depth..][..self.depth], &self.start[at * self.rows..][..self.rows])
    }
}

/// Longest window, in taps, that [`Held`] copies.
const WINDOW: usize = 32;

/// The windows of the `R` output channels of a block, where every index is in range: most of the
/// time of laying weights side by side would go into asking whether it is.
#[derive(Debug)]
pub struct Held<const R: usize>([[f32; WINDOW]; R]);

impl<const R: usize> Held<R> {
    /// Zeros: what output channels beyond the last weigh.
    pub const fn new() -> Self {
        Self([[0.0; WINDOW]; R])
    }

    /// `to[tap][o] = window(o)[taps[tap]]` for `count` output channels.
    pub fn side_by_side<'w>(
        &mut self,
        taps: &[usize],
        count: usize,
        window: impl Fn(usize) -> &'w [f32],
        to: &mut [[f32; R]],
    ) {
        for o in 0..count {
            let from = window(o);
            match self.0[o].get_mut(..from.len()) {
                Some(held) => held.copy_from_slice(from),
                None => to.iter_mut().zip(taps).for_each(|(to, tap)| to[o] = from[*tap]),
            }
        }
        if count > 0 && window(0).len() <= WINDOW {
            for (to, tap) in to.iter_mut().zip(taps) {
                *to = std::array::from_fn(|o| self.0[o][tap % WINDOW]);
            }
        }
    }
}

/// An expression compiled for every height `R` that a block can have.
macro_rules! for_rows {
    ($rows:expr, $R:ident => $body:expr) => {{
        macro_rules! height {
            ($n:literal) => {{
                const $R: usize = $n;
                $body
            }};
        }
        match $rows {
            1 => height!(1),
            2 => height!(2),
            3 => height!(3),
            4 => height!(4),
            5 => height!(5),
            6 => height!(6),
            7 => height!(7),
            _ => height!(8),
        }
    }};
}
pub(super) use for_rows;

/// The correlation of one pass over a batch. `channels` are those of the correlation: those of
/// `x` are its inputs.
#[derive(Debug)]
pub struct Correlation<'a> {
    /// The pass.
    pub pass: &'a Pass,
    /// Channels.
    pub channels: Channels,
    /// Weights.
    pub packed: &'a Packed<'a>,
    /// Whether negative sums become 0.
    pub rectify: bool,
    /// Numbers of an output channel.
    pub output_len: usize,
    /// Instructions.
    pub kernels: Kernels,
}
