//! Max pool; the first maximum of a window wins.

use super::super::layer::{Gradients, Layer, Mode, Part, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, PoolGeometry, Workspace, five, fused, pool3d};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "max_pool",
    title: "max pool",
    question: "The largest value of each window.",
    formula: "y = max over window",
    reading: "Relevance goes to the first maximum.",
    misleads: "Frameworks differ on ties; zero backgrounds tie everywhere.",
    source: "PyTorch MaxPool3d",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct MaxPool {
    /// Window.
    pub geometry: PoolGeometry,
}

impl Layer for MaxPool {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [[c, k, j, i]] => {
                let o = self.geometry.output([*k, *j, *i])?;
                Ok(vec![*c, o[0], o[1], o[2]])
            }
            _ => Err(Error::shape("max pool input", "[c, k, j, i]", inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let maxima = pool3d::max_forward(inputs[0], &self.geometry, ws)?;
        Ok((maxima.output, Saved::Places(maxima.places)))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let Saved::Places(places) = pass.saved else {
            return Err(Error::internal("a max pool without stored places"));
        };
        let [_, _, k, j, i] = five(pass.inputs[0], "max pool input")?;
        let dx = pool3d::max_backward(pass.grad, places, &self.geometry, [k, j, i], ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Routing
    }

    fn part(&self) -> Part<'_> {
        fused::window(&self.geometry).map_or(Part::Other, Part::Tiles)
    }
}
