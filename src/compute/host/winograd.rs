//! Convolutions of 3³ windows and step 1 with Winograd's minimal filtering over planes and
//! rows: 12 products an output voxel instead of 27. See [`super::rows`].
#![expect(unsafe_code, reason = "tasks write to separate parts of one output; kernels by table")]

use std::ops::Range;

use rayon::prelude::*;

use super::super::array::Real;
use super::conv3d::Channels;
use super::correlation::{Correlation, Held, Packed, for_rows};
use super::direct::{Run, runs};
use super::disjoint::Disjoint;
use super::kernels::{ALIGNMENT, Kernels, ROWS, Room, TAPS, Weighted, aligned, odd_lines};
use super::pass::{Pass, Planes};
use super::rows::{POSITIONS, restore, transform};

/// Bytes of transformed rows a task holds: more than a second-level cache has, but the more rows
/// pass over a block of weights, the seldomer weights are read.
const HELD: usize = 1400 << 10;

/// Products that are summed before they are added to the sum of those before.
const PART: usize = 24;
/// Numbers of a channel that a block makes before they are copied to their places: four of them
/// for each channel stay in the first-level cache.
const LINE: usize = 192;

/// Whether a pass can be made this way.
pub fn fits(pass: &Pass, c: Channels) -> bool {
    let cube = |(t, shift): (usize, &[usize; 3])| *shift == [t / 9, t / 3 % 3, t % 3];
    c.groups == 1
        && pass.step == [1; 3]
        && pass.shifts.len() == 27
        && pass.shifts.iter().enumerate().all(cube)
        && pass.stride[2] == 1
}

/// `G g` of three weights, for every row of a block.
fn before<const R: usize>(g: [&[f32; R]; 3]) -> [[f32; R]; 4] {
    let plus = |at: usize| 0.5 * (g[0][at] + g[1][at] + g[2][at]);
    let minus = |at: usize| 0.5 * (g[0][at] - g[1][at] + g[2][at]);
    [*g[0], std::array::from_fn(plus), std::array::from_fn(minus), *g[2]]
}

/// Places that a row of a block has.
pub fn each(c: Channels) -> usize {
    POSITIONS * c.input * TAPS
}

/// Packs `weight(output channel, input channel)`, whose `taps` are in the pass's order,
/// transformed: per position, input channel and tap along i the block's weights side by side.
pub fn pack<'a, 'w>(
    kernels: Kernels,
    c: Channels,
    taps: &[usize],
    bias: Option<&[f32]>,
    room: &'a mut [f32],
    weight: impl Fn(usize, usize) -> &'w [f32] + Sync,
) -> Packed<'a> {
    let each = each(c);
    Packed::new(kernels, c, each, bias, room, |first, count, block| {
        for_rows!(block.len() / each, R => {
            let (mut held, mut window) = (Held::<R>::new(), [[0.0; R]; 27]);
            let (block, _) = block.as_chunks_mut::<R>();
            for ci in 0..c.input {
                held.side_by_side(taps, count, |o| weight(first + o, ci), &mut window);
                for ti in 0..TAPS {
                    let row = |tk: usize, tj: usize| &window[(tk * 3 + tj) * 3 + ti];
                    // Counted loops: closures over arrays are called here, not inlined.
                    let mut planes = [[[0.0; R]; 4]; 3];
                    for (tk, plane) in planes.iter_mut().enumerate() {
                        *plane = before([row(tk, 0), row(tk, 1), row(tk, 2)]);
                    }
                    for b in 0..4 {
                        let column = before([&planes[0][b], &planes[1][b], &planes[2][b]]);
                        for (a, values) in column.iter().enumerate() {
                            block[((a * 4 + b) * c.input + ci) * TAPS + ti] = *values;
                        }
                    }
                }
            }
        });
    })
}

/// Pairs of rows of one pair of planes.
#[derive(Debug, Clone, Copy)]
struct Pairs {
    sample: usize,
    /// Which pair of planes.
    plane: usize,
    /// First pair of rows.
    first: usize,
    /// Pairs of rows.
    count: usize,
}

