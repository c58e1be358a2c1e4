//! Do the classes differ in where their relevance lies?
//!
//! * **Question** Which regions carry more relevance in one class than in the other?
//! * **Formula** Per region the share of |R|, the density ΣR / ml and the asymmetry
//!   (left − right)/(left + right) of |R|; t of the class in a linear model beside the
//!   covariates; p by Freedman and Lane's permutations, `p_fwe` from the largest |t| over the
//!   regions, q by Benjamini and Hochberg; g = t scaled to residual standard deviations.
//!   Over networks: the spread of g over folds and over members of the network, and the interval
//!   of g with subjects and networks as levels; `…_networks` counts what keeps its sign in it.
//! * **Reading** Between true classes, and between predicted ones, which relevance follows more
//!   closely. Regions with `p_fwe` of at most 0.05 differ.
//! * **When it misleads** A difference says where the network looks, not where the classes
//!   differ in anatomy; a covariate that goes with the class cannot be told from it.
//! * **Source** Winkler et al. 2014, <https://doi.org/10.1016/j.neuroimage.2014.01.060>; Böhle
//!   et al. 2019, <https://arxiv.org/abs/1903.07317>.

mod levels;
mod measured;
mod nuisance;
mod strata;

use std::collections::BTreeSet;

use super::region_mass::cell;
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, LEVEL, of_cohort};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::card::{Better, Card};
use crate::image::atlas::Atlas;
use crate::stats::effect_size::of_model;
use crate::stats::freedman_lane::{self, Effects, Exchange};
use crate::stats::{Stat, moments};
use levels::{Model, Networks};
use measured::Measured;
use nuisance::Nuisance;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "group_contrast",
    title: "Relevance between the classes",
    question: "Which regions carry more relevance in one class than in the other?",
    formula: "per region share of |R|, density sum R / ml, asymmetry (left - right) / (left + right) of |R|; t of the class in a linear model beside the covariates; p by Freedman and Lane's permutations, p_fwe from the largest |t| over the regions, q by Benjamini and Hochberg; g = t in residual standard deviations; _networks: regions that differ whose interval of g over subjects and networks, sqrt((z s)^2 + (t d)^2) with s the error over subjects and d the deviation of g over folds (over members / sqrt(M) where there is one fold), leaves out 0",
    reading: "The number counts regions with p_fwe of at most 0.05, for true and for predicted classes; g is positive where the second class has more. _networks: how many of them do not hang on the network.",
    misleads: "A difference says where the network looks, not where anatomy differs; a covariate that goes with the class cannot be told from it; few subjects find large differences only.",
    source: "Winkler et al. 2014, https://doi.org/10.1016/j.neuroimage.2014.01.060; Boehle et al. 2019, https://arxiv.org/abs/1903.07317",
    unit: "1",
    better: Better::Neither,
};

/// Fewest subjects of a class.
const FEWEST: usize = 4;
/// Permutations of each contrast.
const PERMUTATIONS: usize = 4999;
/// Family-wise error at which a region is counted.
const ALPHA: f64 = 0.05;

/// The check.
#[derive(Debug)]
pub struct GroupContrast;

/// By which classes subjects are set apart.
struct Grouping {
    id: &'static str,
    /// Class of each row.
    classes: std::result::Result<Vec<usize>, String>,
}

/// First scan of each subject: later ones are no subjects of their own.
fn first_scans(bench: &Bench<'_>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    (0..bench.cases.len()).filter(|&n| seen.insert(bench.cases[n].subject())).collect()
}

/// Predicted classes, or why there are none.
fn predicted(bench: &Bench<'_>, rows: &[usize]) -> std::result::Result<Vec<usize>, String> {
    let Some(network) = &bench.network else {
        return Err("the maps came without a network".to_owned());
    };
    let of = |n: &usize| match network.answers[*n].logits[..] {
        [zero, one, ..] => usize::from(one > zero),
        [one] => usize::from(one > 0.0),
        [] => 0,
    };
    Ok(rows.iter().map(of).collect())
}

