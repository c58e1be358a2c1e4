//! Student's t distribution, and the test of two means that rests on it.

use super::bootstrap::Bounds;
use super::moments::{mean, sd};
use super::{Stat, Tested, Undefined, undefined};

/// Steps after which a continued fraction is given up.
const MOST_STEPS: u32 = 100_000;

/// ln Γ(x) for x > 0: Stirling's series (DLMF 5.11.1) after Γ(x + 1) = xΓ(x) has carried x
/// beyond 10. Absolute error about 1e-15 of the result's size.
fn ln_gamma(x: f64) -> f64 {
    let (mut z, mut below) = (x, 0.0);
    while z < 10.0 {
        below += z.ln();
        z += 1.0;
    }
    let terms = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0];
    let series = terms.iter().rev().fold(-691.0 / 360_360.0, |s, t| t + s / (z * z)) / z;
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - below
}

/// I_x(a, b), the regularised incomplete beta function, with y = 1 − x given beside x so
/// that neither is rounded away: continued fraction DLMF 8.17.22, evaluated by Lentz.
fn incomplete_beta(x: f64, y: f64, a: f64, b: f64) -> Stat {
    if x <= 0.0 || y <= 0.0 {
        return Ok(if x <= 0.0 { 0.0 } else { 1.0 });
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return Ok(1.0 - incomplete_beta(y, x, b, a)?);
    }
    // 1 / (1 + d₁/(1 + d₂/(1 + …))), the numerators of the fraction in turn.
    let numerator = |step: u32| {
        let m = f64::from(step / 2);
        if step.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    let nonzero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut up, mut down, mut value) = (1.0, 0.0, 1.0);
    for step in 1..MOST_STEPS {
        let d = numerator(step);
        (up, down) = (nonzero(1.0 + d / up), 1.0 / nonzero(1.0 + d * down));
        value *= up * down;
        if (up * down - 1.0).abs() < 1e-15 {
            let front = a * x.ln() + b * y.ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
            return Ok(front.exp() / (a * value));
        }
    }
    undefined(format!("no convergence of the beta function at {x}, {a}, {b}"))
}

/// P(|T| ≥ |t|) for T of Student's distribution with `df` degrees of freedom (need not be
/// whole): I_x(df/2, ½) at x = df/(df + t²). Relative error below 1e-12 up to 1e4 degrees.
///
/// # Errors
/// Undefined for a t that is not finite or degrees of freedom that are not positive.
pub fn two_sided(t: f64, df: f64) -> Stat {
    if !(t.is_finite() && df.is_finite() && df > 0.0) {
        return undefined(format!("Student's distribution at {t} with {df} degrees of freedom"));
    }
    let whole = df + t * t;
    incomplete_beta(df / whole, t * t / whole, df / 2.0, 0.5)
}

/// The t that |T| exceeds with probability 1 − level, by bisection on [`two_sided`].
///
/// # Errors
/// Undefined for a level outside (0, 1) or degrees of freedom that are not positive.
pub fn critical(level: f64, df: f64) -> Stat {
    if !(level > 0.0 && level < 1.0) {
        return undefined(format!("an interval of level {level}, outside 0 to 1"));
    }
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided(high, df)? > 1.0 - level {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if two_sided(middle, df)? > 1.0 - level { low = middle } else { high = middle }
    }
    Ok(0.5 * (low + high))
}

/// x̄ ± t·s/√n, Student's interval of a mean (1908). Unit of x; exact for normal values, a
/// point for constant ones.
///
/// # Errors
/// Undefined for fewer than two values, values that are not finite, or a level outside (0, 1).
pub fn mean_interval(xs: &[f64], level: f64) -> Result<Bounds, Undefined> {
    let (m, n) = (mean(xs)?, xs.len() as f64);
    let half = critical(level, n - 1.0)? * sd(xs)? / n.sqrt();
    Ok(Bounds { low: m - half, high: m + half, level, excluded: 0 })
}

