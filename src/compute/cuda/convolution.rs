//! 3D convolution and its gradients on the card: geometry, choice of kernels, launches.
//!
//! `kernels/convolution.cu` multiplies matrices whose second factor, every voxel's window, is read
//! in place. Here its products are listed as taps, once for each geometry, and the kernel is chosen
//! by shape alone, so that the same shapes always add in the same order.
//!
//! What the kernels were designed for is an H100 (132 multiprocessors, 128 multiply-adds of f32 a
//! cycle each, 67 TFLOP/s and 3.35 TB/s in all, so 20 FLOP for each byte). A 3³ convolution of `c`
//! to `o` channels has `54·c·o` FLOP and at least `4·(c + o)` bytes a voxel: 1 to 8 channels have
//! 12 FLOP a byte, bound by memory; 8 to 16 have 72 and everything wider more, bound by arithmetic.
//! A thread of the widest tile reads 12 numbers of shared memory for 32 multiply-adds, and 6 of
//! global memory (mostly its first cache, which holds what neighbouring taps share) for 256.
//! What a card makes of them: docs/gpu.md.

mod near;
mod passes;

use std::sync::Arc;

use super::super::array::Array;
#[cfg(feature = "cudnn")]
use super::super::precision::Precision;
use super::Card;
use super::launch::{Argument, THREADS};
use crate::{Error, Result};
use near::Boxes;
use passes::{NARROW, STEP, Taps, Work, counted};
pub use passes::{Pass, Shapes, Tables};

/// A tile of outputs: the kernel, its output channels and voxels.
struct Tile {
    kernel: &'static str,
    outputs: usize,
    voxels: usize,
}

const fn tile(kernel: &'static str, outputs: usize, voxels: usize) -> Tile {
    Tile { kernel, outputs, voxels }
}

/// Kernels by the output channels of a group, the first that has enough of them; the last one also
/// for more. Where tiles would not fill a card, the next, smaller ones are used.
///
/// | channels | tiles, from many voxels to few |
/// | --- | --- |
/// | 1, 2 | all channels of 1024 voxels, voxels in registers |
/// | 3 to 8 | the same |
/// | 9 to 16 | 16 x 256, 32 x 64 |
/// | 17 to 32 | 32 x 128, 32 x 64 |
/// | 33 and more | 64 x 128, 32 x 128, 32 x 64 |
const TILES: &[(usize, &[Tile])] = &[
    (2, &[tile("convolve_2", 2, 1024)]),
    (8, &[tile("convolve_8", 8, 1024)]),
    (16, &[tile("convolve_16x256", 16, 256), tile("convolve_32x64", 32, 64)]),
    (32, &[tile("convolve_32x128", 32, 128), tile("convolve_32x64", 32, 64)]),
    (
        usize::MAX,
        &[
            tile("convolve_64x128", 64, 128),
            tile("convolve_32x128", 32, 128),
            tile("convolve_32x64", 32, 64),
        ],
    ),
];

/// The same for the gradient by the weights; `voxels` stands for taps.
const WEIGHT_TILES: &[(usize, &[Tile])] = &[
    (8, &[tile("weigh_8x32", 8, 32)]),
    (32, &[tile("weigh_32x64", 32, 64)]),
    (usize::MAX, &[tile("weigh_64x64", 64, 64)]),
];

/// Blocks that fill a card: two for each of 132 multiprocessors.
const FULL: usize = 264;
/// Voxels that a part of the gradient by the weights has at least.
const PART: usize = 512;
/// Tables kept.
const KEPT: usize = 512;

/// The first tile that has enough outputs and, if one has, makes enough blocks.
fn choose(
    table: &'static [(usize, &'static [Tile])],
    outputs: usize,
    blocks: impl Fn(&Tile) -> usize,
) -> &'static Tile {
    let tiles = table.iter().find(|(most, _)| outputs <= *most).map_or(table[0].1, |(_, t)| t);
    tiles.iter().find(|t| blocks(t) >= FULL).unwrap_or(&tiles[tiles.len() - 1])
}

