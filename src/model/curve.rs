//! Activations that are one function of one number: a layer file gives the function, its
//! derivative and a card; this gives the layer.

use super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::Result;
use crate::card::Card;
use crate::compute::elementwise::{self, Function};
use crate::compute::{Array, Workspace};

/// What an activation file says of itself.
#[derive(Debug)]
pub struct Shape {
    /// Its card.
    pub card: &'static Card,
    /// `f(x)` for the settings of the layer.
    pub value: fn(f64, [f64; 2]) -> f64,
    /// `f'(x)` for the settings of the layer.
    pub slope: fn(f64, [f64; 2]) -> f64,
    /// A function to probabilities: at the end of a network what is explained lies below it.
    pub link: bool,
}

/// An activation with its settings (what they mean, each layer file says).
#[derive(Debug, Clone, Copy)]
pub struct Curve {
    /// The function.
    pub shape: &'static Shape,
    /// Its settings; 0 where a function has none.
    pub settings: [f64; 2],
}

impl Curve {
    /// As [`crate::compute`] knows it; a card by the id of the layer.
    fn function(&self) -> Function {
        let Shape { card, value, slope, .. } = *self.shape;
        Function { name: card.id, value, slope, settings: self.settings }
    }
}

impl Layer for Curve {
    fn card(&self) -> &'static Card {
        self.shape.card
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
        Ok((elementwise::curve(inputs[0], &self.function(), ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let dx = elementwise::curve_backward(pass.inputs[0], pass.grad, &self.function(), ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        if self.shape.link { Role::Link } else { Role::Pointwise }
    }
}
