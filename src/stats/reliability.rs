//! Agreement of several raters (seeds, folds, scanners) on the same subjects.

use super::moments::{finite, mean, require_finite, require_paired, sum_by};
use super::{Stat, undefined};

/// ICC(2,1) = (MSR − MSE)/(MSR + (k − 1)MSE + k(MSC − MSE)/n): share of the variance of a
/// single rating that is the subjects', absolute agreement, raters and subjects both drawn at
/// random (Shrout & Fleiss 1979). MSR, MSC, MSE are the mean squares of the n subjects, the k
/// raters and the rest; `raters` holds one row of subjects per rater. No unit, at most 1; a
/// shift between raters lowers it, which a correlation would not show.
///
/// # Errors
/// Undefined for fewer than two raters or subjects, raters of unequal length, values that are
/// not finite, or when nothing varies.
pub fn icc_2_1(raters: &[&[f64]]) -> Stat {
    let (k, n) = (raters.len(), raters.first().map_or(0, |r| r.len()));
    if k < 2 || n < 2 {
        return undefined(format!("{k} rater(s) of {n} subject(s), at least two are needed"));
    }
    for rater in raters {
        require_paired(rater.len(), n)?;
        require_finite(rater)?;
    }
    let of_rater: Vec<f64> = raters.iter().map(|r| mean(r)).collect::<Result<_, _>>()?;
    let of_subject: Vec<f64> =
        (0..n).map(|i| raters.iter().map(|r| r[i]).sum::<f64>() / k as f64).collect();
    let all = mean(&of_rater)?;
    let rest = |c: usize, i: usize| (raters[c][i] - of_subject[i] - of_rater[c] + all).powi(2);
    let (kf, nf) = (k as f64, n as f64);
    let subjects = kf * sum_by(n, &|i| (of_subject[i] - all).powi(2)) / (nf - 1.0);
    let between = nf * sum_by(k, &|c| (of_rater[c] - all).powi(2)) / (kf - 1.0);
    let error = sum_by(k * n, &|v| rest(v / n, v % n)) / ((nf - 1.0) * (kf - 1.0));
    let under = subjects + (kf - 1.0) * error + kf * (between - error) / nf;
    if under == 0.0 {
        return undefined("nothing varies between subjects or raters");
    }
    finite((subjects - error) / under, "the intraclass correlation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// Six subjects and four judges of Shrout & Fleiss 1979, table 2; their table 4 says 0.29.
    #[test]
    fn the_published_example() {
        let judges: [[f64; 6]; 4] = [
            [9., 6., 8., 7., 10., 6.],
            [2., 1., 4., 1., 5., 2.],
            [5., 3., 6., 2., 6., 4.],
            [8., 2., 8., 6., 9., 7.],
        ];
        let raters: Vec<&[f64]> = judges.iter().map(|j| j.as_slice()).collect();
        let got = icc_2_1(&raters).expect("ICC");
        assert!((got - 0.29).abs() < 0.005, "{got}");
    }

    #[test]
    fn four_oracles() {
        let mut s = Seed(16).stream("icc");
        let x: Vec<f64> = (0..1000).map(|_| s.normal()).collect();
        let other: Vec<f64> = (0..1000).map(|_| s.normal()).collect();
        let inverted: Vec<f64> = x.iter().map(|v| -v).collect();
        let flat = vec![0.0; 1000];
        let of = |y: &[f64]| icc_2_1(&[&x, y]).expect("ICC");
        assert!((of(&x) - 1.0).abs() < 1e-12 && (of(&inverted) + 1.0).abs() < 0.01);
        assert!(of(&other).abs() < 0.1 && of(&flat).abs() < 0.01);
        assert!(icc_2_1(&[&flat, &flat]).is_err(), "nothing varies");
        // A shift of the size of the spread: 1/(1 + ½·1) of one subject's variance.
        let shifted: Vec<f64> = x.iter().map(|v| v + 1.0).collect();
        assert!((of(&shifted) - 2.0 / 3.0).abs() < 0.03, "{}", of(&shifted));
    }

    #[test]
    fn undefined_cases() {
        assert!(icc_2_1(&[]).is_err() && icc_2_1(&[&[1.0, 2.0]]).is_err());
        assert!(icc_2_1(&[&[1.0], &[2.0]]).is_err());
        assert!(icc_2_1(&[&[1.0, 2.0], &[1.0]]).is_err());
        assert!(icc_2_1(&[&[1.0, 2.0], &[1.0, f64::NAN]]).is_err());
    }
}
