//! The gradient by the weights of 3³ windows and step 1 with Winograd's minimal filtering over
//! planes and rows: `dW = Gᵀ [Σ (A dY Aᵀ) ⊙ (Bᵀ X B)] G`, one of the sixteen positions at a
//! time. See [`super::rows`].
#![expect(unsafe_code, reason = "kernels by table")]

use rayon::prelude::*;

use super::super::array::Real;
use super::conv3d::Channels;
use super::isa::Isa;
use super::kernels::{ALIGNMENT, Kernels, Products, ROWS, TAPS, aligned};
use super::pass::{Pass, Planes};
use super::rows::{Lines, POSITIONS, combined};
use super::weight::pieces;

/// Output voxels of a block.
const BLOCK: usize = 1024;
/// Numbers read past the last voxel.
const SLACK: usize = 32;
/// Which two of four inputs a position reads, and whether it takes them away: rows of `Bᵀ`.
const INPUTS: [[(usize, bool); 2]; 4] = [
    [(0, false), (2, true)],
    [(1, false), (2, false)],
    [(2, false), (1, true)],
    [(1, false), (3, true)],
];
/// Which of two gradients a position reads: rows of `A`.
const SLOPES: [&[(usize, bool)]; 4] =
    [&[(0, false)], &[(0, false), (1, false)], &[(0, false), (1, true)], &[(1, true)]];

/// Half planes and pairs of channels from which on it is worth it, for short vectors and for
/// long ones, which do more products while rows are transformed.
const WORTH: [&[[usize; 2]]; 2] = [&[[250, 64]], &[[250, 4096], [500, 256], [2000, 128]]];

/// Whether it is worth it for a pass that [`super::winograd::fits`]: transforms are shared by
/// enough channels, and half a plane is long enough for the sums.
pub fn worth(kernels: Kernels, pass: &Pass, c: Channels) -> bool {
    let half = pass.output[1].div_ceil(2) * (pass.output[2] + 1);
    let least = WORTH[usize::from(kernels.lanes > 8)];
    least.iter().any(|[numbers, pairs]| half >= *numbers && c.input * c.output >= *pairs)
}

/// Weights in the transformed domain, and the pieces of a batch with partial sums of their own.
fn cut(pass: &Pass, c: Channels) -> [usize; 2] {
    let numbers = POSITIONS * c.output * c.input * TAPS;
    [numbers, pieces(c.batch * pass.output[0].div_ceil(2), numbers)]
}

/// Numbers that [`gradient`] needs besides its result.
pub fn room(pass: &Pass, c: Channels) -> usize {
    cut(pass, c).into_iter().product()
}

/// `dw` of a batch; `partials` has as many numbers as [`room`] says.
pub fn gradient(
    kernels: Kernels,
    pass: &Pass,
    c: Channels,
    (x, dy): (&[f32], &[f32]),
    partials: &mut [f32],
    dw: &mut [f32],
) {
    let pitch = Planes::of(&[pass]).pitch;
    let lines = pass.output[1].div_ceil(2);
    let slopes_len = (lines * pitch).next_multiple_of(ALIGNMENT);
    let sizes = Sizes { pitch, lines, slopes: slopes_len, inputs: slopes_len + SLACK };
    let ([numbers, count], pairs) = (cut(pass, c), pass.output[0].div_ceil(2));
    let units = c.batch * pairs;
    partials.par_chunks_mut(numbers).with_max_len(1).enumerate().for_each(|(piece, sums)| {
        let of = Pairs { kernels, pass, c, sizes };
        sums.fill(0.0);
        for unit in units * piece / count..units * (piece + 1) / count {
            of.add(unit / pairs, unit % pairs, x, dy, sums);
        }
    });
    let partials = &*partials;
    // Sums of the sixteen positions become weights of three planes by three rows.
    dw.par_chunks_mut(c.input * 27).enumerate().for_each(|(o, dw)| {
        for (at, dw) in dw.chunks_exact_mut(27).enumerate() {
            for ti in 0..TAPS {
                let sum = |position: usize| -> f32 {
                    let number = ((position * c.output + o) * c.input + at) * TAPS + ti;
                    partials.chunks_exact(numbers).map(|sums| sums[number]).sum()
                };
                let sums: [f32; POSITIONS] = std::array::from_fn(sum);
                let columns: [[f32; 3]; 4] =
                    std::array::from_fn(|b| after(std::array::from_fn(|a| sums[a * 4 + b])));
                for tk in 0..3 {
                    let row = after(std::array::from_fn(|b| columns[b][tk]));
                    for (tj, value) in row.into_iter().enumerate() {
                        dw[(tk * 3 + tj) * 3 + ti] = value;
                    }
                }
            }
        }
    });
}

