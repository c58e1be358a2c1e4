//! Where does the relevance lie?
//!
//! * **Question** Which regions carry relevance, and how much lies outside the brain?
//! * **Formula** share = Σ|R| of the region / Σ|R|; density = ΣR / ml; enrichment = share
//!   of the brain's |R| / share of its volume; laterality = (own − other side) / (both).
//!   Boundary ratio: mean |R| in the outer 2 voxels of the mask / mean |R| in the rest.
//! * **Reading** Enrichment 1: as much as the region's size explains.
//! * **When it misleads** Large regions collect relevance by size; a region may carry
//!   relevance because it helps to read another one.
//! * **Source** Böhle et al. 2019, <https://arxiv.org/abs/1903.07317>; Tinauer et al. 2022.

mod evidence;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{
    Check, RATIO, SHARE, interval_within, mean_within, of_cohort, of_subject,
};
use crate::audit::finding::{Cell, Column, Finding, Series, Table};
use crate::card::{Better, Card};
use crate::image::atlas::{Atlas, Side};
use crate::stats::bootstrap::Bounds;
use crate::stats::{Stat, curve, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "region_mass",
    title: "Where the relevance lies",
    question: "Which regions carry relevance, and how much lies outside the brain?",
    formula: "share = sum |R| of the region / sum |R|; density = sum R / ml; enrichment = share of the brain's |R| / share of its volume; boundary ratio = mean |R| in the outer 2 voxels of the mask / mean |R| in the rest",
    reading: "Enrichment 1 is what the size of a region explains; background should carry nothing.",
    misleads: "A region may carry relevance because it helps to read another one; anatomy at the surface raises the boundary ratio.",
    source: "Boehle et al. 2019, https://arxiv.org/abs/1903.07317; Tinauer et al. 2022, https://doi.org/10.1038/s41598-022-24541-7",
    unit: "1",
    better: Better::Neither,
};

/// The check.
#[derive(Debug)]
pub struct RegionMass;

/// Per part Σ|R|, ΣR, voxels: background, brain without label, then the atlas's regions.
pub(super) fn parts(case: &Case, atlas: Option<&Atlas>, map: &[f32]) -> Vec<[f64; 3]> {
    let at: std::collections::BTreeMap<i32, usize> =
        atlas.into_iter().flat_map(Atlas::regions).zip(2..).map(|(r, n)| (r.index, n)).collect();
    let mut out = vec![[0.0; 3]; 2 + at.len()];
    for (v, inside) in case.mask.data().iter().enumerate() {
        let label = case.labels.as_ref().map_or(0, |l| l.data()[v]);
        let part = if *inside { at.get(&label).copied().unwrap_or(1) } else { 0 };
        let r = f64::from(map[v]);
        let add = [r.abs(), r, 1.0];
        (0..3).for_each(|n| out[part][n] += add[n]);
    }
    out
}

pub(super) fn ratio(part: f64, whole: f64) -> Stat {
    if whole > 0.0 {
        moments::finite(part / whole, "a ratio")
    } else {
        undefined("division by zero")
    }
}

fn shares(parts: &[[f64; 3]]) -> Vec<Stat> {
    let all: f64 = parts.iter().map(|p| p[0]).sum();
    parts.iter().map(|p| ratio(p[0], all)).collect()
}

/// Per region of the atlas its share of |R| in every case; none without regions of all cases or
/// where a map is zero.
pub(in crate::audit::checks) fn region_shares(bench: &Bench<'_>) -> Option<Vec<Vec<f64>>> {
    let atlas = bench.atlas.filter(|_| bench.cases.iter().all(|c| c.labels.is_some()))?;
    let pairs = bench.cases.iter().zip(&bench.maps);
    let all: Vec<Vec<f64>> = pairs
        .map(|(case, map)| {
            let own: std::result::Result<Vec<f64>, _> =
                shares(&parts(case, Some(atlas), map)).into_iter().skip(2).collect();
            own.ok()
        })
        .collect::<Option<_>>()?;
    Some((0..atlas.len()).map(|r| all.iter().map(|own| own[r]).collect()).collect())
}

