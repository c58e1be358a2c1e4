//! Sums over the regions of a label map.

use std::collections::BTreeMap;

use super::moments::{finite, require_finite, require_paired, sum_by};
use super::{Stat, Undefined, undefined};

/// What a map holds in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Voxels with this label, at least one.
    pub voxels: usize,
    /// ΣR, unit of the map.
    pub sum: f64,
    /// ΣR / voxels, unit of the map: a big region collects a big sum by its size, the mean
    /// does not.
    pub mean: f64,
    /// Σ of the values above 0, unit of the map.
    pub positive_sum: f64,
    /// Σ of the values below 0, unit of the map, at most 0.
    pub negative_sum: f64,
    /// Σ|R| of the region / Σ|R| of all voxels, 0 to 1; undefined where the map is zero.
    pub abs_share: Stat,
    /// Largest value, unit of the map.
    pub max: f64,
    /// √(Σ(R − mean)² / voxels), unit of the map.
    pub std_population: f64,
}

/// Per label the sums of its voxels, label 0 among them; shares are of all voxels given.
///
/// # Errors
/// Undefined for unequal lengths or values that are not finite.
pub fn regions(map: &[f64], labels: &[i32]) -> Result<BTreeMap<i32, Region>, Undefined> {
    require_paired(map.len(), labels.len())?;
    require_finite(map)?;
    let mut values: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
    for (label, value) in labels.iter().zip(map) {
        values.entry(*label).or_default().push(*value);
    }
    let all = finite(sum_by(map.len(), &|v| map[v].abs()), "the sum of the map")?;
    values.into_iter().map(|(label, own)| Ok((label, region(&own, all)?))).collect()
}

fn region(own: &[f64], all: f64) -> Result<Region, Undefined> {
    let n = own.len();
    let over = |f: &dyn Fn(f64) -> f64| sum_by(n, &|i| f(own[i]));
    let sum = over(&|r| r);
    let mean = sum / n as f64;
    let squares = finite(over(&|r| (r - mean).powi(2)), "the variance of a region")?;
    let share = over(&f64::abs) / all;
    let abs_share = if all > 0.0 { Ok(share) } else { undefined("the map is zero throughout") };
    Ok(Region {
        voxels: n,
        sum,
        mean,
        positive_sum: over(&|r| r.max(0.0)),
        negative_sum: over(&|r| r.min(0.0)),
        abs_share,
        max: own.iter().fold(f64::MIN, |m, r| m.max(*r)),
        std_population: (squares / n as f64).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn hand_worked() {
        let found = regions(&[1.0, -3.0, 4.0, 0.0, 2.0], &[7, 7, 0, 0, -2]).expect("regions");
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [-2, 0, 7]);
        let want = Region {
            voxels: 2,
            sum: -2.0,
            mean: -1.0,
            positive_sum: 1.0,
            negative_sum: -3.0,
            abs_share: Ok(0.4),
            max: 1.0,
            std_population: 2.0,
        };
        assert_eq!(found[&7], want);
        assert!(regions(&[1.0], &[1, 2]).is_err() && regions(&[f64::NAN], &[1]).is_err());
        assert_eq!(regions(&[], &[]), Ok(BTreeMap::new()));
    }

    /// Share of the region that holds the truth, a tenth of all voxels.
    #[test]
    fn four_oracles() {
        let labels: Vec<i32> = (0..2000).map(|v| i32::from(v < 200)).collect();
        let exact: Vec<f64> = labels.iter().map(|l| f64::from(*l)).collect();
        let inverted: Vec<f64> = exact.iter().map(|x| 1.0 - x).collect();
        let mut s = Seed(2).stream("region");
        let random: Vec<f64> = labels.iter().map(|_| s.normal()).collect();
        let constant = vec![-0.5; 2000];
        let share = |map: &[f64]| regions(map, &labels).expect("regions")[&1].abs_share.clone();
        assert_eq!((share(&exact), share(&inverted)), (Ok(1.0), Ok(0.0)));
        assert!((share(&random).expect("random") - 0.1).abs() < 0.02);
        assert!((share(&constant).expect("constant") - 0.1).abs() < 1e-12);
        assert!(share(&[0.0; 2000]).is_err());
    }
}
