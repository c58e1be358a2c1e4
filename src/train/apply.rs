//! Trained networks applied to a cohort, each subject only by networks that never saw it.

use std::fmt::Write as _;
use std::path::Path;

use super::metrics::{self, DEFAULT_DRAWS, Prediction};
use super::models::Models;
use super::write::MetricLine;
use crate::cohort::{Cohort, Participant, Target};
use crate::compute::Workspace;
use crate::files::write_whole;
use crate::model::bundle::{ModelSpec, TrainingSummary};
use crate::model::input::{Prepared, prepare, to_array};
use crate::model::subject::read_subject;
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::stats::logistic::sigmoid;
use crate::{Error, Result};

/// Subjects in memory at once.
const CHUNK: usize = 16;

/// What the networks say of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Row id.
    pub id: String,
    /// Subject.
    pub subject: String,
    /// Class, where the data say it.
    pub class: Option<usize>,
    /// Mean log-odds of class 1 over the networks, nats.
    pub log_odds: f64,
    /// Networks it is the mean of.
    pub networks: usize,
    /// True when no network was free of this row, so that the number is no test.
    pub seen: bool,
}

/// The answer for a cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Rows in the order of the cohort.
    pub rows: Vec<Scored>,
    /// Rows whose images could not be used, and why.
    pub failed: Vec<(String, String)>,
    /// Names of class 0 and class 1.
    pub classes: Vec<String>,
    /// Metrics over the rows that have a class and were not seen; empty without any.
    pub metrics: Vec<MetricLine>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// True when a network was fitted, or its epoch chosen, on a row.
pub fn saw(training: &TrainingSummary, id: &str) -> bool {
    training.fitting.iter().chain(&training.validation).any(|seen| seen == id)
}

/// Class of every participant where the data have the target's column, with a remark
/// where they do not.
///
/// # Errors
/// Those of [`Target::parse`].
pub fn classes_of(target: &str, cohort: &Cohort) -> Result<(Vec<Option<usize>>, Option<String>)> {
    match Target::parse(target)?.label(cohort) {
        Ok(labelled) => {
            Ok((labelled.values.into_iter().map(|c| c.map(usize::from)).collect(), None))
        }
        Err(why @ Error::Usage { .. }) => {
            Ok((vec![None; cohort.participants.len()], Some(format!("no classes: {why}"))))
        }
        Err(other) => Err(other),
    }
}

/// Log-odds of every participant: the mean over the networks that never saw it, or over all
/// where each did (then marked as seen).
///
/// # Errors
/// [`Error::Model`] `E-MODEL-005` for networks
/// without two logits; [`Error::Interrupted`].
pub fn apply(models: &Models, cohort: &Cohort, progress: &dyn Progress) -> Result<Applied> {
    let first = &models.bundles[0].spec;
    if models.bundles.iter().any(|b| b.spec.classes.len() != 2) {
        let what = format!("a network with {} classes", first.classes.len());
        return Err(Error::model("E-MODEL-005", what, "Predictions need two classes"));
    }
    let (classes, mut notes) = {
        let (classes, note) = classes_of(&first.target, cohort)?;
        (classes, Vec::from_iter(note))
    };
    let mut rows = Vec::with_capacity(cohort.participants.len());
    let mut failed = Vec::new();
    let mut ws = Workspace::new();
    for (at, part) in cohort.participants.chunks(CHUNK).enumerate() {
        let stage = format!("predicting {} of {}", at * CHUNK, cohort.participants.len());
        // One image that cannot be read does not stop the others.
        let read = in_parallel(
            part,
            &stage,
            progress,
            |p| p.id.clone(),
            |p| match ready(p, first) {
                Err(stop @ Error::Interrupted { .. }) => Err(stop),
                other => Ok(other),
            },
        )?;
        for (n, (p, read)) in part.iter().zip(read).enumerate() {
            match read {
                Ok((image, warnings)) => {
                    notes.extend(warnings.iter().map(|w| format!("{}: {w}", p.id)));
                    rows.push(score(models, p, &image, classes[at * CHUNK + n], &mut ws)?);
                }
                Err(error) => failed.push((p.id.clone(), error.to_string())),
            }
        }
    }
    let seen = rows.iter().filter(|r| r.seen).count();
    if seen > 0 {
        notes.push(format!("{seen} rows were seen in training by every network: no test"));
    }
    let metrics = table(&rows, Seed(first.seed));
    Ok(Applied { rows, failed, classes: first.classes.clone(), metrics, notes })
}

fn ready(who: &Participant, spec: &ModelSpec) -> Result<(Prepared, Vec<String>)> {
    let images = read_subject(who)?;
    Ok((prepare(&images.volume, &images.mask, &spec.input)?, images.warnings))
}

fn score(
    models: &Models,
    who: &Participant,
    image: &Prepared,
    class: Option<usize>,
    ws: &mut Workspace,
) -> Result<Scored> {
    let (mut unseen, mut all) = (Vec::new(), Vec::new());
    for bundle in &models.bundles {
        let x = to_array(&[image])?;
        let logits = bundle.graph.forward(&x, ws)?;
        let z = logits.to_f64()?;
        ws.give(x);
        ws.give(logits);
        all.push(z[1] - z[0]);
        if !saw(&bundle.spec.training, &who.id) {
            unseen.push(z[1] - z[0]);
        }
    }
    let seen = unseen.is_empty();
    let used = if seen { &all } else { &unseen };
    Ok(Scored {
        id: who.id.clone(),
        subject: who.subject.clone(),
        class,
        log_odds: used.iter().sum::<f64>() / used.len() as f64,
        networks: used.len(),
        seen,
    })
}

fn table(rows: &[Scored], seed: Seed) -> Vec<MetricLine> {
    let one = |r: &Scored| {
        let class = r.class.filter(|_| !r.seen)?;
        let subject = r.subject.clone();
        Some(Prediction { subject, fold: 0, label: class == 1, log_odds: r.log_odds })
    };
    let all: Vec<Prediction> = rows.iter().filter_map(one).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let table = metrics::table(&all, DEFAULT_DRAWS, seed.child("predict/metrics"));
    table.iter().filter(|r| r.fold.is_none()).map(|r| MetricLine::new("network", r)).collect()
}

/// Writes `predictions.tsv` and, where there are any, `metrics.json` into a folder.
///
/// # Errors
/// [`Error::Io`].
pub fn write(applied: &Applied, out: &Path) -> Result<()> {
    let mut text = String::from(
        "id\tsubject\tclass\tlog_odds\tprobability\tpredicted\tnetworks\tseen_in_training\n",
    );
    for r in &applied.rows {
        let name = |c: usize| applied.classes.get(c).map_or("n/a", String::as_str);
        let class = r.class.map_or("n/a", name);
        let predicted = name(usize::from(r.log_odds > 0.0));
        let (id, subject) = (&r.id, &r.subject);
        let (odds, probability) = (r.log_odds, sigmoid(r.log_odds));
        let rest = format!("{predicted}\t{}\t{}", r.networks, r.seen);
        let _ = writeln!(text, "{id}\t{subject}\t{class}\t{odds}\t{probability}\t{rest}");
    }
    write_whole(&out.join("predictions.tsv"), text.as_bytes())?;
    if applied.metrics.is_empty() {
        return Ok(());
    }
    super::write::json(&out.join("metrics.json"), &applied.metrics)
}
