//! The gradient of a convolution by its weights, straight from padded planes.
//!
//! `dw[o, c, tap] = Σ_p dy[o, p] · padded(x)[c, step · p + shift(tap)]`. The batch is cut into
//! tasks by shape alone; their partial sums are added in order.
#![expect(unsafe_code, reason = "kernels by table")]

use rayon::prelude::*;

use super::super::array::Real;
use super::conv3d::Channels;
use super::kernels::{ALIGNMENT, Kernels, Products, ROWS, TAPS, aligned};
use super::pass::{Pass, Planes};

/// Output voxels of a block: eight rows of gradients stay in the first-level cache.
const BLOCK: usize = 1280;
/// Tasks a batch is cut into.
const TASKS: usize = 32;
/// Bytes of all partial sums together.
const PARTIALS: usize = 16 << 20;

/// How a pass is cut: by shape alone.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Output planes summed at once.
    slab: usize,
    /// Slabs of an image.
    slabs: usize,
    /// Tasks of an image.
    tasks: usize,
    /// Planes of the ring.
    slots: usize,
    /// Length of one plane of gradients, whole vectors.
    plane: usize,
}

/// Partial sums, one after another: how many, and how long each is.
pub fn tasks(images: usize, most: usize, numbers: usize) -> usize {
    let room = (PARTIALS / (numbers * size_of::<f32>()).max(1)).max(4).div_ceil(images);
    TASKS.div_ceil(images).min(most).min(room).max(1)
}

/// `dw` of a batch; `pass` is that of the convolution.
pub fn gradient(kernels: Kernels, pass: &Pass, c: Channels, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let planes = Planes::of(pass);
    let images = c.batch * c.groups;
    let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
    let numbers = inputs * outputs * pass.taps.len();
    let plane = planes.span(pass).next_multiple_of(ALIGNMENT);
    let slab = (BLOCK / plane).clamp(1, pass.output[0]);
    let slabs = pass.output[0].div_ceil(slab);
    let slots = pass.step[0] * (slab - 1) + planes.depth;
    let cut = Cut { slab, slabs, tasks: tasks(images, slabs, numbers), slots, plane };
    let rows = outputs.next_multiple_of(kernels.block(outputs));
    let lengths = [inputs * slots * planes.len, rows * slab * plane];
    let mut partials = vec![0.0; images * cut.tasks * numbers];
    partials.par_chunks_mut(numbers).with_max_len(1).enumerate().for_each(|(task, sums)| {
        let (image, part) = (task / cut.tasks, task % cut.tasks);
        let of = Slabs { kernels, pass, planes: &planes, c, cut };
        f32::with_scratch(lengths[0] + lengths[1] + ALIGNMENT, |room| {
            let (held, slopes) = aligned(room).split_at_mut(lengths[0]);
            let mut tags = vec![usize::MAX; slots];
            for slab in cut.slabs * part / cut.tasks..cut.slabs * (part + 1) / cut.tasks {
                let first = slab * cut.slab;
                let count = cut.slab.min(pass.output[0] - first);
                of.lay_down(image, first, count, x, held, &mut tags);
                of.spread(image, first, count, dy, &mut slopes[..lengths[1]]);
                of.multiply(first, count, held, slopes, sums);
            }
        });
    });
    let whole = c.groups * numbers;
    dw.par_chunks_mut(4096).enumerate().for_each(|(piece, dw)| {
        let from = piece * 4096;
        let group = |at: usize| (at / numbers, at % numbers);
        for (at, to) in (from..).zip(dw) {
            let (group, at) = group(at);
            let each = |task: usize| {
                let (sample, task) = (task / cut.tasks, task % cut.tasks);
                partials[((sample * c.groups + group) * cut.tasks + task) * numbers + at]
            };
            *to = (0..c.batch * cut.tasks).map(each).sum();
        }
        debug_assert!(from < whole);
    });
}

/// The slabs of a batch.
#[derive(Debug, Clone, Copy)]
struct Slabs<'a> {
    kernels: Kernels,
    pass: &'a Pass,
    planes: &'a Planes,
    c: Channels,
    cut: Cut,
}

impl Slabs<'_> {
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
        for (o, slopes) in slopes.chunks_exact_mut(cut.slab * cut.plane).enumerate() {
            if o >= outputs {
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
        let Self { kernels, pass, planes, c, cut } = self;
        let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
        let (taps, start) = (pass.taps.len(), pass.step[0] * first_plane);
        let rows = kernels.block(outputs);
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
                            let (shift, offset) = planes.taps[first + t.min(some - 1)];
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
