//! How well does relevance find a planted effect, by every usual measure, beside chance and
//! other maps?
//!
//! * **Question** Does relevance lie in the planted effect more than chance and simple maps do?
//! * **Formula** Inside the mask, a = |R|, and (quantities with `_positive`) a = R where it is
//!   above 0, else 0: mass accuracy Σ_truth a / Σ a; enrichment, the mass accuracy divided by the
//!   truth's share of the mask; rank accuracy, the share of truth among as many largest a as it
//!   has voxels; AUROC and AUPRC of a for the truth; pointing: 1 if a largest a lies within
//!   [`TOLERANCE_MM`] of the truth. `p_value`: rank of the cohort's mean AUROC among those of
//!   [`PLACEMENTS`] random placements, in which each part of the truth is a round blob of as
//!   many voxels anywhere in the brain. `control_constant`: |AUROC − ½| + |enrichment − 1| of a
//!   constant map.
//! * **Reading** Enrichment 1 and AUROC 0.5 are what chance gives, 1 is a perfect AUROC.
//! * **When it misleads** Anatomy that accompanies the effect counts as wrong. Pointing hangs on
//!   one voxel. A large truth is hit by any map: read the enrichment and the placements. Blobs
//!   have the size of the truth, not its shape. R above 0 speaks for the second class (or the
//!   class explained): an effect that speaks for the other is to be read by |R|.
//! * **Source** Arras et al. 2022, <https://arxiv.org/abs/2003.07258>; Zhang et al. 2018,
//!   <https://doi.org/10.1007/s11263-017-1059-x>; Phipson & Smyth 2010.

mod placed;

use placed::{Chance, pointing};

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::stability::arm_agreement::{heads, row};
use crate::audit::checks::{Check, mean_of, of_cohort, of_subject, outcome};
use crate::audit::finding::{Finding, Outcome, Table};
use crate::card::{Better, Card};
use crate::stats::localisation::{relevance_mass_accuracy, relevance_rank_accuracy};
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, Undefined, curve, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "planted_localisation",
    title: "Relevance in a planted effect",
    question: "Does relevance lie in the planted effect more than chance and simple maps do?",
    formula: "inside the mask, of |R| and of R above 0 (_positive): mass accuracy, enrichment = mass accuracy / share of the truth, rank accuracy, AUROC, AUPRC, pointing within 5 mm; p_value = rank of the cohort's mean AUROC among 199 random placements of blobs of the same sizes",
    reading: "Enrichment 1 and AUROC 0.5 are what chance gives; AUPRC, mass and rank accuracy have the truth's share of the brain by chance. Compare with |x| and the constant map in the table.",
    misleads: "Anatomy that accompanies the effect counts as wrong. Pointing hangs on one voxel. Blobs have the size of the truth, not its shape. Synthetic data say nothing of patients.",
    source: "Arras et al. 2022, https://arxiv.org/abs/2003.07258; Zhang et al. 2018, https://doi.org/10.1007/s11263-017-1059-x; Phipson & Smyth 2010",
    unit: "1",
    better: Better::Higher,
};

/// How far from the truth the largest relevance may lie to count as pointing at it, mm.
pub const TOLERANCE_MM: f64 = 5.0;
/// Random placements; the smallest p is 0.005.
pub const PLACEMENTS: usize = 199;

/// Names of the tables that have a row per map.
pub const TABLES: [&str; 2] = ["localisation of |R|", "localisation of R above 0"];

/// What is measured, as quantities and columns have it.
pub const MEASURES: [&str; 6] =
    ["auroc", "auprc", "mass_accuracy", "enrichment", "rank_accuracy", "pointing"];

/// The check.
#[derive(Debug)]
pub struct PlantedLocalisation;

/// A subject with a truth that can be found: voxels of the mask, and which of them are truth.
struct Planted<'a> {
    number: usize,
    case: &'a Case,
    inside: Vec<usize>,
    truth: Vec<bool>,
}

