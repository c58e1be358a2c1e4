//! Convolutions of step 1 straight from a padded copy, without columns.
//!
//! Samples are copied between zeros so that every tap of a window lies at one fixed distance
//! from its output voxel: a whole volume is one long row ([`Flat`]). What the kernels make of
//! the voxels between the rows is thrown away. Order of additions: by shape alone.
#![expect(unsafe_code, reason = "tasks write to separate parts of one output; AVX2 kernels")]

use rayon::prelude::*;

use super::super::array::Real;
use super::super::geometry::ConvGeometry;
use super::conv3d::Channels;
use super::disjoint::Disjoint;
use super::lanes::{self, LANES, Rows, Windows};

/// Output channels one kernel makes at a time.
const ROWS: usize = lanes::ROWS;
/// Output voxels one kernel makes at a time.
const TILE: usize = lanes::TILE;
/// Tiles per task of [`correlate`]: its input stays in the second-level cache.
const TILES: usize = 32;
/// Voxels per pass of [`grad_weight`]: four rows of gradients stay in the first-level cache.
const PASS: usize = 1024;

/// A padded volume as one row.
#[derive(Debug, Clone)]
pub struct Flat {
    /// Extent of the window's input without padding, `[k, j, i]`.
    input: [usize; 3],
    /// Extent of the output.
    output: [usize; 3],
    /// Zeros before the input.
    before: [usize; 3],
    /// Distance between rows and between planes.
    pitch: [usize; 2],
    /// Distance of each tap, in the order of the weights.
    taps: Vec<usize>,
    /// Taps along i.
    width: usize,
    /// Distance between taps along i.
    step: usize,
}

impl Flat {
    /// The layout for a convolution, if it is one of step 1 on f32 without groups, and this
    /// processor has the kernels.
    pub fn of(g: &ConvGeometry, input: [usize; 3], output: [usize; 3]) -> Option<Self> {
        let fits = g.stride == [1; 3] && g.groups == 1 && lanes::available();
        fits.then(|| Self::new(g.kernel, g.dilation, g.pad_before, input, output))
    }

    /// The layout for the gradient by the input: a convolution of the output's gradient.
    pub fn transposed(g: &ConvGeometry, input: [usize; 3], output: [usize; 3]) -> Option<Self> {
        let before: [usize; 3] = std::array::from_fn(|a| g.dilation[a] * (g.kernel[a] - 1));
        let fits =
            Self::of(g, input, output).is_some() && (0..3).all(|a| g.pad_before[a] <= before[a]);
        let before = std::array::from_fn(|a| before[a].saturating_sub(g.pad_before[a]));
        fits.then(|| Self::new(g.kernel, g.dilation, before, output, input))
    }

    fn new(
        kernel: [usize; 3],
        dilation: [usize; 3],
        before: [usize; 3],
        input: [usize; 3],
        output: [usize; 3],
    ) -> Self {
        let rows = output[1] + dilation[1] * (kernel[1] - 1);
        let pitch = output[2] + dilation[2] * (kernel[2] - 1);
        let pitch = [pitch, rows * pitch];
        let [kk, kj, ki] = kernel;
        let tap = |t: usize| {
            let (tk, tj, ti) = (t / ki / kj, t / ki % kj, t % ki);
            tk * dilation[0] * pitch[1] + tj * dilation[1] * pitch[0] + ti * dilation[2]
        };
        let taps = (0..kk * kj * ki).map(tap).collect();
        Self { input, output, before, pitch, taps, width: ki, step: dilation[2] }
    }

    /// Positions from the first to the last output voxel, with what lies between rows.
    fn span(&self) -> usize {
        let [k, j, i] = self.output.map(|n| n - 1);
        k * self.pitch[1] + j * self.pitch[0] + i + 1
    }

    /// Length of one padded channel: whole tiles may be read past the last voxel.
    pub fn channel(&self) -> usize {
        self.span().next_multiple_of(TILE) + self.taps.last().copied().unwrap_or(0) + TILE
    }

    /// Copies channels (any number, one after another) between zeros.
    pub fn pad(&self, source: &[f32], target: &mut [f32]) {
        let len = self.input.iter().product();
        target.par_chunks_mut(self.channel()).zip(source.par_chunks(len)).for_each(|(to, from)| {
            self.place(from, self.input, self.before, to);
        });
    }

    /// Copies one channel of some extent to its place between zeros; what the output never
    /// sees is left out.
    fn place(&self, from: &[f32], extent: [usize; 3], before: [usize; 3], to: &mut [f32]) {
        to.fill(0.0);
        let most = self.pitch[0].saturating_sub(before[2]).min(extent[2]);
        for k in 0..extent[0] {
            for j in 0..extent[1] {
                let at =
                    (k + before[0]) * self.pitch[1] + (j + before[1]) * self.pitch[0] + before[2];
                let row = (k * extent[1] + j) * extent[2];
                let inside = (j + before[1]) * self.pitch[0] < self.pitch[1];
                if let (true, Some(to)) = (inside, to.get_mut(at..at + most)) {
                    to.copy_from_slice(&from[row..row + most]);
                }
            }
        }
    }

    /// Calls `visit(first position in the tile, offset in the output channel, count)` for
    /// each run of output voxels in the tile that starts at `from`.
    fn runs(&self, from: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let mut at = from;
        while at < from + TILE {
            let (k, rest) = (at / self.pitch[1], at % self.pitch[1]);
            let (j, i) = (rest / self.pitch[0], rest % self.pitch[0]);
            let left = (from + TILE - at).min(self.pitch[0] - i);
            if k < self.output[0] && j < self.output[1] && i < self.output[2] {
                let count = left.min(self.output[2] - i);
                visit(at - from, (k * self.output[1] + j) * self.output[2] + i, count);
            }
            at += left;
        }
    }
}