/// What cuDNN can be asked for; the arrays that go with it.
#[derive(Debug, Clone, Copy)]
pub enum Pass3d {
    /// `conv(x, w)`.
    Forward,
    /// `convᵀ(dy, w)`.
    ByInput,
    /// The gradient by the weights, of `x` and `dy`.
    ByWeight,
}

/// Channels of a group, read and made, from which on less than f32 pays: fewer are bound by memory,
/// where our kernels of f32 are faster than what tensor cores make of rounded numbers.
#[cfg(feature = "cudnn")]
const TENSOR: usize = 32;

/// How exactly cuDNN has to multiply, where it is asked before our own kernels: for less than f32, and
/// for windows that our tiles do not have. In f32 ours are the faster ones, as measured beside its
/// deterministic algorithms (docs/gpu.md).
#[cfg(feature = "cudnn")]
fn asked_of_cudnn(shapes: &Shapes) -> Option<Precision> {
    use super::super::device::Convolutions;
    let wide = shapes.geometry.kernel.iter().sum::<usize>() > NARROW;
    let pays = match shapes.precision {
        Precision::F32 => false,
        Precision::Tf32 | Precision::Bf16 => shapes.grouped().iter().all(|c| *c >= TENSOR),
    };
    match Convolutions::now() {
        Convolutions::Chosen if pays => Some(shapes.precision),
        Convolutions::Chosen => wide.then_some(Precision::F32),
        Convolutions::Ours => None,
        Convolutions::Cudnn => Some(shapes.precision),
    }
}

/// A pass by cuDNN, where it is part of the program, is asked and takes the convolution.
fn by_cudnn(
    card: &Card,
    pass: Pass3d,
    arrays: [&Array; 2],
    shapes: &Shapes,
) -> Result<Option<Array>> {
    #[cfg(feature = "cudnn")]
    if let Some(precision) = asked_of_cudnn(shapes) {
        return super::cudnn::made(card, pass, arrays, &Shapes { precision, ..*shapes });
    }
    let _ = (card, pass, arrays, shapes);
    Ok(None)
}

/// `y = conv(x, w) + b`, negative numbers set to 0 with `rectify`.
///
/// # Errors
/// `E-DEVICE-003` when the card fails, `E-DEVICE-005` when places need more than 31 bits.
pub fn forward(
    card: &Card,
    arrays: [&Array; 2],
    b: Option<&Array>,
    shapes: &Shapes,
    rectify: bool,
) -> Result<Array> {
    match by_cudnn(card, Pass3d::Forward, arrays, shapes)? {
        Some(y) => card.add_bias(&y, b, rectify).map(|()| y),
        None => own_forward(card, arrays, b, shapes, rectify),
    }
}

/// `dx = convᵀ(dy, w)`.
///
/// # Errors
/// As [`forward`].
pub fn grad_input(card: &Card, arrays: [&Array; 2], shapes: &Shapes) -> Result<Array> {
    match by_cudnn(card, Pass3d::ByInput, arrays, shapes)? {
        Some(dx) => Ok(dx),
        None => own_grad_input(card, arrays, shapes),
    }
}

/// Gradient by the weights.
///
/// # Errors
/// As [`forward`].
pub fn grad_weight(card: &Card, arrays: [&Array; 2], shapes: &Shapes) -> Result<Array> {
    match by_cudnn(card, Pass3d::ByWeight, arrays, shapes)? {
        Some(dw) => Ok(dw),
        None => own_grad_weight(card, arrays, shapes),
    }
}

