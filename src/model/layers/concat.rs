//! Channels of several inputs side by side; all other extents agree.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, blocks};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "concat",
    title: "concatenation",
    question: "Channels of several branches side by side.",
    formula: "y = [a, b]",
    reading: "Each branch gets the relevance of its own channels.",
    misleads: "-",
    source: "PyTorch cat along axis 1",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Concat;

impl Layer for Concat {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        if inputs.iter().any(|s| s.is_empty() || s[1..] != inputs[0][1..]) {
            return Err(Error::shape("concat inputs", inputs[0], inputs));
        }
        let mut shape = inputs[0].to_vec();
        shape[0] = inputs.iter().map(|s| s[0]).sum();
        Ok(shape)
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        Ok((blocks::join(inputs, ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let shapes: Vec<&[usize]> = pass.inputs.iter().map(|x| x.shape()).collect();
        let inputs = blocks::split(pass.grad, &shapes, ws)?;
        Ok(Gradients { inputs, parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Split
    }
}