/// The subjects, and for those whose truth cannot be found the reason; subjects without any
/// truth are left out.
fn planted<'a>(bench: &Bench<'a>) -> (Vec<Planted<'a>>, Vec<(&'a str, String)>) {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for (number, case) in bench.cases.iter().enumerate() {
        let Some(mask) = &case.truth else { continue };
        let inside = case.inside();
        let truth: Vec<bool> = inside.iter().map(|&v| mask.data()[v]).collect();
        match truth.iter().filter(|t| **t).count() {
            0 => without.push((case.id.as_str(), "the truth is empty inside the mask".to_owned())),
            n if n == inside.len() => {
                let why = "the truth is the whole brain: any map lies in it".to_owned();
                without.push((case.id.as_str(), why));
            }
            _ => found.push(Planted { number, case, inside, truth }),
        }
    }
    (found, without)
}

/// Which part of a map counts.
#[derive(Clone, Copy)]
enum Part {
    Size,
    Positive,
}

const PARTS: [(Part, &str); 2] = [(Part::Size, ""), (Part::Positive, "_positive")];

impl Planted<'_> {
    fn amounts(&self, map: &[f32], part: Part) -> Vec<f64> {
        let take = |v: f64| match part {
            Part::Size => v.abs(),
            Part::Positive => v.max(0.0),
        };
        self.inside.iter().map(|&v| take(f64::from(map[v]))).collect()
    }

    /// [`MEASURES`] of amounts.
    fn measures(&self, amounts: &[f64]) -> [Stat; 6] {
        let truth = &self.truth;
        let share = truth.iter().filter(|t| **t).count() as f64 / truth.len() as f64;
        let mass = relevance_mass_accuracy(amounts, truth);
        [
            curve::auc(truth, amounts),
            curve::average_precision(truth, amounts),
            mass.clone(),
            mass.map(|m| m / share),
            relevance_rank_accuracy(amounts, truth),
            pointing(&self.case.grid, &self.inside, truth, amounts, TOLERANCE_MM),
        ]
    }
}

/// Maps to set beside each other: a word, and the map of a subject or why there is none.
type Shown<'b> = (String, Box<dyn Fn(usize) -> std::result::Result<Vec<f32>, String> + Sync + 'b>);

/// The audited maps, those of the arms, and the controls.
fn shown<'b>(bench: &'b Bench<'_>) -> Vec<Shown<'b>> {
    let mut all: Vec<Shown<'b>> =
        vec![(format!("{} (audited)", bench.maker), Box::new(|n| Ok(bench.maps[n].clone())))];
    for arm in &bench.arms {
        let map = |n: usize| arm.maps.as_ref().map(|maps| maps[n].clone()).map_err(Clone::clone);
        all.push((arm.arm.word.clone(), Box::new(map)));
    }
    let image = |n: usize| Ok(bench.cases[n].data.iter().map(|x| x.abs()).collect());
    all.push(("control: |x|".to_owned(), Box::new(image)));
    let constant = |n: usize| Ok(vec![1.0; bench.cases[n].data.len()]);
    all.push(("control: constant".to_owned(), Box::new(constant)));
    all
}

/// [`MEASURES`] of one kind of map, means over subjects.
fn means(
    bench: &Bench<'_>,
    cases: &[Planted<'_>],
    (word, map): &Shown<'_>,
    part: Part,
) -> Vec<Outcome> {
    let one = |p: &Planted<'_>| match map(p.number) {
        Ok(map) => p.measures(&p.amounts(&map, part)),
        Err(why) => [(); 6].map(|()| undefined(why.clone())),
    };
    let all: Vec<[Stat; 6]> = cases.par_iter().map(one).collect();
    (0..MEASURES.len())
        .map(|m| {
            let stats: Vec<Stat> = all.iter().map(|own| own[m].clone()).collect();
            let purpose = format!("{}/{word}/{}/{m}", CARD.id, part as u8);
            mean_of(&stats, bench.seed, &purpose)
        })
        .collect()
}

