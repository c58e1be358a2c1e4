//! Group normalisation; as many groups as channels is instance normalisation.

use super::super::layer::{Gradients, Layer, Mode, Pass, PerSample, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::norm::{ChannelMap, Statistics};
use crate::compute::{Array, Workspace, group_norm};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "group_norm",
    title: "group or instance normalisation",
    question: "Groups of channels of each sample shifted and scaled to mean 0 and variance 1, then each channel by numbers of its own.",
    formula: "y = γ_c (x − μ_g) / √(σ_g² + ε) + β_c, μ and σ² of the sample's group",
    reading: "Explained as the affine map it is for this sample: mean and variance are held fixed; the shift takes its share as a bias.",
    misleads: "How voxels move the mean and the variance is not in the map.",
    source: "Wu and He 2018, arXiv 1803.08494; Ulyanov et al. 2016, arXiv 1607.08022",
    unit: "1",
    better: Better::Neither,
};

/// The layer: γ and β `[c]`.
#[derive(Debug)]
pub struct GroupNorm {
    gamma: Array,
    beta: Array,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// A layer from γ and β `[c]`, the number of groups and the variance's ε.
    ///
    /// # Errors
    /// [`Error::Shape`] when the channels cannot be cut into such groups.
    pub fn new(gamma: Array, beta: Array, groups: usize, epsilon: f64) -> Result<Self> {
        let channels = gamma.len();
        let whole = groups > 0 && channels > 0 && channels.is_multiple_of(groups);
        if gamma.shape().len() != 1 || beta.shape() != gamma.shape() || !whole {
            let seen = (gamma.shape(), beta.shape(), groups);
            return Err(Error::shape("group norm", "γ [c], β [c], c a multiple of groups", seen));
        }
        Ok(Self { gamma, beta, groups, epsilon })
    }

    /// The map of these statistics, per sample and channel.
    fn map(&self, of: &Statistics) -> Result<ChannelMap> {
        of.map(&self.gamma.to_f64()?, &self.beta.to_f64()?, self.epsilon)
    }
}

impl PerSample for GroupNorm {
    fn held(&self, x: &Array) -> Result<ChannelMap> {
        self.map(&group_norm::statistics(x, self.groups)?)
    }
}

impl Layer for GroupNorm {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [shape] if shape.first() == Some(&self.gamma.len()) => Ok(shape.to_vec()),
            _ => Err(Error::shape("group norm input", self.gamma.shape(), inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let x = inputs[0];
        let statistics = group_norm::statistics(x, self.groups)?;
        let y = self.map(&statistics)?.apply(x, ws)?;
        Ok((y, Saved::Statistics(statistics)))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let Saved::Statistics(of) = pass.saved else {
            return Err(Error::internal("a group norm without its statistics"));
        };
        let gamma = self.gamma.to_f64()?;
        let (x, grad) = (pass.inputs[0], pass.grad);
        let (dx, parameters) = group_norm::backward(x, grad, &gamma, of, self.epsilon, ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: parameters.into() })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("gamma", &self.gamma), ("beta", &self.beta)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("gamma", &mut self.gamma), ("beta", &mut self.beta)]
    }

    /// γ = 1, β = 0.
    fn reinitialise(&mut self, _: &mut Stream) -> Result<()> {
        self.gamma.host_mut::<f32>()?.fill(1.0);
        self.beta.host_mut::<f32>()?.fill(0.0);
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        let (gamma, beta) = (self.gamma.duplicate()?, self.beta.duplicate()?);
        Ok(Box::new(Self { gamma, beta, groups: self.groups, epsilon: self.epsilon }))
    }

    fn role(&self) -> Role<'_> {
        Role::PerSample(self)
    }
}
