//! What region volumes alone tell: logistic regression on the share of each region.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Labels;
use crate::stats::Undefined;
use crate::stats::logistic;

/// L2 penalty on standardised columns.
pub const PENALTY: f64 = 1.0;

/// Share of all labelled voxels in each region; empty for a map without labels.
pub fn shares(labels: &Labels) -> BTreeMap<i32, f64> {
    let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
    for &l in labels.data().iter().filter(|l| **l != 0) {
        *counts.entry(l).or_default() += 1;
    }
    let total = counts.values().sum::<u64>() as f64;
    counts.into_iter().map(|(l, n)| (l, n as f64 / total)).collect()
}

/// Log-odds (nats) of class 1 for the `test` rows from a regression on the `training` rows.
/// Columns are the regions of the training rows; a region a subject lacks has share 0.
///
/// # Errors
/// Undefined as in [`logistic::fit`].
pub fn predict(
    shares: &[BTreeMap<i32, f64>],
    labels: &[bool],
    training: &[usize],
    test: &[usize],
) -> Result<Vec<f64>, Undefined> {
    let columns: BTreeSet<i32> = training.iter().flat_map(|&r| shares[r].keys().copied()).collect();
    let row = |r: usize| -> Vec<f64> {
        columns.iter().map(|c| shares[r].get(c).copied().unwrap_or(0.0)).collect()
    };
    let rows: Vec<Vec<f64>> = training.iter().map(|&r| row(r)).collect();
    let classes: Vec<bool> = training.iter().map(|&r| labels[r]).collect();
    let model = logistic::fit(&rows, &classes, PENALTY)?;
    test.iter().map(|&r| model.log_odds(&row(r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Grid;

    #[test]
    fn shares_sum_to_1_and_a_larger_region_is_told_apart() {
        let grid = Grid::centred([10, 1, 1], [1.0; 3]).expect("grid");
        let map = |n: usize| {
            let data = (0..10).map(|v| if v == 9 { 0 } else { 1 + i32::from(v < n) }).collect();
            shares(&Labels::new(grid.clone(), data).expect("labels"))
        };
        let all = [2, 3, 2, 6, 5, 6, 3, 5].map(map);
        assert!((all[0].values().sum::<f64>() - 1.0).abs() < 1e-12);
        let labels = [false, false, false, true, true, true, false, true];
        let odds = predict(&all, &labels, &[0, 1, 2, 3, 4, 5], &[6, 7]).expect("odds");
        assert!(odds[0] < 0.0 && odds[1] > 0.0, "{odds:?}");
        assert!(predict(&all, &labels, &[0, 1], &[6]).is_err());
    }
}