impl Check for GroupContrast {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let rows = first_scans(bench);
        let truth: Vec<usize> = rows.iter().map(|&n| bench.cases[n].class).collect();
        let groupings = [
            Grouping { id: "true", classes: Ok(truth.clone()) },
            Grouping { id: "predicted", classes: predicted(bench, &rows) },
        ];
        let labelled = bench.cases.iter().all(|c| c.labels.is_some());
        let atlas = bench.atlas.filter(|a| labelled && !a.is_empty());
        let all =
            atlas.map_or_else(Vec::new, |atlas| Measured::of(bench, &bench.maps, atlas, &rows));
        let networks = atlas.map(|atlas| Networks::of(bench, atlas, &rows)).transpose()?;
        let mut out = Vec::new();
        for grouping in &groupings {
            let refused = match &grouping.classes {
                _ if atlas.is_none() => Some("an atlas or a label map is missing".to_owned()),
                Err(why) => Some(why.clone()),
                Ok(classes) => too_few(classes, bench.classes),
            };
            match (refused, &grouping.classes, &networks) {
                (None, Ok(classes), Some(networks)) => {
                    let nuisance = Nuisance::of(bench, &rows, classes);
                    for at in 0..all.len() {
                        let compared = (&all[..], at);
                        out.extend(contrast(
                            bench, grouping, compared, classes, &nuisance, networks,
                        ));
                    }
                }
                (why, ..) => {
                    let why = why.unwrap_or_default();
                    for id in Measured::IDS {
                        let name = format!("{}_{id}", grouping.id);
                        out.push(of_cohort(
                            &CARD,
                            &name,
                            Outcome::NotApplicable { why: why.clone() },
                        ));
                    }
                }
            }
        }
        if let ([truth_, ..], Ok(said), Some(atlas)) =
            (&mut out[..], &groupings[1].classes, atlas.filter(|_| bench.classes.len() == 2))
        {
            truth_.tables.extend(strata::tables(bench, atlas, &all[0], &truth, said));
        }
        if let ([first, ..], true) = (&mut out[..], rows.len() < bench.cases.len()) {
            let later = bench.cases.len() - rows.len();
            first.notes.push(format!("{later} later scans of the same subjects are left out."));
        }
        Ok(out)
    }
}

/// Why these classes cannot be compared.
fn too_few(classes: &[usize], names: &[String]) -> Option<String> {
    let [a, b] = names else { return Some(format!("{} class(es); two are compared", names.len())) };
    let count = |c: usize| classes.iter().filter(|&&k| k == c).count();
    let (m, n) = (count(0), count(1));
    (m < FEWEST || n < FEWEST).then(|| {
        format!("{m} subjects of {a} and {n} of {b}, at least {FEWEST} are needed of each")
    })
}

fn contrast(
    bench: &Bench<'_>,
    grouping: &Grouping,
    (all, at): (&[Measured], usize),
    classes: &[usize],
    nuisance: &Nuisance,
    networks: &Networks,
) -> Vec<Finding> {
    let measured = &all[at];
    let name = format!("{}_{}", grouping.id, measured.id);
    let effect: Vec<f64> = classes.iter().map(|c| *c as f64).collect();
    let known: Vec<usize> =
        (0..measured.values.len()).filter(|&r| measured.values[r].is_ok()).collect();
    let outcomes: Vec<Vec<f64>> = measured.values.iter().flatten().cloned().collect();
    let mut stream = bench.seed.stream(&format!("audit/group_contrast/{name}"));
    let covariates: Vec<Vec<f64>> = nuisance.columns.iter().map(|(_, v)| v.clone()).collect();
    let tested = match outcomes.is_empty() {
        true => crate::stats::undefined("no region has a number for every subject"),
        false => freedman_lane::test(
            &effect,
            &covariates,
            &outcomes,
            Exchange::Free,
            PERMUTATIONS,
            &mut stream,
        ),
    };
    let effects = match tested {
        Ok(effects) => effects,
        Err(why) => return vec![of_cohort(&CARD, &name, Outcome::Unmeasurable { why: why.0 })],
    };
    let apart: Vec<usize> = (known.iter().zip(&effects.outcomes))
        .filter_map(|(r, e)| (e.as_ref().ok()?.p_family <= ALPHA).then_some(*r))
        .collect();
    let over = Model::new(&effect, &covariates).map(|model| {
        networks.finding(&name, measured, &networks.spreads(measured, at, &model), &apart)
    });
    let mut found = of_cohort(&CARD, &name, Outcome::measured(apart.len() as f64));
    found.tables.push(table(bench, grouping, measured, classes, &effects, &known));
    let names: Vec<&str> = nuisance.columns.iter().map(|(n, _)| n.as_str()).collect();
    let beside = if names.is_empty() { "no covariate".to_owned() } else { names.join(", ") };
    found.notes.push(format!(
        "{PERMUTATIONS} permutations of {} subjects beside {beside}; the difference, g, t and p are given the covariates, the means are not.",
        classes.len()
    ));
    if grouping.id == "predicted" {
        found.notes.push("The maps explain the score that decides the predicted class: some of the difference is there by construction.".to_owned());
    }
    found.notes.extend(nuisance.notes.iter().cloned());
    if bench.network.is_some() && !bench.cases.iter().all(|c| c.held_out) {
        found.notes.push("Not all subjects are known to be held out: a network looks elsewhere in those it was fitted on.".to_owned());
    }
    [found].into_iter().chain(over).collect()
}

