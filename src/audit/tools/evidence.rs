//! What regions say of the label without any network, by their size and by their brightness: set
//! beside where relevance lies.

use std::collections::BTreeMap;

use crate::stats::bootstrap::Bounds;
use crate::stats::discovery::holm;
use crate::stats::linear_model::Design;
use crate::stats::student::two_sided;
use crate::stats::{Stat, Undefined, auc_interval, curve, undefined};

/// Coverage of the intervals.
const LEVEL: f64 = 0.95;

/// How well a number of one region tells the classes apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionEvidence {
    /// AUC of the number for class 1; below 0.5 where it is smaller in class 1.
    pub auc: Stat,
    /// Newcombe's 95 % interval; none where it is undefined.
    pub interval: Option<Bounds>,
}

impl RegionEvidence {
    fn of(values: &[f64], labels: &[bool]) -> Self {
        let interval = auc_interval::auc_interval(labels, values, LEVEL).ok();
        Self { auc: curve::auc(labels, values), interval }
    }

    /// True when the interval leaves out 0.5.
    pub fn tells(&self) -> bool {
        self.interval.as_ref().is_some_and(|b| b.low > 0.5 || b.high < 0.5)
    }
}

/// What brightness says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Brightness {
    /// By label, of regions that all subjects have.
    pub regions: BTreeMap<i32, RegionEvidence>,
    /// The region whose brightness tells most, if any does.
    pub best: Option<i32>,
    /// By label, of regions of which neither size nor brightness tells: p of their brightness in
    /// a linear model of the class beside that of [`Brightness::best`], after Holm. A small one is
    /// the mark of a suppressor (Conger 1974, <https://doi.org/10.1177/001316447403400105>).
    pub beside: BTreeMap<i32, Stat>,
}

/// Evidence of every region, by label.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Subjects it rests on.
    pub subjects: usize,
    /// Sizes: shares of the labelled volume.
    pub regions: BTreeMap<i32, RegionEvidence>,
    /// Brightness, or why it is not known.
    pub brightness: Result<Brightness, Undefined>,
}

/// A number per region of a subject, by label.
pub type Regions = BTreeMap<i32, f64>;

impl Evidence {
    /// From each subject's region shares, its regions' brightness (on one scale for all) and its
    /// class (true for class 1). A region a subject lacks has share 0.
    pub fn of(
        shares: &[Regions],
        brightness: Result<&[Regions], Undefined>,
        labels: &[bool],
    ) -> Self {
        let mut regions = BTreeMap::new();
        for label in shares.iter().flat_map(BTreeMap::keys).copied() {
            regions.entry(label).or_insert_with(|| {
                let own: Vec<f64> =
                    shares.iter().map(|s| s.get(&label).copied().unwrap_or(0.0)).collect();
                RegionEvidence::of(&own, labels)
            });
        }
        let brightness = brightness.map(|all| Brightness::of(all, &regions, labels));
        Self { subjects: labels.len(), regions, brightness }
    }

    /// The AUC of a label's size.
    pub fn auc(&self, label: i32) -> Stat {
        match self.regions.get(&label) {
            Some(found) => found.auc.clone(),
            None => undefined("no subject has the region"),
        }
    }

    /// True when the interval of the AUC of a label's size leaves out 0.5.
    pub fn tells(&self, label: i32) -> bool {
        self.regions.get(&label).is_some_and(RegionEvidence::tells)
    }
}

