//! Bootstrap intervals: units (subjects, not rows or voxels) are drawn with replacement
//! within strata, and every row of a drawn unit comes along.

use super::moments::{finite, mean, quantile_sorted, sd, sum_by};
use super::{Stat, Undefined, normal, undefined};
use crate::seed::Stream;

/// An interval for a statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower end, unit of the statistic.
    pub low: f64,
    /// Upper end, unit of the statistic.
    pub high: f64,
    /// Coverage aimed at, for example 0.95.
    pub level: f64,
    /// Draws in which the statistic was undefined and which were left out.
    pub excluded: usize,
}

impl Bounds {
    /// Both ends moved away from `about` by the factor, then cut to the range of values the
    /// statistic can take.
    #[must_use]
    pub fn widened(self, about: f64, factor: f64, (least, greatest): (f64, f64)) -> Self {
        let move_end = |end: f64| (about + factor * (end - about)).clamp(least, greatest);
        Self { low: move_end(self.low), high: move_end(self.high), ..self }
    }
}

/// Which rows belong together, and which units are drawn together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// Strata, each a list of units, each a list of row numbers.
    strata: Vec<Vec<Vec<usize>>>,
}

/// Largest share of draws that may be undefined before the interval is.
const MOST_EXCLUDED: f64 = 0.05;

impl Units {
    /// One stratum of n rows, each its own unit.
    pub fn rows(n: usize) -> Self {
        Self { strata: vec![(0..n).map(|i| vec![i]).collect()] }
    }

    /// Rows as units, stratified by label: every draw keeps the class sizes.
    pub fn by_label(labels: &[bool]) -> Self {
        let of = |wanted: bool| -> Vec<Vec<usize>> {
            (0..labels.len()).filter(|&i| labels[i] == wanted).map(|i| vec![i]).collect()
        };
        Self::strata(vec![of(false), of(true)])
    }

    /// Given strata of units of rows; empty units and strata are dropped.
    pub fn strata(mut strata: Vec<Vec<Vec<usize>>>) -> Self {
        strata.iter_mut().for_each(|s| s.retain(|u| !u.is_empty()));
        strata.retain(|s| !s.is_empty());
        Self { strata }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.strata.iter().map(Vec::len).sum()
    }

    /// True without units.
    pub fn is_empty(&self) -> bool {
        self.strata.is_empty()
    }

    fn all(&self) -> Vec<usize> {
        self.strata.iter().flatten().flatten().copied().collect()
    }

    fn draw(&self, stream: &mut Stream, into: &mut Vec<usize>) {
        into.clear();
        for stratum in &self.strata {
            for _ in 0..stratum.len() {
                into.extend_from_slice(&stratum[stream.below(stratum.len())]);
            }
        }
    }

    fn without(&self, stratum: usize, unit: usize) -> Vec<usize> {
        let kept = self.strata.iter().enumerate().flat_map(|(s, units)| {
            units.iter().enumerate().filter(move |(u, _)| (s, *u) != (stratum, unit))
        });
        kept.flat_map(|(_, rows)| rows.iter().copied()).collect()
    }
}

fn check(units: &Units, level: f64, draws: usize) -> Result<(), Undefined> {
    if !(level > 0.0 && level < 1.0) {
        return undefined(format!("an interval of level {level}, outside 0 to 1"));
    }
    if draws < 100 {
        return undefined(format!("{draws} bootstrap draws, at least 100 are needed"));
    }
    if units.len() < 3 {
        return undefined(format!("a bootstrap over {} unit(s)", units.len()));
    }
    Ok(())
}

/// The statistic of each draw, ascending, and how many draws were undefined.
fn replicates(
    units: &Units,
    draws: usize,
    stream: &mut Stream,
    statistic: &mut impl FnMut(&[usize]) -> Stat,
) -> Result<(Vec<f64>, usize), Undefined> {
    let mut rows = Vec::new();
    let mut values = Vec::with_capacity(draws);
    for _ in 0..draws {
        units.draw(stream, &mut rows);
        values.extend(statistic(&rows).ok().filter(|v| v.is_finite()));
    }
    let excluded = draws - values.len();
    if excluded as f64 > MOST_EXCLUDED * draws as f64 {
        return undefined(format!("undefined in {excluded} of {draws} bootstrap draws"));
    }
    values.sort_unstable_by(f64::total_cmp);
    Ok((values, excluded))
}

/// Percentile interval: the (1−level)/2 and (1+level)/2 quantiles of the statistic over
/// `draws` draws (Efron 1979). Unit of the statistic. The draws are independent of each
/// other given `stream`; `statistic` gets row numbers, repeated as drawn.
///
/// # Errors
/// Undefined for fewer than 3 units or 100 draws, a level outside (0, 1), or when the
/// statistic is undefined on the data or on more than 5 % of the draws.
pub fn percentile(
    units: &Units,
    level: f64,
    draws: usize,
    stream: &mut Stream,
    statistic: impl Fn(&[usize]) -> Stat,
) -> Result<Bounds, Undefined> {
    check(units, level, draws)?;
    statistic(&units.all())?;
    let (values, excluded) = replicates(units, draws, stream, &mut &statistic)?;
    let tail = (1.0 - level) / 2.0;
    let low = quantile_sorted(&values, tail)?;
    let high = quantile_sorted(&values, 1.0 - tail)?;
    Ok(Bounds { low, high, level, excluded })
}

