//! The gradient of a convolution by its weights, straight from padded planes.
//!
//! `dw[o, c, tap] = Σ_p dy[o, p] · padded(x)[c, step · p + shift(tap)]`. The batch is cut into
//! tasks by shape alone; their partial sums are added in order.
#![expect(unsafe_code, reason = "tasks write to separate parts of the sums; kernels by table")]

use rayon::prelude::*;

use super::super::array::Real;
use super::conv3d::Channels;
use super::disjoint::Disjoint;
use super::kernels::{ALIGNMENT, Kernels, Products, ROWS, TAPS, aligned};
use super::pass::{Pass, Planes};

/// Output voxels of a block: eight rows of gradients stay in the first-level cache.
const BLOCK: usize = 1280;
/// Tasks the work is cut into.
const TASKS: usize = 32;
/// Bytes of all partial sums together.
const PARTIALS: usize = 8 << 20;

/// Pieces that `units` of work are cut into whose partial sums of `numbers` each are added: as
/// many as there is room for. By shape alone.
pub fn pieces(units: usize, numbers: usize) -> usize {
    (PARTIALS / (numbers * size_of::<f32>()).max(1)).clamp(1, TASKS).min(units)
}

/// Adds partial sums in their order.
pub fn add_up(partials: &[f32], sums: &mut [f32]) {
    const PIECE: usize = 4096;
    let numbers = sums.len();
    sums.par_chunks_mut(PIECE).enumerate().for_each(|(piece, sums)| {
        let own = piece * PIECE..piece * PIECE + sums.len();
        let mut parts = partials.chunks_exact(numbers).map(|p| &p[own.clone()]);
        if let Some(first) = parts.next() {
            sums.copy_from_slice(first);
        }
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += *part);
        }
    });
}

/// How a pass is cut: by shape alone.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Output planes summed at once.
    slab: usize,
    /// Slabs of a sample.
    slabs: usize,
    /// Pieces of a batch, each with partial sums of its own.
    pieces: usize,
    /// Parts of the output channels.
    parts: usize,
    /// Rows of a block of output channels.
    rows: usize,
    /// Planes of the ring.
    slots: usize,
    /// Length of one plane of gradients, whole vectors.
    plane: usize,
    /// Weights of all groups.
    numbers: usize,
}

impl Cut {
    fn new(kernels: Kernels, pass: &Pass, planes: &Planes, c: Channels) -> Self {
        let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
        let numbers = c.output * inputs * pass.taps.len();
        let plane = planes.span(pass).next_multiple_of(ALIGNMENT);
        let slab = (BLOCK / plane).clamp(1, pass.output[0]);
        let slabs = pass.output[0].div_ceil(slab);
        let pieces = pieces(c.batch * slabs, numbers);
        let rows = kernels.block(outputs);
        // Few pieces leave threads idle: then every task has some of the output channels.
        let parts = TASKS.div_ceil(pieces * c.groups).min(outputs.div_ceil(rows));
        let slots = pass.step[0] * (slab - 1) + planes.depth;
        Self { slab, slabs, pieces, parts, rows, slots, plane, numbers }
    }
}

/// Numbers that [`gradient`] needs besides its result.
pub fn room(kernels: Kernels, pass: &Pass, c: Channels) -> usize {
    let cut = Cut::new(kernels, pass, &Planes::of(&[pass]), c);
    if cut.pieces == 1 { 0 } else { cut.pieces * cut.numbers }
}

/// `dw` of a batch; `pass` is that of the convolution, `partials` as many numbers as [`room`]
/// says.
pub fn gradient(
    kernels: Kernels,
    pass: &Pass,
    c: Channels,
    (x, dy): (&[f32], &[f32]),
    partials: &mut [f32],
    dw: &mut [f32],
) {
    let planes = Planes::of(&[pass]);
    let cut = Cut::new(kernels, pass, &planes, c);
    let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
    let each = inputs * pass.taps.len();
    let blocks = outputs.div_ceil(cut.rows);
    let sums = Disjoint::new(if cut.pieces == 1 { &mut *dw } else { &mut *partials });
    (0..cut.pieces * c.groups * cut.parts).into_par_iter().with_max_len(1).for_each(|task| {
        let (part, group) = (task % cut.parts, task / cut.parts % c.groups);
        let piece = task / cut.parts / c.groups;
        let block = |part: usize| (blocks * part / cut.parts * cut.rows).min(outputs);
        let (first, to) = (block(part), block(part + 1));
        let of = Slabs { kernels, pass, planes: &planes, c, cut, group, first, count: to - first };
        let from = piece * cut.numbers + (group * outputs + first) * each;
        // SAFETY: tasks have separate pieces, groups or output channels.
        let sums = unsafe { sums.part(from, (to - first) * each) };
        sums.fill(0.0);
        let units = c.batch * cut.slabs;
        of.add(units * piece / cut.pieces..units * (piece + 1) / cut.pieces, x, dy, sums);
    });
    if cut.pieces > 1 {
        add_up(partials, dw);
    }
}

/// Slabs of some output channels of a group.
#[derive(Debug, Clone, Copy)]
struct Slabs<'a> {
    kernels: Kernels,
    pass: &'a Pass,
    planes: &'a Planes,
    c: Channels,
    cut: Cut,
    group: usize,
    /// First output channel in the group.
    first: usize,
    /// Output channels.
    count: usize,
}

