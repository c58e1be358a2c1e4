//! What the sizes of regions alone say of the label: set beside where relevance lies.

use std::collections::BTreeMap;

use crate::stats::bootstrap::Bounds;
use crate::stats::{Stat, auc_interval, curve, undefined};

/// Coverage of the intervals.
const LEVEL: f64 = 0.95;

/// How well the size of one region tells the classes apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionEvidence {
    /// AUC of the region's share of the labelled volume for class 1; below 0.5 where class 1
    /// has less of it.
    pub auc: Stat,
    /// Newcombe's 95 % interval; none where it is undefined.
    pub interval: Option<Bounds>,
}

/// Evidence of every region, by label.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Subjects it rests on.
    pub subjects: usize,
    /// By label.
    pub regions: BTreeMap<i32, RegionEvidence>,
}

impl Evidence {
    /// From each subject's region shares and its class (true for class 1). A region a subject
    /// lacks has share 0.
    pub fn of(shares: &[BTreeMap<i32, f64>], labels: &[bool]) -> Self {
        let mut regions = BTreeMap::new();
        for label in shares.iter().flat_map(BTreeMap::keys).copied() {
            regions.entry(label).or_insert_with(|| {
                let own: Vec<f64> =
                    shares.iter().map(|s| s.get(&label).copied().unwrap_or(0.0)).collect();
                RegionEvidence {
                    auc: curve::auc(labels, &own),
                    interval: auc_interval::auc_interval(labels, &own, LEVEL).ok(),
                }
            });
        }
        Self { subjects: labels.len(), regions }
    }

    /// The AUC of a label.
    pub fn auc(&self, label: i32) -> Stat {
        match self.regions.get(&label) {
            Some(found) => found.auc.clone(),
            None => undefined("no subject has the region"),
        }
    }

    /// True when the interval of a label's AUC leaves out 0.5.
    pub fn tells(&self, label: i32) -> bool {
        let interval = self.regions.get(&label).and_then(|r| r.interval.as_ref());
        interval.is_some_and(|b| b.low > 0.5 || b.high < 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = Evidence::of(&shares, &labels);
        assert!(found.auc(3).expect("auc") < 0.3 && found.tells(3));
        assert_eq!((found.auc(4), found.tells(4)), (Ok(0.5), false));
        assert!(found.auc(9).is_ok() && !found.tells(9));
        assert!(found.auc(77).is_err());
        assert_eq!(found.subjects, 40);
    }
}