/// Bias-corrected and accelerated interval (Efron 1987): percentiles at
/// Φ(z₀ + (z₀ + z)/(1 − a(z₀ + z))), z₀ from the share of draws below the estimate (ties
/// count half), a from the jackknife, over strata as in Davison & Hinkley 1997, eq. 5.28.
/// Unit of the statistic.
///
/// # Errors
/// As [`percentile`]; undefined too when the jackknife does not move the statistic or
/// every draw lies on one side of it.
pub fn bca(
    units: &Units,
    level: f64,
    draws: usize,
    stream: &mut Stream,
    statistic: impl Fn(&[usize]) -> Stat,
) -> Result<Bounds, Undefined> {
    check(units, level, draws)?;
    let estimate = statistic(&units.all())?;
    let (values, excluded) = replicates(units, draws, stream, &mut &statistic)?;
    let below = values.iter().filter(|v| **v < estimate).count() as f64;
    let ties = values.iter().filter(|v| **v == estimate).count() as f64;
    let z0 = normal::quantile((below + ties / 2.0) / values.len() as f64)
        .map_err(|_| Undefined("every bootstrap draw lies on one side of the estimate".into()))?;
    let a = acceleration(units, &statistic)?;
    let end = |p: f64| -> Stat {
        let shifted = z0 + normal::quantile(p)?;
        let under = 1.0 - a * shifted;
        if under <= 0.0 {
            return undefined("the acceleration is too large for this level");
        }
        quantile_sorted(&values, normal::cdf(z0 + shifted / under))
    };
    let tail = (1.0 - level) / 2.0;
    Ok(Bounds { low: end(tail)?, high: end(1.0 - tail)?, level, excluded })
}

/// Bootstrap-t interval of a mean, one value per unit: x̄ − t·s/√n at the (1+level)/2 and
/// (1−level)/2 quantiles of t* = (x̄* − x̄)/(s*/√n) over the draws (Efron & Tibshirani 1993,
/// chapter 12). Unit of x. It knows, unlike [`percentile`], that few values tell their spread
/// badly, and unlike Student's interval that they may be skewed: `docs/calibration.md`.
///
/// # Errors
/// As [`percentile`]; undefined for constant values. A draw of one value only has no spread
/// and counts as undefined, so that four values or fewer have no interval.
pub fn studentised(
    values: &[f64],
    level: f64,
    draws: usize,
    stream: &mut Stream,
) -> Result<Bounds, Undefined> {
    let units = Units::rows(values.len());
    check(&units, level, draws)?;
    let (centre, spread) = (mean(values)?, sd(values)?);
    if spread == 0.0 {
        return undefined("the values are constant");
    }
    let mut drawn = Vec::with_capacity(values.len());
    let (sorted, excluded) = replicates(&units, draws, stream, &mut |rows: &[usize]| {
        drawn.clear();
        drawn.extend(rows.iter().map(|&r| values[r]));
        let own = sd(&drawn)?;
        if own <= 1e-12 * spread {
            return undefined("a draw of one value");
        }
        finite((mean(&drawn)? - centre) / own, "t")
    })?;
    let tail = (1.0 - level) / 2.0;
    let end = |q: f64| Ok::<_, Undefined>(centre - quantile_sorted(&sorted, q)? * spread);
    Ok(Bounds { low: end(1.0 - tail)?, high: end(tail)?, level, excluded })
}

