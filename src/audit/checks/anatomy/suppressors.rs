//! Does relevance lie on regions that say nothing of the class and only help to read others?
//!
//! * **Question** How much relevance lies on suppressors?
//! * **Formula** Of all subjects with a class, per region: AUC of its size and of its brightness
//!   (mean intensity over the median of all regions) with Newcombe's interval. A suppressor is a
//!   region of which neither tells the classes apart, whose brightness does so beside that of the
//!   region that tells most (t of a linear model, p of at most 0.01 after Holm over the silent
//!   regions), and whose enrichment of |R| is above 1. `relevance_share`: the share of the brain's
//!   |R| on suppressors, mean over subjects.
//! * **Reading** 0: no relevance of this kind was found. Above: the map is faithful to a network
//!   that cancels a nuisance there; it is no anatomy of the class.
//! * **When it misleads** Only brightness beside one region is looked at: suppressors by size,
//!   shape or several regions together are not seen, nor any in few subjects. What a scanner's
//!   field or the normalisation does to the whole image can make any region a suppressor.
//! * **Source** Conger 1974, <https://doi.org/10.1177/001316447403400105>; Haufe et al. 2014,
//!   <https://doi.org/10.1016/j.neuroimage.2013.10.067>.

use super::region_mass::{cell, enrichments, parts, ratio};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, SHARE, mean_within, of_cohort};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::audit::tools::evidence::{Brightness, Evidence};
use crate::card::{Better, Card};
use crate::image::atlas::{Atlas, Region};
use crate::stats::{Stat, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "suppressors",
    title: "Relevance on suppressors",
    question: "Does relevance lie on regions that say nothing of the class and only help to read others?",
    formula: "suppressor: neither size nor brightness of the region tells the classes apart (95 % interval of the AUC), its brightness beside that of the region that tells most does (p at most 0.01 after Holm), enrichment of |R| above 1; relevance_share = share of the brain's |R| on suppressors",
    reading: "0: no relevance of this kind was found. Above: the map is faithful to a network that cancels a nuisance there, and is no anatomy of the class.",
    misleads: "Suppressors by size, shape or several regions together are not seen, nor any in few subjects. A scanner's field or the normalisation can make any region one.",
    source: "Conger 1974, https://doi.org/10.1177/001316447403400105; Haufe et al. 2014, https://doi.org/10.1016/j.neuroimage.2013.10.067",
    unit: "1",
    better: Better::Lower,
};

/// Greatest p after Holm.
const ALPHA: f64 = 0.01;

/// The check.
#[derive(Debug)]
pub struct Suppressors;

/// Whether a region is one.
fn is_one(bright: &Brightness, region: &Region, enrichment: &Stat) -> bool {
    let p = bright.beside.get(&region.index);
    matches!((p, enrichment), (Some(Ok(p)), Ok(e)) if *p <= ALPHA && *e > 1.0)
}

fn table(evidence: &Evidence, bright: &Brightness, rows: &[(&Region, Stat)]) -> Table {
    let names = ["region", "enrichment", "auc of size", "auc of brightness", "p beside the best"];
    let column = |name: &str| {
        let unit = if ["region", "suppressor"].contains(&name) { "" } else { "1" };
        Column { name: name.to_owned(), unit: unit.to_owned() }
    };
    let row = |(region, enrichment): &(&Region, Stat)| {
        let unknown = || undefined("not of every subject");
        let of_bright = bright.regions.get(&region.index).map_or_else(unknown, |r| r.auc.clone());
        let tells = || undefined("it tells by itself, or nothing tells");
        let p = bright.beside.get(&region.index).map_or_else(tells, Clone::clone);
        let word = if is_one(bright, region, enrichment) { "yes" } else { "no" };
        let numbers = [enrichment.clone(), evidence.auc(region.index), of_bright, p].map(cell);
        let first = Cell::Text(region.name.clone());
        [first].into_iter().chain(numbers).chain([Cell::Text(word.to_owned())]).collect()
    };
    Table {
        name: "regions by themselves and beside the one that tells most".to_owned(),
        columns: names.iter().chain(&["suppressor"]).map(|n| column(n)).collect(),
        rows: rows.iter().map(row).collect(),
    }
}

