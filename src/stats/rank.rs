//! Ranks and measures of agreement between two paired rows of numbers.

use std::collections::BTreeMap;

use super::moments::{finite, require_finite, require_paired, sum_by};
use super::{Stat, Undefined, undefined};

/// Ranks from 1 to n; equal values share the mean of their ranks.
pub fn ranks(xs: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..xs.len()).collect();
    // −0 and +0 are equal values: compare as numbers, not by bits.
    order.sort_by(|&a, &b| xs[a].partial_cmp(&xs[b]).unwrap_or_else(|| xs[a].total_cmp(&xs[b])));
    let mut out = vec![0.0; xs.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && xs[order[end]] == xs[order[start]] {
            end += 1;
        }
        let shared = (start + 1 + end) as f64 / 2.0;
        order[start..end].iter().for_each(|&i| out[i] = shared);
        start = end;
    }
    out
}

/// Σ(t³ − t) over runs of t equal ranks.
pub(super) fn tied(ranks: &[f64]) -> f64 {
    let mut runs: BTreeMap<u64, f64> = BTreeMap::new();
    // Ranks are positive halves: their bits are ordered as they are.
    ranks.iter().for_each(|r| *runs.entry(r.to_bits()).or_default() += 1.0);
    runs.values().map(|t| t.powi(3) - t).sum()
}

fn checked(xs: &[f64], ys: &[f64], least: usize) -> Result<(), Undefined> {
    require_paired(xs.len(), ys.len())?;
    require_finite(xs)?;
    require_finite(ys)?;
    if xs.len() < least {
        return undefined(format!("{} pair(s), at least {least} are needed", xs.len()));
    }
    Ok(())
}

fn constant(xs: &[f64]) -> bool {
    xs.iter().all(|x| *x == xs[0])
}

/// Pearson's r = Σ(x−x̄)(y−ȳ) / √(Σ(x−x̄)² Σ(y−ȳ)²). No unit, −1 to 1.
///
/// # Errors
/// Undefined for fewer than two pairs, unequal lengths, values that are not finite, or
/// when one side is constant.
pub fn pearson(xs: &[f64], ys: &[f64]) -> Stat {
    checked(xs, ys, 2)?;
    if constant(xs) || constant(ys) {
        return undefined("a correlation with a constant");
    }
    let n = xs.len();
    let centred = |v: &[f64]| -> Vec<f64> {
        // Scaled by the largest value first, so that squares neither overflow nor vanish.
        let scale = v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let mean = sum_by(n, &|i| v[i] / scale) / n as f64;
        let mut out: Vec<f64> = v.iter().map(|x| x / scale - mean).collect();
        let peak = out.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        out.iter_mut().for_each(|x| *x /= peak);
        out
    };
    let (a, b) = (centred(xs), centred(ys));
    let cross = sum_by(n, &|i| a[i] * b[i]);
    let (aa, bb) = (sum_by(n, &|i| a[i] * a[i]), sum_by(n, &|i| b[i] * b[i]));
    // Rounding can leave |r| a few ulp above 1.
    finite((cross / aa.sqrt() / bb.sqrt()).clamp(-1.0, 1.0), "the correlation")
}

/// Spearman's ρ: Pearson's r of the average ranks. No unit, −1 to 1.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(xs: &[f64], ys: &[f64]) -> Stat {
    checked(xs, ys, 2)?;
    pearson(&ranks(xs), &ranks(ys))
}

/// cos = Σxy / √(Σx² Σy²). No unit, −1 to 1.
///
/// # Errors
/// Undefined without pairs, for unequal lengths, values that are not finite, or when one
/// side is zero throughout.
pub fn cosine(xs: &[f64], ys: &[f64]) -> Stat {
    checked(xs, ys, 1)?;
    let peak = |v: &[f64]| v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let (p, q) = (peak(xs), peak(ys));
    if p == 0.0 || q == 0.0 {
        return undefined("the angle to a vector of zeros");
    }
    let n = xs.len();
    let cross = sum_by(n, &|i| (xs[i] / p) * (ys[i] / q));
    let (aa, bb) = (sum_by(n, &|i| (xs[i] / p).powi(2)), sum_by(n, &|i| (ys[i] / q).powi(2)));
    finite((cross / aa.sqrt() / bb.sqrt()).clamp(-1.0, 1.0), "the cosine")
}