/// Weights as the kernels read them: per block of [`ROWS`] output channels, then input
/// channel, then tap, the block's weights side by side (0 beyond the last channel).
fn packed(c: Channels, taps: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
    let mut out = vec![0.0; c.output.div_ceil(ROWS) * c.input * taps * ROWS];
    for (at, value) in out.iter_mut().enumerate() {
        let (o, rest) = (at % ROWS, at / ROWS);
        let (tap, ci, block) = (rest % taps, rest / taps % c.input, rest / taps / c.input);
        if block * ROWS + o < c.output {
            *value = weight(block * ROWS + o, ci, tap);
        }
    }
    out
}

/// `y = conv(x, w) + b` from channels padded by [`Flat::pad`].
pub fn forward(f: &Flat, c: Channels, padded: &[f32], w: &[f32], b: Option<&[f32]>, y: &mut [f32]) {
    let taps = f.taps.len();
    let weights = packed(c, taps, |o, ci, t| w[(o * c.input + ci) * taps + t]);
    correlate(f, c, padded, &weights, b, y);
}

/// `dx = convᵀ(dy, w)` from gradients padded by [`Flat::pad`] of [`Flat::transposed`];
/// channels are those of the convolution.
pub fn grad_input(f: &Flat, c: Channels, padded: &[f32], w: &[f32], dx: &mut [f32]) {
    let taps = f.taps.len();
    let back = Channels { batch: c.batch, input: c.output, output: c.input };
    let weights = packed(back, taps, |ci, o, t| w[(o * c.input + ci) * taps + taps - 1 - t]);
    correlate(f, back, padded, &weights, None, dx);
}

fn correlate(
    f: &Flat,
    c: Channels,
    padded: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (len, olen) = (f.channel(), f.output.iter().product::<usize>());
    let (blocks, pieces) = (c.output.div_ceil(ROWS), f.span().div_ceil(TILES * TILE));
    let depth = c.input * f.taps.len() * ROWS;
    let shared = Disjoint::new(y);
    (0..c.batch * pieces * blocks).into_par_iter().for_each(|task| {
        let (block, piece, n) = (task % blocks, task / blocks % pieces, task / blocks / pieces);
        let x = &padded[n * c.input * len..(n + 1) * c.input * len];
        let w = &weights[block * depth..(block + 1) * depth];
        let rows = block * ROWS..((block + 1) * ROWS).min(c.output);
        let start = |o: usize| bias.map_or(0.0, |b| b.get(o).copied().unwrap_or(0.0));
        let start: [f32; ROWS] = std::array::from_fn(|row| start(block * ROWS + row));
        for tile in piece * TILES..(piece + 1) * TILES {
            let from = tile * TILE;
            if from >= f.span() {
                break;
            }
            let sums = lanes::weighted(x, len, from, &f.taps, w, start);
            f.runs(from, |at, offset, count| {
                for o in rows.clone() {
                    let first = (n * c.output + o) * olen + offset;
                    // SAFETY: tiles cover separate voxels, blocks separate channels.
                    let target = unsafe { shared.part(first, count) };
                    target.copy_from_slice(&sums[o - rows.start][at..at + count]);
                }
            });
        }
    });
}

/// `dw = Σ dy ⊗ windows(x)` from inputs padded by [`Flat::pad`]: partial sums per sample and
/// block of output channels, added in order.
pub fn grad_weight(f: &Flat, c: Channels, padded: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (len, olen, taps) = (f.channel(), f.output.iter().product::<usize>(), f.taps.len());
    let (blocks, span) = (c.output.div_ceil(ROWS), f.span().next_multiple_of(LANES));
    let partials: Vec<Vec<f32>> = (0..c.batch * blocks)
        .into_par_iter()
        .map(|task| {
            let (block, n) = (task % blocks, task / blocks);
            let x = &padded[n * c.input * len..(n + 1) * c.input * len];
            f32::with_scratch(ROWS * len, |gradients| {
                for (row, to) in gradients.chunks_exact_mut(len).enumerate() {
                    let o = block * ROWS + row;
                    if o < c.output {
                        let from = (n * c.output + o) * olen;
                        f.place(&dy[from..from + olen], f.output, [0; 3], to);
                    } else {
                        to.fill(0.0);
                    }
                }
                let mut sums = vec![0.0; ROWS * c.input * taps];
                for from in (0..span).step_by(PASS) {
                    let count = PASS.min(span - from);
                    for window in 0..c.input * taps / f.width {
                        let (ci, first) = (window / (taps / f.width), window % (taps / f.width));
                        for t in (first * f.width..(first + 1) * f.width).step_by(lanes::TAPS) {
                            let some = lanes::TAPS.min((first + 1) * f.width - t);
                            let windows =
                                Windows { x, at: ci * len + f.taps[t] + from, step: f.step, some };
                            let rows = Rows { dy: gradients, len, from, count };
                            for (row, parts) in lanes::products(windows, rows).iter().enumerate() {
                                let to = &mut sums[(row * c.input + ci) * taps + t..][..some];
                                to.iter_mut().zip(parts).for_each(|(sum, part)| *sum += *part);
                            }
                        }
                    }
                }
                sums
            })
        })
        .collect();
    dw.fill(0.0);
    for (task, partial) in partials.iter().enumerate() {
        let from = task % blocks * ROWS * c.input * taps;
        let to = from + partial.len();
        let target = &mut dw[from..to.min(c.output * c.input * taps)];
        target.iter_mut().zip(partial).for_each(|(t, p)| *t += *p);
    }
}
