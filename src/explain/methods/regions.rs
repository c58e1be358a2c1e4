//! Regions of an image on the network's grid, and what a map holds in each.

use std::collections::BTreeMap;

use serde::Serialize;

/// Regions of one image, voxel by voxel in the order of its tensor `[k, j, i]`.
#[derive(Debug, Clone)]
pub struct Regions {
    /// Labels; 0 is none.
    pub labels: Vec<i32>,
    /// The mask.
    pub inside: Vec<bool>,
}

/// What a map holds in one region.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegionSum {
    /// The label; 0 for what lies outside all regions.
    pub label: i32,
    /// Voxels of the network's grid.
    pub voxels: usize,
    /// Sum of the map; of occlusion by region, what the score falls by without the region.
    pub sum: f64,
}

impl Regions {
    /// Labels that occur, ascending, without 0.
    pub fn present(&self) -> Vec<i32> {
        let mut labels: Vec<i32> = self.labels.iter().copied().filter(|l| *l != 0).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// Sums of a map of one channel, or of several one after another, by label ascending.
    pub fn sums(&self, map: &[f32]) -> Vec<RegionSum> {
        let mut sums: BTreeMap<i32, (usize, f64)> = BTreeMap::new();
        for channel in map.chunks(self.labels.len().max(1)) {
            for (label, value) in self.labels.iter().zip(channel) {
                sums.entry(*label).or_default().1 += f64::from(*value);
            }
        }
        self.labels.iter().for_each(|label| sums.entry(*label).or_default().0 += 1);
        sums.into_iter().map(|(label, (voxels, sum))| RegionSum { label, voxels, sum }).collect()
    }
}
