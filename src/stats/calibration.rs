//! Whether predicted probabilities are what they say.

use std::collections::BTreeMap;

use super::moments::require_paired;
use super::{Stat, undefined};

/// Expected calibration error Σ_b (n_b/n)·|mean p in b − share of positives in b| over `bins`
/// equal widths of [0, 1], each open above, the last closed (Naeini et al. 2015). 0 to 1,
/// smaller is better. It depends on the bins, is biased upwards in small data, and a constant
/// base rate reaches 0: it says nothing of separation.
///
/// # Errors
/// Undefined without rows or bins, or for probabilities outside [0, 1].
pub fn expected_calibration_error(labels: &[bool], probabilities: &[f64], bins: usize) -> Stat {
    require_paired(labels.len(), probabilities.len())?;
    if labels.is_empty() || bins == 0 {
        return undefined(format!("{} row(s) in {bins} bin(s)", labels.len()));
    }
    if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return undefined(format!("{p} is not a probability"));
    }
    // A bin adds |Σ(p − y)|/n: its size cancels, and empty bins need no care.
    let mut gaps: BTreeMap<usize, f64> = BTreeMap::new();
    for (label, p) in labels.iter().zip(probabilities) {
        let bin = ((p * bins as f64) as usize).min(bins - 1);
        *gaps.entry(bin).or_default() += p - f64::from(u8::from(*label));
    }
    Ok(gaps.values().map(|gap| gap.abs()).sum::<f64>() / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn hand_worked() {
        // Bins [0, ½) and [½, 1]: |0.2 + 0.4 − 1| and |0.5 + 1 − 1|, over 4 rows.
        let y = [false, true, false, true];
        let got = expected_calibration_error(&y, &[0.2, 0.4, 0.5, 1.0], 2).expect("error");
        assert!((got - (0.4 + 0.5) / 4.0).abs() < 1e-15, "{got}");
        assert!(expected_calibration_error(&[], &[], 10).is_err());
        assert!(expected_calibration_error(&[true], &[1.2], 10).is_err());
        assert!(expected_calibration_error(&[true], &[0.2, 0.3], 10).is_err());
        assert!(expected_calibration_error(&[true], &[0.2], 0).is_err());
    }

    #[test]
    fn four_oracles() {
        let mut s = Seed(17).stream("calibration");
        let y: Vec<bool> = (0..4000).map(|i| i % 2 == 0).collect();
        let exact: Vec<f64> = y.iter().map(|l| f64::from(u8::from(*l))).collect();
        let inverted: Vec<f64> = exact.iter().map(|p| 1.0 - p).collect();
        let random: Vec<f64> = y.iter().map(|_| s.uniform()).collect();
        let of = |p: &[f64]| expected_calibration_error(&y, p, 10).expect("error");
        assert_eq!((of(&exact), of(&inverted), of(&[0.5; 4000])), (0.0, 1.0, 0.0));
        // Uniform p beside a base rate of ½: E|p − ½| = ¼.
        assert!((of(&random) - 0.25).abs() < 0.02, "{}", of(&random));
        assert!((of(&[0.9; 4000]) - 0.4).abs() < 1e-12);
    }
}
