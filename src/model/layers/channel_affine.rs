//! Scale and shift per channel: what a batch norm is at rest.

use super::super::layer::{Affine, Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::norm::ChannelMap;
use crate::compute::{Array, Workspace, elementwise};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "channel_affine",
    title: "scale and shift per channel",
    question: "Each channel times a weight, plus a bias.",
    formula: "y = w_c x + b_c",
    reading: "Relevance follows the rule of convolutions; the shift takes its share as a bias.",
    misleads: "Every output has one contribution: where weight and input disagree in sign, rules of positive parts hand nothing on.",
    source: "batch normalisation at rest, Ioffe and Szegedy 2015",
    unit: "1",
    better: Better::Neither,
};

/// The layer. Weight and bias `[c]`.
#[derive(Debug)]
pub struct ChannelAffine {
    weight: Array,
    bias: Array,
}

impl ChannelAffine {
    /// A layer from weight and bias, both `[c]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not agree.
    pub fn new(weight: Array, bias: Array) -> Result<Self> {
        if weight.shape().len() != 1 || bias.shape() != weight.shape() {
            let shapes = (weight.shape(), bias.shape());
            return Err(Error::shape("scale and shift per channel", "[c] and [c]", shapes));
        }
        Ok(Self { weight, bias })
    }
}

impl Layer for ChannelAffine {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [shape] if shape.first() == Some(&self.weight.len()) => Ok(shape.to_vec()),
            _ => Err(Error::shape("scale and shift per channel", self.weight.shape(), inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let y = self.apply(inputs[0], &self.weight, Some(&self.bias), ws)?;
        Ok((y, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, inputs_too: bool, ws: &mut Workspace) -> Result<Gradients> {
        let inputs = if inputs_too {
            vec![self.transpose(pass.grad, &self.weight, pass.inputs[0], ws)?]
        } else {
            Vec::new()
        };
        let product = elementwise::times(pass.inputs[0], pass.grad, ws)?;
        let dw = elementwise::channel_sums(&product)?;
        ws.give(product);
        Ok(Gradients { inputs, parameters: vec![dw, elementwise::channel_sums(pass.grad)?] })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("weight", &mut self.weight), ("bias", &mut self.bias)]
    }

    /// Weight 1 and bias 0, as a fresh batch norm.
    fn reinitialise(&mut self, _: &mut Stream) -> Result<()> {
        self.weight.host_mut::<f32>()?.fill(1.0);
        self.bias.host_mut::<f32>()?.fill(0.0);
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        self.with(self.weight.duplicate()?, self.bias.duplicate()?)
    }

    fn role(&self) -> Role<'_> {
        Role::Affine(self)
    }
}

impl Affine for ChannelAffine {
    fn weight(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        Some(&self.bias)
    }

    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
        let shift = b.map(Array::to_f64).transpose()?.unwrap_or(vec![0.0; w.len()]);
        ChannelMap::new(w.to_f64()?, shift)?.apply(x, ws)
    }

    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let _ = x;
        ChannelMap::scales(w.to_f64()?)?.apply(s, ws)
    }

    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self::new(weight, bias)?))
    }
}
