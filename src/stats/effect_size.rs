//! How far apart two groups lie, free of their sizes.

use std::collections::BTreeMap;

use super::bootstrap::{Bounds, Units, bca};
use super::moments::{finite, mean, require_finite, require_paired, sd, sum_by};
use super::{Stat, Undefined, normal, undefined};
use crate::seed::Stream;

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

/// g of a group effect in a linear model: t·leverage·(1 − 3/(4·freedom − 1)), the difference
/// beside the nuisance variables in residual standard deviations, with its bias taken out; and
/// its interval g ± z·√(leverage² + g²/(2n)) (Hedges & Olkin 1985, chapter 5). No unit. Without
/// nuisance variables leverage² is 1/n_a + 1/n_b and this is [`hedges_g`]. Rows must be
/// independent; of several rows per subject see [`over_subjects`].
///
/// # Errors
/// Undefined for fewer than two degrees of freedom, a t that is not finite or a level outside
/// (0, 1).
pub fn of_model(
    t: f64,
    leverage: f64,
    freedom: usize,
    n: usize,
    level: f64,
) -> Result<(f64, Bounds), Undefined> {
    if freedom < 2 || !(level > 0.0 && level < 1.0) {
        return undefined(format!("an effect size of {freedom} degrees of freedom at {level}"));
    }
    let unbiased = 1.0 - 3.0 / (4.0 * freedom as f64 - 1.0);
    let g = finite(t * leverage * unbiased, "the effect size")?;
    let half = normal::quantile(0.5 + level / 2.0)? * leverage.hypot(g / (2.0 * n as f64).sqrt());
    Ok((g, Bounds { low: g - half, high: g + half, level, excluded: 0 }))
}

/// BCa bootstrap interval of an effect size with subjects as units, drawn within their group:
/// all rows of a drawn subject come along. A subject with rows in both groups is drawn among
/// its like. Unit of the effect size. Too narrow for fewer than 16 subjects:
/// `docs/calibration.md`.
///
/// # Errors
/// Those of [`bca`]; undefined for unequal lengths.
pub fn over_subjects(
    values: &[f64],
    in_b: &[bool],
    subjects: &[usize],
    effect: fn(&[f64], &[f64]) -> Stat,
    (level, draws): (f64, usize),
    stream: &mut Stream,
) -> Result<Bounds, Undefined> {
    require_paired(values.len(), in_b.len())?;
    require_paired(values.len(), subjects.len())?;
    let mut units: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    subjects.iter().enumerate().for_each(|(row, s)| units.entry(*s).or_default().push(row));
    let mut strata: BTreeMap<[bool; 2], Vec<Vec<usize>>> = BTreeMap::new();
    for rows in units.into_values() {
        let groups = [false, true].map(|g| rows.iter().any(|&r| in_b[r] == g));
        strata.entry(groups).or_default().push(rows);
    }
    let units = Units::strata(strata.into_values().collect());
    bca(&units, level, draws, stream, |rows| {
        let of = |g: bool| -> Vec<f64> {
            rows.iter().filter(|&&r| in_b[r] == g).map(|&r| values[r]).collect()
        };
        effect(&of(false), &of(true))
    })
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
    fn the_interval_of_a_model_is_that_of_two_groups_by_hand() {
        // n_a = n_b = 8, d = 1: t = d/√(2/8) = 2, J = 1 − 3/55; variance ¼ + g²/32.
        let (g, bounds) = of_model(2.0, 0.5, 14, 16, 0.95).expect("g");
        let want = 52.0 / 55.0;
        assert!((g - want).abs() < 1e-14);
        let half = 1.959_963_984_540_054 * (0.25 + want * want / 32.0f64).sqrt();
        assert!((bounds.low - (want - half)).abs() < 1e-12, "{bounds:?}");
        assert!((bounds.high - (want + half)).abs() < 1e-12, "{bounds:?}");
        assert!(of_model(2.0, 0.5, 1, 3, 0.95).is_err() && of_model(2.0, 0.5, 9, 9, 1.0).is_err());
        assert!(of_model(f64::INFINITY, 0.5, 9, 11, 0.95).is_err());
    }

    #[test]
    fn several_maps_of_one_subject_are_one_unit() {
        let mut s = Seed(16).stream("clusters");
        let own: Vec<f64> = (0..40).map(|i| s.normal() + f64::from(i % 2)).collect();
        let in_b: Vec<bool> = (0..40).map(|i| i % 2 == 1).collect();
        let run = |copies: usize, subject: &dyn Fn(usize) -> usize| {
            let rows: Vec<usize> = (0..40 * copies).map(|i| i / copies).collect();
            let values: Vec<f64> = rows.iter().map(|&i| own[i]).collect();
            let group: Vec<bool> = rows.iter().map(|&i| in_b[i]).collect();
            let subjects: Vec<usize> = (0..rows.len()).map(subject).collect();
            let mut s = Seed(1).stream("draws");
            let found =
                over_subjects(&values, &group, &subjects, cliffs_delta, (0.95, 1000), &mut s);
            let b = found.expect("interval");
            b.high - b.low
        };
        let (once, cluster, naive) = (run(1, &|i| i), run(4, &|i| i / 4), run(4, &|i| i));
        assert!((cluster / once - 1.0).abs() < 1e-9, "copies tell nothing new: {cluster} {once}");
        assert!(naive < 0.7 * once, "{naive} {once}");
    }

    #[test]
    fn undefined_cases() {
        let mut s = Seed(1).stream("u");
        let short = over_subjects(&[1.0], &[true, false], &[0], hedges_g, (0.95, 200), &mut s);
        assert!(short.is_err());
        assert!(cohens_d(&[1.0], &[1.0, 2.0]).is_err() && hedges_g(&[], &[]).is_err());
        assert!(cliffs_delta(&[], &[1.0]).is_err() && cliffs_delta(&[f64::NAN], &[1.0]).is_err());
    }
}