impl Correlation<'_> {
    /// Carries it out by minimal filtering, for a pass which [`fits`]: writes every voxel of the
    /// pass.
    pub fn winograd(&self, x: &[f32], y: &mut [f32]) {
        let (pass, c) = (self.pass, self.channels);
        let pitch = Planes::of(&[pass]).pitch;
        let [planes, pairs, _] = pass.output.map(|n| n.div_ceil(2));
        let most = (HELD / (POSITIONS * c.input * pitch * size_of::<f32>())).clamp(1, pairs);
        // Of the next few numbers of pieces that with the fewest vectors.
        let vectors = |pieces: &usize| {
            let of = |n: usize| pairs * (n + 1) / pieces - pairs * n / pieces;
            (0..*pieces).map(|n| (of(n) * pitch).div_ceil(self.kernels.lanes)).sum::<usize>()
        };
        let fewest = pairs.div_ceil(most);
        let pieces = (fewest..=pairs.min(fewest + 2)).min_by_key(vectors).unwrap_or(fewest);
        // Whole vectors, and the taps beyond the last.
        let numbers = (pairs.div_ceil(pieces) * pitch).next_multiple_of(self.kernels.lanes);
        let len = odd_lines(numbers + TAPS);
        let step = odd_lines(c.input * len);
        let shared = Disjoint::new(y);
        (0..c.batch * planes).into_par_iter().with_max_len(1).for_each(|task| {
            f32::with_scratch(POSITIONS * step + ALIGNMENT, |room| {
                let held = &mut aligned(room)[..POSITIONS * step];
                for piece in 0..pieces {
                    let (first, to) = (pairs * piece / pieces, pairs * (piece + 1) / pieces);
                    let (sample, plane) = (task / planes, task % planes);
                    let of = Pairs { sample, plane, first, count: to - first };
                    self.transform(of, pitch, x, held, [len, step]);
                    self.multiply(of, pitch, held, [len, step], &shared);
                }
            });
        });
    }

    /// Transformed rows of all input channels: `held[position · step + channel · len..]`.
    fn transform(
        &self,
        of: Pairs,
        pitch: usize,
        x: &[f32],
        held: &mut [f32],
        [len, step]: [usize; 2],
    ) {
        let (pass, c) = (self.pass, self.channels);
        let (from, to) = pass.columns(0, pitch);
        let zeros = vec![0.0; to - from];
        let size: usize = pass.source.iter().product();
        // Found once for all channels: rows are short.
        let places: Vec<_> = (0..of.count).map(|pair| self.places(of, pair, from..to)).collect();
        for channel in 0..c.input {
            let source = &x[(of.sample * c.input + channel) * size..][..size];
            for (pair, places) in places.iter().enumerate() {
                let mut rows = [&zeros[..]; POSITIONS];
                for (row, place) in rows.iter_mut().zip(places) {
                    if let Some(at) = place {
                        *row = &source[*at..*at + (to - from)];
                    }
                }
                let start = channel * len + pair * pitch;
                transform(self.kernels.isa, &rows, to - from, &mut held[start + from..], step);
                // One or two numbers of each position: not a fill, which is a call.
                for at in (0..from).chain(to..pitch) {
                    held[start + at..]
                        .iter_mut()
                        .step_by(step)
                        .take(POSITIONS)
                        .for_each(|v| *v = 0.0);
                }
            }
            for position in 0..POSITIONS {
                let at = position * step + channel * len;
                held[at + of.count * pitch..at + len].fill(0.0);
            }
        }
    }

    /// Where the columns of the sixteen rows of a pair begin in a channel; none beyond it.
    fn places(&self, of: Pairs, pair: usize, columns: Range<usize>) -> [Option<usize>; POSITIONS] {
        let pass = self.pass;
        let [extent_k, extent_j, extent_i] = pass.source;
        let skip = (columns.start.cast_signed() - pass.lead[2]).unsigned_abs();
        let within = |at: isize, extent: usize| usize::try_from(at).ok().filter(|a| *a < extent);
        let place = |at: usize| {
            let plane = (2 * of.plane + at / 4).cast_signed() - pass.lead[0];
            let row = (2 * (of.first + pair) + at % 4).cast_signed() - pass.lead[1];
            let (k, j) = (within(plane, extent_k)?, within(row, extent_j)?);
            (!columns.is_empty()).then_some((k * extent_j + j) * extent_i + skip)
        };
        std::array::from_fn(place)
    }

    /// Products with the weights and the way back, tile by tile.
    fn multiply(
        &self,
        of: Pairs,
        pitch: usize,
        held: &[f32],
        [len, step]: [usize; 2],
        y: &Disjoint<'_, f32>,
    ) {
        let (c, kernels, packed) = (self.channels, self.kernels, self.packed);
        let depth = c.input * TAPS * packed.rows;
        let mut positions: Box<[Room; POSITIONS]> = Box::default();
        let mut out = vec![0.0; 4 * ROWS * LINE];
        let mut rows: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
        let numbers = (of.count * pitch).next_multiple_of(kernels.lanes);
        for block in 0..packed.blocks {
            let (weights, bias) = packed.block(0, block);
            for from in (0..numbers).step_by(LINE) {
                let to = (from + LINE).min(numbers);
                let vectors = from / kernels.lanes..to / kernels.lanes;
                kernels.tiles(packed.rows, vectors, |vector, width| {
                    let at = vector * kernels.lanes;
                    let body = kernels.weighted(packed.rows, width, true);
                    for (position, room) in positions.iter_mut().enumerate() {
                        let tile = Weighted {
                            x: &held[position * step..][..c.input * len],
                            at,
                            step: len,
                            inputs: c.input,
                            taps: &[0],
                            weights: &weights[position * depth..][..depth],
                            start: &[0.0; ROWS],
                            part: PART / TAPS,
                            rectify: false,
                            to_step: width * kernels.lanes,
                        };
                        // SAFETY: the processor has the instructions; every channel ends in
                        // room for a tile.
                        unsafe { body(&tile, &mut room.0) };
                    }
                    let size = [packed.rows, width];
                    let to = (&mut out[at - from..], ROWS * LINE, LINE);
                    restore(kernels, &positions, size, bias, self.rectify, to);
                });
                for (row, runs) in rows.iter_mut().enumerate() {
                    self.pair_runs(of, row, pitch, from..to, runs);
                }
                self.write_pairs(of, block, &out, &rows, y);
            }
        }
    }

    /// The runs of output voxels in a tile, for the first or second row of every pair.
    fn pair_runs(
        &self,
        of: Pairs,
        row: usize,
        pitch: usize,
        tile: Range<usize>,
        to: &mut Vec<Run>,
    ) {
        let pass = self.pass;
        let rows = ((pass.output[1] + 1 - row) / 2 - of.first).min(of.count);
        let start = pass.start + (2 * of.first + row) * pass.stride[1];
        runs([pitch, rows, pass.output[2]], [start, 2 * pass.stride[1], 1], tile, to);
    }

    /// Copies the lines of a block to their places.
    fn write_pairs(
        &self,
        of: Pairs,
        block: usize,
        out: &[f32],
        rows: &[Vec<Run>; 2],
        y: &Disjoint<'_, f32>,
    ) {
        let (pass, c, packed) = (self.pass, self.channels, self.packed);
        let channels = packed.rows.min(c.output - block * packed.rows);
        for a in (0..2).filter(|a| 2 * of.plane + a < pass.output[0]) {
            let plane = (2 * of.plane + a) * pass.stride[0];
            for (b, runs) in rows.iter().enumerate() {
                let sums = out[(a * 2 + b) * ROWS * LINE..].chunks_exact(LINE).take(channels);
                for (row, sums) in sums.enumerate() {
                    let channel = of.sample * c.output + block * packed.rows + row;
                    for &(from, to, count) in runs {
                        // SAFETY: pairs cover separate voxels, blocks separate channels.
                        let part = unsafe { y.part(channel * self.output_len + plane + to, count) };
                        part.copy_from_slice(&sums[from..from + count]);
                    }
                }
            }
        }
    }
}
