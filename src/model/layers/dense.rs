//! Fully connected layer with bias. `[n, i]` to `[n, o]`.

use super::super::layer::{Affine, Gradients, Layer, Mode, Pass, Role, Saved, he_normal};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, dense, elementwise};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "dense",
    title: "fully connected",
    question: "Weighted sum of all inputs, plus a bias.",
    formula: "y = W x + b",
    reading: "Relevance follows the rule the composite gives it.",
    misleads: "-",
    source: "PyTorch Linear",
    unit: "1",
    better: Better::Neither,
};

/// The layer. Weight output channel first, bias `[c_out]`.
#[derive(Debug)]
pub struct Dense {
    weight: Array,
    bias: Array,
}

impl Dense {
    /// A layer from weights `[o, i]` and bias `[o]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not agree.
    pub fn new(weight: Array, bias: Array) -> Result<Self> {
        if weight.shape().len() != 2 || bias.shape() != [weight.shape()[0]] {
            return Err(Error::shape("dense weight and bias", weight.shape(), bias.shape()));
        }
        Ok(Self { weight, bias })
    }
}

impl Layer for Dense {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [[i]] if *i == self.weight.shape()[1] => Ok(vec![self.weight.shape()[0]]),
            _ => Err(Error::shape("dense input", [self.weight.shape()[1]], inputs)),
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
        let x = pass.inputs[0];
        let inputs = if inputs_too {
            vec![self.transpose(pass.grad, &self.weight, x, ws)?]
        } else {
            Vec::new()
        };
        let dw = dense::grad_weight(x, pass.grad, ws)?;
        Ok(Gradients { inputs, parameters: vec![dw, elementwise::channel_sums(pass.grad)?] })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("weight", &mut self.weight), ("bias", &mut self.bias)]
    }

    fn reinitialise(&mut self, stream: &mut Stream) -> Result<()> {
        he_normal(&mut self.weight, stream)?;
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

impl Affine for Dense {
    fn weight(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        Some(&self.bias)
    }

    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
        dense::forward(x, w, b, ws)
    }

    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let _ = x;
        dense::grad_input(s, w, ws)
    }

    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self::new(weight, bias)?))
    }
}
