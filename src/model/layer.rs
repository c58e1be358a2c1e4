//! What a layer must say and do. Rules in `explain/` see its [`Role`], never its type.

use std::fmt::Debug;

use super::graph::accumulate;
use super::layers::batch_norm::BatchNorm;
use crate::Result;
use crate::card::Card;
use crate::compute::conv3d::Sums;
use crate::compute::norm::{ChannelMap, Statistics};
use crate::compute::{Array, Marks, Precision, Workspace};
use crate::seed::Stream;

/// How a forward pass runs.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Batch statistics and dropout, drawn from the stream; convolutions in this precision.
    Train(&'a mut Stream, Precision),
    /// Running statistics, no dropout.
    Infer,
}

impl Mode<'_> {
    /// How exactly convolutions are made: f32 but in a training that asks for less.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Train(_, precision) => *precision,
            Self::Infer => Precision::F32,
        }
    }
}

/// What a forward pass keeps for the way back.
#[derive(Debug)]
pub enum Saved {
    /// Nothing.
    Nothing,
    /// Places of maxima.
    Places(Marks<u32>),
    /// Of a norm.
    Statistics(Statistics),
    /// Factors a dropout multiplied with.
    Factors(Array),
    /// Which voxel won each window of a fused block.
    Winners(Marks<u8>),
    /// Nothing, but a batch norm takes the mean of the output away: a bias has no gradient.
    Centred,
}

impl Saved {
    /// Numbers of channels, which a layer absorbs.
    pub fn of_channels(&mut self) -> Option<[&mut Array; 2]> {
        match self {
            Self::Statistics(of) => Some([&mut of.mean, &mut of.variance]),
            _ => None,
        }
    }

    /// Hands the large buffers back.
    pub fn recycle(self, ws: &mut Workspace) {
        match self {
            Self::Places(places) => places.recycle(ws),
            Self::Factors(factors) => ws.give(factors),
            Self::Winners(winners) => winners.recycle(ws),
            Self::Nothing | Self::Centred | Self::Statistics(..) => {}
        }
    }
}

/// What a layer can be in a fused block ([`super::plan`]).
#[derive(Debug)]
pub enum Part<'a> {
    /// Its batch norm.
    Norm(&'a BatchNorm),
    /// Its ReLU.
    Rectifier,
    /// Its max pool, with this window.
    Tiles([usize; 3]),
    /// No part.
    Other,
}

/// Gradients of one layer.
#[derive(Debug)]
pub struct Gradients {
    /// One per input; empty when not asked for.
    pub inputs: Vec<Array>,
    /// One per parameter.
    pub parameters: Vec<Array>,
}

/// A layer: forward and backward side by side. Shapes `[n, c, k, j, i]` or `[n, features]`.
pub trait Layer: Debug + Send + Sync {
    /// Its own description.
    fn card(&self) -> &'static Card;
    /// Output shape for input shapes, both without the batch.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when they do not fit.
    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>>;
    /// Trainable arrays with their names.
    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        Vec::new()
    }
    /// The same for writing.
    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        Vec::new()
    }
    /// Running statistics with their names.
    fn buffers(&self) -> Vec<(&'static str, &Array)> {
        Vec::new()
    }
    /// The same for writing.
    fn buffers_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        Vec::new()
    }
    /// Output and what the way back needs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when inputs do not fit.
    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)>;
    /// Output in inference with negative numbers set to 0, where the layer can do that at once.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when the input does not fit.
    fn forward_rectified(&self, _x: &Array, _ws: &mut Workspace) -> Result<Option<Array>> {
        Ok(None)
    }
    /// Gradients for a gradient of the output.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn backward(&self, pass: &Pass<'_>, inputs_too: bool, ws: &mut Workspace) -> Result<Gradients>;
    /// Takes batch statistics into the running ones.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when buffers are not on the host.
    fn absorb(&mut self, _saved: &Saved, _momentum: f64) -> Result<()> {
        Ok(())
    }
    /// Draws fresh weights (no-op without weights).
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when parameters are not on the host.
    fn reinitialise(&mut self, _stream: &mut Stream) -> Result<()> {
        Ok(())
    }
    /// An independent copy.
    ///
    /// # Errors
    /// As [`Array::duplicate`].
    fn duplicate(&self) -> Result<Box<dyn Layer>>;
    /// What relevance does here.
    fn role(&self) -> Role<'_>;
    /// Its zero padding as a layer of its own, and the layer without it; none for layers that do
    /// not pad.
    ///
    /// # Errors
    /// As [`Layer::duplicate`].
    fn unpadded(&self) -> Result<Option<[Box<dyn Layer>; 2]>> {
        Ok(None)
    }
    /// What it can be in a fused block.
    fn part(&self) -> Part<'_> {
        Part::Other
    }
}

