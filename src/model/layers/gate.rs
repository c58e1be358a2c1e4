//! A signal times a gate; the gate's extents are the signal's or 1.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, blocks};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "gate",
    title: "gate",
    question: "A signal let through in part, as another branch decides.",
    formula: "y = x · g, g spread over the axes where it has one number",
    reading: "All relevance goes to the signal x; the gate g gets none.",
    misleads: "What made the gate open is not in the map.",
    source: "Arras et al. 2017, doi 10.18653/v1/W17-5221 (signal-take-all)",
    unit: "1",
    better: Better::Neither,
};

/// The layer; the first input is the signal, the second the gate.
#[derive(Debug, Clone, Copy)]
pub struct Gate;

impl Layer for Gate {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [x, g] if x.len() == g.len() && x.iter().zip(*g).all(|(x, g)| x == g || *g == 1) => {
                Ok(x.to_vec())
            }
            _ => Err(Error::shape("signal and gate", "extents equal or 1 in the gate", inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        Ok((blocks::gated(inputs[0], inputs[1], ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let [x, g] = [pass.inputs[0], pass.inputs[1]];
        let dx = blocks::gated(pass.grad, g, ws)?;
        let dg = blocks::gate_gradient(x, pass.grad, g.shape())?;
        Ok(Gradients { inputs: vec![dx, dg], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Gate
    }
}
