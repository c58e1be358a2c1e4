//! The three spatial axes in reverse order: images as another program hands them on.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, blocks};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "reverse_axes",
    title: "reversed axes",
    question: "The same voxels with the three spatial axes in reverse order.",
    formula: "y[c, i, j, k] = x[c, k, j, i]",
    reading: "Relevance goes back to the voxel it belongs to.",
    misleads: "-",
    source: "PyTorch permute(0, 1, 4, 3, 2)",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct ReverseAxes;

impl Layer for ReverseAxes {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [[c, k, j, i]] => Ok(vec![*c, *i, *j, *k]),
            _ => Err(Error::shape("input of reversed axes", "[c, k, j, i]", inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        _: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        Ok((blocks::reversed(inputs[0])?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, _: &mut Workspace) -> Result<Gradients> {
        Ok(Gradients { inputs: vec![blocks::reversed(pass.grad)?], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Reshape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_twice_is_where_it_began() {
        let x = Array::from_vec((0..24).map(f64::from).collect(), &[1, 1, 2, 3, 4]).expect("x");
        let turned = blocks::reversed(&x).expect("turned");
        assert_eq!(turned.shape(), [1, 1, 4, 3, 2]);
        assert_eq!(turned.to_f64().expect("host")[1], 12.0);
        let back = blocks::reversed(&turned).expect("back");
        assert_eq!(back.to_f64().expect("host"), x.to_f64().expect("host"));
    }
}
