//! Rectifier with a learned slope per channel below 0.

use super::super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "prelu",
    title: "rectifier with learned slope",
    question: "Keeps positive values, scales negative ones by a number per channel.",
    formula: "y = x for x > 0, a_c x else",
    reading: "Relevance passes unchanged.",
    misleads: "-",
    source: "He et al. 2015, arXiv 1502.01852",
    unit: "1",
    better: Better::Neither,
};

/// The layer; slopes `[c]`.
#[derive(Debug)]
pub struct PRelu {
    slope: Array,
}

impl PRelu {
    /// A layer from slopes `[c]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not one per channel.
    pub fn new(slope: Array) -> Result<Self> {
        if slope.shape().len() != 1 {
            return Err(Error::shape("prelu slopes", "[c]", slope.shape()));
        }
        Ok(Self { slope })
    }

    /// `y` scaled by the slopes where `x` is not positive.
    fn bent(&self, x: &Array, y: &Array, ws: &mut Workspace) -> Result<Array> {
        elementwise::bent_by(x, y, &self.slope.to_f64()?, ws)
    }
}

impl Layer for PRelu {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [shape] if shape.first() == Some(&self.slope.len()) => Ok(shape.to_vec()),
            _ => Err(Error::shape("prelu input", self.slope.shape(), inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        Ok((self.bent(inputs[0], inputs[0], ws)?, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let x = pass.inputs[0];
        let dx = self.bent(x, pass.grad, ws)?;
        let below = elementwise::part(x, false, ws)?;
        let product = elementwise::times(&below, pass.grad, ws)?;
        let slopes = elementwise::channel_sums(&product)?;
        [below, product].into_iter().for_each(|a| ws.give(a));
        Ok(Gradients { inputs: vec![dx], parameters: vec![slopes] })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("slope", &self.slope)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("slope", &mut self.slope)]
    }

    /// Slope 1/4, as PyTorch starts.
    fn reinitialise(&mut self, _: &mut Stream) -> Result<()> {
        self.slope.host_mut::<f32>()?.fill(0.25);
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self { slope: self.slope.duplicate()? }))
    }

    fn role(&self) -> Role<'_> {
        Role::Pointwise
    }
}
