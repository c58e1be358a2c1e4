//! `[n, …]` to `[n, features]`.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "flatten",
    title: "flatten",
    question: "One row per sample.",
    formula: "y = reshape(x)",
    reading: "Relevance keeps its place.",
    misleads: "-",
    source: "PyTorch Flatten",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Layer for Flatten {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(vec![inputs[0].iter().product()])
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let x = inputs[0];
        let features = x.shape()[1..].iter().product();
        Ok((ws.copy(x)?.reshaped(&[x.shape()[0], features])?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = ws.copy(pass.grad)?.reshaped(pass.inputs[0].shape())?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Reshape
    }
}
