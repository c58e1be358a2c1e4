//! Errors over many regions at once.

use super::uniformity::skewed;
use super::{ALPHA, MOST_ERRORS, Rate};
use crate::seed::{Seed, Stream};
use crate::stats::freedman_lane::{self, Exchange};
use crate::stats::{Undefined, moments};

/// Regions.
const REGIONS: usize = 40;
/// Subjects, half of them of each class.
const SUBJECTS: usize = 24;
/// Permutations.
const DRAWS: usize = 499;
/// Regions with an effect where there are effects.
const PLANTED: usize = 10;
/// Their effect, in standard deviations of a region.
const SHIFT: f64 = 2.0;

/// What the regions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Normal values, any two correlated by one half.
    Correlated,
    /// Shares of a whole: skewed, with one common part, against each other.
    Shares,
    /// As the first, ten with an effect.
    Planted,
}

impl Family {
    pub(super) const ALL: [Self; 3] = [Self::Correlated, Self::Shares, Self::Planted];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Correlated => "40 normal regions correlated by 0.5, a covariate",
            Self::Shares => "40 skewed shares of a whole, a covariate",
            Self::Planted => "40 normal regions, 10 shifted by 2 SD",
        }
    }

    /// Regions by subjects.
    fn regions(self, group: &[f64], age: &[f64], s: &mut Stream) -> Vec<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (g, a) in group.iter().zip(age) {
            let common = s.normal();
            let mut row: Vec<f64> = match self {
                Self::Shares => skewed(s, REGIONS).into_iter().map(|e| 0.2 + e).collect(),
                _ => (0..REGIONS).map(|_| (common + s.normal()) / 2.0f64.sqrt()).collect(),
            };
            row.iter_mut().take(REGIONS / 2).for_each(|v| *v += 0.5 * a);
            match self {
                Self::Shares => {
                    row.iter_mut().take(REGIONS / 4).for_each(|v| *v *= (0.5 * common).exp());
                    let all = moments::sum(&row);
                    row.iter_mut().for_each(|v| *v /= all);
                }
                Self::Planted => row.iter_mut().take(PLANTED).for_each(|v| *v += SHIFT * g),
                Self::Correlated => {}
            }
            rows.push(row);
        }
        (0..REGIONS).map(|r| rows.iter().map(|row| row[r]).collect()).collect()
    }

    pub(super) fn show(self, seed: Seed, simulations: usize) -> Result<Vec<Rate>, Undefined> {
        let planted = if self == Self::Planted { PLANTED } else { 0 };
        let (mut family, mut share) = (Vec::new(), Vec::new());
        for n in 0..simulations {
            let mut s = seed.stream(&format!("proof/family/{}/{n}", self.words()));
            let group: Vec<f64> = (0..SUBJECTS).map(|i| (i % 2) as f64).collect();
            let age: Vec<f64> = group.iter().map(|g| 0.5 * g + s.normal()).collect();
            let y = self.regions(&group, &age, &mut s);
            let found = freedman_lane::test(&group, &[age], &y, Exchange::Free, DRAWS, &mut s)?;
            let hits = |p: fn(&freedman_lane::Effect) -> f64| -> [usize; 2] {
                let hit = |r: &usize| found.outcomes[*r].as_ref().is_ok_and(|f| p(f) <= ALPHA);
                let all = (0..REGIONS).filter(hit).count();
                [all, (planted..REGIONS).filter(hit).count()]
            };
            family.push(f64::from(u8::from(hits(|f| f.p_family)[1] > 0)));
            let [all, wrong] = hits(|f| f.q);
            share.push(wrong as f64 / all.max(1) as f64);
        }
        let rate = |name: &str, values: &[f64], most: f64| -> Result<Rate, Undefined> {
            let value = moments::mean(values)?;
            let error = moments::sd(values)? / (simulations as f64).sqrt();
            let (rate, data) = (name.to_owned(), self.words().to_owned());
            Ok(Rate { rate, data, value, error, most, holds: value <= most })
        };
        Ok(vec![
            rate("any false discovery by max-T at 0.05", &family, MOST_ERRORS)?,
            rate(
                "share of false discoveries by Benjamini and Hochberg at 0.05",
                &share,
                MOST_ERRORS,
            )?,
        ])
    }
}
