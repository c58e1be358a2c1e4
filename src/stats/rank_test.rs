//! Tests of location from ranks, by their normal approximation. For few values, or where
//! groups are not exchangeable row by row, prefer [`super::permutation`].

use super::moments::{require_finite, require_paired, sum_by};
use super::rank::{ranks, tied};
use super::{Tested, Undefined, normal, undefined};

/// Mann & Whitney's test whether one group tends to larger values: U = R_a − n_a(n_a + 1)/2
/// from the rank sum of `a`, 0 to n_a·n_b (U / n_a n_b is the probability that a value of `a`
/// is the larger). Two-sided p by the normal approximation with correction for ties and
/// continuity (Mann & Whitney 1947), as SciPy's `method="asymptotic"`.
///
/// # Errors
/// Undefined for an empty group, values that are not finite, or when all are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Result<Tested, Undefined> {
    require_finite(a)?;
    require_finite(b)?;
    if a.is_empty() || b.is_empty() {
        return undefined(format!("groups of {} and {} values", a.len(), b.len()));
    }
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let ranks = ranks(&all);
    let (m, n) = (a.len() as f64, b.len() as f64);
    let total = m + n;
    let u = sum_by(a.len(), &|i| ranks[i]) - m * (m + 1.0) / 2.0;
    let share = tied(&ranks) / (total * (total - 1.0));
    let variance = m * n / 12.0 * (total + 1.0 - share);
    if variance <= 0.0 {
        return undefined("all values are equal");
    }
    let z = (u.max(m * n - u) - m * n / 2.0 - 0.5) / variance.sqrt();
    Ok(Tested { statistic: u, p: (2.0 * normal::cdf(-z)).min(1.0) })
}

/// Wilcoxon's signed-rank test whether the differences x − y are symmetric about 0: the
/// statistic is the smaller of the rank sums of positive and of negative differences,
/// differences of 0 dropped. Two-sided p by the normal approximation with correction for
/// ties, without one for continuity (Wilcoxon 1945), as SciPy's `method="approx"`.
///
/// # Errors
/// Undefined for unequal lengths, values that are not finite, or without a difference.
pub fn wilcoxon_signed_rank(xs: &[f64], ys: &[f64]) -> Result<Tested, Undefined> {
    require_paired(xs.len(), ys.len())?;
    require_finite(xs)?;
    require_finite(ys)?;
    let apart: Vec<f64> = xs.iter().zip(ys).map(|(x, y)| x - y).filter(|d| *d != 0.0).collect();
    if apart.is_empty() {
        return undefined("no pair differs");
    }
    let ranks = ranks(&apart.iter().map(|d| d.abs()).collect::<Vec<_>>());
    let positive = sum_by(apart.len(), &|i| if apart[i] > 0.0 { ranks[i] } else { 0.0 });
    let n = apart.len() as f64;
    let all = n * (n + 1.0) / 2.0;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - tied(&ranks) / 2.0) / 24.0;
    let z = (positive - all / 2.0) / variance.sqrt();
    let p = (2.0 * normal::cdf(-z.abs())).min(1.0);
    Ok(Tested { statistic: positive.min(all - positive), p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn draw(name: &str, n: usize, shift: f64) -> Vec<f64> {
        let mut s = Seed(14).stream(name);
        (0..n).map(|_| s.normal() + shift).collect()
    }

    #[test]
    fn four_oracles() {
        let (low, high) = (draw("low", 20, 0.0), draw("high", 25, 9.0));
        let exact = mann_whitney(&high, &low).expect("apart");
        let inverted = mann_whitney(&low, &high).expect("apart");
        assert_eq!((exact.statistic, inverted.statistic), (500.0, 0.0));
        assert!(exact.p < 1e-7 && exact.p == inverted.p);
        assert!(mann_whitney(&low, &draw("other", 25, 0.0)).expect("same law").p > 0.01);
        assert!(mann_whitney(&[3.0; 4], &[3.0; 5]).is_err(), "all equal");

        let above: Vec<f64> = low.iter().map(|x| x + 2.0).collect();
        let exact = wilcoxon_signed_rank(&above, &low).expect("apart");
        assert_eq!(exact, wilcoxon_signed_rank(&low, &above).expect("apart"));
        assert!(exact.statistic == 0.0 && exact.p < 1e-4);
        assert!(wilcoxon_signed_rank(&low, &draw("pair", 20, 0.0)).expect("same law").p > 0.01);
        assert!(wilcoxon_signed_rank(&low, &low).is_err(), "no difference");
    }

    #[test]
    fn hand_worked_with_ties() {
        // Ranks 1, 2.5 | 2.5, 4: U = 3.5 − 3 = 0.5; variance 4/12·(5 − 6/12) = 1.5.
        let got = mann_whitney(&[1.0, 2.0], &[2.0, 3.0]).expect("U");
        assert_eq!(got.statistic, 0.5);
        assert!((got.p - 2.0 * normal::cdf(-1.0 / 1.5f64.sqrt())).abs() < 1e-15);
        // In the middle the correction for continuity overshoots: p is 1, not more.
        assert_eq!(mann_whitney(&[1.0, 4.0], &[2.0, 3.0]).expect("U").p, 1.0);
        // Differences 1, −1, 2, (0): ranks 1.5, 1.5, 3: sums 4.5 and 1.5; variance
        // (3·4·7 − 6/2)/24 = 3.375.
        let got = wilcoxon_signed_rank(&[1.0, 1.0, 2.0, 5.0], &[0.0, 2.0, 0.0, 5.0]).expect("W");
        assert_eq!(got.statistic, 1.5);
        assert!((got.p - 2.0 * normal::cdf(-1.5 / 3.375f64.sqrt())).abs() < 1e-15);
    }

    #[test]
    fn undefined_cases() {
        assert!(mann_whitney(&[], &[1.0]).is_err() && mann_whitney(&[f64::NAN], &[1.0]).is_err());
        assert!(wilcoxon_signed_rank(&[1.0], &[1.0, 2.0]).is_err());
        assert!(wilcoxon_signed_rank(&[f64::INFINITY], &[1.0]).is_err());
    }

    #[test]
    fn the_tests_keep_their_size() {
        let (mut two, mut paired) = (0, 0);
        for trial in 0..2000 {
            let mut s = Seed(trial).stream("rank test size");
            let a: Vec<f64> = (0..25).map(|_| s.normal()).collect();
            let b: Vec<f64> = (0..25).map(|_| s.normal()).collect();
            two += u32::from(mann_whitney(&a, &b).expect("p").p <= 0.05);
            paired += u32::from(wilcoxon_signed_rank(&a, &b).expect("p").p <= 0.05);
        }
        for hits in [two, paired] {
            assert!((65..=137).contains(&hits), "{hits} of 2000 at 5 %");
        }
    }
}
