//! Do the regions lie where the image has them?
//!
//! * **Question** Could the label maps be mirrored, or lie off by some voxels?
//! * **Formula** η²: the share of the variance of the intensities inside the mask that the regions
//!   explain, with the regions as they are, mirrored from left to right, and moved by ±2 voxels
//!   along each axis. `margin`: η² as they are minus the largest of the others, mean over
//!   subjects. Each η² is over the voxels that have a region in all placings.
//! * **Reading** Above 0: no other placing explains the image better.
//! * **When it misleads** Regions that do not differ in brightness explain nothing in any place;
//!   a mirrored map of a symmetric brain fits as well as the right one; shifts of one voxel are
//!   not tried.
//! * **Source** Correlation ratio: Roche et al. 1998, <https://doi.org/10.1007/BFb0056301>.

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, mean_of, of_cohort, of_subject};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};
use crate::stats::{Stat, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "atlas_fit",
    title: "Fit of the regions",
    question: "Could the label maps be mirrored, or lie off by some voxels?",
    formula: "share of the variance of the intensities that the regions explain (eta squared), as they are minus the largest of: mirrored, moved by 2 voxels along each axis",
    reading: "Above 0: no other placing of the regions explains the image better.",
    misleads: "Regions that do not differ in brightness fit nowhere; a mirrored map of a symmetric brain fits as well; shifts of one voxel are not tried.",
    source: "Roche et al. 1998, https://doi.org/10.1007/BFb0056301",
    unit: "1",
    better: Better::Higher,
};

/// Voxels the regions are moved by.
const SHIFT: isize = 2;

/// The check.
#[derive(Debug)]
pub struct AtlasFit;

/// Placings of the labels: name, and the label that comes to voxel `(i, j, k)`, 0 from outside.
fn placings(case: &Case, labels: &[i32]) -> Vec<(String, Vec<i32>)> {
    let [ni, nj, nk] = case.grid.shape();
    let moved = |of: &dyn Fn([isize; 3]) -> [isize; 3]| -> Vec<i32> {
        let mut out = Vec::with_capacity(labels.len());
        for k in 0..nk as isize {
            for j in 0..nj as isize {
                for i in 0..ni as isize {
                    let [i, j, k] = of([i, j, k]);
                    let inside = (0..ni as isize).contains(&i)
                        && (0..nj as isize).contains(&j)
                        && (0..nk as isize).contains(&k);
                    let at = || labels[case.grid.index(i as usize, j as usize, k as usize)];
                    out.push(if inside { at() } else { 0 });
                }
            }
        }
        out
    };
    let mut all = vec![
        ("as it is".to_owned(), labels.to_vec()),
        ("mirrored".to_owned(), moved(&|[i, j, k]| [ni as isize - 1 - i, j, k])),
    ];
    for (axis, name) in ["right", "anterior", "superior"].iter().enumerate() {
        for by in [-SHIFT, SHIFT] {
            let shifted = moved(&|mut at| {
                at[axis] -= by;
                at
            });
            all.push((format!("moved {by:+} to {name}"), shifted));
        }
    }
    all
}

/// Share of the variance of `x` that `groups` explain.
fn explained(x: &[f64], groups: &[i32]) -> Stat {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let total: f64 = x.iter().map(|v| (v - mean).powi(2)).sum();
    if x.is_empty() || total <= 0.0 {
        return undefined("the image is constant where regions lie");
    }
    let mut sums = std::collections::BTreeMap::<i32, (f64, f64)>::new();
    for (v, g) in x.iter().zip(groups) {
        let sum = sums.entry(*g).or_default();
        *sum = (sum.0 + v, sum.1 + 1.0);
    }
    let between: f64 = sums.values().map(|(s, n)| n * (s / n - mean).powi(2)).sum();
    Ok(between / total)
}