fn acceleration(units: &Units, statistic: &impl Fn(&[usize]) -> Stat) -> Stat {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for (s, stratum) in units.strata.iter().enumerate() {
        let n = stratum.len() as f64;
        let left: Vec<f64> = (0..stratum.len())
            .map(|u| statistic(&units.without(s, u)))
            .collect::<Result<_, _>>()
            .map_err(|why| Undefined(format!("leaving one unit out: {}", why.0)))?;
        let centre = mean(&left)?;
        // Jackknife influence (n−1)(mean − value), weighted by 1/n per stratum.
        let influence = |i: usize| (n - 1.0) / n * (centre - left[i]);
        cubes += sum_by(left.len(), &|i| influence(i).powi(3));
        squares += sum_by(left.len(), &|i| influence(i).powi(2));
    }
    if squares == 0.0 {
        return undefined("leaving any one unit out changes nothing");
    }
    finite(cubes / (6.0 * squares.powf(1.5)), "the acceleration")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::stats::curve::auc;
    use crate::stats::{moments, student};

    fn mean_of(xs: &[f64]) -> impl Fn(&[usize]) -> Stat + '_ {
        |rows| moments::mean(&rows.iter().map(|&i| xs[i]).collect::<Vec<_>>())
    }

    #[test]
    fn the_mean_gets_its_textbook_interval() {
        let mut s = Seed(1).stream("data");
        let xs: Vec<f64> = (0..200).map(|_| 3.0 + s.normal()).collect();
        let half = 1.96 * moments::sd(&xs).expect("sd") / 200f64.sqrt();
        let m = moments::mean(&xs).expect("mean");
        let units = Units::rows(200);
        let p = percentile(&units, 0.95, 4000, &mut Seed(2).stream("p"), mean_of(&xs));
        let b = bca(&units, 0.95, 4000, &mut Seed(2).stream("b"), mean_of(&xs));
        for bounds in [p.expect("percentile"), b.expect("bca")] {
            assert!((bounds.low - (m - half)).abs() < 0.02, "{bounds:?}");
            assert!((bounds.high - (m + half)).abs() < 0.02, "{bounds:?}");
        }
    }

    #[test]
    fn bca_leans_towards_the_long_tail() {
        let mut s = Seed(4).stream("skew");
        let xs: Vec<f64> = (0..40).map(|_| s.normal().exp()).collect();
        let units = Units::rows(40);
        let p = percentile(&units, 0.95, 3000, &mut Seed(2).stream("s"), mean_of(&xs));
        let b = bca(&units, 0.95, 3000, &mut Seed(2).stream("s"), mean_of(&xs));
        let (p, b) = (p.expect("p"), b.expect("b"));
        assert!(b.low > p.low && b.high > p.high, "{p:?} {b:?}");
    }

    #[test]
    fn the_studentised_interval_is_student_s_for_normal_values_and_leans_for_skewed_ones() {
        let mut s = Seed(5).stream("studentised");
        let xs: Vec<f64> = (0..100).map(|_| 3.0 + s.normal()).collect();
        let t = student::mean_interval(&xs, 0.95).expect("t");
        let b = studentised(&xs, 0.95, 8000, &mut s).expect("b");
        assert!((b.low - t.low).abs() < 0.03 && (b.high - t.high).abs() < 0.03, "{b:?} {t:?}");
        let skewed: Vec<f64> = xs[..12].iter().map(|x| x.exp()).collect();
        let t = student::mean_interval(&skewed, 0.95).expect("t");
        let b = studentised(&skewed, 0.95, 4000, &mut s).expect("b");
        assert!(b.low > t.low && b.high > t.high, "{b:?} {t:?}");
        assert!(studentised(&[2.0; 9], 0.95, 200, &mut s).is_err(), "constant");
        assert!(studentised(&[1.0, 2.0, 4.0], 0.95, 400, &mut s).is_err(), "27 draws");
    }

    #[test]
    fn coverage_is_near_its_level() {
        let mut hits = 0;
        for trial in 0..200 {
            let mut s = Seed(trial).stream("coverage");
            let xs: Vec<f64> = (0..30).map(|_| s.normal()).collect();
            let bounds = percentile(&Units::rows(30), 0.9, 300, &mut s, mean_of(&xs)).expect("ok");
            hits += u32::from(bounds.low <= 0.0 && 0.0 <= bounds.high);
        }
        assert!((164..=194).contains(&hits), "{hits} of 200 at 90 %");
    }

    #[test]
    fn strata_keep_both_classes_and_the_seed_fixes_the_result() {
        let y = [true, false, false, false, false, true, false, false];
        let s = [0.9, 0.1, 0.5, 0.3, 0.2, 0.4, 0.6, 0.2];
        let area = |rows: &[usize]| {
            let l: Vec<bool> = rows.iter().map(|&i| y[i]).collect();
            auc(&l, &rows.iter().map(|&i| s[i]).collect::<Vec<_>>())
        };
        let units = Units::by_label(&y);
        let one = percentile(&units, 0.95, 500, &mut Seed(1).stream("x"), area).expect("one");
        let two = percentile(&units, 0.95, 500, &mut Seed(1).stream("x"), area).expect("two");
        assert_eq!((one, one.excluded), (two, 0));
        let plain = percentile(&Units::rows(8), 0.95, 500, &mut Seed(1).stream("x"), area);
        assert!(plain.expect_err("a class goes missing").0.contains("bootstrap draws"));
        // All rows of a unit come along, so the size of a draw is a sum of unit sizes.
        let blocks = Units::strata(vec![vec![vec![0, 1], vec![2, 3], vec![4, 5]]]);
        let size = |rows: &[usize]| {
            assert_eq!(rows.len(), 6);
            Ok(rows[0] as f64)
        };
        assert!(percentile(&blocks, 0.9, 100, &mut Seed(1).stream("x"), size).is_ok());
    }

    #[test]
    fn undefined_cases() {
        let xs = [1.0; 10];
        let units = Units::rows(10);
        let mut s = Seed(1).stream("u");
        let flat = percentile(&units, 0.95, 200, &mut s, mean_of(&xs)).expect("a point");
        assert_eq!((flat.low, flat.high), (1.0, 1.0));
        assert!(bca(&units, 0.95, 200, &mut s, mean_of(&xs)).is_err());
        assert!(percentile(&units, 1.0, 200, &mut s, mean_of(&xs)).is_err());
        assert!(percentile(&units, 0.95, 10, &mut s, mean_of(&xs)).is_err());
        assert!(percentile(&Units::rows(2), 0.95, 200, &mut s, mean_of(&xs)).is_err());
    }
}