impl Brightness {
    fn of(all: &[Regions], sizes: &BTreeMap<i32, RegionEvidence>, labels: &[bool]) -> Self {
        let values = |label: &i32| -> Option<Vec<f64>> {
            all.iter().map(|own| own.get(label).copied()).collect()
        };
        let known: BTreeMap<i32, Vec<f64>> =
            sizes.keys().filter_map(|label| Some((*label, values(label)?))).collect();
        let regions: BTreeMap<i32, RegionEvidence> =
            known.iter().map(|(label, v)| (*label, RegionEvidence::of(v, labels))).collect();
        let from_chance =
            |label: &&i32| regions[*label].auc.as_ref().map_or(0.0, |auc| (auc - 0.5).abs());
        let telling = regions.keys().filter(|label| regions[*label].tells());
        let best = telling.max_by(|a, b| from_chance(a).total_cmp(&from_chance(b))).copied();
        let Some(anchor) = best else { return Self { regions, best, ..Self::default() } };
        let class: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        let silent = |label: &&i32| !regions[*label].tells() && !sizes[*label].tells();
        let mut beside: BTreeMap<i32, Stat> = known
            .keys()
            .filter(silent)
            .map(|label| (*label, partial_p(&class, &known[&anchor], &known[label])))
            .collect();
        let p: Vec<f64> = beside.values().flatten().copied().collect();
        if let Ok(adjusted) = holm(&p) {
            beside.values_mut().flatten().zip(adjusted).for_each(|(p, adjusted)| *p = adjusted);
        }
        Self { regions, best, beside }
    }
}

/// Two-sided p of `own` in the model class = a + b·anchor + c·own.
fn partial_p(class: &[f64], anchor: &[f64], own: &[f64]) -> Stat {
    let design = Design::new(&[vec![1.0; class.len()], anchor.to_vec(), own.to_vec()])?;
    let fit = design.fit(class)?;
    two_sided(design.contrast(&fit, &[0.0, 0.0, 1.0])?.t, fit.freedom as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn a_region_that_shrinks_with_the_label_is_told_and_a_constant_one_is_not() {
        let labels: Vec<bool> = (0..40).map(|n| n % 2 == 1).collect();
        let shares: Vec<BTreeMap<i32, f64>> = labels
            .iter()
            .enumerate()
            .map(|(n, preterm)| {
                let wobble = (n * 7 % 11) as f64 / 50.0;
                let size = if *preterm { 0.2 } else { 0.35 } + wobble;
                let mut row = BTreeMap::from([(3, size), (4, 0.1)]);
                if n == 0 {
                    row.insert(9, 0.05);
                }
                row
            })
            .collect();
        let none = || Err(Undefined("no image".to_owned()));
        let found = Evidence::of(&shares, none(), &labels);
        assert!(found.auc(3).expect("auc") < 0.3 && found.tells(3));
        assert_eq!((found.auc(4), found.tells(4)), (Ok(0.5), false));
        assert!(found.auc(9).is_ok() && !found.tells(9));
        assert!(found.auc(77).is_err());
        assert_eq!(found.subjects, 40);
    }

    #[test]
    fn what_only_cancels_a_nuisance_is_told_from_what_tells_and_from_what_says_nothing() {
        let mut s = Seed(12).stream("test/evidence");
        let labels: Vec<bool> = (0..80).map(|n| n % 2 == 1).collect();
        let sizes: Vec<Regions> =
            labels.iter().map(|_| (1..=4).map(|r| (r, 0.25)).collect()).collect();
        let bright: Vec<Regions> = labels
            .iter()
            .map(|preterm| {
                let (nuisance, effect) = (s.normal(), if *preterm { 1.0 } else { 0.0 });
                let mut small = || 0.2 * s.normal();
                BTreeMap::from([
                    (1, effect + nuisance + small()),
                    (2, nuisance + small()),
                    (3, small()),
                    (4, 1.0),
                ])
            })
            .collect();
        let found = Evidence::of(&sizes, Ok(&bright), &labels).brightness.expect("bright");
        assert!(found.best == Some(1) && !found.regions[&2].tells(), "{found:?}");
        let p = |label: i32| found.beside[&label].clone();
        assert!(p(2).expect("suppressor") < 1e-6 && p(3).expect("noise") > 0.05, "{found:?}");
        assert!(p(4).is_err() && !found.beside.contains_key(&1), "{found:?}");
        // Without anything that tells there is nothing to help.
        let dealt: Vec<bool> = (0..80).map(|n| n % 4 > 1).collect();
        let found = Evidence::of(&sizes, Ok(&bright), &dealt).brightness.expect("bright");
        assert!(found.best.is_none() && found.beside.is_empty(), "{found:?}");
    }
}