/// η² as the labels are minus the best other placing, and the name of that one.
fn margin(case: &Case, labels: &[i32]) -> (Stat, String) {
    let all = placings(case, labels);
    let voxels: Vec<usize> = case
        .inside()
        .into_iter()
        .filter(|&v| all.iter().all(|(_, placed)| placed[v] != 0))
        .collect();
    let x: Vec<f64> = voxels.iter().map(|&v| f64::from(case.data[v])).collect();
    let eta =
        |placed: &[i32]| explained(&x, &voxels.iter().map(|&v| placed[v]).collect::<Vec<_>>());
    let own = match eta(&all[0].1) {
        Ok(own) => own,
        Err(why) => return (Err(why), String::new()),
    };
    let others = all[1..].iter().filter_map(|(name, placed)| Some((eta(placed).ok()?, name)));
    let best = others.max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((best, name)) => (Ok(own - best), name.clone()),
        None => (undefined("no other placing has regions in the brain"), String::new()),
    }
}

impl Check for AtlasFit {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let labelled: Option<Vec<_>> = bench.cases.iter().map(|c| c.labels.as_ref()).collect();
        let Some(labels) = labelled else {
            let why = "a label map is missing".to_owned();
            return Ok(vec![of_cohort(&CARD, "margin", Outcome::NotApplicable { why })]);
        };
        let pairs = bench.cases.par_iter().zip(&labels);
        let all: Vec<(Stat, String)> =
            pairs.map(|(case, labels)| margin(case, labels.data())).collect();
        let mut out = Vec::new();
        for (case, (stat, rival)) in bench.cases.iter().zip(&all) {
            let mut found = of_subject(&CARD, &case.id, "subject_margin", stat.clone());
            if stat.as_ref().is_ok_and(|m| *m < 0.0) {
                found.notes.push(format!("{}: the regions fit better {rival}.", case.id));
            }
            out.push(found);
        }
        let stats: Vec<Stat> = all.into_iter().map(|(stat, _)| stat).collect();
        out.push(of_cohort(&CARD, "margin", mean_of(&stats, bench.seed, "atlas_fit/margin")));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Grid, Labels};
    use crate::seed::Seed;

    /// A head whose left and right differ, with a region per brightness.
    fn head() -> Case {
        let grid = Grid::centred([12, 10, 8], [1.0; 3]).expect("grid");
        let region = |v: usize| {
            let (i, j, k) = (v % 12, v / 12 % 10, v / 120);
            1 + i32::from(i < 4) + 2 * i32::from(j < 5) + 4 * i32::from(k < 3)
        };
        let mut noise = Seed(3).stream("test/atlas-fit");
        let labels: Vec<i32> = (0..960).map(region).collect();
        let data = labels.iter().map(|l| (*l as f64 + 0.2 * noise.normal()) as f32).collect();
        Case {
            data,
            labels: Some(Labels::new(grid.clone(), labels).expect("labels")),
            ..Case::plain("a", 0, &grid)
        }
    }

    #[test]
    fn right_regions_fit_best_and_mirrored_or_moved_ones_do_not() {
        let case = head();
        let labels = case.labels.as_ref().expect("labels").data().to_vec();
        let (own, _) = margin(&case, &labels);
        assert!(own.expect("defined") > 0.01);
        let placed = placings(&case, &labels);
        for (wrong, right) in
            [(1, "mirrored"), (2, "moved +2 to right"), (5, "moved -2 to anterior")]
        {
            let (stat, rival) = margin(&case, &placed[wrong].1);
            assert!(stat.expect("defined") < -0.01, "{}", placed[wrong].0);
            assert_eq!(rival, right);
        }
    }

    #[test]
    fn variance_that_regions_explain_is_what_it_is_by_hand() {
        assert_eq!(explained(&[1.0, 1.0, 3.0, 3.0], &[1, 1, 2, 2]), Ok(1.0));
        assert_eq!(explained(&[1.0, 3.0, 1.0, 3.0], &[1, 1, 2, 2]), Ok(0.0));
        assert!(explained(&[2.0, 2.0], &[1, 2]).is_err() && explained(&[], &[]).is_err());
    }
}