fn own_forward(
    card: &Card,
    [x, w]: [&Array; 2],
    b: Option<&Array>,
    shapes: &Shapes,
    rectify: bool,
) -> Result<Array> {
    let [k, j, i] = shapes.output;
    let y = card.room(x.dtype(), &[shapes.batch, shapes.channels[1], k, j, i])?;
    shapes.check()?;
    let mut work = shapes.forward();
    work.pass.rectify = i32::from(rectify);
    card.correlate(&work, shapes, [x, w, &y], b)?;
    Ok(y)
}

fn own_grad_input(card: &Card, [dy, w]: [&Array; 2], shapes: &Shapes) -> Result<Array> {
    let [k, j, i] = shapes.input;
    let dx = card.room(dy.dtype(), &[shapes.batch, shapes.channels[0], k, j, i])?;
    shapes.check()?;
    for work in shapes.backward() {
        card.correlate(&work, shapes, [dy, w, &dx], None)?;
    }
    Ok(dx)
}

/// Voxels are cut into parts, each added up by one block, then the parts in order.
fn own_grad_weight(card: &Card, arrays: [&Array; 2], shapes: &Shapes) -> Result<Array> {
    let (g, [inputs, outputs]) = (shapes.geometry, shapes.grouped());
    let [k, j, i] = g.kernel;
    shapes.check()?;
    let mut work = shapes.forward();
    let voxels = shapes.batch * work.places;
    counted(voxels + PART, "the output of one channel")?;
    work.pass.voxels = voxels as u32;
    let dtype = arrays[0].dtype();
    let dw = card.room(dtype, &[shapes.channels[1], inputs, k, j, i])?;
    let boxes = work.near().map(Boxes::cover);
    let near = boxes.and_then(|boxes| Some((boxes, boxes.parts(shapes, dtype)?)));
    let (kernel, blocks, length) = match near {
        Some((_, (blocks, length))) => ("weigh_near", blocks, length),
        None => tiled_parts(&work, outputs, g.groups),
    };
    let (parts, count) = (blocks[2], dw.len());
    let rows = (parts > 1).then(|| card.room(dtype, &[parts, count])).transpose()?;
    let made = [arrays[0], arrays[1], rows.as_ref().unwrap_or(&dw)].map(|a| card.of(a));
    let made = made.into_iter().collect::<Result<Vec<_>>>()?;
    // It lives until the kernel is queued.
    let table = card.table(&work.taps)?;
    let (before, after) = match near {
        Some((boxes, _)) => (boxes.argument(), vec![shapes.batch.into(), length.into()]),
        None => (card.of(&table)?, vec![length.into()]),
    };
    let all = [vec![work.pass.into(), before], made, after].concat();
    card.run(kernel, dtype, blocks.map(|n| n as u32), &all)?;
    if let Some(rows) = &rows {
        let sums = [card.of(rows)?, card.of(&dw)?, parts.into(), count.into()];
        card.run("add_parts", dtype, [count.div_ceil(32) as u32, 1, 1], &sums)?;
    }
    Ok(dw)
}

/// Kernel, blocks and voxels of a part of the gradient by the weights, where it is made by tiles.
fn tiled_parts(work: &Work, outputs: usize, groups: usize) -> (&'static str, [usize; 3], usize) {
    let (products, voxels) = (work.taps.len(), work.pass.voxels as usize);
    let (kernel, blocks) = if work.taps.wide() <= NARROW {
        let tile = choose(WEIGHT_TILES, outputs, |_| FULL);
        let bands = outputs.div_ceil(tile.outputs) * groups;
        (tile.kernel, [products.div_ceil(tile.voxels), bands])
    } else {
        ("weigh_any", [products, outputs * groups])
    };
    let wanted = (2 * FULL).div_ceil(blocks[0] * blocks[1]);
    let length = voxels.div_ceil(wanted).max(PART).next_multiple_of(STEP);
    (kernel, [blocks[0], blocks[1], voxels.div_ceil(length).max(1)], length)
}