/// What is needed, or why it is not there.
fn known<'b>(
    bench: &'b Bench<'_>,
) -> std::result::Result<(&'b Atlas, &'b Evidence, &'b Brightness, i32), String> {
    let labelled = bench.cases.iter().all(|c| c.labels.is_some());
    let atlas = bench.atlas.filter(|_| labelled);
    let atlas = atlas.ok_or("an atlas or a label map is missing")?;
    let evidence = bench.evidence.ok_or("needs label maps of all subjects and two classes")?;
    let bright = evidence.brightness.as_ref().map_err(|why| why.0.clone())?;
    let best = bright.best.ok_or("no region's brightness tells the classes apart")?;
    Ok((atlas, evidence, bright, best))
}

impl Check for Suppressors {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (atlas, evidence, bright, best) = match known(bench) {
            Ok(known) => known,
            Err(why) => {
                let none = Outcome::NotApplicable { why };
                return Ok(vec![of_cohort(&CARD, "relevance_share", none)]);
            }
        };
        let pairs = bench.cases.iter().zip(&bench.maps);
        let all: Vec<Vec<[f64; 3]>> =
            pairs.map(|(case, map)| parts(case, Some(atlas), map)).collect();
        let rows: Vec<(&Region, Stat)> = atlas.regions().zip(enrichments(atlas, &all)).collect();
        let found: Vec<usize> =
            (0..rows.len()).filter(|&r| is_one(bright, rows[r].0, &rows[r].1)).collect();
        let share = |own: &Vec<[f64; 3]>| {
            let brain = own[1..].iter().map(|p| p[0]).sum();
            ratio(found.iter().map(|r| own[r + 2][0]).sum(), brain)
        };
        let shares: Vec<Stat> = all.iter().map(share).collect();
        let mean = mean_within(&shares, SHARE, bench.seed, "suppressors/relevance_share");
        let mut finding = of_cohort(&CARD, "relevance_share", mean);
        finding.tables.push(table(evidence, bright, &rows));
        let name = |label: i32| {
            let of = rows.iter().find(|(region, _)| region.index == label);
            of.map_or_else(|| label.to_string(), |(region, _)| region.name.clone())
        };
        let named: Vec<String> = found.iter().map(|&r| rows[r].0.name.clone()).collect();
        let which = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        finding.notes.push(format!(
            "Suppressors: {which}. The region that tells most by its brightness is {}; evidence of \
             regions rests on {} subjects, relevance on {}.",
            name(best),
            evidence.subjects,
            bench.cases.len()
        ));
        Ok(vec![finding])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::audit::case::Case;
    use crate::seed::Seed;

    /// Four slabs; the maps lie on slab `on` by three quarters.
    fn share(on: i32, evidence: Option<&Evidence>) -> Outcome {
        let cases: Vec<Case> = (0..4).map(|n| Case::slabs(&format!("sub-{n}"), n % 2)).collect();
        let atlas = cases[0].labels.as_ref().map(Atlas::of_labels);
        let map = (0..64).map(|v| if v / 16 + 1 == on { -9.0 } else { 1.0 }).collect();
        let classes = ["a".to_owned(), "b".to_owned()];
        let bench = Bench::of_maps(&cases, vec![map; 4], "test", &classes, Seed(1));
        let mut bench = bench.expect("bench");
        (bench.atlas, bench.evidence) = (atlas.as_ref(), evidence);
        Suppressors.measure(&bench).expect("measured").remove(0).outcome
    }

    #[test]
    fn relevance_on_a_suppressor_is_counted_and_elsewhere_it_is_not() {
        let mut s = Seed(3).stream("test/suppressors");
        let labels: Vec<bool> = (0..60).map(|n| n % 2 == 1).collect();
        let sizes: Vec<BTreeMap<i32, f64>> =
            labels.iter().map(|_| (1..=4).map(|r| (r, 0.25)).collect()).collect();
        let mut bright = |l: &bool| {
            let (nuisance, effect) = (s.normal(), f64::from(u8::from(*l)));
            let mut small = || 0.2 * s.normal();
            let own = [effect + nuisance + small(), nuisance + small(), small(), small()];
            (1..=4).zip(own).collect::<BTreeMap<i32, f64>>()
        };
        let bright: Vec<_> = labels.iter().map(&mut bright).collect();
        let evidence = Evidence::of(&sizes, Ok(&bright), &labels);
        let value = |on: i32| share(on, Some(&evidence)).value().expect("measured");
        // Slab 2 only cancels what slab 1 has besides the class.
        assert!((value(2) - 9.0 / 12.0).abs() < 1e-12, "{}", value(2));
        assert_eq!([value(1), value(3), value(4)], [0.0; 3]);
        assert!(matches!(share(2, None), Outcome::NotApplicable { .. }));
    }
}
