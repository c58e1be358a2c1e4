//! The whole audit: measure, judge, record.

use std::time::Instant;

use super::bench::{Answer, Bench};
use super::checks::{self, Check};
use super::finding::{COHORT, Finding, Outcome};
use super::group::group_pictures;
use super::judge::judge;
use super::picture::{CUTS, colour_range, picture};
use super::policy::Policy;
use super::record::{
    DataCard, ExplanationCard, ModelCard, Performance, Picture, Record, SCHEMA_VERSION,
    SubjectRecord,
};
use crate::card::Card;
use crate::progress::{Progress, check_stop};
use crate::provenance::{Provenance, Volatile};
use crate::stats::logistic::sigmoid;
use crate::{Error, Result};

/// Subjects whose maps by other methods are shown.
const SHOWN: usize = 2;

/// What the record says besides the measurements.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Title of the page.
    pub title: String,
    /// What made it.
    pub provenance: Provenance,
    /// The data.
    pub data: DataCard,
    /// The model.
    pub model: Option<ModelCard>,
    /// Its performance.
    pub performance: Option<Performance>,
    /// How it is explained.
    pub explanation: ExplanationCard,
    /// `YYYY-MM-DD`, for waivers.
    pub today: Option<String>,
    /// What may differ between identical runs.
    pub volatile: Volatile,
}

/// Carries the checks out in the order given, judges them and fills the record. A check
/// that cannot be carried out leaves unmeasurable findings, one that does not apply says why.
/// The seconds of each check stand in the record.
///
/// # Errors
/// Those of [`judge`] and of the pictures; [`Error::Interrupted`].
pub fn run(
    bench: &Bench<'_>,
    checks: &[&dyn Check],
    policy: &Policy,
    frame: Frame,
    progress: &dyn Progress,
) -> Result<Record> {
    progress.begin("audit", checks.len() as u64);
    let (mut findings, mut seconds) = (Vec::new(), Vec::new());
    for check in checks {
        check_stop()?;
        let (card, start) = (check.card(), Instant::now());
        if let Some(why) = bench.lacks(check.needs()) {
            let outcome = Outcome::NotApplicable { why: why.to_owned() };
            findings.extend(without(card, policy, &outcome));
            progress.advance(1, card.title);
            continue;
        }
        match check.measure(bench) {
            Ok(found) => findings.extend(found),
            Err(stop @ Error::Interrupted { .. }) => return Err(stop),
            Err(error) => {
                let outcome = Outcome::Unmeasurable { why: error.to_string() };
                findings.extend(without(card, policy, &outcome));
            }
        }
        seconds.push((card.id.to_owned(), start.elapsed().as_secs_f64()));
        progress.advance(1, check.card().title);
    }
    progress.end();
    let cards: Vec<&'static Card> = checks::all().iter().chain(checks).map(|c| c.card()).collect();
    let (judgements, verdict, summary) = judge(policy, &findings, &cards, frame.today.as_deref())?;
    let maps = bench.maps.iter().map(Vec::as_slice);
    let range = colour_range(bench.cases.iter().zip(maps))?;
    let numbers = 0..bench.cases.len();
    let subjects = numbers.map(|n| subject(bench, n, range)).collect::<Result<_>>()?;
    Ok(Record {
        kind: "heatproof audit record".to_owned(),
        schema_version: SCHEMA_VERSION.to_owned(),
        title: frame.title,
        provenance: frame.provenance,
        data: frame.data,
        model: frame.model,
        performance: frame.performance,
        explanation: frame.explanation,
        findings,
        policy: policy.clone(),
        judgements,
        verdict,
        summary,
        subjects,
        group_pictures: group_pictures(bench)?,
        volatile: Volatile { seconds, ..frame.volatile },
    })
}

/// One finding for each quantity the policy limits, or one for the check as a whole.
fn without(card: &Card, policy: &Policy, outcome: &Outcome) -> Vec<Finding> {
    let own = policy.limits.iter().filter(|l| l.check == card.id);
    let mut names: Vec<&str> = own.map(|l| l.quantity.as_str()).collect();
    if names.is_empty() {
        names.push("all");
    }
    let made = |q: &&str| Finding::new(card.id, COHORT, q, card.unit, outcome.clone());
    names.iter().map(made).collect()
}

/// Probability of class 1.
fn probability(answer: &Answer) -> f64 {
    match answer.logits.as_slice() {
        [one] => sigmoid(*one),
        all => {
            let top = all.get(answer.called()).copied().unwrap_or(0.0);
            let sum: f64 = all.iter().map(|l| (l - top).exp()).sum();
            all.get(1).map_or(0.0, |l| (l - top).exp() / sum)
        }
    }
}

/// The middle slices of a subject under every arm, each at the colour range of its own maps:
/// their units differ.
fn pictures_of_arms(bench: &Bench<'_>, n: usize) -> Result<Vec<Picture>> {
    let made = bench.arms.iter().filter_map(|a| Some((&a.arm.word, a.maps.as_ref().ok()?)));
    made.map(|(word, maps)| {
        let range = colour_range(bench.cases.iter().zip(maps.iter().map(Vec::as_slice)))?;
        picture(&bench.cases[n], Some(&maps[n]), range, 1, word)
    })
    .collect()
}

fn subject(bench: &Bench<'_>, n: usize, range: f64) -> Result<SubjectRecord> {
    let (case, map) = (&bench.cases[n], &bench.maps[n]);
    let answer = bench.network.as_ref().map(|network| &network.answers[n]);
    let name = |class: usize| {
        bench.classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"))
    };
    Ok(SubjectRecord {
        id: case.id.clone(),
        truth: name(case.class),
        predicted: answer.map(|a| name(a.called())),
        score: answer.map(|a| a.score),
        probability: answer.map(probability),
        held_out: case.held_out,
        ledger: bench.explainer.as_ref().map_or_else(Vec::new, |e| e.ledgers[n].clone()),
        picture: picture(case, Some(map), range, CUTS, &format!("Relevance of {}", case.id))?,
        arms: if n < SHOWN { pictures_of_arms(bench, n)? } else { Vec::new() },
        image_sha256: case.image_sha256.clone(),
        map: None,
    })
}