/// One forward pass of a layer, as its backward pass sees it.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Inputs.
    pub inputs: &'a [&'a Array],
    /// Output.
    pub output: &'a Array,
    /// What was kept.
    pub saved: &'a Saved,
    /// Gradient (or relevance) of the output.
    pub grad: &'a Array,
    /// How exactly convolutions are made.
    pub precision: Precision,
}

/// What relevance does at a layer.
#[derive(Debug)]
pub enum Role<'a> {
    /// Weights and bias: the rules apply.
    Affine(&'a dyn Affine),
    /// A fixed linear map (average pools): in proportion to contributions.
    Proportional,
    /// Relevance goes where the backward pass goes (max pool: the winner).
    Routing,
    /// Handed on unchanged (activations, dropout at rest).
    Pointwise,
    /// Handed on under another shape or order of axes.
    Reshape,
    /// Sum of inputs: in proportion.
    Merge,
    /// Inputs side by side: each gets the relevance of its own part.
    Split,
    /// A border around the input: relevance within is handed on, the rest is degenerate.
    /// Border before `[c, k, j, i]`.
    Border([usize; 4]),
    /// First input times second: the first, the signal, gets all.
    Gate,
    /// Logits to probabilities: at the end of a network the walk starts below it, elsewhere it
    /// hands on unchanged.
    Link,
    /// Scale and shift per channel that the sample itself decides (instance and group norm):
    /// held fixed, the rules apply sample by sample.
    PerSample(&'a dyn PerSample),
    /// Must become part of another layer, or an affine map of its own, before explaining (batch
    /// norm): scale and shift per channel.
    MustFold(Vec<f64>, Vec<f64>),
}

impl Role<'_> {
    /// In words, for tables.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Affine(_) => "weights",
            Self::Proportional => "mean",
            Self::Routing => "maximum",
            Self::Pointwise => "activation",
            Self::Reshape => "shape",
            Self::Merge => "sum",
            Self::Split => "parts",
            Self::Border(_) => "border",
            Self::Gate => "gate",
            Self::Link => "link",
            Self::PerSample(_) => "weights of the sample",
            Self::MustFold(..) => "to be folded",
        }
    }
}

/// A layer that is a scale and a shift per channel, decided by the sample itself.
pub trait PerSample: Debug + Send + Sync {
    /// Scale and shift per sample and channel `[n · c]` for inputs `[n, c, …]`, where these are.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    fn held(&self, x: &Array) -> Result<ChannelMap>;
}

/// A layer `z = W x + b`, with exchangeable weights.
pub trait Affine: Debug + Send + Sync {
    /// Weight, output channel first (a transposed convolution: input channel first).
    fn weight(&self) -> &Array;
    /// The output channel that number `at` of the weight belongs to.
    fn out_channel(&self, at: usize) -> usize {
        at / self.weight().shape()[1..].iter().product::<usize>()
    }
    /// Bias `[c_out]`.
    fn bias(&self) -> Option<&Array>;
    /// `W x + b` with weights given.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array>;
    /// `Wᵀ s` with weights given, shaped like `x`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array>;
    /// `Σ_t W_t x_t + b`: several inputs, each with its weights; `sums` says how its sums may be
    /// made, those of [`Affine::apply`] are plain.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn apply_all(
        &self,
        terms: &[(&Array, &Array)],
        b: Option<&Array>,
        _sums: Sums,
        ws: &mut Workspace,
    ) -> Result<Array> {
        one_by_one(self, terms, b, ws)
    }
    /// `W_tᵀ s` for several weights, each shaped like `x`; `sums` as in [`Affine::apply_all`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn transpose_all(
        &self,
        s: &Array,
        weights: &[&Array],
        x: &Array,
        _sums: Sums,
        ws: &mut Workspace,
    ) -> Result<Vec<Array>> {
        weights.iter().map(|w| self.transpose(s, w, x, ws)).collect()
    }
    /// The layer with other weights and bias.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when shapes do not fit.
    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>>;
}

/// `Σ_t W_t x_t + b`, term by term.
///
/// # Errors
/// As [`Affine::apply`].
pub fn one_by_one<L: Affine + ?Sized>(
    layer: &L,
    terms: &[(&Array, &Array)],
    b: Option<&Array>,
    ws: &mut Workspace,
) -> Result<Array> {
    let mut sum = None;
    for (at, (x, w)) in terms.iter().enumerate() {
        accumulate(&mut sum, layer.apply(x, w, b.filter(|_| at == 0), ws)?, ws)?;
    }
    sum.ok_or_else(|| crate::Error::internal("a sum without terms"))
}

/// Fills with He-normal draws: sd = √(2 / fan_in).
///
/// # Errors
/// [`crate::Error::Internal`] when the array is not on the host.
pub fn he_normal(array: &mut Array, stream: &mut Stream) -> Result<()> {
    let fan_in: usize = array.shape()[1..].iter().product();
    let sd = (2.0 / fan_in as f64).sqrt();
    for value in array.host_mut::<f32>()? {
        *value = (stream.normal() * sd) as f32;
    }
    Ok(())
}
