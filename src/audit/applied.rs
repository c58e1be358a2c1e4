//! How well a network classifies the subjects it is audited on, where no training measured it.

use super::audited::UNKNOWN;
use super::finding::Interval;
use super::performance::{LEVEL, performance};
use super::record::Performance;
use crate::cohort::Participant;
use crate::compute::Workspace;
use crate::model::input::{InputSpec, Prepared, prepare, to_array};
use crate::model::network::Network;
use crate::model::subject::read_subject;
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::stats::curve;
use crate::train::apply::saw;
use crate::train::metrics::{self, DEFAULT_DRAWS, Metric, Prediction};
use crate::train::write::MetricLine;
use crate::{Error, Result};

/// Subjects in memory at once.
const CHUNK: usize = 16;

/// What was measured, and the interval of the AUC or why there is none.
#[derive(Debug)]
pub struct Applied {
    /// The interval.
    pub interval: std::result::Result<Interval, String>,
    /// All of it.
    pub performance: Performance,
    /// Subjects whose images could not be used, and why.
    pub notes: Vec<String>,
}

/// Classifies all subjects with a class that the network is not known to have been trained
/// on, and measures the answers as a training does.
///
/// # Errors
/// [`Error::Interrupted`]; those of the network's forward pass.
pub fn measured(
    network: &Network,
    input: &InputSpec,
    rows: &[(&Participant, usize)],
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Applied> {
    let unseen =
        |(p, _): &&(&Participant, usize)| !network.training().is_some_and(|t| saw(t, &p.id));
    let rows: Vec<_> = rows.iter().filter(unseen).copied().collect();
    let (mut all, mut notes, mut ws) = (Vec::new(), Vec::new(), Workspace::new());
    for (at, part) in rows.chunks(CHUNK).enumerate() {
        let stage = format!("classifying {} of {}", at * CHUNK, rows.len());
        let name = |(p, _): &(&Participant, usize)| p.id.clone();
        // One image that cannot be read does not stop the others.
        let read = in_parallel(part, &stage, progress, name, |(p, _)| match ready(p, input) {
            Err(stop @ Error::Interrupted { .. }) => Err(stop),
            other => Ok(other),
        })?;
        for ((who, class), image) in part.iter().zip(read) {
            match image {
                Ok(image) => {
                    let x = to_array(&[&image])?;
                    let z = network.graph.forward(&x, &mut ws)?.to_f64()?;
                    let log_odds = match z[..] {
                        [one] => one,
                        [zero, one, ..] => one - zero,
                        [] => return Err(Error::internal("a network without logits")),
                    };
                    let (subject, label) = (who.subject.clone(), *class == 1);
                    all.push(Prediction { subject, fold: 0, label, log_odds });
                }
                Err(why) => notes.push(format!("{} could not be classified: {why}", who.id)),
            }
        }
    }
    let table = metrics::table(&all, DEFAULT_DRAWS, seed.child("audit/performance"));
    let lines: Vec<MetricLine> = table
        .iter()
        .filter(|row| row.fold.is_none())
        .map(|row| MetricLine::new("network", row))
        .collect();
    let known = network.training().is_some();
    let which = if known { "held-out subjects" } else { "subjects not known to be held out" };
    let interval = interval(&lines, &format!("over {} {which}", all.len()));
    let name = if known { "Held-out performance" } else { "Performance on the audited data" };
    let mut performance = performance(name, lines.iter().map(|m| (m, "network".to_owned())));
    performance.source = format!("measured by this audit on {} {which}", all.len());
    performance.notes = if known { Vec::new() } else { vec![UNKNOWN.to_owned()] };
    let (labels, scores): (Vec<bool>, Vec<f64>) = all.iter().map(|p| (p.label, p.log_odds)).unzip();
    let points = curve::roc(&labels, &scores).unwrap_or_default();
    performance.roc =
        points.iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect();
    Ok(Applied { interval, performance, notes })
}

fn ready(who: &Participant, input: &InputSpec) -> Result<Prepared> {
    let images = read_subject(who)?;
    prepare(&images.volume, &images.mask, input)
}

/// The interval of the AUC, or why there is none.
fn interval(lines: &[MetricLine], of: &str) -> std::result::Result<Interval, String> {
    let auc = lines.iter().find(|m| m.metric == Metric::RocAuc.id());
    let Some(auc) = auc else { return Err("no subject could be classified".to_owned()) };
    match auc.low.zip(auc.high) {
        Some((low, high)) => {
            Ok(Interval { low, high, level: LEVEL, method: format!("{} {of}", auc.interval_by()) })
        }
        None => Err(auc.reason.clone().unwrap_or_else(|| "the AUC is not defined".to_owned())),
    }
}
