//! How well several rankings of the same things agree.

use super::moments::{require_finite, require_paired, sum_by};
use super::rank::{ranks, tied};
use super::{Stat, undefined};

/// Kendall's W = 12·Σ(Rᵢ − R̄)² / (m²(n³ − n) − m·ΣT), Rᵢ the sum of the ranks that m raters
/// give thing i of n, T = Σ(t³ − t) over the ties of a rater (Kendall & Smith 1939; ties as
/// Kendall 1948). `raters` holds one row of values per rater. No unit, 0 to 1: 1 when all
/// rank alike, 1/m on average when they rank at random; two opposite rankings give 0.
///
/// # Errors
/// Undefined for fewer than two raters or two things, unequal lengths, values that are not
/// finite, or when every rater gives one value to all.
pub fn kendall_w(raters: &[Vec<f64>]) -> Stat {
    let things = raters.first().map_or(0, Vec::len);
    if raters.len() < 2 || things < 2 {
        return undefined(format!("{} rater(s) of {things} thing(s)", raters.len()));
    }
    let mut sums = vec![0.0; things];
    let mut ties = 0.0;
    for row in raters {
        require_paired(row.len(), things)?;
        require_finite(row)?;
        let ranks = ranks(row);
        sums.iter_mut().zip(&ranks).for_each(|(s, r)| *s += r);
        ties += tied(&ranks);
    }
    let (m, n) = (raters.len() as f64, things as f64);
    let centre = m * (n + 1.0) / 2.0;
    let most = m * m * (n.powi(3) - n) - m * ties;
    if most <= 0.0 {
        return undefined("no rater tells the things apart");
    }
    Ok(12.0 * sum_by(things, &|i| (sums[i] - centre).powi(2)) / most)
}

/// Jaccard index |A ∩ B| / |A ∪ B| of the `k` largest of each row. No unit, 0 to 1; two random
/// rows of n share k²/n things on average.
///
/// # Errors
/// Undefined for unequal lengths, values that are not finite, k of 0 or above the number of
/// things, or when values that are equal compete for the last place.
pub fn top_k_jaccard(a: &[f64], b: &[f64], k: usize) -> Stat {
    require_paired(a.len(), b.len())?;
    if k == 0 || k > a.len() {
        return undefined(format!("the {k} largest of {}", a.len()));
    }
    let top = |row: &[f64]| {
        require_finite(row)?;
        let mut sorted = row.to_vec();
        sorted.sort_unstable_by(|x, y| y.total_cmp(x));
        let chosen: Vec<bool> = row.iter().map(|v| *v >= sorted[k - 1]).collect();
        match chosen.iter().filter(|c| **c).count() {
            n if n == k => Ok(chosen),
            n => undefined(format!("{n} values compete for the {k} first places")),
        }
    };
    let (a, b) = (top(a)?, top(b)?);
    let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count();
    Ok(both as f64 / (2 * k - both) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::stats::rank::spearman;

    fn noise(name: &str) -> Vec<f64> {
        let mut s = Seed(21).stream(name);
        (0..400).map(|_| s.normal()).collect()
    }

    #[test]
    fn four_oracles() {
        let x = noise("x");
        let inverted: Vec<f64> = x.iter().map(|v| -v).collect();
        let w = |y: &[f64]| kendall_w(&[x.clone(), y.to_vec()]);
        assert!((w(&x).expect("exact") - 1.0).abs() < 1e-12);
        assert!(w(&inverted).expect("inverted").abs() < 1e-12);
        assert!((w(&noise("y")).expect("random") - 0.5).abs() < 0.06);
        assert!(kendall_w(&[vec![1.0; 9], vec![2.0; 9]]).is_err(), "constants");
        let top = |y: &[f64]| top_k_jaccard(&x, y, 40);
        assert_eq!((top(&x), top(&inverted)), (Ok(1.0), Ok(0.0)));
        // Four shared on average: 4/76.
        assert!((top(&noise("y")).expect("random") - 4.0 / 76.0).abs() < 0.05);
        assert!(top(&[0.5; 400]).is_err(), "a constant has no largest values");
    }

    #[test]
    fn hand_worked() {
        // Ranks 1 2 3, 1 3 2, 2 1 3: sums 4 6 8, Σ(R − 6)² = 8: 12·8 / (9·24).
        let raters = [vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 2.0], vec![2.0, 1.0, 3.0]];
        assert!((kendall_w(&raters).expect("W") - 96.0 / 216.0).abs() < 1e-15);
        // Ranks 1.5 1.5 3 and 1 2 3, one tie of two: sums 2.5 3.5 6, Σ(R − 4)² = 6.5:
        // 12·6.5 / (4·24 − 2·6).
        let tied = [vec![1.0, 1.0, 3.0], vec![1.0, 2.0, 3.0]];
        assert!((kendall_w(&tied).expect("W") - 78.0 / 84.0).abs() < 1e-15);
        let (a, b) = ([5.0, 4.0, 1.0, 0.0], [5.0, 1.0, 4.0, 0.0]);
        assert_eq!(top_k_jaccard(&a, &b, 2), Ok(1.0 / 3.0));
        assert_eq!(top_k_jaccard(&a, &b, 3), Ok(1.0));
    }

    /// W = (1 + (m − 1)·r̄)/m, r̄ the mean of Spearman's correlations of all pairs.
    #[test]
    fn without_ties_it_is_the_mean_correlation() {
        let raters: Vec<Vec<f64>> = ["a", "b", "c", "d"].map(noise).to_vec();
        let pairs = (0..4).flat_map(|i| (0..i).map(move |j| (i, j)));
        let of = |(i, j): (usize, usize)| spearman(&raters[i], &raters[j]).expect("rho");
        let mean = pairs.map(of).sum::<f64>() / 6.0;
        assert!((kendall_w(&raters).expect("W") - (1.0 + 3.0 * mean) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn undefined_cases() {
        assert!(kendall_w(&[]).is_err() && kendall_w(&[vec![1.0, 2.0]]).is_err());
        assert!(kendall_w(&[vec![1.0, 2.0], vec![1.0]]).is_err());
        assert!(kendall_w(&[vec![1.0, 2.0], vec![1.0, f64::NAN]]).is_err());
        let x = [3.0, 2.0, 2.0, 1.0];
        assert!(top_k_jaccard(&x, &x, 0).is_err() && top_k_jaccard(&x, &x, 5).is_err());
        assert!(top_k_jaccard(&x, &x, 2).is_err(), "a tie at the last place");
        assert_eq!(top_k_jaccard(&x, &x, 3), Ok(1.0));
    }
}
