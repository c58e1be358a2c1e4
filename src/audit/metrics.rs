//! Numbers of one or two maps, whoever made them: how alike they are, how concentrated, how
//! they divide over regions, whether they find a known truth. No model, no verdict.

use std::collections::BTreeMap;

use crate::image::Grid;
use crate::stats::region::{Region, regions};
use crate::stats::ssim::{Window, shared_range, ssim};
use crate::stats::{Stat, Undefined, complexity, curve, localisation, rank};

/// Maps in one order of voxels, i fastest, and what goes with them.
#[derive(Debug, Clone)]
pub struct Maps {
    /// Where the voxels lie.
    pub grid: Grid,
    /// The map that is described.
    pub a: Vec<f32>,
    /// The map it is compared with.
    pub b: Option<Vec<f32>>,
    /// Voxels that count; all when there is none.
    pub mask: Option<Vec<bool>>,
    /// Label of each voxel.
    pub labels: Option<Vec<i32>>,
    /// Where relevance ought to lie.
    pub truth: Option<Vec<bool>>,
}

/// Named numbers, in the order they are shown; the names are part of the JSON contract.
pub type Row = Vec<(&'static str, Stat)>;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Voxels that count.
    pub voxels: usize,
    /// Share of them in the truth: what chance gives for mass and rank accuracy.
    pub truth_share: Option<f64>,
    /// Likeness of the two maps: Pearson, Spearman (of R and of |R|), cosine, mean squared error,
    /// and the structural similarity over windows of 7³ voxels and of a Gaussian of 1.5 voxels,
    /// whose data range is that of both maps inside the mask and whose windows reach beyond it.
    pub similarity: Option<Row>,
    /// How concentrated |R| is in each map and, with a truth, whether |R| lies in it.
    pub single: Vec<Row>,
    /// The regions of each map, over the voxels that count.
    pub regions: Vec<Result<BTreeMap<i32, Region>, Undefined>>,
}

/// Threshold of the effective complexity, as a share of the largest |R|.
const EFFECTIVE: f64 = 1e-5;
/// Places of the top-k intersection.
const TOP: usize = 100;

fn absolute(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| v.abs()).collect()
}

/// Likeness of two maps; `p` and `q` are their values inside the mask.
fn similarity(maps: &Maps, b: &[f32], p: &[f64], q: &[f64]) -> Row {
    let wide = |map: &[f32]| map.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let (a, b) = (wide(&maps.a), wide(b));
    let [i, j, k] = maps.grid.shape();
    let range = shared_range(p, q);
    let alike = |window| ssim(&a, &b, [k, j, i], window, range.clone()?, maps.mask.as_deref());
    vec![
        ("pearson", rank::pearson(p, q)),
        ("spearman", rank::spearman(p, q)),
        ("spearman_abs", rank::spearman(&absolute(p), &absolute(q))),
        ("cosine", rank::cosine(p, q)),
        ("ssim_uniform_win7_range", range.clone()),
        ("ssim_uniform_win7", alike(Window::Uniform(7))),
        ("ssim_gaussian_sigma1.5", alike(Window::Gaussian(1.5))),
        ("mse", rank::mean_squared_error(p, q)),
    ]
}

/// How concentrated |R| is.
fn complexity_of(amounts: &[f64]) -> Row {
    vec![
        ("gini_abs", complexity::gini(amounts)),
        ("sparseness_gini_abs", complexity::sparseness(amounts)),
        ("complexity_entropy_abs", complexity::entropy(amounts)),
        (
            "effective_complexity_eps1e-5_abs_normalised",
            complexity::effective_complexity(amounts, EFFECTIVE),
        ),
    ]
}

