//! AdamW (Loshchilov & Hutter 2019): moments of the gradient, decay apart from them.
//!
//! `candle_nn::AdamW` hides its moments, so a training could not be resumed bit for bit; a
//! test holds this one to it.

use std::collections::BTreeMap;

use crate::compute::Array;
use crate::compute::update::{self, Factors};
use crate::{Error, Result};

/// Settings that do not change from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Memory of the first moment.
    pub beta1: f64,
    /// Memory of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Share of a weight lost per step and unit of learning rate. Arrays of rank 1 (biases
    /// and scales of normalisations) do not decay.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// The optimiser and its moments.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    step: usize,
    first: Vec<(String, Array)>,
    second: Vec<(String, Array)>,
}

impl AdamW {
    /// Moments of 0 for these parameters.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn new(parameters: &[(String, &Array)], options: AdamWOptions) -> Result<Self> {
        let zero = |(n, a): &(String, &Array)| Ok((n.clone(), a.zeros_like_type(a.shape())?));
        let zeros = || parameters.iter().map(zero).collect::<Result<_>>();
        Ok(Self { options, step: 0, first: zeros()?, second: zeros()? })
    }

    /// Steps made.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// One step at learning rate `rate`; parameters and gradients in the order given to
    /// [`AdamW::new`].
    ///
    /// # Errors
    /// [`Error::Shape`] when gradients do not fit; [`Error::Internal`] for arrays that are
    /// not f32 on the host.
    pub fn step(
        &mut self,
        parameters: &mut [(String, &mut Array)],
        gradients: &[Array],
        rate: f64,
    ) -> Result<()> {
        if parameters.len() != self.first.len() || gradients.len() != self.first.len() {
            return Err(Error::shape("gradients", self.first.len(), gradients.len()));
        }
        self.step += 1;
        let o = self.options;
        let power = |beta: f64| 1.0 / (1.0 - beta.powf(self.step as f64));
        for (at, ((name, weight), gradient)) in parameters.iter_mut().zip(gradients).enumerate() {
            if weight.shape() != gradient.shape() {
                return Err(Error::shape(name.as_str(), weight.shape(), gradient.shape()));
            }
            let decay = if weight.shape().len() > 1 { rate * o.weight_decay } else { 0.0 };
            let of = Factors {
                first: [o.beta1 as f32, (1.0 - o.beta1) as f32],
                second: [o.beta2 as f32, (1.0 - o.beta2) as f32],
                scales: [power(o.beta1) as f32, power(o.beta2) as f32],
                epsilon: o.epsilon as f32,
                stay: (1.0 - decay) as f32,
                rate: rate as f32,
            };
            let moments = [&mut self.first[at].1, &mut self.second[at].1];
            update::adamw(weight, gradient, moments, &of)?;
        }
        Ok(())
    }

    /// The moments by name, `first/…` and `second/…`.
    pub fn moments(&self) -> Vec<(String, &Array)> {
        let named = |kind: &'static str, all| {
            let all: &Vec<(String, Array)> = all;
            all.iter().map(move |(n, a)| (format!("{kind}/{n}"), a)).collect::<Vec<_>>()
        };
        let mut out = named("first", &self.first);
        out.extend(named("second", &self.second));
        out
    }

    /// Takes moments written by [`AdamW::moments`] out of `stored` and goes on after `step`
    /// steps.
    ///
    /// # Errors
    /// [`Error::Internal`] when one is missing, [`Error::Shape`] when it does not fit.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Array>, step: usize) -> Result<()> {
        for (kind, all) in [("first", &mut self.first), ("second", &mut self.second)] {
            for (name, array) in all {
                let key = format!("{kind}/{name}");
                let found = stored
                    .remove(&key)
                    .ok_or_else(|| Error::internal(format!("moment {key} is missing")))?;
                if found.shape() != array.shape() {
                    return Err(Error::shape(key, array.shape(), found.shape()));
                }
                *array = found.beside(array)?;
            }
        }
        self.step = step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor, Var};
    use candle_nn::optim::{AdamW as Theirs, Optimizer, ParamsAdamW};

    use super::*;
    use crate::seed::Seed;

    fn array(n: usize, shape: &[usize], purpose: &str) -> Array {
        let mut s = Seed(4).stream(purpose);
        Array::from_vec((0..n).map(|_| s.normal() as f32).collect(), shape).expect("array")
    }

    #[test]
    fn it_walks_with_candles_adamw() {
        let mut w = array(12, &[3, 4], "w");
        let start = Tensor::from_vec(w.host::<f32>().expect("f32").to_vec(), (3, 4), &Device::Cpu);
        let var = Var::from_tensor(&start.expect("tensor")).expect("var");
        let options = AdamWOptions { weight_decay: 0.1, ..AdamWOptions::default() };
        let params = ParamsAdamW { lr: 0.01, weight_decay: 0.1, ..ParamsAdamW::default() };
        let mut theirs = Theirs::new(vec![var.clone()], params).expect("theirs");
        let mut ours = AdamW::new(&[("w".into(), &w)], options).expect("new");
        for step in 0..40 {
            let g = array(12, &[3, 4], &format!("g{step}"));
            let rate = 0.01 + 0.001 * f64::from(step);
            theirs.set_learning_rate(rate);
            let gt = Tensor::from_vec(g.host::<f32>().expect("f32").to_vec(), (3, 4), &Device::Cpu);
            let loss = (var.as_tensor() * gt.expect("g")).expect("mul").sum_all().expect("sum");
            theirs.step(&loss.backward().expect("backward")).expect("step");
            ours.step(&mut [("w".into(), &mut w)], &[g], rate).expect("step");
        }
        let want: Vec<f32> = var.flatten_all().expect("flat").to_vec1().expect("vec");
        for (a, b) in w.host::<f32>().expect("f32").iter().zip(&want) {
            assert!((a - b).abs() <= 4e-6 * b.abs().max(0.1), "{a} {b}");
        }
    }

    #[test]
    fn a_restored_optimiser_goes_on_bit_for_bit_and_biases_do_not_decay() {
        let (mut w, g) = (array(4, &[4], "w"), array(4, &[4], "g"));
        let mut one = AdamW::new(&[("b".into(), &w)], AdamWOptions::default()).expect("new");
        one.step(&mut [("b".into(), &mut w)], &[g.duplicate().expect("g")], 0.1).expect("step");
        let mut copy = w.duplicate().expect("w");
        let mut two = AdamW::new(&[("b".into(), &copy)], AdamWOptions::default()).expect("new");
        let mut stored: BTreeMap<String, Array> =
            one.moments().into_iter().map(|(n, a)| (n, a.duplicate().expect("a"))).collect();
        two.restore(&mut stored, one.steps()).expect("restore");
        one.step(&mut [("b".into(), &mut w)], &[g.duplicate().expect("g")], 0.1).expect("step");
        two.step(&mut [("b".into(), &mut copy)], &[g], 0.1).expect("step");
        assert_eq!(w.host::<f32>().expect("f32"), copy.host::<f32>().expect("f32"));
        assert!(two.restore(&mut stored, 1).is_err());
        let still = Array::zeros::<f32>(&[4]);
        let (before, mut after) = (array(4, &[4], "w"), array(4, &[4], "w"));
        let strong = AdamWOptions { weight_decay: 1.0, ..AdamWOptions::default() };
        let mut three = AdamW::new(&[("b".into(), &before)], strong).expect("new");
        three.step(&mut [("b".into(), &mut after)], &[still], 0.1).expect("step");
        assert_eq!(before.host::<f32>().expect("f32"), after.host::<f32>().expect("f32"));
    }
}
