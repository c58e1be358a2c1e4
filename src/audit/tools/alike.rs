//! How alike two maps of a subject are, voxel by voxel and region by region.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::stats::{Stat, agreement, moments, rank, undefined};

/// The values of a map at some voxels.
pub fn within(map: &[f32], voxels: &[usize]) -> Vec<f64> {
    voxels.iter().map(|&v| f64::from(map[v])).collect()
}

/// Absolute values.
pub fn size(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| v.abs()).collect()
}

/// Σ|R| and voxels of every label inside the mask, by label.
fn regions(case: &Case, map: &[f32]) -> BTreeMap<i32, (f64, usize)> {
    let mut sums: BTreeMap<i32, (f64, usize)> = BTreeMap::new();
    let Some(labels) = &case.labels else { return sums };
    for v in case.inside() {
        if labels.data()[v] != 0 {
            let own = sums.entry(labels.data()[v]).or_default();
            *own = (own.0 + f64::from(map[v].abs()), own.1 + 1);
        }
    }
    sums
}

/// Σ|R| of every label inside the mask, labels ascending; empty without a label map.
pub fn masses(case: &Case, map: &[f32]) -> Vec<f64> {
    regions(case, map).into_values().map(|(sum, _)| sum).collect()
}

/// Mean |R| of every label inside the mask, labels ascending: a big region collects a big sum
/// by its size, the mean does not.
pub fn densities(case: &Case, map: &[f32]) -> Vec<f64> {
    regions(case, map).into_values().map(|(sum, n)| sum / n as f64).collect()
}

/// Whether there are regions enough for their order to mean something.
fn ordered(regions: usize) -> Result<(), crate::stats::Undefined> {
    match regions {
        0 => undefined("no label map"),
        1 | 2 => undefined("fewer than three regions"),
        _ => Ok(()),
    }
}

/// Inside the mask of a case Spearman's correlation of R and of |R| and the cosine of two maps,
/// and over its regions the rank correlation of Σ|R|.
pub fn measures(case: &Case, a: &[f32], b: &[f32]) -> [Stat; 4] {
    let inside = case.inside();
    let (x, y) = (within(a, &inside), within(b, &inside));
    let (p, q) = (masses(case, a), masses(case, b));
    let by_region = ordered(p.len()).and_then(|()| rank::spearman(&p, &q));
    [rank::spearman(&x, &y), rank::spearman(&size(&x), &size(&y)), rank::cosine(&x, &y), by_region]
}

/// What two maps hold in common of the shares of |R| over regions: Σ min(p, q), 1 for the same
/// shares, 0 for none in common.
pub fn overlap(case: &Case, a: &[f32], b: &[f32]) -> Stat {
    let shares = |map: &[f32]| -> Result<Vec<f64>, _> {
        let own = masses(case, map);
        ordered(own.len())?;
        let total = moments::sum(&own);
        if total > 0.0 {
            Ok(own.iter().map(|m| m / total).collect())
        } else {
            undefined("a map that is zero in all regions")
        }
    };
    let (p, q): (Vec<f64>, Vec<f64>) = (shares(a)?, shares(b)?);
    Ok(moments::sum_by(p.len(), &|r| p[r].min(q[r])))
}

/// Kendall's W of the regions' mean |R| over several maps of a case: 1 when all put the regions
/// in the same order, about one over the number of maps when the orders have nothing to do with
/// each other.
pub fn concordance(case: &Case, maps: &[&[f32]]) -> Stat {
    let all: Vec<Vec<f64>> = maps.iter().map(|map| densities(case, map)).collect();
    ordered(all.first().map_or(0, Vec::len))?;
    agreement::kendall_w(&all)
}

/// Pairs of subjects compared at most.
const PAIRS: usize = 50;

/// Mean Spearman correlation of R of maps of different subjects, where both masks are: how alike
/// maps are that have only the network in common. The cases lie on one grid.
///
/// # Errors
/// Undefined for fewer than two subjects, or where a correlation is.
pub fn between_subjects(bench: &Bench<'_>) -> Stat {
    let n = bench.cases.len();
    let mut pairs: Vec<[usize; 2]> = (0..n).flat_map(|a| (0..a).map(move |b| [a, b])).collect();
    bench.seed.stream("audit/between_subjects").shuffle(&mut pairs);
    pairs.truncate(PAIRS);
    let one = |&[a, b]: &[usize; 2]| {
        let mut inside = bench.cases[a].inside();
        inside.retain(|&v| bench.cases[b].mask.data()[v]);
        rank::spearman(&within(&bench.maps[a], &inside), &within(&bench.maps[b], &inside))
    };
    let each: std::result::Result<Vec<f64>, _> = pairs.par_iter().map(one).collect();
    moments::mean(&each?)
}
