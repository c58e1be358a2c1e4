//! How alike are the audited maps and those of other methods?
//!
//! * **Question** Would another method have shown the same?
//! * **Formula** Per subject inside the mask: Spearman's correlation of R and of |R|, cosine;
//!   over the regions of the label map the rank correlation of Σ|R|. Cohort: mean over
//!   subjects.
//! * **Reading** 1: the same order of voxels; 0: unrelated.
//! * **When it misleads** Methods may agree because they share a fault, and differ because
//!   they answer different questions. Maps without sign cannot correlate with R.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292> (similarities);
//!   Krishna et al. 2022, <https://arxiv.org/abs/2202.01602> (disagreement of methods).

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::Result;
use crate::audit::arms::Compared;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, LIKENESS, interval, mean_within, of_cohort};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::audit::tools::alike::measures;
use crate::card::{Better, Card};
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "arm_agreement",
    title: "Other methods beside the audited maps",
    question: "Would another method have shown the same?",
    formula: "inside the mask of each subject: Spearman of R and of |R|, cosine; over regions: Spearman of the sums of |R|; mean over subjects",
    reading: "1: the same order of voxels or regions; 0: unrelated; negative: opposed.",
    misleads: "Methods may agree because they share a fault, and differ because they ask different questions: no method is the truth. Maps that have no sign (SmoothGrad squared, Grad-CAM) are to be read by |R|; coarse maps cannot agree voxel by voxel.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Krishna et al. 2022, https://arxiv.org/abs/2202.01602",
    unit: "1",
    better: Better::Neither,
};

/// Name of the table that has a row per arm.
pub const ARMS: &str = "other methods against the audited map";

/// What is compared, as the columns of [`ARMS`] have it.
pub const MEASURES: [&str; 4] = ["Spearman of R", "Spearman of |R|", "cosine", "regions"];

/// Where the order of regions stands among them.
const REGIONS: usize = 3;

/// The check.
#[derive(Debug)]
pub struct ArmAgreement;

pub(in crate::audit::checks) fn cell(stat: Stat) -> Cell {
    stat.map_or_else(|why| Cell::Missing(why.0), Cell::Number)
}

pub(in crate::audit::checks) fn columns(names: &[String]) -> Vec<Column> {
    names.iter().map(|n| Column { name: n.clone(), unit: String::new() }).collect()
}

/// Value and interval as three cells.
pub(in crate::audit::checks) fn cells(outcome: &Outcome) -> [Cell; 3] {
    let missing = |why: &str| Cell::Missing(why.to_owned());
    match outcome {
        Outcome::Measured { value, interval: Some(band) } => {
            [Cell::Number(*value), Cell::Number(band.low), Cell::Number(band.high)]
        }
        Outcome::Measured { value, interval: None } => {
            let why = missing("fewer than three subjects");
            [Cell::Number(*value), why.clone(), why]
        }
        Outcome::NotApplicable { why } | Outcome::Unmeasurable { why } => {
            [missing(why), missing(why), missing(why)]
        }
    }
}

/// A row of a table with a value and an interval per outcome.
pub(in crate::audit::checks) fn row(name: &str, outcomes: &[Outcome]) -> Vec<Cell> {
    std::iter::once(Cell::Text(name.to_owned())).chain(outcomes.iter().flat_map(cells)).collect()
}

/// Columns of [`row`].
pub(in crate::audit::checks) fn heads(measures: &[&str]) -> Vec<Column> {
    let each = measures.iter().flat_map(|m| [(*m).to_owned(), "low".into(), "high".into()]);
    columns(&std::iter::once("method".to_owned()).chain(each).collect::<Vec<_>>())
}

/// What taking each region out of the image does to the score, over the subjects who have it.
fn falls(bench: &Bench<'_>, maps: &[Vec<f32>]) -> Table {
    let mut all: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
    for (case, map) in bench.cases.iter().zip(maps) {
        let mut own: BTreeMap<i32, f64> = BTreeMap::new();
        let labels = case.labels.iter().flat_map(|l| l.data());
        for (label, value) in labels.zip(map).filter(|(label, _)| **label != 0) {
            *own.entry(*label).or_default() += f64::from(*value);
        }
        own.into_iter().for_each(|(label, fall)| all.entry(label).or_default().push(fall));
    }
    let rows = all.into_iter().map(|(label, falls)| {
        let name = bench.atlas.map_or_else(|| label.to_string(), |a| a.name(label));
        let band = interval(&falls, bench.seed, &format!("arm_agreement/fall/{label}"));
        let end = |of: Option<f64>| {
            of.map_or_else(|| Cell::Missing("fewer than three subjects".into()), Cell::Number)
        };
        vec![
            Cell::Text(name),
            Cell::Number(falls.len() as f64),
            Cell::Number(falls.iter().sum::<f64>() / falls.len() as f64),
            end(band.as_ref().map(|b| b.low)),
            end(band.as_ref().map(|b| b.high)),
        ]
    });
    let names = ["region", "subjects", "mean fall of the score", "low", "high"];
    Table {
        name: "fall of the score without a region".to_owned(),
        rows: rows.collect(),
        columns: columns(&names.map(str::to_owned)),
    }
}

