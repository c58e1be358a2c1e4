//! The same numbers under another shape, sample by sample.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "reshape",
    title: "reshape",
    question: "The same numbers in the same order under another shape.",
    formula: "y = reshape(x)",
    reading: "Relevance keeps its place.",
    misleads: "-",
    source: "PyTorch view",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// Shape of a sample's output, without the batch.
    pub shape: Vec<usize>,
}

impl Layer for Reshape {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        if inputs[0].iter().product::<usize>() != self.shape.iter().product::<usize>() {
            return Err(Error::shape("reshape", &self.shape, inputs));
        }
        Ok(self.shape.clone())
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let mut shape = vec![inputs[0].shape()[0]];
        shape.extend(&self.shape);
        Ok((ws.copy(inputs[0])?.reshaped(&shape)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = ws.copy(pass.grad)?.reshaped(pass.inputs[0].shape())?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(self.clone()))
    }

    fn role(&self) -> Role<'_> {
        Role::Reshape
    }
}