impl Card {
    /// The table of taps, made and copied to the card when first asked for.
    fn table(&self, taps: &Taps) -> Result<Arc<Array>> {
        let stopped = |_| Error::internal("a thread stopped while it listed taps");
        let mut tables = self.tables.0.lock().map_err(stopped)?;
        if let Some(table) = tables.get(taps) {
            return Ok(table.clone());
        }
        if tables.len() >= KEPT {
            tables.clear();
        }
        let table = Arc::new(self.numbers(&taps.words())?);
        tables.insert(*taps, table.clone());
        Ok(table)
    }

    /// Runs a pass over all samples.
    fn correlate(
        &self,
        work: &Work,
        shapes: &Shapes,
        [x, w, y]: [&Array; 3],
        b: Option<&Array>,
    ) -> Result<()> {
        let (outputs, groups) = (work.pass.outputs as usize, shapes.geometry.groups);
        let (table, w) = (self.table(&work.taps)?, self.lent(w)?);
        let b = b.map(|b| self.lent(b)).transpose()?;
        let bias = b.as_ref().map_or(Ok(Argument::Pointer(0)), |b| self.of(b.array()))?;
        let at_once = shapes.at_once(work.places);
        let boxes = work.near().and_then(|places| Boxes::of(places, shapes, outputs));
        let sizes = [x, y].map(|array| array.len() / shapes.batch.max(1));
        for first in (0..shapes.batch).step_by(at_once) {
            let voxels = at_once.min(shapes.batch - first) * work.places;
            let grid = |t: &Tile| [voxels.div_ceil(t.voxels), outputs.div_ceil(t.outputs) * groups];
            let any = Tile { kernel: "convolve_any", outputs: 1, voxels: THREADS as usize };
            let tile = match work.taps.wide() <= NARROW {
                true => choose(TILES, outputs, |t| grid(t).iter().product()),
                false => &any,
            };
            let [blocks, bands] = grid(tile);
            let mut pass = work.pass;
            pass.voxels = voxels as u32;
            let from = self.from(x, first * sizes[0])?;
            let to = self.from(y, first * sizes[1])?;
            if let Some(boxes) = boxes {
                let own = [self.of(&table)?, from, self.of(w.array())?, bias, to];
                let all: Vec<_> = [pass.into(), boxes.argument()].into_iter().chain(own).collect();
                let samples = voxels / work.places.max(1);
                self.run(boxes.kernel(), x.dtype(), boxes.grid(samples), &all)?;
                continue;
            }
            let all = [pass.into(), self.of(&table)?, from, self.of(w.array())?, bias, to];
            self.run(tile.kernel, x.dtype(), [blocks as u32, bands as u32, 1], &all)?;
        }
        Ok(())
    }

    /// Adds the bias and sets negative numbers to 0, in place.
    fn add_bias(&self, y: &Array, b: Option<&Array>, rectify: bool) -> Result<()> {
        if b.is_none() && !rectify {
            return Ok(());
        }
        let (rows, channels) = (y.shape()[0] * y.shape()[1], y.shape()[1]);
        let row = y.len() / rows.max(1);
        let b = b.map(|b| self.lent(b)).transpose()?;
        let bias = b.as_ref().map_or(Ok(Argument::Pointer(0)), |b| self.of(b.array()))?;
        let pieces = row.div_ceil(PART * 8).clamp(1, 1 << 12);
        let all = [self.of(y)?, bias, channels.into(), rectify.into(), row.into()];
        self.run("add_bias", y.dtype(), [rows as u32, pieces as u32, 1], &all)
    }

    /// An array as an argument, from a number on.
    fn from(&self, x: &Array, number: usize) -> Result<Argument> {
        let bytes = number * x.dtype().size_in_bytes();
        match self.of(x)? {
            Argument::Pointer(at) => Ok(Argument::Pointer(at + bytes as u64)),
            other => Ok(other),
        }
    }
}

impl From<Pass> for Argument {
    fn from(pass: Pass) -> Self {
        Self::Pass(pass)
    }
}

#[cfg(test)]
mod tests;
