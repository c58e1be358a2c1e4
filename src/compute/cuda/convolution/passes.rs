//! Convolutions as the kernels see them: lists of products, and places that go with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::super::super::array::Array;
use super::super::super::geometry::ConvGeometry;
use super::super::super::precision::Precision;
use super::super::divider::Divider;
use crate::{Error, Result};

/// Taps of the three axes together whose places fit the bits of a word, one kept.
pub(super) const NARROW: usize = 31;
/// Taps of a table are a multiple of this, which kernels take at a time.
pub(super) const STEP: usize = 32;
/// Numbers of a tap.
const WORDS: usize = 4;

/// `Axis` of the kernels.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Axis {
    step: i32,
    start: i32,
    between: i32,
    taps: i32,
    extent: i32,
    to_step: i32,
    to_start: i32,
    to_extent: i32,
}

/// `Pass` of the kernels.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Pass {
    axis: [Axis; 3],
    volume: Divider,
    plane: Divider,
    row: Divider,
    /// Places of all samples.
    pub voxels: u32,
    products: i32,
    inputs: i32,
    /// Channels made of a group.
    pub outputs: i32,
    groups: i32,
    weight_group: i32,
    weight_step: i32,
    /// Whether negative numbers become 0.
    pub rectify: i32,
}

/// Taps along one axis: their number, that of the first in the window and of the next ones after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    count: usize,
    first: usize,
    every: usize,
    /// Numbers from one to the next in what is read.
    stride: i64,
}

/// All products of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Taps {
    runs: [Run; 3],
    kernel: [usize; 3],
    /// Channels read, numbers and weights from one to the next.
    channels: [usize; 3],
}

/// Tables of taps on the card, by geometry.
#[derive(Debug, Default)]
pub struct Tables(pub Mutex<HashMap<Taps, Arc<Array>>>);

impl Taps {
    /// Taps of the three axes together.
    pub fn wide(&self) -> usize {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Products of a sum.
    pub fn len(&self) -> usize {
        self.channels[0] * self.runs.iter().map(|run| run.count).product::<usize>()
    }

    /// As the kernels read them; the rest of the last step is outside every window.
    pub fn words(&self) -> Vec<u32> {
        let [channels, numbers, weights] = self.channels;
        let [k, j, i] = self.runs;
        let bit = |place: usize| if self.wide() <= NARROW { 1u32 << place } else { 0 };
        let mut words = Vec::with_capacity(self.len().next_multiple_of(STEP) * WORDS);
        let places = |run: Run| (0..run.count).map(move |t| (t, run.first + t * run.every));
        let window = || {
            places(k).flat_map(|k| places(j).flat_map(move |j| places(i).map(move |i| [k, j, i])))
        };
        for c in 0..channels {
            for (number, [(tk, wk), (tj, wj), (ti, wi)]) in (0u32..).zip(window()) {
                let steps = [(tk, k), (tj, j), (ti, i)].map(|(t, run)| t as i64 * run.stride);
                let from = (c * numbers) as i64 + steps.iter().sum::<i64>();
                let tap = (wk * self.kernel[1] + wj) * self.kernel[2] + wi;
                let bits = bit(tk) | bit(k.count + tj) | bit(k.count + j.count + ti);
                words.extend([from as i32 as u32, bits, (c * weights + tap) as u32, number]);
            }
        }
        words.resize(self.len().next_multiple_of(STEP) * WORDS, 0);
        words[self.len() * WORDS..].chunks_exact_mut(WORDS).for_each(|tap| tap[1] = 1 << NARROW);
        words
    }
}

/// A pass with its taps and the extent it makes.
pub struct Work {
    /// For the kernels.
    pub pass: Pass,
    /// Products of a sum.
    pub taps: Taps,
    /// Voxels of a sample.
    pub places: usize,
}

impl Work {
    /// Extents of what is made, where windows are 3 × 3 × 3 voxels side by side, one voxel apart.
    pub fn near(&self) -> Option<[usize; 3]> {
        let one = |a: &Axis| {
            let side_by_side = a.taps == 3 && a.step == 1 && a.between.abs() == 1;
            side_by_side && a.to_step == 1 && a.to_start == 0
        };
        let extents = || self.pass.axis.map(|a| a.to_extent as usize);
        self.pass.axis.iter().all(one).then(extents)
    }
}

/// A convolution's shapes, checked by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Shapes<'a> {
    /// Window.
    pub geometry: &'a ConvGeometry,
    /// Samples.
    pub batch: usize,
    /// Channels read and made, of all groups.
    pub channels: [usize; 2],
    /// Extent of the input.
    pub input: [usize; 3],
    /// Extent of the output.
    pub output: [usize; 3],
    /// How exactly cuDNN may multiply where it is asked; our own kernels know f32 alone.
    pub precision: Precision,
}

fn volume(extent: [usize; 3]) -> usize {
    extent.iter().product()
}

/// Numbers of one sample must have 31-bit places.
pub fn counted(numbers: usize, what: &str) -> Result<()> {
    match i32::try_from(numbers) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::usage(
            "E-DEVICE-005",
            format!("{what} of a convolution has {numbers} numbers; the card's kernels take 2^31"),
            "Use smaller volumes or fewer channels, or --device cpu",
        )),
    }
}

