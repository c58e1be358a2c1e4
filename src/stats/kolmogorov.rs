//! Do values follow the uniform distribution?

use super::moments::require_finite;
use super::{Tested, Undefined, undefined};

/// Terms of the series: the next is below 1e-16 from λ = 0.2 on.
const TERMS: i32 = 40;

/// P(K > λ) of Kolmogorov's distribution: 2·Σ (−1)^(k−1)·exp(−2k²λ²), 1 below λ = 0.2 where
/// it differs from 1 by less than 1e-12.
fn exceeds(lambda: f64) -> f64 {
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let size = (-2.0 * (f64::from(k) * lambda).powi(2)).exp();
        if k % 2 == 1 { size } else { -size }
    };
    (2.0 * (1..=TERMS).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// Kolmogorov's test that values were drawn from the uniform distribution on [0, 1]: the
/// statistic is D, the largest distance between their cumulative share and x; p from the
/// distribution of (√n + 0.12 + 0.11/√n)·D, good to two digits from n = 5 on (Stephens 1970).
///
/// # Errors
/// Undefined for fewer than five values or values outside [0, 1].
pub fn uniform(values: &[f64]) -> Result<Tested, Undefined> {
    require_finite(values)?;
    if let Some(bad) = values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
        return undefined(format!("{bad} is outside 0 to 1"));
    }
    if values.len() < 5 {
        return undefined(format!("{} values, at least 5 are needed", values.len()));
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let apart = |(i, x): (usize, &f64)| (x - i as f64 / n).max((i + 1) as f64 / n - x);
    let statistic = sorted.iter().enumerate().map(apart).fold(0.0, f64::max);
    let p = exceeds((n.sqrt() + 0.12 + 0.11 / n.sqrt()) * statistic);
    Ok(Tested { statistic, p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn agrees_with_scipy() {
        // SciPy 1.17.1: stats.kstwobign.sf.
        for (lambda, want) in [
            (0.3, 0.999_990_694_198_666_5),
            (0.5, 0.963_945_243_664_875_1),
            (0.8, 0.544_142_411_574_198_1),
            (1.0, 0.269_999_671_677_354_56),
            (1.36, 0.049_485_876_755_377_876),
            (2.0, 0.000_670_925_255_779_695_3),
        ] {
            assert!((exceeds(lambda) - want).abs() < 1e-12, "{lambda}: {}", exceeds(lambda));
        }
        // stats.kstest([0.05, 0.2, 0.3, 0.35, 0.9], "uniform"): D and its exact p.
        let found = uniform(&[0.05, 0.2, 0.3, 0.35, 0.9]).expect("D");
        assert!((found.statistic - 0.45).abs() < 1e-15);
        assert!((found.p - 0.193_993_75).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn uniform_values_pass_and_others_do_not() {
        let mut s = Seed(30).stream("kolmogorov");
        let uniform_: Vec<f64> = (0..1000).map(|_| s.uniform()).collect();
        let low: Vec<f64> = uniform_.iter().map(|u| u.powf(1.2)).collect();
        let inverted: Vec<f64> = low.iter().map(|u| 1.0 - u).collect();
        assert!(uniform(&uniform_).expect("p").p > 0.05);
        assert!(uniform(&low).expect("p").p < 1e-3);
        assert_eq!(
            uniform(&low).map(|t| (t.p * 1e9).round()),
            uniform(&inverted).map(|t| (t.p * 1e9).round())
        );
        assert!(uniform(&[0.5; 1000]).expect("p").p < 1e-9, "a constant");
        assert!(uniform(&[0.5; 4]).is_err() && uniform(&[1.5; 9]).is_err());
        assert!(uniform(&[f64::NAN; 9]).is_err());
    }

    #[test]
    fn the_test_keeps_its_size() {
        let mut hits = 0;
        for trial in 0..2000 {
            let mut s = Seed(trial).stream("kolmogorov size");
            let values: Vec<f64> = (0..40).map(|_| s.uniform()).collect();
            hits += u32::from(uniform(&values).expect("p").p <= 0.05);
        }
        assert!((65..=137).contains(&hits), "{hits} of 2000 at 5 %");
    }
}
