//! Group normalisation; as many groups as channels is instance normalisation.

use super::super::layer::{Gradients, Layer, Mode, Pass, PerSample, Role, Saved};
use crate::card::{Better, Card};
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

    /// Scale and shift per sample and channel `[n · c]` for mean and variance per group.
    fn map(&self, mean: &[f64], variance: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (gamma, beta) = (self.gamma.to_f64()?, self.beta.to_f64()?);
        let (channels, width) = (gamma.len(), gamma.len() / self.groups);
        let of = |at: usize| {
            let group = at / channels * self.groups + at % channels / width;
            let scale = gamma[at % channels] / (variance[group] + self.epsilon).sqrt();
            (scale, beta[at % channels] - mean[group] * scale)
        };
        Ok((0..mean.len() * width).map(of).unzip())
    }
}

impl PerSample for GroupNorm {
    fn held(&self, x: &Array) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mean, variance) = group_norm::statistics(x, self.groups)?;
        self.map(&mean, &variance)
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
        let (mean, variance) = group_norm::statistics(x, self.groups)?;
        let (scale, shift) = self.map(&mean, &variance)?;
        let y = group_norm::affine(x, &scale, &shift, ws)?;
        Ok((y, Saved::Statistics(mean, variance, 0.0)))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let Saved::Statistics(mean, variance, _) = pass.saved else {
            return Err(Error::internal("a group norm without its statistics"));
        };
        let gamma = self.gamma.to_f64()?;
        let held = group_norm::Held { mean, variance, epsilon: self.epsilon };
        let (dx, dgamma, dbeta) =
            group_norm::backward(pass.inputs[0], pass.grad, &gamma, &held, ws)?;
        let narrow = |v: Vec<f64>| {
            let wide = Array::from_vec(v, self.gamma.shape())?;
            crate::by_type!(self.gamma, T => wide.cast::<T>())
        };
        Ok(Gradients { inputs: vec![dx], parameters: vec![narrow(dgamma)?, narrow(dbeta)?] })
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
