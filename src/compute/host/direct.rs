//! Convolutions of any window and step straight from padded planes.
//!
//! A task holds a ring of padded planes, one for each plane a tap can reach, and lays down only
//! those that the next output plane adds. Every output voxel is one sum in a fixed order: the
//! result depends on nothing but the numbers.
#![expect(unsafe_code, reason = "tasks write to separate parts of one output; kernels by table")]

use std::ops::Range;

use rayon::prelude::*;

use super::super::array::Real;
use super::conv3d::Channels;
use super::correlation::{Correlation, Held, Packed, for_rows};
use super::disjoint::Disjoint;
use super::kernels::{ALIGNMENT, Kernels, SHEET, Sheet, TAPS, Weighted, aligned};
use super::pass::{Pass, Planes};

/// Products that are summed before they are added to the sum of those before.
const PART: usize = 27;
/// Tasks per thread.
const TASKS: usize = 4;

/// Places that a row of a block has.
pub fn each(c: Channels, taps: &[usize]) -> usize {
    c.input / c.groups * taps.len()
}

/// Packs `weight(output channel, input channel in its group)`, of which `taps` are used: per
/// input channel and tap the block's weights side by side.
pub fn pack<'a, 'w>(
    kernels: Kernels,
    c: Channels,
    taps: &[usize],
    bias: Option<&[f32]>,
    room: &'a mut [f32],
    weight: impl Fn(usize, usize) -> &'w [f32] + Sync,
) -> Packed<'a> {
    let each = each(c, taps);
    Packed::new(kernels, c, each, bias, room, |first, count, block| {
        for_rows!(block.len() / each, R => {
            let mut held = Held::<R>::new();
            let (block, _) = block.as_chunks_mut::<R>();
            for (ci, block) in block.chunks_exact_mut(taps.len()).enumerate() {
                held.side_by_side(taps, count, |o| weight(first + o, ci), block);
            }
        });
    })
}

/// A run of output voxels: place in the tile, place in the output channel, count.
pub type Run = (usize, usize, usize);

/// The runs of output voxels in a tile of a plane of `[pitch, rows, columns]`, when the first
/// voxel of a row lies at `start + row · step` and the next ones `stride` apart.
pub fn runs(
    [pitch, rows, columns]: [usize; 3],
    [start, step, stride]: [usize; 3],
    tile: Range<usize>,
    to: &mut Vec<Run>,
) {
    to.clear();
    let (mut j, mut i) = (tile.start / pitch, tile.start % pitch);
    let mut at = tile.start;
    while at < tile.end && j < rows {
        if i < columns {
            let count = (columns - i).min(tile.end - at);
            let run = (at - tile.start, start + j * step + i * stride, count);
            match to.last_mut() {
                // Rows without anything between them, here or there.
                Some(last) if (last.0 + last.2, last.1 + last.2 * stride) == (run.0, run.1) => {
                    last.2 += count;
                }
                _ => to.push(run),
            }
        }
        at += pitch - i;
        (j, i) = (j + 1, 0);
    }
}

