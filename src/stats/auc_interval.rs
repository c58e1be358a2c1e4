//! An interval for the area under the ROC curve that holds for few rows and for perfect scores.

use super::bootstrap::Bounds;
use super::{Undefined, curve, normal, undefined};

/// Halvings of the search for an end: below a thousandth of the last digit.
const HALVINGS: u32 = 60;

/// The areas θ that the observed one, A, does not contradict: (A − θ)² ≤ z²·v(θ), with
/// v(θ) = θ(1 − θ)·(1 + (N − 1)·((1 − θ)/(2 − θ) + θ/(1 + θ)))/(mn), N = (m + n)/2 and m, n the
/// rows of the classes. The variance is Hanley & McNeil's (1982) at θ and not at A, so that it
/// does not vanish for perfect scores (Newcombe 2006, method 5,
/// <https://doi.org/10.1002/sim.2324>). No unit, within 0 to 1. Rows must be independent.
///
/// # Errors
/// Undefined as [`curve::auc`] and for a level outside (0, 1).
pub fn auc_interval(labels: &[bool], scores: &[f64], level: f64) -> Result<Bounds, Undefined> {
    let area = curve::auc(labels, scores)?;
    let m = labels.iter().filter(|l| **l).count();
    of_area(area, m, labels.len() - m, level)
}

/// As [`auc_interval`], from the area and the rows of the two classes.
///
/// # Errors
/// Undefined without rows in a class, for an area outside [0, 1] or a level outside (0, 1).
pub fn of_area(area: f64, m: usize, n: usize, level: f64) -> Result<Bounds, Undefined> {
    if !(level > 0.0 && level < 1.0) {
        return undefined(format!("an interval of level {level}, outside 0 to 1"));
    }
    if m == 0 || n == 0 || !(0.0..=1.0).contains(&area) {
        return undefined(format!("an interval of an AUC of {area} of {m} and {n} rows"));
    }
    let z = normal::quantile(0.5 + level / 2.0)?;
    let (m, n) = (m as f64, n as f64);
    let more = (m + n) / 2.0 - 1.0;
    let variance =
        |t: f64| t * (1.0 - t) * (1.0 + more * ((1.0 - t) / (2.0 - t) + t / (1.0 + t))) / (m * n);
    let within = |t: f64| (area - t).powi(2) <= z * z * variance(t);
    let end = |mut beyond: f64| {
        let mut inside = area;
        for _ in 0..HALVINGS {
            let middle = 0.5 * (inside + beyond);
            if within(middle) { inside = middle } else { beyond = middle }
        }
        inside
    };
    Ok(Bounds { low: end(0.0), high: end(1.0), level, excluded: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_roots_found_by_scipy() {
        // SciPy 1.17.1, optimize.brentq of (A − θ)² − z²·v(θ).
        for (area, m, n, low, high) in [
            (0.75, 4, 4, 0.348_417_017_502_041_85, 0.939_399_396_287_946_9),
            (1.0, 4, 4, 0.582_284_045_583_457_8, 1.0),
            (0.8, 30, 10, 0.595_457_650_977_901_5, 0.910_246_969_225_506_1),
            (0.3, 5, 7, 0.102_945_975_164_667_93, 0.630_838_455_504_551_8),
        ] {
            let found = of_area(area, m, n, 0.95).expect("interval");
            assert!((found.low - low).abs() < 1e-9, "{area}: {found:?}");
            assert!((found.high - high).abs() < 1e-9, "{area}: {found:?}");
        }
    }

    #[test]
    fn it_is_symmetric_and_defined_at_the_ends() {
        let labels = [true, true, false, false];
        let perfect = auc_interval(&labels, &[3.0, 2.0, 1.0, 0.0], 0.95).expect("perfect");
        assert!(perfect.high == 1.0 && perfect.low > 0.2 && perfect.low < 0.5, "{perfect:?}");
        let inverted = auc_interval(&labels, &[0.0, 1.0, 2.0, 3.0], 0.95).expect("inverted");
        assert!((inverted.high - (1.0 - perfect.low)).abs() < 1e-12 && inverted.low == 0.0);
        let constant = auc_interval(&labels, &[1.0; 4], 0.95).expect("guessing");
        assert!((constant.low + constant.high - 1.0).abs() < 1e-12);
    }

    #[test]
    fn undefined_cases() {
        assert!(of_area(1.2, 3, 3, 0.95).is_err() && of_area(0.5, 0, 3, 0.95).is_err());
        assert!(of_area(0.5, 3, 3, 1.0).is_err() && of_area(f64::NAN, 3, 3, 0.9).is_err());
        assert!(auc_interval(&[true; 3], &[1.0, 2.0, 3.0], 0.95).is_err());
    }
}
