//! Batch normalisation per channel.

use super::super::layer::{Gradients, Layer, Mode, Part, Pass, Role, Saved};
use crate::card::{Better, Card};
use crate::compute::norm::{ChannelMap, Statistics};
use crate::compute::{Array, Real, Workspace, batch_norm, elementwise, fused};
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "batch_norm",
    title: "batch normalisation",
    question: "Each channel shifted and scaled to the batch (training) or the running statistics.",
    formula: "y = γ (x − μ) / √(σ² + ε) + β",
    reading: "Folded exactly into the layer before it, or explained as an affine map of its own; never passed in silence.",
    misleads: "Small batches make running statistics noisy.",
    source: "Ioffe and Szegedy 2015",
    unit: "1",
    better: Better::Neither,
};

/// ε of the variance in networks of this program.
pub const EPSILON: f64 = 1e-5;

/// The layer: γ, β, running mean and variance, each `[c]`.
#[derive(Debug)]
pub struct BatchNorm {
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    epsilon: f64,
}

impl BatchNorm {
    /// Fresh: γ = 1, β = 0, mean 0, variance 1.
    ///
    /// # Errors
    /// Never in practice.
    pub fn fresh(channels: usize) -> Result<Self> {
        let filled = |value: f32| Array::from_vec(vec![value; channels], &[channels]);
        Ok(Self {
            gamma: filled(1.0)?,
            beta: filled(0.0)?,
            mean: filled(0.0)?,
            variance: filled(1.0)?,
            epsilon: EPSILON,
        })
    }

    /// A layer from γ, β, running mean and variance, each `[c]`, and the variance's ε.
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not agree.
    pub fn new([gamma, beta, mean, variance]: [Array; 4], epsilon: f64) -> Result<Self> {
        let shape = gamma.shape();
        if shape.len() != 1 || [&beta, &mean, &variance].iter().any(|a| a.shape() != shape) {
            let seen = [&gamma, &beta, &mean, &variance].map(|a| a.shape().to_vec());
            return Err(Error::shape("batch norm", "four arrays [c]", seen));
        }
        Ok(Self { gamma, beta, mean, variance, epsilon })
    }

    /// Gradients at rest, where the statistics do not depend on the input:
    /// `dx = scale · dy`, `dγ = Σ dy (x − μ) / √(σ² + ε)`, `dβ = Σ dy`.
    fn backward_at_rest(&self, pass: &Pass<'_>, ws: &mut Workspace) -> Result<Gradients> {
        let (mean, variance) = (self.mean.to_f64()?, self.variance.to_f64()?);
        let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect();
        let centre: Vec<f64> = mean.iter().zip(&inverse).map(|(m, i)| -m * i).collect();
        let hat = ChannelMap::new(inverse, centre)?.apply(pass.inputs[0], ws)?;
        let product = elementwise::times(&hat, pass.grad, ws)?;
        let dgamma = elementwise::channel_sums(&product)?;
        [hat, product].into_iter().for_each(|a| ws.give(a));
        let (scale, _) = self.map(&mean, &variance)?;
        let dx = ChannelMap::scales(scale)?.apply(pass.grad, ws)?;
        let dbeta = elementwise::channel_sums(pass.grad)?;
        Ok(Gradients { inputs: vec![dx], parameters: vec![dgamma, dbeta] })
    }

    /// The map of `x` in this mode, and the batch's statistics while training.
    pub(in super::super) fn prepared(
        &self,
        x: &Array,
        mode: &Mode<'_>,
    ) -> Result<(ChannelMap, Saved)> {
        if matches!(mode, Mode::Train(..)) {
            return self.prepared_from(batch_norm::statistics(x)?);
        }
        let (scale, shift) = self.map(&self.mean.to_f64()?, &self.variance.to_f64()?)?;
        Ok((ChannelMap::new(scale, shift)?, Saved::Nothing))
    }

    /// The same for a batch with these statistics.
    pub(in super::super) fn prepared_from(&self, of: Statistics) -> Result<(ChannelMap, Saved)> {
        let map = of.map(&self.gamma.to_f64()?, &self.beta.to_f64()?, self.epsilon)?;
        Ok((map, Saved::Statistics(of)))
    }

