//! Sums, means, spreads and quantiles, in a fixed order of operations.

use super::{Stat, Undefined, undefined};

/// Refuses values that are not finite, naming the first.
///
/// # Errors
/// [`Undefined`] with the position and the value.
pub fn require_finite(xs: &[f64]) -> Result<(), Undefined> {
    match xs.iter().position(|x| !x.is_finite()) {
        Some(i) => undefined(format!("value {i} is {}", xs[i])),
        None => Ok(()),
    }
}

/// Refuses two slices of unequal length.
///
/// # Errors
/// [`Undefined`] with both lengths.
pub fn require_paired(a: usize, b: usize) -> Result<(), Undefined> {
    if a == b { Ok(()) } else { undefined(format!("{a} values are paired with {b}")) }
}

/// Σx by pairwise summation: the order depends on the length only, and the rounding
/// error grows with log n (Higham 1993). Unit of x.
pub fn sum(xs: &[f64]) -> f64 {
    sum_by(xs.len(), &|i| xs[i])
}

/// Σ f(i) for i in 0..n, pairwise as [`sum`], without a temporary.
pub fn sum_by(n: usize, f: &impl Fn(usize) -> f64) -> f64 {
    fn part(low: usize, high: usize, f: &impl Fn(usize) -> f64) -> f64 {
        if high - low <= 32 {
            return (low..high).fold(0.0, |total, i| total + f(i));
        }
        let middle = low + (high - low) / 2;
        part(low, middle, f) + part(middle, high, f)
    }
    part(0, n, f)
}

/// x̄ = Σx / n. Unit of x.
///
/// # Errors
/// Undefined without values or when one is not finite.
pub fn mean(xs: &[f64]) -> Stat {
    require_finite(xs)?;
    if xs.is_empty() {
        return undefined("the mean of no values");
    }
    finite(sum(xs) / xs.len() as f64, "the mean")
}

/// Sample standard deviation √(Σ(x − x̄)² / (n − 1)). Unit of x.
///
/// # Errors
/// Undefined for fewer than two values or when one is not finite.
pub fn sd(xs: &[f64]) -> Stat {
    if xs.len() < 2 {
        return undefined(format!("the standard deviation of {} value(s)", xs.len()));
    }
    let m = mean(xs)?;
    let squares = sum_by(xs.len(), &|i| (xs[i] - m).powi(2));
    finite((squares / (xs.len() - 1) as f64).sqrt(), "the standard deviation")
}

/// The middle value, or the mean of the two middle ones. Unit of x.
///
/// # Errors
/// As [`quantile`].
pub fn median(xs: &[f64]) -> Stat {
    quantile(xs, 0.5)
}

/// Quantile by linear interpolation between order statistics at h = (n − 1)q
/// (type 7 of Hyndman & Fan 1996). Unit of x.
///
/// # Errors
/// Undefined without values, when one is not finite, or for q outside [0, 1].
pub fn quantile(xs: &[f64], q: f64) -> Stat {
    require_finite(xs)?;
    let mut sorted = xs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, q)
}

/// [`quantile`] of values that are finite and already ascending.
///
/// # Errors
/// Undefined without values or for q outside [0, 1].
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Stat {
    if !(0.0..=1.0).contains(&q) {
        return undefined(format!("a quantile at {q}, outside 0 to 1"));
    }
    let Some(last) = sorted.len().checked_sub(1) else {
        return undefined("a quantile of no values");
    };
    let h = q * last as f64;
    let low = (h.floor() as usize).min(last);
    let high = (low + 1).min(last);
    let step = h - low as f64;
    // Weighted ends rather than low + step·(high − low): the difference can overflow.
    let value =
        if step == 0.0 { sorted[low] } else { sorted[low] * (1.0 - step) + sorted[high] * step };
    Ok(value)
}

/// Passes a finite number on; anything else is undefined, named by `what`.
///
/// # Errors
/// Undefined for NaN and infinities.
pub fn finite(value: f64, what: &str) -> Stat {
    if value.is_finite() { Ok(value) } else { undefined(format!("{what} comes out as {value}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_values() {
        let xs = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&xs), Ok(5.0));
        assert!((sd(&xs).expect("sd") - (32.0f64 / 7.0).sqrt()).abs() < 1e-15);
        assert_eq!(median(&xs), Ok(4.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Ok(1.75));
        assert_eq!(quantile(&[3.0, 1.0], 0.0), Ok(1.0));
        assert_eq!(quantile(&[3.0, 1.0], 1.0), Ok(3.0));
        assert_eq!(sd(&[3.0, 3.0]), Ok(0.0));
    }

    #[test]
    fn undefined_has_a_reason() {
        assert!(mean(&[]).is_err() && sd(&[1.0]).is_err() && median(&[]).is_err());
        let why = mean(&[1.0, f64::NAN]).expect_err("NaN");
        assert!(why.0.contains("value 1 is NaN"), "{why}");
        assert!(quantile(&[1.0], 1.5).is_err() && quantile(&[1.0], f64::NAN).is_err());
        assert!(mean(&[f64::MAX, f64::MAX]).is_err(), "overflow is not a mean");
    }

    #[test]
    fn pairwise_sum_keeps_small_terms() {
        let xs = vec![0.1; 1_000_000];
        assert!((sum(&xs) - 100_000.0).abs() < 1e-8);
        assert_eq!(sum(&[]), 0.0);
    }
}
