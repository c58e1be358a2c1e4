//! Learning rate over a training: linear warm-up, then half a cosine.

use std::f64::consts::PI;

/// A schedule over optimiser steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cosine {
    /// Highest learning rate.
    pub peak: f64,
    /// Last learning rate, as a share of the highest.
    pub floor: f64,
    /// Steps of the warm-up.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
}

impl Cosine {
    /// Learning rate of a step, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let length = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / length).min(1.0);
        self.peak * (self.floor + (1.0 - self.floor) * 0.5 * (1.0 + (PI * done).cos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_the_floor() {
        let s = Cosine { peak: 2.0, floor: 0.1, warmup: 4, steps: 24 };
        let rates: Vec<f64> = (0..30).map(|t| s.rate(t)).collect();
        assert_eq!((rates[0], rates[3], rates[4]), (0.5, 2.0, 2.0));
        assert!((rates[14] - 1.1).abs() < 1e-12 && (rates[24] - 0.2).abs() < 1e-12);
        assert_eq!(rates[24], rates[29]);
        assert!(rates[4..].windows(2).all(|w| w[1] <= w[0]));
        assert_eq!(Cosine { peak: 1.0, floor: 0.0, warmup: 0, steps: 0 }.rate(0), 1.0);
    }
}