/// `Gᵀ m` of four sums.
fn after(m: [f32; 4]) -> [f32; 3] {
    let (plus, minus) = (0.5 * (m[1] + m[2]), 0.5 * (m[1] - m[2]));
    [m[0] + plus, minus, plus + m[3]]
}

/// Lengths of transformed planes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    pitch: usize,
    /// Pairs of rows.
    lines: usize,
    /// Numbers of a channel of gradients, whole vectors.
    slopes: usize,
    /// Numbers of a channel of inputs.
    inputs: usize,
}

/// One, two or four rows summed line by line; none are zeros.
fn sum(isa: Isa, rows: &[(&[f32], f32)], lines: Lines, to: &mut [f32]) {
    match *rows {
        [(a, s)] => combined(isa, &[a], &[s], lines, to),
        [(a, s), (b, t)] => combined(isa, &[a, b], &[s, t], lines, to),
        [(a, s), (b, t), (c, u), (d, v)] => combined(isa, &[a, b, c, d], &[s, t, u, v], lines, to),
        _ => (0..lines.count).for_each(|l| to[l * lines.to_step..][..lines.len].fill(0.0)),
    }
}

/// Where lines of a channel are read.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// Extent of the channel.
    extent: [usize; 3],
    /// First plane, row and column.
    start: [isize; 3],
    /// Columns of the target that hold numbers of the source.
    columns: [usize; 2],
}

impl Source {
    /// Place of the row `j` of the plane `k` after the first; none beyond the channel.
    fn line(&self, k: usize, j: isize) -> Option<usize> {
        let k = usize::try_from(self.start[0] + k.cast_signed()).ok()?;
        let j = usize::try_from(j).ok()?;
        let [depth, height, width] = self.extent;
        (k < depth && j < height).then(|| (k * height + j) * width + self.start[2].unsigned_abs())
    }
}

/// Pairs of planes of a batch.
#[derive(Debug, Clone, Copy)]
struct Pairs<'a> {
    kernels: Kernels,
    pass: &'a Pass,
    c: Channels,
    sizes: Sizes,
}

