//! Softmax cross-entropy with class weights and label smoothing.

use super::aims::Aim;
use crate::compute::Array;
use crate::{Error, Result};

/// How the loss weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    /// Weight of each class.
    pub weights: Vec<f64>,
    /// Share of the target spread evenly over all classes, 0 to below 1.
    pub smoothing: f64,
}

impl CrossEntropy {
    /// Weights n/(classes · n of the class): the classes count alike, the mean over these
    /// rows is 1. A class without rows gets 0.
    pub fn balanced(of_rows: &[usize], classes: usize, smoothing: f64) -> Self {
        let mut counts = vec![0usize; classes];
        of_rows.iter().for_each(|&c| counts[c] += 1);
        let present = counts.iter().filter(|n| **n > 0).count().max(1);
        let weight = |&n: &usize| {
            if n == 0 { 0.0 } else { of_rows.len() as f64 / (present * n) as f64 }
        };
        Self { weights: counts.iter().map(weight).collect(), smoothing }
    }

    /// Mean over the rows of weight · (−Σ target · ln probability) in nats, and its gradient
    /// by the logits `[n, classes]`. Worked in f64.
    ///
    /// # Errors
    /// [`Error::Shape`] when logits, aims and weights do not fit; [`Error::Model`]
    /// `E-TRAIN-001` when a logit is not finite.
    pub fn of(&self, logits: &Array, aims: &[Aim]) -> Result<(f64, Array)> {
        let (n, width) = (aims.len(), self.weights.len());
        if n == 0 || logits.shape() != [n, width] || aims.iter().any(|a| a.class >= width) {
            return Err(Error::shape("cross-entropy", [n, width], logits.shape()));
        }
        let values = logits.to_f64()?;
        if values.iter().any(|v| !v.is_finite()) {
            let fix = "Lower the learning rate";
            return Err(Error::model(
                "E-TRAIN-001",
                "the training diverged: a logit is no number",
                fix,
            ));
        }
        let (mut loss, mut gradient) = (0.0, Vec::with_capacity(n * width));
        for (row, aim) in values.chunks_exact(width).zip(aims) {
            let top = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
            let total: f64 = row.iter().map(|v| (v - top).exp()).sum();
            let scale = self.weights[aim.class] / n as f64;
            let other = (1.0 - aim.certainty) / (width - 1).max(1) as f64;
            for (c, v) in row.iter().enumerate() {
                let hit = if c == aim.class { aim.certainty } else { other };
                let target = (1.0 - self.smoothing) * hit + self.smoothing / width as f64;
                let log_p = v - top - total.ln();
                loss -= scale * target * log_p;
                gradient.push(scale * (log_p.exp() - target));
            }
        }
        let shape = [n, width];
        let gradient = Array::from_vec(gradient, &shape)?;
        let gradient = match logits.dtype() {
            candle_core::DType::F64 => gradient,
            _ => gradient.cast::<f32>()?,
        };
        Ok((loss, gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut s = Seed(8).stream("loss");
        let values: Vec<f64> = (0..12).map(|_| 3.0 * s.normal()).collect();
        let aims = [(2, 1.0), (0, 0.8), (1, 0.5), (2, 0.9)]
            .map(|(class, certainty)| Aim { class, certainty });
        let loss = CrossEntropy { weights: vec![0.5, 2.0, 1.0], smoothing: 0.1 };
        let at = |v: &[f64]| {
            loss.of(&Array::from_vec(v.to_vec(), &[4, 3]).expect("logits"), &aims).expect("loss")
        };
        let gradient = at(&values).1.to_f64().expect("f64");
        for i in 0..12 {
            let (mut up, mut down) = (values.clone(), values.clone());
            up[i] += 1e-5;
            down[i] -= 1e-5;
            let slope = (at(&up).0 - at(&down).0) / 2e-5;
            assert!((slope - gradient[i]).abs() < 1e-9, "{i}: {slope} {}", gradient[i]);
        }
    }

    #[test]
    fn known_values_balance_and_extremes() {
        let plain = CrossEntropy::balanced(&[0, 1, 1, 1], 2, 0.0);
        assert_eq!(plain.weights, [2.0, 2.0 / 3.0]);
        let even = CrossEntropy { weights: vec![1.0; 2], smoothing: 0.0 };
        let zeros = Array::zeros::<f32>(&[1, 2]);
        let (l, g) = even.of(&zeros, &[Aim::sure(1)]).expect("loss");
        assert!((l - 2f64.ln()).abs() < 1e-12);
        assert_eq!(g.host::<f32>().expect("f32"), [0.5, -0.5]);
        let far = Array::from_vec(vec![1e4f32, -1e4], &[1, 2]).expect("far");
        assert_eq!(even.of(&far, &[Aim::sure(1)]).expect("loss").0, 2e4);
        let bad = Array::from_vec(vec![f32::NAN, 0.0], &[1, 2]).expect("bad");
        assert_eq!(even.of(&bad, &[Aim::sure(1)]).expect_err("nan").code(), "E-TRAIN-001");
        assert!(even.of(&zeros, &[Aim::sure(2)]).is_err() && even.of(&zeros, &[]).is_err());
    }
}