/// Carries out the correlations of one source straight from padded planes: writes the voxels of their
/// passes in every channel of `y`.
pub fn direct(of: &[Correlation<'_>], x: &[f32], y: &mut [f32]) {
    let passes: Vec<&Pass> = of.iter().map(|c| c.pass).collect();
    let planes = Planes::of(&passes);
    let images = of[0].channels.batch * of[0].channels.groups;
    let depth = passes.iter().map(|pass| pass.output[0]).max().unwrap_or(0);
    let pieces = (rayon::current_num_threads() * TASKS).div_ceil(images).clamp(1, depth);
    let shared = Disjoint::new(y);
    (0..images * pieces).into_par_iter().with_max_len(1).for_each(|task| {
        let (image, piece) = (task / pieces, task % pieces);
        let range = depth * piece / pieces..depth * (piece + 1) / pieces;
        self::piece(of, &planes, image, range, x, &shared);
    });
}

/// Output planes `range` of one image: a sample's group of channels.
fn piece(
    of: &[Correlation<'_>],
    planes: &Planes,
    image: usize,
    range: Range<usize>,
    x: &[f32],
    y: &Disjoint<'_, f32>,
) {
    let (pass, c) = (of[0].pass, of[0].channels);
    let inputs = c.input / c.groups;
    let len: usize = pass.source.iter().product();
    let x = &x[image * inputs * len..][..inputs * len];
    let step = planes.depth * planes.len;
    f32::with_scratch(inputs * step + ALIGNMENT, |room| {
        let ring = &mut aligned(room)[..inputs * step];
        let mut held = vec![usize::MAX; planes.depth];
        let (mut taps, mut runs) = (Vec::new(), Vec::new());
        for k in range {
            let first = pass.step[0] * k;
            for (of, places) in of.iter().zip(&planes.taps) {
                if k >= of.pass.output[0] {
                    continue;
                }
                taps.clear();
                for (shift, offset) in places {
                    let (plane, slot) = (first + shift, (first + shift) % planes.depth);
                    if held[slot] != plane {
                        held[slot] = plane;
                        let rings = ring.chunks_exact_mut(step);
                        for (channel, ring) in x.chunks_exact(len).zip(rings) {
                            let to = &mut ring[slot * planes.len..][..planes.len];
                            planes.fill(pass, channel, plane, to);
                        }
                    }
                    taps.push(slot * planes.len + offset);
                }
                of.plane(planes, image, k, (ring, step), &mut taps, &mut runs, y);
            }
        }
    });
}

impl Correlation<'_> {
    /// One output plane.
    #[expect(clippy::too_many_arguments, reason = "buffers of the caller, reused")]
    fn plane(
        &self,
        planes: &Planes,
        image: usize,
        k: usize,
        (ring, step): (&[f32], usize),
        taps: &mut Vec<usize>,
        runs: &mut Vec<Run>,
        y: &Disjoint<'_, f32>,
    ) {
        let (pass, kernels, c, packed) = (self.pass, self.kernels, self.channels, self.packed);
        let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
        let neighbours = taps.len().is_multiple_of(TAPS)
            && taps.chunks_exact(TAPS).all(|t| t[1] == t[0] + 1 && t[2] == t[0] + 2);
        if neighbours {
            let mut at = 0;
            taps.retain(|_| {
                at += 1;
                at % TAPS == 1
            });
        }
        let part = if neighbours { PART / TAPS } else { PART };
        let [_, rows_out, columns] = pass.output;
        let [sk, sj, si] = pass.stride;
        let span = planes.span(pass).next_multiple_of(kernels.lanes);
        let mut sheet = Sheet::default();
        // Rows of all input channels stay in the second-level cache for all blocks.
        for from in (0..span).step_by(SHEET) {
            let to = (from + SHEET).min(span);
            let size = [planes.pitch, rows_out, columns];
            self::runs(size, [pass.start + k * sk, sj, si], from..to, runs);
            for block in 0..packed.blocks {
                let (weights, start) = packed.block(image % c.groups, block);
                let first = image * outputs + block * packed.rows;
                let rows = packed.rows.min(outputs - block * packed.rows);
                let vectors = from / kernels.lanes..to / kernels.lanes;
                kernels.tiles(packed.rows, vectors, |vector, width| {
                    let at = vector * kernels.lanes;
                    let rectify = self.rectify;
                    let (x, to_step) = (ring, SHEET);
                    let tile = Weighted {
                        x,
                        at,
                        step,
                        inputs,
                        taps,
                        weights,
                        start,
                        part,
                        rectify,
                        to_step,
                    };
                    // SAFETY: the processor has the instructions; taps lie within a channel of
                    // the ring, whose planes end in room for a tile.
                    unsafe {
                        let body = kernels.weighted(packed.rows, width, neighbours);
                        body(&tile, &mut sheet.0[at - from..]);
                    }
                });
                for (row, sums) in sheet.0.chunks_exact(SHEET).take(rows).enumerate() {
                    let channel = (first + row) * self.output_len;
                    runs.iter().for_each(|run| self.write_run(sums, *run, channel, y));
                }
            }
        }
    }

    /// Copies a run to its place in an output channel.
    fn write_run(
        &self,
        sums: &[f32],
        (from, to, count): Run,
        channel: usize,
        y: &Disjoint<'_, f32>,
    ) {
        let stride = self.pass.stride[2];
        // SAFETY: tiles cover separate voxels, blocks separate channels.
        let to = unsafe { y.part(channel + to, (count - 1) * stride + 1) };
        let sums = &sums[from..from + count];
        if stride == 1 {
            to.copy_from_slice(sums);
        } else {
            to.iter_mut().step_by(stride).zip(sums).for_each(|(t, s)| *t = *s);
        }
    }
}
