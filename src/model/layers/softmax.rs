//! Softmax over the classes (axis 1), or its logarithm.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, softmax};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "softmax",
    title: "softmax",
    question: "Logits to probabilities that add to 1, or to their logarithms.",
    formula: "y_c = exp(x_c) / Σ_d exp(x_d)",
    reading: "Not explained itself: relevance starts at the logit below it.",
    misleads: "A probability mixes all classes; the map is that of one logit.",
    source: "PyTorch Softmax and LogSoftmax along axis 1",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Softmax {
    /// The natural logarithm of the probabilities.
    pub logarithm: bool,
}

impl Layer for Softmax {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        Ok((softmax::forward(inputs[0], self.logarithm, ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = softmax::backward(pass.output, pass.grad, self.logarithm, ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Link
    }
}
