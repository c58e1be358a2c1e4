//! Dropout: in training each value is dropped with probability `rate`, the rest scaled up.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "dropout",
    title: "dropout",
    question: "Random zeros while training, nothing else.",
    formula: "y = x · m / (1 − rate)",
    reading: "Relevance passes unchanged; the layer rests when explaining.",
    misleads: "-",
    source: "Srivastava et al. 2014",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Probability of being dropped, in [0, 1).
    pub rate: f64,
}

impl Layer for Dropout {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let Mode::Train(stream, _) = mode else {
            return Ok((ws.copy(inputs[0])?, Saved::Nothing));
        };
        let keep = 1.0 / (1.0 - self.rate);
        let draw = |_| if stream.chance(self.rate) { 0.0 } else { keep };
        let factors: Vec<f64> = (0..inputs[0].len()).map(draw).collect();
        let factors = Array::from_vec(factors, inputs[0].shape())?;
        let factors = crate::by_type!(inputs[0], T => factors.cast::<T>()?).beside(inputs[0])?;
        Ok((elementwise::times(inputs[0], &factors, ws)?, Saved::Factors(factors)))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = match pass.saved {
            Saved::Factors(factors) => elementwise::times(pass.grad, factors, ws)?,
            _ => ws.copy(pass.grad)?,
        };
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Pointwise
    }
}