    /// Does the way back through a fused block that this layer began in training mode; returns
    /// what `body` does and the gradients of γ and β.
    pub(in super::super) fn fused_backward<R>(
        &self,
        (done, grad): (&fused::Rectified, &Array),
        saved: &Saved,
        kernel: [usize; 3],
        body: impl FnOnce(fused::Norm<'_>, &mut fused::Backward<'_>) -> Result<R>,
    ) -> Result<(R, Vec<Array>)> {
        let Saved::Statistics(statistics) = saved else {
            return Err(Error::internal("a fused batch norm without its batch"));
        };
        let (gamma, beta, epsilon) = (&*self.gamma.to_f64()?, &*self.beta.to_f64()?, self.epsilon);
        let norm = fused::Norm { gamma, beta, statistics, epsilon };
        let mut back = fused::Backward::new(done, grad, Some(norm), kernel)?;
        let made = body(norm, &mut back)?;
        Ok((made, back.parameters()?))
    }

    /// The affine map `y = scale · x + shift` for given statistics.
    fn map(&self, mean: &[f64], variance: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (gamma, beta) = (self.gamma.to_f64()?, self.beta.to_f64()?);
        let scale: Vec<f64> =
            gamma.iter().zip(variance).map(|(g, v)| g / (v + self.epsilon).sqrt()).collect();
        let shift = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }
}

impl Layer for BatchNorm {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [shape] if shape.first() == Some(&self.gamma.len()) => Ok(shape.to_vec()),
            _ => Err(Error::shape("batch norm input", self.gamma.shape(), inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let (map, saved) = self.prepared(inputs[0], mode)?;
        Ok((map.apply(inputs[0], ws)?, saved))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, ws: &mut Workspace) -> Result<Gradients> {
        let Saved::Statistics(of) = pass.saved else { return self.backward_at_rest(pass, ws) };
        let gamma = self.gamma.to_f64()?;
        let (x, grad) = (pass.inputs[0], pass.grad);
        let (dx, parameters) = batch_norm::backward(x, grad, &gamma, of, self.epsilon, ws)?;
        Ok(Gradients { inputs: vec![dx], parameters: parameters.into() })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("gamma", &self.gamma), ("beta", &self.beta)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("gamma", &mut self.gamma), ("beta", &mut self.beta)]
    }

    fn buffers(&self) -> Vec<(&'static str, &Array)> {
        vec![("running_mean", &self.mean), ("running_variance", &self.variance)]
    }

    fn buffers_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("running_mean", &mut self.mean), ("running_variance", &mut self.variance)]
    }

    fn absorb(&mut self, saved: &Saved, momentum: f64) -> Result<()> {
        let Saved::Statistics(of) = saved else { return Ok(()) };
        // the running variance is the unbiased one, as in PyTorch
        let unbias = if of.count > 1.0 { of.count / (of.count - 1.0) } else { 1.0 };
        let mix = |old: &mut Array, new: &Array, factor: f64| -> Result<()> {
            let new = new.to_f64()?;
            crate::by_type!(old, T => {
                for (old, new) in old.host_mut::<T>()?.iter_mut().zip(new) {
                    *old = T::of(old.wide() * (1.0 - momentum) + new * factor * momentum);
                }
            });
            Ok(())
        };
        mix(&mut self.mean, &of.mean, 1.0)?;
        mix(&mut self.variance, &of.variance, unbias)
    }

    fn reinitialise(&mut self, _: &mut crate::seed::Stream) -> Result<()> {
        let epsilon = self.epsilon;
        *self = Self { epsilon, ..Self::fresh(self.gamma.len())? };
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self {
            gamma: self.gamma.duplicate()?,
            beta: self.beta.duplicate()?,
            mean: self.mean.duplicate()?,
            variance: self.variance.duplicate()?,
            epsilon: self.epsilon,
        }))
    }

    fn role(&self) -> Role<'_> {
        // buffers were made on the host by this file, so the map cannot fail
        let map = self.mean.to_f64().and_then(|m| self.map(&m, &self.variance.to_f64()?));
        let (scale, shift) = map.unwrap_or_default();
        Role::MustFold(scale, shift)
    }

    fn part(&self) -> Part<'_> {
        Part::Norm(self)
    }
}
