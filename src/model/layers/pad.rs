//! A border of one value around channels and volume.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::blocks::{self, Border};
use crate::compute::{Array, Workspace, five};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "pad",
    title: "border",
    question: "A border of one value around the volume, or channels of it.",
    formula: "y = x within, v in the border",
    reading: "Relevance within keeps its place; what lies in the border is booked as degenerate.",
    misleads: "A border value other than 0 is evidence that no voxel of the image accounts for.",
    source: "PyTorch ConstantPad3d",
    unit: "1",
    better: Better::Neither,
};

/// The layer; borders of `[c, k, j, i]`.
#[derive(Debug, Clone, Copy)]
pub struct Pad {
    /// Before the first.
    pub before: Border,
    /// After the last.
    pub after: Border,
    /// Value of the border.
    pub value: f64,
}

impl Layer for Pad {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [shape @ [_, _, _, _]] => {
                let wide = |a: usize| self.before[a] + shape[a] + self.after[a];
                Ok((0..4).map(wide).collect())
            }
            _ => Err(Error::shape("pad input", "[c, k, j, i]", inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let y = blocks::pad(inputs[0], self.before, self.after, self.value, ws)?;
        Ok((y, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let small = five(pass.inputs[0], "pad input")?;
        let dx = blocks::crop(pass.grad, small, self.before, ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Border(self.before)
    }
}