/// Mean |R| in the outer two voxels of the mask over that in the rest.
fn boundary(case: &Case, map: &[f32]) -> Stat {
    let shape = case.grid.shape();
    let steps = [1, shape[0], shape[0] * shape[1]];
    let mut core = case.mask.data().to_vec();
    for _ in 0..2 {
        let old = core.clone();
        for (v, keep) in core.iter_mut().enumerate() {
            *keep = old[v]
                && steps.iter().zip(shape).all(|(step, n)| {
                    let at = v / step % n;
                    at > 0 && at + 1 < n && old[v - step] && old[v + step]
                });
        }
    }
    let mut sums = [[0.0; 2]; 2];
    for v in case.inside() {
        let s = &mut sums[usize::from(core[v])];
        *s = [s[0] + f64::from(map[v].abs()), s[1] + 1.0];
    }
    ratio(ratio(sums[0][0], sums[0][1])?, ratio(sums[1][0], sums[1][1])?)
}

pub(super) fn cell(stat: Stat) -> Cell {
    stat.map_or_else(|why| Cell::Missing(why.0), Cell::Number)
}

/// Mean over the subjects for whom the number is defined.
fn mean(stats: impl Iterator<Item = Stat>) -> Stat {
    moments::mean(&stats.flatten().collect::<Vec<_>>())
}

/// Mean enrichment of every region over the subjects for whom it is defined.
pub(super) fn enrichments(atlas: &Atlas, all: &[Vec<[f64; 3]>]) -> Vec<Stat> {
    let of = |part: usize| mean(all.iter().map(|p| enrichment(p, part)));
    (0..atlas.len()).map(|r| of(r + 2)).collect()
}

/// Share of the brain's |R| over share of its volume.
fn enrichment(parts: &[[f64; 3]], part: usize) -> Stat {
    let brain = |n: usize| parts[1..].iter().map(|q| q[n]).sum::<f64>();
    ratio(ratio(parts[part][0], brain(0))?, ratio(parts[part][2], brain(2))?)
}

fn table(bench: &Bench<'_>, atlas: &Atlas, all: &[Vec<[f64; 3]>]) -> Table {
    let names = "region side volume_ml relevance_sum share share_low share_high density enrichment laterality auc auc_low auc_high";
    let unit = |n: &str| match n {
        "region" | "side" => "",
        "volume_ml" => "ml",
        "density" => "1/ml",
        _ => "1",
    };
    let columns =
        names.split(' ').map(|n| Column { name: n.to_owned(), unit: unit(n).to_owned() }).collect();
    let ml = bench.cases.first().map_or(0.0, |c| c.grid.voxel_mm3() / 1000.0);
    let brain = |p: &[[f64; 3]], n: usize| p[1..].iter().map(|q| q[n]).sum::<f64>();
    let labels: Vec<bool> = bench.cases.iter().map(|c| c.class == 1).collect();
    let regions: Vec<_> = atlas.regions().collect();
    let mut rows = Vec::new();
    for part in 0..regions.len() + 2 {
        let region = part.checked_sub(2).map(|r| regions[r]);
        let name = match part {
            0 => "background".to_owned(),
            1 => "brain without label".to_owned(),
            _ => region.map_or_else(String::new, |r| r.name.clone()),
        };
        let side = match region.map(|r| r.side) {
            Some(Side::Left) => "left",
            Some(Side::Right) => "right",
            _ => "",
        };
        let own: Vec<f64> = all.iter().filter_map(|p| shares(p)[part].clone().ok()).collect();
        let band =
            interval_within(&own, SHARE, bench.seed, &format!("region_mass/region/{name}/{side}"));
        let why = || Cell::Missing("fewer than three subjects".to_owned());
        let pair =
            region.and_then(|r| r.pair).and_then(|i| regions.iter().position(|q| q.index == i));
        let volume = all.iter().map(|p| ratio(p[part][2], brain(p, 2)));
        let volumes: std::result::Result<Vec<f64>, _> = volume.collect();
        let enrichment = mean(all.iter().map(|p| enrichment(p, part)));
        let laterality = pair.map_or_else(
            || undefined("no partner on the other side"),
            |q| mean(all.iter().map(|p| ratio(p[part][0] - p[q + 2][0], p[part][0] + p[q + 2][0]))),
        );
        let known = bench.evidence.zip(region).and_then(|(e, r)| e.regions.get(&r.index));
        let auc = match known {
            Some(known) => known.auc.clone(),
            None if bench.classes.len() == 2 => volumes.and_then(|v| curve::auc(&labels, &v)),
            None => undefined("defined for two classes"),
        };
        let end = |of: fn(&Bounds) -> f64| match known.and_then(|k| k.interval.as_ref()) {
            Some(b) => Cell::Number(of(b)),
            None => Cell::Missing("needs label maps of all subjects".to_owned()),
        };
        let outside =
            |stat: Stat| cell(if part == 0 { undefined("outside the brain") } else { stat });
        rows.push(vec![
            Cell::Text(name),
            Cell::Text(side.to_owned()),
            cell(mean(all.iter().map(|p| Ok(p[part][2] * ml)))),
            cell(mean(all.iter().map(|p| Ok(p[part][1])))),
            cell(moments::mean(&own)),
            band.as_ref().map_or_else(why, |b| Cell::Number(b.low)),
            band.as_ref().map_or_else(why, |b| Cell::Number(b.high)),
            cell(mean(all.iter().map(|p| ratio(p[part][1], p[part][2] * ml)))),
            outside(enrichment),
            cell(laterality),
            outside(auc),
            end(|b| b.low),
            end(|b| b.high),
        ]);
    }
    Table { name: "regions".to_owned(), columns, rows }
}

