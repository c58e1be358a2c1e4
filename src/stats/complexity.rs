//! How concentrated non-negative amounts (|R| over voxels) are.

use super::moments::{finite, require_finite, sum_by};
use super::{Stat, Undefined, undefined};

fn amounts(xs: &[f64]) -> Result<f64, Undefined> {
    require_finite(xs)?;
    if let Some(x) = xs.iter().find(|x| **x < 0.0) {
        return undefined(format!("{x} is not an amount; take absolute values first"));
    }
    let total = sum_by(xs.len(), &|i| xs[i]);
    if total == 0.0 {
        return undefined("nothing to distribute: all amounts are zero");
    }
    finite(total, "the total")
}

/// Gini = Σ(2i − n − 1)x₍ᵢ₎ / (n Σx), x ascending, i from 1: 0 when all are equal,
/// 1 − 1/n when one holds everything. Some programs add 1e-7 to each amount first (Hurley
/// & Rickard 2009 as coded in Quantus); add it before calling to compare with those.
///
/// # Errors
/// Undefined without amounts, for negative or not finite ones, or when all are zero.
pub fn gini(xs: &[f64]) -> Stat {
    let total = amounts(xs)?;
    let mut sorted = xs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = xs.len() as f64;
    let weighted = sum_by(xs.len(), &|i| (2.0 * (i + 1) as f64 - n - 1.0) * sorted[i]);
    finite(weighted / (n * total), "the Gini coefficient")
}

/// Shannon entropy −Σ p ln p, p = x/Σx, in nats: 0 when one holds everything, ln n when
/// all are equal.
///
/// # Errors
/// As [`gini`].
pub fn entropy(xs: &[f64]) -> Stat {
    let total = amounts(xs)?;
    let term = |i: usize| {
        let p = xs[i] / total;
        if p > 0.0 { -p * p.ln() } else { 0.0 }
    };
    finite(sum_by(xs.len(), &term), "the entropy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_middle_and_undefined() {
        assert_eq!(gini(&[2.0; 5]), Ok(0.0));
        assert!((gini(&[0.0, 0.0, 0.0, 4.0]).expect("one") - 0.75).abs() < 1e-15);
        assert!((gini(&[3.0, 1.0]).expect("two") - 0.25).abs() < 1e-15);
        assert_eq!(entropy(&[0.0, 3.0]), Ok(0.0));
        assert!((entropy(&[1.0; 8]).expect("flat") - 8f64.ln()).abs() < 1e-14);
        for bad in [&[][..], &[0.0, 0.0], &[-1.0, 2.0], &[f64::NAN, 1.0]] {
            assert!(gini(bad).is_err() && entropy(bad).is_err(), "{bad:?}");
        }
    }
}
