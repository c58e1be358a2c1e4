//! Residual sum of two or more inputs of one shape.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "add",
    title: "residual sum",
    question: "Sum of several branches.",
    formula: "y = a + b",
    reading: "Relevance in proportion to the branches.",
    misleads: "Branches that cancel amplify relevance without bound.",
    source: "Zennit Sum with Norm",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Add;

impl Layer for Add {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        if inputs.iter().any(|s| *s != inputs[0]) {
            return Err(Error::shape("add inputs", inputs[0], inputs));
        }
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let mut sum = ws.copy(inputs[0])?;
        inputs[1..].iter().try_for_each(|x| elementwise::add_to(&mut sum, x))?;
        Ok((sum, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let inputs = pass.inputs.iter().map(|_| ws.copy(pass.grad)).collect::<Result<_>>()?;
        Ok(Gradients { inputs, parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Merge
    }
}
