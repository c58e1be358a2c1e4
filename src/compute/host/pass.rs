//! One correlation as the kernels see it: where its taps read and where its voxels go.
//!
//! `y[o] = Σ_tap w[tap] · p[step · o + shift(tap)]` per axis, where `p` is the source between
//! zeros. A convolution is one pass; its gradient by the input is one pass per phase of its
//! step. A padded plane is one row of numbers in which every tap lies at a fixed distance from
//! its output voxel: the zeros after one row are those before the next, and a step cuts the
//! plane into one plane per phase.

use super::super::geometry::ConvGeometry;
use super::kernels::{MOST, odd_lines};

/// Numbers that may be read past the last voxel of a plane: the widest tile.
const SLACK: usize = MOST + 16;

/// A correlation of one channel with another.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Extent of a source channel, `[k, j, i]`.
    pub source: [usize; 3],
    /// Zeros before the source; voxels left out when negative.
    pub lead: [isize; 3],
    /// Step from one output voxel to the next in the padded source.
    pub step: [usize; 3],
    /// Where each tap reads, from `step · o`.
    pub shifts: Vec<[usize; 3]>,
    /// Each tap's number in the weights.
    pub taps: Vec<usize>,
    /// Output voxels.
    pub output: [usize; 3],
    /// Place of the first output voxel in an output channel, and distance to the next along
    /// `[k, j, i]`.
    pub start: usize,
    /// See `start`.
    pub stride: [usize; 3],
}

/// Distances in a channel of extent `[k, j, i]`.
fn strides(extent: [usize; 3]) -> [usize; 3] {
    [extent[1] * extent[2], extent[2], 1]
}

/// Every tap of a window, in the order of the weights.
fn window(kernel: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [kk, kj, ki] = kernel;
    (0..kk * kj * ki).map(move |t| [t / (kj * ki), t / ki % kj, t % ki])
}

impl Pass {
    /// A convolution.
    pub fn forward(g: &ConvGeometry, source: [usize; 3], output: [usize; 3]) -> Self {
        let shifts = window(g.kernel).map(|t| std::array::from_fn(|a| g.dilation[a] * t[a]));
        let shifts: Vec<[usize; 3]> = shifts.collect();
        Self {
            source,
            lead: g.pad_before.map(usize::cast_signed),
            step: g.stride,
            taps: (0..shifts.len()).collect(),
            shifts,
            output,
            start: 0,
            stride: strides(output),
        }
    }

    /// The gradient by an input of extent `input`, from one of extent `output`: for every phase
    /// of the step a pass over the voxels of that phase, with the taps that meet them. All have as
    /// many zeros before the source, so that they can read one padded copy.
    pub fn transposed(g: &ConvGeometry, input: [usize; 3], output: [usize; 3]) -> Vec<Self> {
        let [sk, sj, si] = g.stride;
        let phases = (0..sk * sj * si).map(|p| [p / (sj * si), p / si % sj, p % si]);
        let mut passes: Vec<Self> =
            phases.filter_map(|phase| Self::phase(g, input, output, phase)).collect();
        for a in 0..3 {
            let most = passes.iter().map(|pass| pass.lead[a]).max().unwrap_or(0);
            for pass in &mut passes {
                let more = (most - pass.lead[a]).unsigned_abs();
                pass.shifts.iter_mut().for_each(|shift| shift[a] += more);
                pass.lead[a] = most;
            }
        }
        passes
    }

    /// Input voxel `p` with `p + pad = step · q + phase` is met by tap t of output voxel
    /// `q − (dilation · t − phase) / step`, when that is whole.
    fn phase(
        g: &ConvGeometry,
        input: [usize; 3],
        output: [usize; 3],
        phase: [usize; 3],
    ) -> Option<Self> {
        let first: [usize; 3] =
            std::array::from_fn(|a| g.pad_before[a].saturating_sub(phase[a]).div_ceil(g.stride[a]));
        let at: [usize; 3] =
            std::array::from_fn(|a| first[a] * g.stride[a] + phase[a] - g.pad_before[a]);
        if (0..3).any(|a| at[a] >= input[a]) {
            return None;
        }
        let back = |t: [usize; 3]| -> Option<[usize; 3]> {
            let mut back = [0; 3];
            for a in 0..3 {
                let ahead = (g.dilation[a] * t[a]).checked_sub(phase[a])?;
                back[a] = (ahead % g.stride[a] == 0).then_some(ahead / g.stride[a])?;
            }
            Some(back)
        };
        let met: Vec<(usize, [usize; 3])> =
            window(g.kernel).enumerate().filter_map(|(n, t)| Some((n, back(t)?))).collect();
        let most: [usize; 3] =
            std::array::from_fn(|a| met.iter().map(|(_, b)| b[a]).max().unwrap_or(0));
        let whole = strides(input);
        // The last tap reads first: in this order neighbouring taps lie side by side.
        Some(Self {
            source: output,
            lead: std::array::from_fn(|a| most[a].cast_signed() - first[a].cast_signed()),
            step: [1; 3],
            shifts: met
                .iter()
                .rev()
                .map(|(_, b)| std::array::from_fn(|a| most[a] - b[a]))
                .collect(),
            taps: met.iter().rev().map(|(n, _)| *n).collect(),
            output: std::array::from_fn(|a| (input[a] - at[a]).div_ceil(g.stride[a])),
            start: (0..3).map(|a| at[a] * whole[a]).sum(),
            stride: std::array::from_fn(|a| g.stride[a] * whole[a]),
        })
    }