impl Slabs<'_> {
    /// Adds the products of slabs, counted over all samples.
    fn add(self, slabs: std::ops::Range<usize>, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let Self { pass, planes, c, cut, .. } = self;
        let held_len = c.input / c.groups * cut.slots * planes.len;
        let slopes_len = self.count.next_multiple_of(cut.rows) * cut.slab * cut.plane;
        f32::with_scratch(held_len + slopes_len + ALIGNMENT, |room| {
            let (held, slopes) = aligned(room).split_at_mut(held_len);
            let slopes = &mut slopes[..slopes_len];
            let mut tags = vec![usize::MAX; cut.slots];
            for unit in slabs {
                let (sample, slab) = (unit / cut.slabs, unit % cut.slabs);
                if slab == 0 {
                    tags.fill(usize::MAX);
                }
                let image = sample * c.groups + self.group;
                let first = slab * cut.slab;
                let count = cut.slab.min(pass.output[0] - first);
                self.lay_down(image, first, count, x, held, &mut tags);
                self.spread(image, first, count, dy, slopes);
                self.multiply(first, count, held, slopes, sums);
            }
        });
    }

    /// Where the ring holds a padded plane that a slab beginning at output plane `first` reads:
    /// planes of a slab lie one after another, and with slabs of one plane most are kept for
    /// the next.
    fn slot(self, first: usize, plane: usize) -> usize {
        if self.cut.slab == 1 { plane % self.cut.slots } else { plane - self.pass.step[0] * first }
    }

    /// The padded planes that the slab's taps reach and the ring does not hold.
    fn lay_down(
        self,
        image: usize,
        first: usize,
        count: usize,
        x: &[f32],
        held: &mut [f32],
        tags: &mut [usize],
    ) {
        let Self { pass, planes, c, cut, .. } = self;
        let inputs = c.input / c.groups;
        let len: usize = pass.source.iter().product();
        let start = pass.step[0] * first;
        let x = &x[image * inputs * len..][..inputs * len];
        let step = cut.slots * planes.len;
        for plane in start..start + pass.step[0] * (count - 1) + planes.depth {
            let slot = self.slot(first, plane);
            if tags[slot] == plane {
                continue;
            }
            tags[slot] = plane;
            for (channel, held) in x.chunks_exact(len).zip(held.chunks_exact_mut(step)) {
                planes.fill(pass, channel, plane, &mut held[slot * planes.len..][..planes.len]);
            }
        }
    }

    /// Gradients with zeros between the rows.
    fn spread(self, image: usize, first: usize, count: usize, dy: &[f32], slopes: &mut [f32]) {
        let Self { pass, planes, c, cut, .. } = self;
        let outputs = c.output / c.groups;
        let [depth, rows, columns] = pass.output;
        let len = rows * columns;
        for (at, slopes) in slopes.chunks_exact_mut(cut.slab * cut.plane).enumerate() {
            let o = self.first + at;
            if at >= self.count {
                slopes.fill(0.0);
                continue;
            }
            for (k, to) in slopes.chunks_exact_mut(cut.plane).take(count).enumerate() {
                let from = ((image * outputs + o) * depth + first + k) * len;
                for (row, line) in dy[from..from + len].chunks_exact(columns).enumerate() {
                    let end = ((row + 1) * planes.pitch).min(cut.plane);
                    let to = &mut to[row * planes.pitch..end];
                    to[..columns].copy_from_slice(line);
                    to[columns..].fill(0.0);
                }
                if rows * planes.pitch < cut.plane {
                    to[rows * planes.pitch..].fill(0.0);
                }
            }
        }
    }

    /// All products of a slab, a block of voxels at a time.
    fn multiply(
        self,
        first_plane: usize,
        count: usize,
        held: &[f32],
        slopes: &[f32],
        sums: &mut [f32],
    ) {
        let Self { kernels, pass, planes, c, cut, count: outputs, .. } = self;
        let inputs = c.input / c.groups;
        let (taps, start) = (pass.taps.len(), pass.step[0] * first_plane);
        let rows = cut.rows;
        let body = kernels.products(rows);
        let vectors = cut.plane / kernels.lanes;
        let blocks = vectors.div_ceil(BLOCK / kernels.lanes);
        let mut out = [[0.0; TAPS]; ROWS];
        for voxels in 0..blocks {
            let from = vectors * voxels / blocks * kernels.lanes;
            let to = vectors * (voxels + 1) / blocks * kernels.lanes;
            for block in 0..outputs.div_ceil(rows) {
                let dy = &slopes[block * rows * cut.slab * cut.plane + from..];
                for channel in 0..inputs {
                    for first in (0..taps).step_by(TAPS) {
                        let some = TAPS.min(taps - first);
                        let place = |t: usize| {
                            // Taps beyond the last are summed with it and never used.
                            let (shift, offset) = planes.taps[0][first + t.min(some - 1)];
                            let slot = self.slot(first_plane, start + shift);
                            (channel * cut.slots + slot) * planes.len + offset + from
                        };
                        let products = Products {
                            x: held,
                            taps: std::array::from_fn(place),
                            dy,
                            dy_step: cut.slab * cut.plane,
                            count: to - from,
                            planes: count,
                            plane_steps: [pass.step[0] * planes.len, cut.plane],
                        };
                        // SAFETY: the processor has the instructions; planes of the source are
                        // laid down with room for whole vectors beyond the last output voxel.
                        unsafe { body(&products, &mut out) };
                        let first_row = block * rows;
                        for (o, parts) in (first_row..outputs).zip(out.iter().take(rows)) {
                            let to = &mut sums[(o * inputs + channel) * taps + first..][..some];
                            to.iter_mut().zip(parts).for_each(|(sum, part)| *sum += *part);
                        }
                    }
                }
            }
        }
    }
}