impl Shapes<'_> {
    /// Channels of a group, read and made.
    pub fn grouped(&self) -> [usize; 2] {
        self.channels.map(|c| c / self.geometry.groups)
    }

    /// Weights of all groups.
    pub fn weights(&self) -> usize {
        let [inputs, _] = self.grouped();
        inputs * self.channels[1] * self.geometry.taps()
    }

    /// Whether the kernels' whole numbers suffice.
    ///
    /// # Errors
    /// `E-DEVICE-005` when places need more than 31 bits.
    pub fn check(&self) -> Result<()> {
        let [inputs, outputs] = self.channels;
        let reach: usize =
            (0..3).map(|a| self.geometry.pad_before[a] + self.input[a]).max().unwrap_or(0);
        counted(inputs * volume(self.input), "one sample of the input")?;
        counted(outputs * volume(self.output), "one sample of the output")?;
        counted(reach, "an axis")?;
        let [i, o] = self.grouped();
        counted(i * o * self.geometry.taps(), "the weight of one group")
    }

    /// Samples that one launch takes.
    pub fn at_once(&self, places: usize) -> usize {
        // Tiles may reach beyond the last voxel.
        ((1 << 30) / places.max(1)).clamp(1, self.batch.max(1))
    }

    fn work(&self, axis: [Axis; 3], runs: [[usize; 3]; 3], places: [usize; 3], back: bool) -> Work {
        let [i, o] = self.grouped();
        let taps = self.geometry.taps();
        let (inputs, outputs) = if back { (o, i) } else { (i, o) };
        let extents = axis.map(|a| a.extent as i64);
        let strides = [extents[1] * extents[2], extents[2], 1];
        let runs = std::array::from_fn(|a| {
            let [count, first, every] = runs[a];
            Run { count, first, every, stride: i64::from(axis[a].between) * strides[a] }
        });
        let read = extents.iter().product::<i64>() as usize;
        let channels = [inputs, read, if back { i * taps } else { taps }];
        let taps_of = Taps { runs, kernel: self.geometry.kernel, channels };
        let pass = Pass {
            axis,
            volume: Divider::new(volume(places)),
            plane: Divider::new(places[1] * places[2]),
            row: Divider::new(places[2]),
            voxels: 0,
            products: taps_of.len() as i32,
            inputs: inputs as i32,
            outputs: outputs as i32,
            groups: self.geometry.groups as i32,
            weight_group: (i * o * taps) as i32,
            weight_step: if back { taps } else { i * taps } as i32,
            rectify: 0,
        };
        Work { pass, taps: taps_of, places: volume(places) }
    }

    /// The convolution.
    pub fn forward(&self) -> Work {
        let g = self.geometry;
        let axis = std::array::from_fn(|a| Axis {
            step: g.stride[a] as i32,
            start: -(g.pad_before[a] as i32),
            between: g.dilation[a] as i32,
            taps: g.kernel[a] as i32,
            extent: self.input[a] as i32,
            to_step: 1,
            to_start: 0,
            to_extent: self.output[a] as i32,
        });
        self.work(axis, g.kernel.map(|count| [count, 0, 1]), self.output, false)
    }

    /// One axis of the gradient by the input, at the places `phase`, `phase + stride`, …: input `q`
    /// has the tap `t` of output `p` with `stride · p + dilation · t − pad = q`.
    fn phase(&self, a: usize, phase: usize) -> (Axis, [usize; 3]) {
        let g = self.geometry;
        let (stride, dilation) = (g.stride[a], g.dilation[a]);
        let at = phase + g.pad_before[a];
        let fits = |t: &usize| (dilation * t) % stride == at % stride;
        let all: Vec<usize> = (0..g.kernel[a]).filter(fits).collect();
        let first = all.first().copied().unwrap_or(0);
        let every = all.get(1).map_or(1, |second| second - first);
        let axis = Axis {
            step: 1,
            start: (at as i32 - (dilation * first) as i32).div_euclid(stride as i32),
            between: -((dilation * every / stride) as i32),
            taps: all.len() as i32,
            extent: self.output[a] as i32,
            to_step: stride as i32,
            to_start: phase as i32,
            to_extent: self.input[a] as i32,
        };
        (axis, [all.len(), first, every])
    }

    /// The gradient by the input: a pass for each place of a voxel between the steps.
    pub fn backward(&self) -> Vec<Work> {
        let phases = |a: usize| 0..self.geometry.stride[a].min(self.input[a]);
        let mut all = Vec::new();
        for [k, j, i] in
            phases(0).flat_map(|k| phases(1).flat_map(move |j| phases(2).map(move |i| [k, j, i])))
        {
            let of: [_; 3] = [self.phase(0, k), self.phase(1, j), self.phase(2, i)];
            let places = std::array::from_fn(|a| {
                (self.input[a] - [k, j, i][a]).div_ceil(self.geometry.stride[a])
            });
            all.push(self.work(of.map(|o| o.0), of.map(|o| o.1), places, true));
        }
        all
    }
}