/// Mean squared error Σ(x−y)² / n. Unit of the values squared.
///
/// # Errors
/// Undefined without pairs, for unequal lengths or values that are not finite.
pub fn mean_squared_error(xs: &[f64], ys: &[f64]) -> Stat {
    checked(xs, ys, 1)?;
    let squares = sum_by(xs.len(), &|i| (xs[i] - ys[i]).powi(2));
    finite(squares / xs.len() as f64, "the mean squared error")
}

/// Kendall's τ_b = (C − D) / √((P − T_x)(P − T_y)): C, D concordant and discordant pairs,
/// P = n(n−1)/2 pairs, T tied pairs (Kendall 1945). Compares all pairs: meant for tables,
/// not for voxels. No unit, −1 to 1.
///
/// # Errors
/// As [`pearson`].
pub fn kendall_tau_b(xs: &[f64], ys: &[f64]) -> Stat {
    checked(xs, ys, 2)?;
    let (mut balance, mut untied_x, mut untied_y) = (0i64, 0u64, 0u64);
    for i in 0..xs.len() {
        for j in 0..i {
            let a = xs[i].partial_cmp(&xs[j]).map_or(0, |o| o as i64);
            let b = ys[i].partial_cmp(&ys[j]).map_or(0, |o| o as i64);
            balance += a * b;
            untied_x += a.unsigned_abs();
            untied_y += b.unsigned_abs();
        }
    }
    if untied_x == 0 || untied_y == 0 {
        return undefined("a correlation with a constant");
    }
    Ok(balance as f64 / (untied_x as f64).sqrt() / (untied_y as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    type Measure = fn(&[f64], &[f64]) -> Stat;

    #[test]
    fn four_oracles() {
        let mut stream = Seed(5).stream("rank");
        let x: Vec<f64> = (0..1500).map(|_| stream.normal()).collect();
        let other: Vec<f64> = (0..1500).map(|_| stream.normal()).collect();
        let inverted: Vec<f64> = x.iter().map(|v| -v).collect();
        let measures: [Measure; 4] = [pearson, spearman, cosine, kendall_tau_b];
        for (i, f) in measures.into_iter().enumerate() {
            assert!((f(&x, &x).expect("exact") - 1.0).abs() < 1e-12, "{i}");
            assert!((f(&x, &inverted).expect("inverted") + 1.0).abs() < 1e-12, "{i}");
            assert!(f(&x, &other).expect("random").abs() < 0.1, "{i}");
        }
        let flat = vec![0.3; 1500];
        for f in [pearson as Measure, spearman, kendall_tau_b] {
            assert!(f(&x, &flat).is_err(), "a constant has no rank order");
        }
        assert!(cosine(&x, &vec![0.0; 1500]).is_err());
        // A difference: 0 for itself, E(x − 0.3)² = 1.09 for a constant, 2 for another draw,
        // 4 for the inverse.
        let maps = [&x, &flat, &other, &inverted];
        let mse = maps.map(|y| mean_squared_error(&x, y).expect("error"));
        let apart = mse.iter().zip([0.0, 1.09, 2.0, 4.0]).map(|(g, w)| (g - w).abs());
        assert!(apart.fold(0.0, f64::max) < 0.3 && mse.is_sorted(), "{mse:?}");
        assert!(mean_squared_error(&[], &[]).is_err() && mean_squared_error(&x, &[1.0]).is_err());
    }

    #[test]
    fn hand_worked() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
        let r = pearson(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]).expect("r");
        assert!((r - 0.5).abs() < 1e-15);
        // x untied 3 pairs; y one tie: C = 2, D = 0 → 2/√(3·2).
        let tau = kendall_tau_b(&[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0]).expect("tau");
        assert!((tau - 2.0 / 6.0f64.sqrt()).abs() < 1e-15);
        assert!(pearson(&[1.0], &[1.0]).is_err() && spearman(&[1.0, 2.0], &[1.0]).is_err());
        assert!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
    }

    #[test]
    fn scale_of_the_numbers_does_not_matter() {
        let x = [1e-300, 2e-300, 4e-300];
        let y = [1e300, 2e300, 4e300];
        assert!((pearson(&x, &y).expect("r") - 1.0).abs() < 1e-12);
        assert!((cosine(&x, &y).expect("cos") - 1.0).abs() < 1e-12);
    }
}