impl Pairs<'_> {
    /// Adds the products of one pair of output planes of one sample.
    fn add(self, sample: usize, pair: usize, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let Self { kernels, c, sizes, .. } = self;
        let rows = c.output.next_multiple_of(kernels.block(c.output));
        let part = c.output * c.input * TAPS;
        let numbers = c.input * sizes.inputs + rows * sizes.slopes;
        f32::with_scratch(numbers + ALIGNMENT, |room| {
            let room = &mut aligned(room)[..numbers];
            let (held, slopes) = room.split_at_mut(c.input * sizes.inputs);
            slopes[c.output * sizes.slopes..].fill(0.0);
            for (position, sums) in sums.chunks_exact_mut(part).enumerate() {
                self.inputs(sample, pair, position, x, held);
                self.slopes(sample, pair, position, dy, slopes);
                self.multiply(held, slopes, sums);
            }
        });
    }

    /// Transformed inputs of one position.
    fn inputs(self, sample: usize, pair: usize, position: usize, x: &[f32], held: &mut [f32]) {
        let Self { pass, c, sizes, .. } = self;
        let (from, to) = pass.columns(0, sizes.pitch);
        let skip = (from.cast_signed() - pass.lead[2]).unsigned_abs();
        let size: usize = pass.source.iter().product();
        let (planes, rows) = (INPUTS[position / 4], INPUTS[position % 4]);
        let source = Source {
            extent: pass.source,
            start: [(2 * pair).cast_signed() - pass.lead[0], -pass.lead[1], skip.cast_signed()],
            columns: [from, to],
        };
        for (channel, held) in held.chunks_exact_mut(sizes.inputs).enumerate() {
            let x = &x[(sample * c.input + channel) * size..][..size];
            self.lay_down(source, x, &planes, &rows, held);
        }
    }

    /// Transformed gradients of one position, with zeros between the rows.
    fn slopes(self, sample: usize, pair: usize, position: usize, dy: &[f32], slopes: &mut [f32]) {
        let Self { pass, c, sizes, .. } = self;
        let size: usize = pass.output.iter().product();
        let (planes, rows) = (SLOPES[position / 4], SLOPES[position % 4]);
        let start = [(2 * pair).cast_signed(), 0, 0];
        let source = Source { extent: pass.output, start, columns: [0, pass.output[2]] };
        for (o, slopes) in slopes.chunks_exact_mut(sizes.slopes).take(c.output).enumerate() {
            let dy = &dy[(sample * c.output + o) * size..][..size];
            self.lay_down(source, dy, planes, rows, slopes);
        }
    }

    /// Signed sums of the rows of a channel that `planes` and `rows` name, one line for every
    /// pair of rows, with zeros around.
    fn lay_down(
        self,
        source: Source,
        channel: &[f32],
        planes: &[(usize, bool)],
        rows: &[(usize, bool)],
        to: &mut [f32],
    ) {
        let Source { extent: [_, height, width], columns: [from, until], .. } = source;
        let Sizes { pitch, lines, .. } = self.sizes;
        for line in to.chunks_exact_mut(pitch).take(lines) {
            line[..from].fill(0.0);
            line[until..].fill(0.0);
        }
        to[lines * pitch..].fill(0.0);
        let terms = planes.iter().flat_map(|&(k, minus)| {
            let sign = move |less: bool| if minus == less { 1.0 } else { -1.0 };
            rows.iter().map(move |&(j, less)| (k, j, sign(less)))
        });
        let terms: Vec<(usize, usize, f32)> = terms.collect();
        // Lines whose every row lies within the channel are made in one call.
        let start = source.start[1];
        let least = rows.iter().map(|r| r.0).min().unwrap_or(0).cast_signed() + start;
        let most = rows.iter().map(|r| r.0).max().unwrap_or(0).cast_signed() + start;
        let whole = usize::try_from((1 - least).div_euclid(2)).unwrap_or(0).min(lines);
        let end = usize::try_from((height.cast_signed() - most + 1).div_euclid(2)).unwrap_or(0);
        let end = end.clamp(whole, lines);
        let single = |line: usize| (line, 1);
        let cut = (0..whole).map(single).chain([(whole, end - whole)]);
        for (first, count) in cut.chain((end..lines).map(single)).filter(|(_, count)| *count > 0) {
            let row = |&(k, j, sign): &(usize, usize, f32)| {
                let at = source.line(k, (2 * first + j).cast_signed() + start)?;
                Some((&channel[at..], sign))
            };
            let present: Vec<(&[f32], f32)> = terms.iter().filter_map(row).collect();
            let lines = Lines { count, from_step: 2 * width, to_step: pitch, len: until - from };
            sum(self.kernels.isa, &present, lines, &mut to[first * pitch + from..]);
        }
    }

    /// All products of one position.
    fn multiply(self, held: &[f32], slopes: &[f32], sums: &mut [f32]) {
        let Self { kernels, c, sizes, .. } = self;
        let rows = kernels.block(c.output);
        let body = kernels.products(rows);
        let vectors = sizes.slopes / kernels.lanes;
        let blocks = vectors.div_ceil(BLOCK / kernels.lanes);
        let mut out = [[0.0; TAPS]; ROWS];
        for voxels in 0..blocks {
            let from = vectors * voxels / blocks * kernels.lanes;
            let to = vectors * (voxels + 1) / blocks * kernels.lanes;
            for block in 0..c.output.div_ceil(rows) {
                for channel in 0..c.input {
                    let products = Products {
                        x: held,
                        taps: std::array::from_fn(|t| channel * sizes.inputs + from + t),
                        dy: &slopes[block * rows * sizes.slopes + from..],
                        dy_step: sizes.slopes,
                        count: to - from,
                        planes: 1,
                        plane_steps: [0, 0],
                    };
                    // SAFETY: the processor has the instructions; channels of the inputs end in
                    // room for the taps.
                    unsafe { body(&products, &mut out) };
                    for (o, parts) in (block * rows..c.output).zip(out.iter().take(rows)) {
                        let to = &mut sums[(o * c.input + channel) * TAPS..][..TAPS];
                        to.iter_mut().zip(parts).for_each(|(sum, part)| *sum += *part);
                    }
                }
            }
        }
    }
}