fn table(
    bench: &Bench<'_>,
    grouping: &Grouping,
    measured: &Measured,
    classes: &[usize],
    effects: &Effects,
    known: &[usize],
) -> Table {
    let unit = measured.unit;
    let mean_name = |c: usize| format!("mean_{}", bench.classes[c]);
    let names = ["region", "side", &mean_name(0), &mean_name(1), "difference", "g", "g_low"];
    let names = names.into_iter().chain(["g_high", "t", "p", "p_fwe", "q", "n"]);
    let unit_of = |at: usize| match at {
        0 | 1 => "",
        2..=4 => unit,
        _ => "1",
    };
    let columns = names
        .enumerate()
        .map(|(at, n)| Column { name: n.to_owned(), unit: unit_of(at).to_owned() })
        .collect();
    let row = |r: usize| {
        let (region, side) = &measured.regions[r];
        let values = &measured.values[r];
        let mean = |class: usize| -> Stat {
            let values = values.as_ref().map_err(Clone::clone)?;
            let own = values.iter().zip(classes).filter(|(_, c)| **c == class);
            moments::mean(&own.map(|(v, _)| *v).collect::<Vec<_>>())
        };
        let place = known.iter().position(|k| *k == r);
        let effect = place.map(|at| effects.outcomes[at].as_ref());
        let mut cells = vec![Cell::Text(region.clone()), Cell::Text((*side).to_owned())];
        cells.extend([cell(mean(0)), cell(mean(1))]);
        match (effect, values) {
            (Some(Ok(e)), _) => {
                cells.push(Cell::Number(e.estimate));
                let n = classes.len();
                match of_model(e.t, effects.leverage, effects.freedom, n, LEVEL) {
                    Ok((g, b)) => cells.extend([g, b.low, b.high].map(Cell::Number)),
                    Err(why) => cells.extend(vec![Cell::Missing(why.0); 3]),
                }
                cells.extend([e.t, e.p, e.p_family, e.q].map(Cell::Number));
            }
            (Some(Err(why)), _) | (None, Err(why)) => {
                cells.extend(vec![Cell::Missing(why.0.clone()); 8]);
            }
            (None, Ok(_)) => cells.extend(vec![Cell::Missing("not compared".to_owned()); 8]),
        }
        cells.push(Cell::Number(classes.len() as f64));
        cells
    };
    let name = format!("{} by {} class", measured.words, grouping.id);
    Table { name, columns, rows: (0..measured.regions.len()).map(row).collect() }
}

/// Names of the regions of an atlas with their sides.
fn named(atlas: &Atlas) -> Vec<(String, &'static str)> {
    use crate::image::atlas::Side;
    let side = |side: Side| match side {
        Side::Left => "left",
        Side::Right => "right",
        _ => "",
    };
    atlas.regions().map(|r| (r.name.clone(), side(r.side))).collect()
}

#[cfg(test)]
mod tests;
