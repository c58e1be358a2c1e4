//! Average pool; without a window, over the whole volume.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, PoolGeometry, Workspace, five, pool3d};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "average_pool",
    title: "average pool",
    question: "The mean of each window.",
    formula: "y = mean over window",
    reading: "Relevance in proportion to contributions.",
    misleads: "An all-zero window has nothing to be proportional to: degenerate.",
    source: "Zennit Norm",
    unit: "1",
    better: Better::Neither,
};

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct AveragePool {
    /// Window; `None` averages everything.
    pub geometry: Option<PoolGeometry>,
}

impl AveragePool {
    fn window(&self, k: usize, j: usize, i: usize) -> PoolGeometry {
        self.geometry.unwrap_or(PoolGeometry {
            kernel: [k, j, i],
            stride: [k, j, i],
            ..PoolGeometry::tiles(1)
        })
    }
}

impl Layer for AveragePool {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [[c, k, j, i]] => {
                let o = self.window(*k, *j, *i).output([*k, *j, *i])?;
                Ok(vec![*c, o[0], o[1], o[2]])
            }
            _ => Err(Error::shape("average pool input", "[c, k, j, i]", inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let [_, _, k, j, i] = five(inputs[0], "average pool input")?;
        let y = pool3d::average_forward(inputs[0], &self.window(k, j, i), ws)?;
        Ok((y, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let [_, _, k, j, i] = five(pass.inputs[0], "average pool input")?;
        let dx = pool3d::average_backward(pass.grad, &self.window(k, j, i), [k, j, i], ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(*self))
    }

    fn role(&self) -> Role<'_> {
        Role::Proportional
    }
}