    /// The farthest shift along each axis.
    fn reach(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.shifts.iter().map(|s| s[a]).max().unwrap_or(0))
    }
}

/// Padded planes of passes over one source as rows of numbers.
#[derive(Debug, Clone)]
pub struct Planes {
    /// Distance between rows.
    pub pitch: usize,
    /// Length of one plane of one channel: all phases.
    pub len: usize,
    /// Planes from the first tap to the last.
    pub depth: usize,
    /// Per pass and tap: plane, and distance from the output voxel within it.
    pub taps: Vec<Vec<(usize, usize)>>,
    /// Phases of rows and columns that a tap reads, in the order they are laid down.
    phases: Vec<[usize; 2]>,
    /// Length of one phase.
    part: usize,
    /// Rows of one phase.
    rows: usize,
}

impl Planes {
    /// The layout for one pass, or for those of [`Pass::transposed`].
    ///
    /// # Panics
    /// Without a pass (a fault of ours).
    pub fn of(passes: &[&Pass]) -> Self {
        let pass = passes[0];
        let most =
            |of: &dyn Fn(&Pass) -> usize| passes.iter().map(|pass| of(pass)).max().unwrap_or(0);
        let [_, step_j, step_i] = pass.step;
        let [reach_k, reach_j, reach_i] = std::array::from_fn(|a| most(&|p| p.reach()[a]));
        let out_i = most(&|p| p.output[2]);
        let rows = most(&|p| p.output[1]) + reach_j / step_j;
        let across = out_i + reach_i / step_i;
        let pitch = if step_i == 1 {
            let (from, to) = pass.columns(0, across);
            (across - from.min(across - to)).max(out_i)
        } else {
            across
        };
        let shifts = passes.iter().flat_map(|pass| &pass.shifts);
        let mut phases: Vec<[usize; 2]> = shifts.map(|s| [s[1] % step_j, s[2] % step_i]).collect();
        phases.sort_unstable();
        phases.dedup();
        let part = odd_lines(rows * pitch + across + SLACK);
        let tap = |s: &[usize; 3]| {
            let at = phases.iter().position(|p| *p == [s[1] % step_j, s[2] % step_i]);
            (s[0], at.unwrap_or(0) * part + s[1] / step_j * pitch + s[2] / step_i)
        };
        let taps = passes.iter().map(|pass| pass.shifts.iter().map(tap).collect()).collect();
        let len = part * phases.len();
        Self { pitch, len, depth: reach_k + 1, taps, phases, part, rows }
    }

    /// Numbers from the first output voxel of a plane to the last, with what lies between rows.
    pub fn span(&self, pass: &Pass) -> usize {
        (pass.output[1] - 1) * self.pitch + pass.output[2]
    }

    /// Lays padded plane `plane` of one channel down.
    pub fn fill(&self, pass: &Pass, channel: &[f32], plane: usize, to: &mut [f32]) {
        let [extent_k, extent_j, extent_i] = pass.source;
        let k = plane.cast_signed() - pass.lead[0];
        if !(0..extent_k.cast_signed()).contains(&k) {
            to.fill(0.0);
            return;
        }
        let source = &channel[k.unsigned_abs() * extent_j * extent_i..][..extent_j * extent_i];
        for (&[phase_j, phase_i], to) in self.phases.iter().zip(to.chunks_exact_mut(self.part)) {
            let (from, until) = pass.columns(phase_i, self.pitch);
            let first = pass.step[2] * from + phase_i;
            let (whole, tail) = to.split_at_mut(self.rows * self.pitch);
            let same = [self.rows, self.pitch] == [extent_j, extent_i];
            if same && pass.step[1..] == [1, 1] && pass.lead[1..] == [0, 0] {
                // Without zeros and steps a plane lies as it did.
                whole.copy_from_slice(source);
                tail.fill(0.0);
                continue;
            }
            for (row, to) in whole.chunks_exact_mut(self.pitch).enumerate() {
                let j = (pass.step[1] * row + phase_j).cast_signed() - pass.lead[1];
                if !(0..extent_j.cast_signed()).contains(&j) || from >= until {
                    to.fill(0.0);
                    continue;
                }
                let line = &source[j.unsigned_abs() * extent_i..][..extent_i];
                let line = &line[(first.cast_signed() - pass.lead[2]).unsigned_abs()..];
                to[..from].fill(0.0);
                to[until..].fill(0.0);
                let to = &mut to[from..until];
                if pass.step[2] == 1 {
                    to.copy_from_slice(&line[..until - from]);
                } else {
                    to.iter_mut().zip(line.iter().step_by(pass.step[2])).for_each(|(t, s)| *t = *s);
                }
            }
            tail.fill(0.0);
        }
    }
}

impl Pass {
    /// Columns `[from, to)` of a phase, of the first `across`, that hold voxels of the source.
    pub fn columns(&self, phase: usize, across: usize) -> (usize, usize) {
        let (step, lead) = (self.step[2].cast_signed(), self.lead[2]);
        let first = |voxel: isize| {
            let ahead = voxel + lead - phase.cast_signed();
            usize::try_from(ahead.div_euclid(step) + isize::from(ahead.rem_euclid(step) > 0))
                .unwrap_or(0)
        };
        let from = first(0).min(across);
        (from, first(self.source[2].cast_signed()).clamp(from, across))
    }
}
