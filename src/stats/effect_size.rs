//! How far apart two groups lie, free of their sizes.

use super::moments::{finite, mean, require_finite, sd, sum_by};
use super::{Stat, undefined};

/// Cohen's d = (b̄ − ā)/s, s² = ((n_a − 1)s_a² + (n_b − 1)s_b²)/(n_a + n_b − 2) the pooled
/// variance (Cohen 1988). No unit, positive when `b` is larger; too large by a few per cent
/// in small groups: see [`hedges_g`].
///
/// # Errors
/// Undefined for groups of fewer than two values, values that are not finite, or when both
/// groups are constant.
pub fn cohens_d(a: &[f64], b: &[f64]) -> Stat {
    let (sa, sb) = (sd(a)?, sd(b)?);
    let (m, n) = ((a.len() - 1) as f64, (b.len() - 1) as f64);
    let (wa, wb) = (m / (m + n), n / (m + n));
    let pooled = (wa.sqrt() * sa).hypot(wb.sqrt() * sb);
    if pooled == 0.0 {
        return undefined("both groups are constant");
    }
    finite((mean(b)? - mean(a)?) / pooled, "the effect size")
}

/// Hedges' g = d·(1 − 3/(4(n_a + n_b) − 9)): [`cohens_d`] with its bias in small groups taken
/// out (Hedges 1981). No unit.
///
/// # Errors
/// As [`cohens_d`].
pub fn hedges_g(a: &[f64], b: &[f64]) -> Stat {
    let n = (a.len() + b.len()) as f64;
    Ok(cohens_d(a, b)? * (1.0 - 3.0 / (4.0 * n - 9.0)))
}

/// Cliff's δ = P(b > a) − P(b < a) over all pairs (Cliff 1993), −1 to 1, positive when `b`
/// is larger. Compares all pairs: meant for tables, not for voxels.
///
/// # Errors
/// Undefined for an empty group or values that are not finite.
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> Stat {
    require_finite(a)?;
    require_finite(b)?;
    if a.is_empty() || b.is_empty() {
        return undefined(format!("groups of {} and {} values", a.len(), b.len()));
    }
    let balance = |y: f64| {
        let side = |x: &f64| y.partial_cmp(x).map_or(0, |o| o as i64);
        a.iter().map(side).sum::<i64>() as f64
    };
    Ok(sum_by(b.len(), &|j| balance(b[j])) / (a.len() * b.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn four_oracles() {
        let mut s = Seed(15).stream("effect");
        let mut draw = |shift: f64| (0..300).map(|_| s.normal() + shift).collect::<Vec<f64>>();
        let (low, high, other) = (draw(0.0), draw(20.0), draw(0.0));
        let flat = vec![1.0; 300];
        for f in [cohens_d, hedges_g] {
            let exact = f(&low, &high).expect("apart");
            assert!((exact - 20.0).abs() < 1.5, "{exact}");
            assert_eq!(f(&high, &low), Ok(-exact));
            assert!(f(&low, &other).expect("same law").abs() < 0.25);
            assert!(f(&flat, &flat).is_err(), "no spread");
        }
        assert_eq!(cliffs_delta(&low, &high), Ok(1.0));
        assert_eq!(cliffs_delta(&high, &low), Ok(-1.0));
        assert!(cliffs_delta(&low, &other).expect("same law").abs() < 0.15);
        assert_eq!(cliffs_delta(&flat, &flat), Ok(0.0));
    }

    #[test]
    fn hand_worked() {
        // Variances 2 (two values) and 1 (three): pooled (2 + 2)/3; means 1 and 4.
        let (a, b) = ([0.0, 2.0], [3.0, 4.0, 5.0]);
        let d = 3.0 / (4.0f64 / 3.0).sqrt();
        assert!((cohens_d(&a, &b).expect("d") - d).abs() < 1e-14);
        assert!((hedges_g(&a, &b).expect("g") - d * (1.0 - 3.0 / 11.0)).abs() < 1e-14);
        // Pairs (1,2) (1,1) (2,2) (2,1): + 0 0 −.
        assert_eq!(cliffs_delta(&[1.0, 2.0], &[2.0, 1.0]), Ok(0.0));
        assert_eq!(cliffs_delta(&[1.0, 2.0], &[2.0]), Ok(0.5));
    }

    #[test]
    fn undefined_cases() {
        assert!(cohens_d(&[1.0], &[1.0, 2.0]).is_err() && hedges_g(&[], &[]).is_err());
        assert!(cliffs_delta(&[], &[1.0]).is_err() && cliffs_delta(&[f64::NAN], &[1.0]).is_err());
    }
}
