//! How concentrated non-negative amounts (|R| over voxels) are.

use super::moments::{finite, require_finite, sum_by};
use super::{Stat, Undefined, undefined};

/// Σx of non-negative amounts, or why they cannot be shared out.
pub(super) fn amounts(xs: &[f64]) -> Result<f64, Undefined> {
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
/// 1 − 1/n when one holds everything (Hurley & Rickard 2009). No unit.
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

/// What Quantus adds to each amount before its Gini coefficient.
const SPARSENESS_OFFSET: f64 = 1e-7;

/// Quantus's Sparseness: the [`gini`] of x + 1e-7 (Chalasani et al. 2020, Quantus 0.6.0).
/// The offset has the unit of the map, so that the number falls towards 0 for maps in small
/// units and changes when the map is scaled: it is here to compare with; prefer [`gini`].
///
/// # Errors
/// As [`gini`].
pub fn sparseness(xs: &[f64]) -> Stat {
    amounts(xs)?;
    gini(&xs.iter().map(|x| x + SPARSENESS_OFFSET).collect::<Vec<_>>())
}

/// Effective complexity #{x > ε·max x}: how many amounts are more than ε of the largest
/// (Nguyen & Martínez 2020, amounts normalised as in Quantus 0.6.0, but never by the maximum
/// of a whole batch, as Quantus does, where a map's number depends on its neighbours).
/// Voxels. With a small ε it counts what is not exactly zero and says little.
///
/// # Errors
/// As [`gini`]; undefined too for an ε outside 0 to 1.
pub fn effective_complexity(xs: &[f64], epsilon: f64) -> Stat {
    amounts(xs)?;
    if !(0.0..1.0).contains(&epsilon) {
        return undefined(format!("a threshold of {epsilon}, outside 0 to 1"));
    }
    let most = xs.iter().fold(0.0f64, |m, x| m.max(*x));
    Ok(xs.iter().filter(|x| **x / most > epsilon).count() as f64)
}

/// Shannon entropy −Σ p ln p, p = x/Σx, in nats: 0 when one holds everything, ln n when
/// all are equal (Bhatt et al. 2020). Quantus adds 1e-12 to p in the logarithm, which moves
/// the value by less than n·1e-12.
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
    use crate::seed::Seed;

    /// Low for the map of few voxels, high for its inverse: none of these knows the truth.
    #[test]
    fn four_oracles() {
        let exact: Vec<f64> = (0..1000).map(|i| f64::from(u8::from(i < 50))).collect();
        let inverted: Vec<f64> = exact.iter().map(|x| 1.0 - x).collect();
        let mut s = Seed(4).stream("complexity");
        let random: Vec<f64> = (0..1000).map(|_| 0.01 + s.uniform()).collect();
        let maps = [&exact, &random, &inverted, &vec![3.0; 1000]];
        let of = |f: &dyn Fn(&[f64]) -> Stat| maps.map(|m| f(m).expect("defined"));
        let near = |got: [f64; 4], want: [f64; 4], slack: f64| {
            let apart = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
            assert!(apart < slack, "{got:?} {want:?}");
        };
        // Uniform amounts: a Gini coefficient of 1/3, here a little less by the 0.01.
        near(of(&gini), [0.95, 0.33, 0.05, 0.0], 0.02);
        near(of(&sparseness), of(&gini), 1e-5);
        // The entropy of uniform amounts is 0.193 nats below that of equal ones: ln 2 − ½.
        let flat = 1000f64.ln();
        near(of(&entropy), [50f64.ln(), flat - 0.193, 950f64.ln(), flat], 0.02);
        near(of(&|m| effective_complexity(m, 1e-5)), [50.0, 1000.0, 950.0, 1000.0], 1e-9);
    }

    #[test]
    fn thresholds_and_offsets_by_hand() {
        let xs = [4.0, 2.0, 1.0, 0.0];
        let count = |e| effective_complexity(&xs, e);
        assert_eq!([0.0, 0.25, 0.3, 0.5].map(count), [Ok(3.0), Ok(2.0), Ok(2.0), Ok(1.0)]);
        assert!(count(1.0).is_err() && count(f64::NAN).is_err());
        // 1e-7 beside amounts of 1e-7: (0 + 1e-7, 2e-7) has a Gini coefficient of 1/6.
        assert!((sparseness(&[0.0, 1e-7]).expect("small") - 1.0 / 6.0).abs() < 1e-12);
        assert!((gini(&[0.0, 1e-7]).expect("small") - 0.5).abs() < 1e-12);
    }

    #[test]
    fn ends_middle_and_undefined() {
        assert_eq!(gini(&[2.0; 5]), Ok(0.0));
        assert!((gini(&[0.0, 0.0, 0.0, 4.0]).expect("one") - 0.75).abs() < 1e-15);
        assert!((gini(&[3.0, 1.0]).expect("two") - 0.25).abs() < 1e-15);
        assert_eq!(entropy(&[0.0, 3.0]), Ok(0.0));
        assert!((entropy(&[1.0; 8]).expect("flat") - 8f64.ln()).abs() < 1e-14);
        for bad in [&[][..], &[0.0, 0.0], &[-1.0, 2.0], &[f64::NAN, 1.0]] {
            assert!(gini(bad).is_err() && entropy(bad).is_err(), "{bad:?}");
            assert!(sparseness(bad).is_err() && effective_complexity(bad, 0.1).is_err());
        }
    }
}