/// Per case the measures of an arm.
fn against(bench: &Bench<'_>, arm: &Compared) -> Vec<[Stat; 4]> {
    match &arm.maps {
        Err(why) => vec![[(); 4].map(|()| undefined(why.clone())); bench.cases.len()],
        Ok(maps) => {
            let cases = bench.cases.par_iter().zip(&bench.maps).zip(maps);
            cases.map(|((case, own), map)| measures(case, own, map)).collect()
        }
    }
}

/// How far methods agree on voxels and on the order of regions, in a sentence.
fn spread(all: &[Vec<[Stat; 4]>]) -> Option<String> {
    let range = |m: usize| -> Option<[f64; 2]> {
        let means = all.iter().filter_map(|own| {
            let values: Vec<f64> = own.iter().filter_map(|s| s[m].clone().ok()).collect();
            moments::mean(&values).ok()
        });
        let range = means
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
        range.iter().all(|v| v.is_finite()).then_some(range)
    };
    let ([low, high], [least, most]) = (range(0)?, range(REGIONS)?);
    Some(format!(
        "Voxel by voxel the methods agree with the audited map between {low:.2} and {high:.2}, on \
         the order of regions between {least:.2} and {most:.2}: where the second is high and the \
         first is not, they point to the same anatomy and not to the same voxels."
    ))
}

impl Check for ArmAgreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        if bench.arms.is_empty() {
            let why = "no other method was asked for".to_owned();
            return Ok(vec![of_cohort(&CARD, "agreement", Outcome::NotApplicable { why })]);
        }
        let all: Vec<Vec<[Stat; 4]>> = bench.arms.iter().map(|arm| against(bench, arm)).collect();
        let mut found = Vec::new();
        let mut arms = Table { name: ARMS.to_owned(), columns: heads(&MEASURES), rows: Vec::new() };
        for (compared, own) in bench.arms.iter().zip(&all) {
            let key = compared.arm.key();
            let mean = |m: usize| match &compared.maps {
                Err(why) => Outcome::NotApplicable { why: why.clone() },
                Ok(_) => {
                    let stats: Vec<Stat> = own.iter().map(|s| s[m].clone()).collect();
                    mean_within(&stats, LIKENESS, bench.seed, &format!("arm_agreement/{key}/{m}"))
                }
            };
            let outcomes: Vec<Outcome> = (0..MEASURES.len()).map(mean).collect();
            arms.rows.push(row(&compared.arm.word, &outcomes));
            found.push(of_cohort(&CARD, &format!("agreement_{key}"), outcomes[0].clone()));
        }
        let by_subject = (0..MEASURES.len()).map(|m| {
            let words = bench.arms.iter().map(|a| a.arm.word.clone());
            let names: Vec<String> = std::iter::once("subject".to_owned()).chain(words).collect();
            let row = |(s, case): (usize, &Case)| {
                let stats = all.iter().map(|own| cell(own[s][m].clone()));
                std::iter::once(Cell::Text(case.id.clone())).chain(stats).collect()
            };
            Table {
                name: format!("{} by subject", MEASURES[m]),
                columns: columns(&names),
                rows: bench.cases.iter().enumerate().map(row).collect(),
            }
        });
        let mut tables = vec![arms];
        tables.extend(by_subject);
        let by_region = |a: &&Compared| a.arm.chosen.method.card.id == "occlusion_region";
        if let Some(Ok(maps)) = bench.arms.iter().find(by_region).map(|a| &a.maps) {
            tables.push(falls(bench, maps));
        }
        found[0].tables = tables;
        found[0].notes.extend(spread(&all));
        found[0].notes.push(format!(
            "agreement_METHOD is the mean Spearman correlation of R over {} subjects; numbers in a \
             method's name are its settings: n draws or points, s noise, w window and s stride.",
            bench.cases.len()
        ));
        Ok(found)
    }
}