/// AUROC of the audited map where the truth is, then at each placement.
fn placements(
    bench: &Bench<'_>,
    p: &Planted<'_>,
    part: Part,
) -> std::result::Result<Vec<f64>, Undefined> {
    let amounts = p.amounts(&bench.maps[p.number], part);
    moments::require_finite(&amounts)?;
    let chance = Chance::new(&p.case.grid, &p.inside, &p.truth, &amounts);
    let mut stream = bench.seed.stream(&format!("audit/{}/{}", CARD.id, p.case.id));
    let placed = (0..PLACEMENTS).map(|_| chance.draw(&mut stream));
    Ok(std::iter::once(chance.observed()).chain(placed).collect())
}

/// Rank of the mean AUROC of the audited maps among those of random placements.
fn p_value(bench: &Bench<'_>, cases: &[Planted<'_>], part: Part) -> Outcome {
    let all: std::result::Result<Vec<Vec<f64>>, _> =
        cases.par_iter().map(|p| placements(bench, p, part)).collect();
    outcome(all.and_then(|all| {
        let mean = |k: usize| moments::mean(&all.iter().map(|one| one[k]).collect::<Vec<_>>());
        let placed: Vec<f64> = (1..=PLACEMENTS).map(mean).collect::<std::result::Result<_, _>>()?;
        rank_p(mean(0)?, &placed, Tail::Greater)
    }))
}

/// How far the constant map is from chance.
fn off_chance(outcomes: &[Outcome]) -> Outcome {
    match (outcomes[0].value(), outcomes[3].value()) {
        (Some(auroc), Some(enrichment)) => {
            Outcome::measured((auroc - 0.5).abs() + (enrichment - 1.0).abs())
        }
        _ => Outcome::Unmeasurable { why: "the constant map has no number".to_owned() },
    }
}

/// Findings where no truth can be found: of the cohort for the quantities judged.
fn without(outcome: &Outcome) -> Vec<Finding> {
    let quantities = ["auroc", "p_value", "control_constant"];
    quantities.map(|q| of_cohort(&CARD, q, outcome.clone())).to_vec()
}

impl Check for PlantedLocalisation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (cases, none) = planted(bench);
        let mut out: Vec<Finding> = none
            .iter()
            .map(|(id, why)| of_subject(&CARD, id, "auroc", undefined(why.clone())))
            .collect();
        if cases.is_empty() {
            let whole = none.iter().find(|(_, why)| why.contains("whole"));
            let outcome = match whole {
                Some((_, why)) => Outcome::Unmeasurable { why: why.clone() },
                None => Outcome::NotApplicable { why: "no effect was planted".to_owned() },
            };
            out.extend(without(&outcome));
            return Ok(out);
        }
        let shown = shown(bench);
        let mut tables = Vec::new();
        let (mut found, mut constant) = (Vec::new(), Vec::new());
        for ((part, suffix), name) in PARTS.into_iter().zip(TABLES) {
            let heads = heads(&MEASURES);
            let mut table = Table { name: name.to_owned(), columns: heads, rows: Vec::new() };
            for (at, map) in shown.iter().enumerate() {
                let outcomes = means(bench, &cases, map, part);
                table.rows.push(row(&map.0, &outcomes));
                if at == 0 {
                    let own = MEASURES.iter().zip(&outcomes);
                    found.extend(
                        own.map(|(m, o)| of_cohort(&CARD, &format!("{m}{suffix}"), o.clone())),
                    );
                }
                constant = outcomes;
            }
            tables.push(table);
            let p = p_value(bench, &cases, part);
            found.push(of_cohort(&CARD, &format!("p_value{suffix}"), p));
        }
        found.push(of_cohort(&CARD, "control_constant", off_chance(&constant)));
        found[0].tables = tables;
        let n = cases.len();
        found[0].notes.push(format!(
            "Means over {n} subjects with a planted effect. Pointing counts within {TOLERANCE_MM} \
             mm; p_value is against {PLACEMENTS} placements of blobs of the same sizes."
        ));
        out.extend(found);
        Ok(out)
    }
}