/// Welch's test of equal means with unequal variances: t = (ā − b̄)/√(s_a²/n_a + s_b²/n_b),
/// no unit, two-sided p with the degrees of freedom of Welch and Satterthwaite (Welch 1947).
/// Exact only for normal values.
///
/// # Errors
/// Undefined for groups of fewer than two values, values that are not finite, or when both
/// groups are constant.
pub fn welch(a: &[f64], b: &[f64]) -> Result<Tested, Undefined> {
    let part = |xs: &[f64]| Ok::<_, Undefined>(sd(xs)?.powi(2) / xs.len() as f64);
    let (va, vb) = (part(a)?, part(b)?);
    let variance = va + vb;
    if variance == 0.0 {
        return undefined("both groups are constant");
    }
    let t = (mean(a)? - mean(b)?) / variance.sqrt();
    // Of the shares of the variance, whose squares do not vanish for small units.
    let part = |v: f64, n: usize| (v / variance).powi(2) / (n - 1) as f64;
    let df = 1.0 / (part(va, a.len()) + part(vb, b.len()));
    Ok(Tested { statistic: t, p: two_sided(t, df)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::stats::normal;

    #[test]
    fn closed_forms_of_the_distribution() {
        for t in [0.0f64, 0.01, 0.7, 1.0, 3.5, 40.0, 1e5] {
            // One degree of freedom is Cauchy's: 2/π·arctan(1/t); two and four are algebraic.
            let one = if t == 0.0 { 1.0 } else { (1.0 / t).atan() * 2.0 / std::f64::consts::PI };
            let root = (2.0 + t * t).sqrt();
            let two = 2.0 / (root * (root + t));
            let s = t / (4.0 + t * t).sqrt();
            let four = 1.0 - 1.5 * s + 0.5 * s.powi(3);
            for (df, want) in [(1.0, one), (2.0, two)] {
                let got = two_sided(t, df).expect("p");
                assert!((got / want - 1.0).abs() < 1e-12, "{t} {df}: {got} {want}");
            }
            assert!((two_sided(-t, 4.0).expect("p") - four).abs() < 1e-12, "{t}");
        }
        for z in [0.5, 1.96, 4.0] {
            let got = two_sided(z, 1e9).expect("p");
            assert!((got / (2.0 * normal::cdf(-z)) - 1.0).abs() < 1e-6, "{z}: {got}");
        }
        assert!(two_sided(f64::NAN, 3.0).is_err() && two_sided(1.0, 0.0).is_err());
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-14);
        assert!((ln_gamma(11.0) - 3_628_800f64.ln()).abs() < 1e-13);
    }

    #[test]
    fn intervals_agree_with_scipy() {
        // SciPy 1.17.1: stats.t.ppf and stats.t.interval.
        for (level, df, want) in [
            (0.95, 1.0, 12.706_204_736_174_694),
            (0.95, 2.0, 4.302_652_729_749_462),
            (0.95, 7.0, 2.364_624_251_592_785),
            (0.9, 22.5, 1.715_470_066_906_130_5),
            (0.99, 1000.0, 2.580_754_698_065_951),
        ] {
            assert!((critical(level, df).expect("t") / want - 1.0).abs() < 1e-10, "{df}");
        }
        let found = mean_interval(&[1.0, 2.0, 4.0, 9.0], 0.95).expect("interval");
        assert!(
            (found.low + 1.663_204_705_733_679).abs() < 1e-10
                && (found.high - 9.663_204_705_733_68).abs() < 1e-10
        );
        let point = mean_interval(&[0.5; 3], 0.95).expect("point");
        assert_eq!((point.low, point.high), (0.5, 0.5));
        assert!(mean_interval(&[1.0], 0.95).is_err() && critical(1.0, 3.0).is_err());
        assert!(critical(0.9, 0.0).is_err());
    }

    #[test]
    fn four_oracles() {
        let mut s = Seed(12).stream("welch");
        let mut draw = |shift: f64| (0..30).map(|_| s.normal() + shift).collect::<Vec<f64>>();
        let (low, high, other) = (draw(0.0), draw(4.0), draw(0.0));
        let exact = welch(&high, &low).expect("apart");
        let inverted = welch(&low, &high).expect("apart");
        assert!(exact.statistic > 10.0 && exact.p < 1e-12);
        assert_eq!((exact.statistic, exact.p), (-inverted.statistic, inverted.p));
        assert!(welch(&low, &other).expect("same law").p > 0.01);
        assert!(welch(&[1.0; 5], &[2.0; 5]).is_err(), "two constants");
        assert!(welch(&[1.0], &low).is_err() && welch(&low, &[f64::NAN, 1.0]).is_err());
    }

    #[test]
    fn two_pairs_by_hand() {
        // Means 1 and 5, variances 2 and 8: t = −4/√5, 1/df = (1/5)² + (4/5)² → 25/17.
        let got = welch(&[0.0, 2.0], &[3.0, 7.0]).expect("t");
        assert!((got.statistic + 4.0 / 5f64.sqrt()).abs() < 1e-14);
        let want = two_sided(4.0 / 5f64.sqrt(), 25.0 / 17.0).expect("p");
        assert!((got.p / want - 1.0).abs() < 1e-12);
        // The scale of the numbers does not matter.
        let small = welch(&[0.0, 2e-150], &[3e-150, 7e-150]).expect("t");
        assert!((small.p / want - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_test_keeps_its_size() {
        let mut hits = 0;
        for trial in 0..2000 {
            let mut s = Seed(trial).stream("welch size");
            let a: Vec<f64> = (0..12).map(|_| s.normal()).collect();
            let b: Vec<f64> = (0..25).map(|_| 3.0 * s.normal()).collect();
            hits += u32::from(welch(&a, &b).expect("p").p <= 0.05);
        }
        assert!((65..=137).contains(&hits), "{hits} of 2000 at 5 %");
    }
}