impl Check for RegionMass {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let labelled = bench.cases.iter().all(|c| c.labels.is_some());
        let atlas = bench.atlas.filter(|_| labelled);
        let (mut out, mut all) = (Vec::new(), Vec::new());
        let (mut background, mut shell) = (Vec::new(), Vec::new());
        let mut names = vec!["background".to_owned(), "brain without label".to_owned()];
        names.extend(atlas.into_iter().flat_map(Atlas::regions).map(|r| r.name.clone()));
        for (case, map) in bench.cases.iter().zip(&bench.maps) {
            let own = parts(case, atlas, map);
            let share = shares(&own);
            let mut found = of_subject(&CARD, &case.id, "background_share", share[0].clone());
            let y: std::result::Result<Vec<f64>, _> = share.iter().cloned().collect();
            if let (Some(_), Ok(y)) = (atlas, y) {
                found.series.push(Series {
                    name: "regions".to_owned(),
                    x_label: "region".to_owned(),
                    y_label: "share of |R|".to_owned(),
                    labels: names.clone(),
                    x: (0..y.len()).map(|n| n as f64).collect(),
                    y,
                    ..Series::default()
                });
            }
            out.push(found);
            let ratio = boundary(case, map);
            out.push(of_subject(&CARD, &case.id, "boundary_share_ratio", ratio.clone()));
            background.push(share[0].clone());
            shell.push(ratio);
            all.push(own);
        }
        let whole = mean_within(&background, SHARE, bench.seed, "region_mass/background_share");
        let mut found = of_cohort(&CARD, "background_share", whole);
        match atlas {
            Some(atlas) => {
                found.tables.push(table(bench, atlas, &all));
                out.extend(evidence::compare(bench, atlas, &enrichments(atlas, &all)));
            }
            None => found.notes.push("No regions: an atlas or a label map is missing.".to_owned()),
        }
        out.push(found);
        let whole = mean_within(&shell, RATIO, bench.seed, "region_mass/boundary_share_ratio");
        out.push(of_cohort(&CARD, "boundary_share_ratio", whole));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Grid, Labels, Mask};

    #[test]
    fn shares_sum_to_one_with_background() {
        let grid = Grid::centred([6, 6, 6], [1.0; 3]).expect("grid");
        let mask = (0..216).map(|v| v % 6 > 0).collect();
        let labels =
            Labels::new(grid.clone(), (0..216).map(|v| v / 6 % 3).collect()).expect("labels");
        let case = Case {
            mask: Mask::new(grid.clone(), mask).expect("mask"),
            labels: Some(labels.clone()),
            ..Case::plain("a", 0, &grid)
        };
        let map: Vec<f32> = (0..216).map(|v| if v % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let own = parts(&case, Some(&Atlas::of_labels(&labels)), &map);
        let share: Vec<f64> = shares(&own).into_iter().flatten().collect();
        assert_eq!((share.len(), own[0][2]), (4, 36.0));
        assert!((share.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((share[0] - 1.0 / 6.0).abs() < 1e-12);
        assert!((boundary(&case, &map).expect("ratio") - 1.0).abs() < 1e-12);
    }
}
