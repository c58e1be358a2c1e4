//! Which kernel a convolution of f32 gets: by geometry alone, in one place.
//!
//! | correlation | kernel |
//! | --- | --- |
//! | 3³ window, step 1, no groups, 8 channels or more on both sides, extents of 8 or more, sums of any kind | Winograd over planes and rows |
//! | any other forward pass or gradient by the input | direct from padded planes; a step cuts the gradient into phases |
//! | gradient by the weights: as the first line, large half planes, many pairs of channels | Winograd |
//! | gradient by the weights with one or two taps | matrix product of columns |
//! | any other gradient by the weights | direct |
//!
//! f64 goes through columns ([`super::conv3d`]).

use super::super::geometry::ConvGeometry;
use super::conv3d::Channels;
use super::correlation::{Correlation, Packed};
use super::isa::Isa;
use super::kernels::Kernels;
use super::pass::Pass;
use super::{direct, weight, winograd, winograd_weight};

/// How the sum of an output voxel may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// Any way; rounding is relative to the largest products nearby.
    Any,
    /// Product by product; rounding is relative to the voxel's own products. Rules divide by
    /// such sums.
    Plain,
}

/// A convolution and its extents.
#[derive(Debug, Clone, Copy)]
pub struct Conv<'a> {
    /// Its window.
    pub geometry: &'a ConvGeometry,
    /// Channels of the convolution.
    pub channels: Channels,
    /// Input extent.
    pub input: [usize; 3],
    /// Output extent.
    pub output: [usize; 3],
    /// How sums may be made.
    pub sums: Sums,
    /// Instructions.
    pub isa: Isa,
}

/// Fewest channels on both sides, and least extent, for Winograd's filtering.
const WINOGRAD_CHANNELS: usize = 8;
/// See [`WINOGRAD_CHANNELS`].
const WINOGRAD_EXTENT: usize = 8;

impl Conv<'_> {
    /// Whether a pass goes by Winograd's filtering.
    fn by_winograd(&self, pass: &Pass) -> bool {
        let c = self.channels;
        self.sums == Sums::Any
            && c.input.min(c.output) >= WINOGRAD_CHANNELS
            && pass.output.iter().all(|n| *n >= WINOGRAD_EXTENT)
            && winograd::fits(pass, c)
    }

    /// `y = conv(x, w) + b`, negative numbers set to 0 with `rectify`. Weights are laid out in
    /// `room`, which grows as needed.
    pub fn forward(
        &self,
        (x, w): (&[f32], &[f32]),
        (b, rectify): (Option<&[f32]>, bool),
        room: &mut Vec<f32>,
        y: &mut [f32],
    ) {
        let c = self.channels;
        let pass = Pass::forward(self.geometry, self.input, self.output);
        let inputs = c.input / c.groups;
        let taps = pass.taps.len();
        let weight = |o: usize, ci: usize| &w[(o * inputs + ci) * taps..][..taps];
        self.correlate(&[pass], c, (b, rectify), weight, room, (x, y));
    }

    /// `dx = convᵀ(dy, w)`; `room` as in [`Conv::forward`].
    pub fn grad_input(&self, dy: &[f32], w: &[f32], room: &mut Vec<f32>, dx: &mut [f32]) {
        let c = self.channels;
        let (inputs, outputs) = (c.input / c.groups, c.output / c.groups);
        let taps = self.geometry.taps();
        let back = Channels { input: c.output, output: c.input, ..c };
        // Weights of group g: those of its output channels.
        let weight = |i: usize, o: usize| {
            let (group, ci) = (i / inputs, i % inputs);
            &w[((group * outputs + o) * inputs + ci) * taps..][..taps]
        };
        let passes = Pass::transposed(self.geometry, self.input, self.output);
        self.correlate(&passes, back, (None, false), weight, room, (dy, dx));
    }

    /// Passes over one source; `weight(output channel, input channel in its group)` has all taps.
    fn correlate<'w>(
        &self,
        passes: &[Pass],
        channels: Channels,
        (bias, rectify): (Option<&[f32]>, bool),
        weight: impl Fn(usize, usize) -> &'w [f32] + Sync,
        room: &mut Vec<f32>,
        (x, y): (&[f32], &mut [f32]),
    ) {
        let kernels = Kernels::of(self.isa);
        let output_len = y.len() / (channels.batch * channels.output);
        let winograd = passes.len() == 1 && self.by_winograd(&passes[0]);
        let numbers = |pass: &Pass| {
            let each = match winograd {
                true => winograd::each(channels),
                false => direct::each(channels, &pass.taps),
            };
            Packed::numbers(kernels, channels, each)
        };
        let all = passes.iter().map(numbers).sum();
        if room.len() < all {
            // The old one goes first.
            *room = Vec::new();
            *room = vec![0.0; all];
        }
        let mut rest = &mut room[..];
        let mut pack = |pass: &Pass| {
            let own = rest.split_off_mut(..numbers(pass)).unwrap_or_default();
            match winograd {
                true => winograd::pack(kernels, channels, &pass.taps, bias, own, &weight),
                false => direct::pack(kernels, channels, &pass.taps, bias, own, &weight),
            }
        };
        let packed: Vec<Packed<'_>> = passes.iter().map(&mut pack).collect();
        let of =
            |(pass, packed)| Correlation { pass, channels, packed, rectify, output_len, kernels };
        let all: Vec<Correlation<'_>> = passes.iter().zip(&packed).map(of).collect();
        match (winograd, &all[..]) {
            (true, [of]) => of.winograd(x, y),
            (_, []) => {}
            (_, all) => direct::direct(all, x, y),
        }
    }

    /// Whether the gradient by the weights of a pass goes by Winograd's filtering.
    fn weight_by_winograd(&self, pass: &Pass) -> bool {
        self.by_winograd(pass) && winograd_weight::worth(Kernels::of(self.isa), pass, self.channels)
    }

    /// Numbers that [`Conv::grad_weight`] needs besides its result; none when the convolution
    /// goes through columns instead.
    pub fn weight_room(&self) -> Option<usize> {
        let (c, kernels) = (self.channels, Kernels::of(self.isa));
        let pass = Pass::forward(self.geometry, self.input, self.output);
        (pass.taps.len() >= 3).then(|| match self.weight_by_winograd(&pass) {
            true => winograd_weight::room(&pass, c),
            false => weight::room(kernels, &pass, c),
        })
    }

    /// `dw`, with the room that [`Conv::weight_room`] asks for.
    pub fn grad_weight(&self, x: &[f32], dy: &[f32], room: &mut [f32], dw: &mut [f32]) {
        let (c, kernels) = (self.channels, Kernels::of(self.isa));
        let pass = Pass::forward(self.geometry, self.input, self.output);
        match self.weight_by_winograd(&pass) {
            true => winograd_weight::gradient(kernels, &pass, c, (x, dy), room, dw),
            false => weight::gradient(kernels, &pass, c, (x, dy), room, dw),
        }
    }
}
