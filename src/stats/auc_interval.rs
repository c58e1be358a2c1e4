//! An interval for the area under the ROC curve that holds for few rows and for perfect scores.

use std::collections::BTreeMap;

use super::bootstrap::Bounds;
use super::delong::placements;
use super::{Undefined, curve, normal, undefined};

/// Halvings of the search for an end: below a thousandth of the last digit.
const HALVINGS: u32 = 60;

/// The areas θ that the observed one, A, does not contradict: (A − θ)² ≤ z²·v(θ), with
/// v(θ) = θ(1 − θ)·(1 + (N − 1)·((1 − θ)/(2 − θ) + θ/(1 + θ)))/(mn), N = (m + n)/2 and m, n the
/// rows of the classes. The variance is Hanley & McNeil's (1982) at θ and not at A, so that it
/// does not vanish for perfect scores (Newcombe 2006, method 5,
/// <https://doi.org/10.1002/sim.2324>). No unit, within 0 to 1. Rows must be independent; with
/// several rows of a subject use [`over_subjects`].
///
/// # Errors
/// Undefined as [`curve::auc`] and for a level outside (0, 1).
pub fn auc_interval(labels: &[bool], scores: &[f64], level: f64) -> Result<Bounds, Undefined> {
    let area = curve::auc(labels, scores)?;
    let m = labels.iter().filter(|l| **l).count();
    of_area(area, m as f64, (labels.len() - m) as f64, level)
}

/// As [`auc_interval`] where rows of one subject go together: m and n are the rows of a class
/// that would tell as much if they were independent, rows / (s²_c/s²), where s²_c is Obuchowski's
/// (1997, <https://doi.org/10.2307/2533958>) variance of the class's mean placement over subjects
/// and s² the one over rows, kept between the number for rows that are all alike within a subject,
/// (Σk)²/Σk² of k rows a subject, and the number of rows. That subjects with rows of both classes
/// make the area surer is left out, so that theirs is a little too wide. With one row a
/// subject it is [`auc_interval`]. `subjects` names the subject of each row.
///
/// # Errors
/// As [`auc_interval`]; undefined for subjects of another number than rows.
pub fn over_subjects<S: Ord>(
    labels: &[bool],
    scores: &[f64],
    subjects: &[S],
    level: f64,
) -> Result<Bounds, Undefined> {
    let area = curve::auc(labels, scores)?;
    if subjects.len() != labels.len() {
        return undefined(format!("{} subjects of {} rows", subjects.len(), labels.len()));
    }
    let [m, n] = [true, false].map(|class| {
        let own: Vec<(&S, f64)> = placements(labels, scores, class)
            .into_iter()
            .map(|(row, placed)| (&subjects[row], placed))
            .collect();
        effective(&own)
    });
    of_area(area, m, n, level)
}

/// Independent rows that would tell as much as these placements, each of a subject.
fn effective<S: Ord>(placed: &[(&S, f64)]) -> f64 {
    let rows = placed.len() as f64;
    let centre = placed.iter().map(|p| p.1).sum::<f64>() / rows;
    let mut sums: BTreeMap<&S, (f64, f64)> = BTreeMap::new();
    for (subject, value) in placed {
        let own = sums.entry(subject).or_default();
        *own = (own.0 + 1.0, own.1 + value - centre);
    }
    let subjects = sums.len() as f64;
    let least = rows * rows / sums.values().map(|(k, _)| k * k).sum::<f64>();
    let apart = placed.iter().map(|p| (p.1 - centre).powi(2)).sum::<f64>() / (rows - 1.0);
    let together =
        sums.values().map(|(_, d)| d * d).sum::<f64>() / rows * subjects / (subjects - 1.0);
    // Rows times the variance of their mean, if apart, over the same if together.
    let found = if apart > 0.0 && together > 0.0 { rows * apart / together } else { least };
    if found.is_finite() { found.clamp(least, rows) } else { least }
}

/// As [`auc_interval`], from the area and the rows of the two classes.
///
/// # Errors
/// Undefined with less than a row in a class, for an area outside [0, 1] or a level outside (0, 1).
pub fn of_area(area: f64, m: f64, n: f64, level: f64) -> Result<Bounds, Undefined> {
    if !(level > 0.0 && level < 1.0) {
        return undefined(format!("an interval of level {level}, outside 0 to 1"));
    }
    if !(m >= 1.0 && n >= 1.0 && (0.0..=1.0).contains(&area)) {
        return undefined(format!("an interval of an AUC of {area} of {m} and {n} rows"));
    }
    let z = normal::quantile(0.5 + level / 2.0)?;
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
            (0.75, 4.0, 4.0, 0.348_417_017_502_041_85, 0.939_399_396_287_946_9),
            (1.0, 4.0, 4.0, 0.582_284_045_583_457_8, 1.0),
            (0.8, 30.0, 10.0, 0.595_457_650_977_901_5, 0.910_246_969_225_506_1),
            (0.3, 5.0, 7.0, 0.102_945_975_164_667_93, 0.630_838_455_504_551_8),
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
    fn rows_of_a_subject_count_as_numpy_says_between_one_and_all() {
        // NumPy 2.4.6, from Obuchowski's sums: the first class has 2.1751 independent rows and so
        // the least of 2.5714, the second 3.9114 of 7; the ends by bisection.
        let labels: Vec<bool> = (0..13).map(|row| row < 6).collect();
        let of = [0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6];
        let scores = [3.0, 2.6, 1.2, 1.4, 0.9, 2.0, 1.1, 0.8, 1.3, 1.5, 0.2, 2.1, 1.9];
        let found = over_subjects(&labels, &scores, &of, 0.95).expect("interval");
        assert!((found.low - 0.265_804_129_298_484_3).abs() < 1e-9, "{found:?}");
        assert!((found.high - 0.928_383_609_476_078_3).abs() < 1e-9, "{found:?}");
        let alone: Vec<usize> = (0..13).collect();
        let rows = auc_interval(&labels, &scores, 0.95);
        assert_eq!(over_subjects(&labels, &scores, &alone, 0.95), rows);
        assert!(found.low < rows.expect("rows").low);
        // Every row three times tells what one does; perfect scores have an interval.
        let times = |n: usize| -> (Vec<bool>, Vec<f64>, Vec<usize>) {
            let of: Vec<usize> = (0..8 * n).map(|row| row / n).collect();
            let labels: Vec<bool> = of.iter().map(|s| s % 2 == 0).collect();
            (labels, of.iter().map(|s| (s % 2) as f64).collect(), of)
        };
        let interval = |(labels, scores, of): (Vec<bool>, Vec<f64>, Vec<usize>)| {
            over_subjects(&labels, &scores, &of, 0.95).expect("perfect")
        };
        assert_eq!(interval(times(3)), interval(times(1)));
        assert!(over_subjects(&labels, &scores, &[1], 0.95).is_err());
    }

    #[test]
    fn undefined_cases() {
        assert!(of_area(1.2, 3.0, 3.0, 0.95).is_err() && of_area(0.5, 0.0, 3.0, 0.95).is_err());
        assert!(of_area(0.5, 3.0, 3.0, 1.0).is_err() && of_area(f64::NAN, 3.0, 3.0, 0.9).is_err());
        assert!(auc_interval(&[true; 3], &[1.0, 2.0, 3.0], 0.95).is_err());
    }
}