/// Whether |R|, and the positive part of R, lie in the truth.
fn localisation_of(map: &[f64], truth: &[bool]) -> Row {
    let amounts = absolute(map);
    let positive: Vec<f64> = map.iter().map(|v| v.max(0.0)).collect();
    let of = |f: fn(&[f64], &[bool]) -> Stat| f(&amounts, truth);
    vec![
        ("relevance_mass_accuracy_abs", of(localisation::relevance_mass_accuracy)),
        (
            "relevance_mass_accuracy_positive",
            localisation::relevance_mass_accuracy(&positive, truth),
        ),
        ("relevance_rank_accuracy_abs", of(localisation::relevance_rank_accuracy)),
        ("pointing_game_abs", of(localisation::pointing_game)),
        ("top_100_intersection_abs", localisation::top_k_intersection(&amounts, truth, TOP)),
        ("attribution_localisation_abs", of(localisation::attribution_localisation)),
        ("localisation_auc", curve::auc(truth, &amounts)),
    ]
}

/// Measures maps. The vectors of `maps` must be as long as its grid has voxels; a number for
/// which they are not is undefined.
pub fn measure(maps: &Maps) -> Metrics {
    let all = maps.a.len();
    let inside: Vec<usize> = match &maps.mask {
        Some(mask) => (0..all.min(mask.len())).filter(|&v| mask[v]).collect(),
        None => (0..all).collect(),
    };
    let both: Vec<Vec<f64>> = std::iter::once(&maps.a)
        .chain(&maps.b)
        .map(|map| inside.iter().filter_map(|&v| map.get(v)).map(|r| f64::from(*r)).collect())
        .collect();
    let truth: Option<Vec<bool>> =
        maps.truth.as_ref().map(|t| inside.iter().filter_map(|&v| t.get(v)).copied().collect());
    let labels: Option<Vec<i32>> =
        maps.labels.as_ref().map(|l| inside.iter().filter_map(|&v| l.get(v)).copied().collect());
    let single = |map: &Vec<f64>| {
        let mut row = complexity_of(&absolute(map));
        row.extend(truth.iter().flat_map(|t| localisation_of(map, t)));
        row
    };
    let share = |t: &Vec<bool>| t.iter().filter(|t| **t).count() as f64 / t.len() as f64;
    Metrics {
        voxels: inside.len(),
        truth_share: truth.as_ref().filter(|t| !t.is_empty()).map(share),
        similarity: maps.b.as_ref().map(|b| similarity(maps, b, &both[0], &both[1])),
        single: both.iter().map(single).collect(),
        regions: labels.iter().flat_map(|l| both.iter().map(|map| regions(map, l))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_decides_what_counts_and_nothing_is_made_up() {
        let grid = Grid::centred([2, 2, 2], [1.0; 3]).expect("grid");
        let maps = Maps {
            grid,
            a: vec![1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0, 9.0],
            b: Some(vec![2.0, 4.0, 6.0, 0.0, -7.0, 1.0, 0.0, 3.0]),
            mask: Some((0..8).map(|v| v < 3).collect()),
            labels: Some(vec![1, 1, 2, 5, 5, 5, 5, 5]),
            truth: Some((0..8).map(|v| v >= 2).collect()),
        };
        let found = measure(&maps);
        assert_eq!((found.voxels, found.truth_share), (3, Some(1.0 / 3.0)));
        let row = |row: &Row| row.iter().cloned().collect::<BTreeMap<_, _>>();
        let alike = row(found.similarity.as_ref().expect("two maps"));
        assert!((alike["pearson"].clone().expect("r") - 1.0).abs() < 1e-12);
        assert_eq!(alike["ssim_uniform_win7_range"], Ok(5.0));
        assert_eq!(alike["mse"], Ok((1.0 + 4.0 + 9.0) / 3.0));
        let why = alike["ssim_uniform_win7"].clone().expect_err("two voxels wide").0;
        assert!(why.contains("smaller than 7"), "{why}");
        assert_eq!(row(&found.single[0])["relevance_mass_accuracy_abs"], Ok(0.5));
        let regions = found.regions[0].clone().expect("regions");
        assert_eq!(regions.keys().copied().collect::<Vec<_>>(), [1, 2]);
        let none = measure(&Maps { mask: Some(vec![false; 8]), ..maps });
        assert!(none.single[0].iter().all(|(_, stat)| stat.is_err()));
        assert!(none.similarity.expect("two maps").iter().all(|(_, stat)| stat.is_err()));
        assert_eq!(none.truth_share, None);
    }
}
