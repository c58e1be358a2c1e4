//! Rectifier `max(x, 0)`; its derivative at 0 is 0.

use super::super::layer::{Gradients, Layer, Mode, Part, Pass, Role, Saved};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "relu",
    title: "rectifier",
    question: "Keeps positive values.",
    formula: "y = max(x, 0)",
    reading: "Relevance passes unchanged.",
    misleads: "-",
    source: "Nair and Hinton 2010",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Layer for Relu {
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
        Ok((elementwise::relu(inputs[0], ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = elementwise::relu_backward(pass.output, pass.grad, ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Pointwise
    }

    fn part(&self) -> Part<'_> {
        Part::Rectifier
    }
}
