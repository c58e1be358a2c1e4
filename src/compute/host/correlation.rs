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
    /// Weights in `room`, which grows when it is too small. `pack(first output channel, output
    /// channels, block)` writes those of one block, with `each` places for every row.
    pub fn new(
        kernels: Kernels,
        c: Channels,
        each: usize,
        bias: Option<&[f32]>,
        room: &'a mut Vec<f32>,
        pack: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) -> Self {
        let outputs = c.output / c.groups;
        let rows = kernels.block(outputs);
        let (blocks, depth) = (outputs.div_ceil(rows), each * rows);
        let numbers = c.groups * blocks * depth;
        if room.len() < numbers {
            // The old one goes first.
            *room = Vec::new();
            *room = vec![0.0; numbers];
        }
        let weights = &mut room[..numbers];
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
