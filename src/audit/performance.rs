//! How well the model classifies held-out subjects, as its training measured it.

use std::path::Path;

use super::finding::{Cell, Column, Interval, Series, Table};
use super::record::Performance;
use crate::Result;
use crate::sheet::Sheet;
use crate::stats::curve;
use crate::train::metrics::widening;
use crate::train::models::Models;
use crate::train::write::MetricLine;

/// Coverage of the intervals of a training.
pub(super) const LEVEL: f64 = 0.95;

/// The interval of the held-out AUC, and everything measured, from the files of a training;
/// none for a network without them.
///
/// # Errors
/// Those of [`Sheet::read`] for a damaged table.
pub fn of_training(models: &Models) -> Result<(Option<Interval>, Option<Performance>)> {
    let network = || models.metrics.iter().filter(|m| m.model == "network");
    let pooled = |m: &&MetricLine| m.fold.is_none();
    let Some(auc) = network().filter(pooled).find(|m| m.metric == "roc_auc") else {
        return Ok((None, None));
    };
    let folds = models.bundles.len();
    let mut method = format!("{} over {} held-out images", auc.interval_by(), auc.rows);
    if folds > 1 {
        let factor = widening(folds);
        method.push_str(&format!(
            ", widened {factor:.2} times because {folds} folds share training subjects"
        ));
    }
    let interval =
        auc.low.zip(auc.high).map(|(low, high)| Interval { low, high, level: LEVEL, method });
    let own = network().filter(pooled).map(|m| (m, "network".to_owned()));
    let folds_apart = network().filter(|m| m.metric == "roc_auc" && !pooled(m));
    let folds_apart =
        folds_apart.map(|m| (m, format!("network, fold {}", m.fold.unwrap_or_default())));
    let volumes = models.metrics.iter().filter(|m| m.model != "network" && m.fold.is_none());
    let volumes: Vec<&MetricLine> = volumes.collect();
    let beside = volumes.iter().map(|m| (*m, "region volumes".to_owned()));
    let lines = own.chain(folds_apart).chain(beside);
    let mut notes = vec!["Each subject is judged by the network that never saw it.".to_owned()];
    if let Some(v) = volumes.iter().find(|m| m.metric == "roc_auc").and_then(|m| m.value) {
        notes.push(format!(
            "A logistic regression on the region volumes alone, without any image, reaches an \
             AUC of {v:.3}: the baseline to respect."
        ));
    }
    let source = if folds > 1 {
        format!("{folds}-fold cross-validation by subject, pooled")
    } else {
        "subjects held out once".to_owned()
    };
    let performance = Performance {
        source,
        roc: roc(&models.folder.join("predictions.tsv"))?,
        curves: curves(models)?,
        notes,
        ..performance("Held-out performance", lines)
    };
    Ok((interval, Some(performance)))
}

/// Lines of metrics, each with what it is of, as a table and nothing else yet.
pub(super) fn performance<'a>(
    name: &str,
    lines: impl Iterator<Item = (&'a MetricLine, String)>,
) -> Performance {
    let columns = ["metric", "value", "low", "high", "of", "rows"];
    let columns = columns.map(|n| Column { name: n.to_owned(), unit: String::new() }).to_vec();
    let rows = lines.map(|(m, of)| row(m, &of)).collect();
    Performance {
        source: String::new(),
        metrics: Table { name: name.to_owned(), columns, rows },
        roc: Vec::new(),
        curves: Vec::new(),
        notes: Vec::new(),
    }
}

fn row(m: &MetricLine, of: &str) -> Vec<Cell> {
    let why = || Cell::Missing(m.reason.clone().unwrap_or_else(|| "not defined".to_owned()));
    let number = |v: Option<f64>| v.map_or_else(why, Cell::Number);
    let text = |t: &str| Cell::Text(t.to_owned());
    let count = Cell::Number(m.rows as f64);
    vec![text(&m.metric), number(m.value), number(m.low), number(m.high), text(of), count]
}

/// The ROC curve of the pooled predictions; empty where it is not defined.
fn roc(path: &Path) -> Result<Vec<[f64; 2]>> {
    let sheet = Sheet::read(path)?;
    let (class, odds) = (sheet.need(&["class"])?, sheet.need(&["log_odds_aligned"])?);
    let labels: Vec<bool> = sheet.rows.iter().map(|r| r[class] == "1").collect();
    let scores: Vec<f64> = sheet.rows.iter().map(|r| r[odds].parse().unwrap_or(f64::NAN)).collect();
    let points = curve::roc(&labels, &scores).unwrap_or_default();
    Ok(points.iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect())
}

fn curves(models: &Models) -> Result<Vec<Series>> {
    let mut out = Vec::new();
    for bundle in &models.bundles {
        let fold = bundle.spec.training.fold;
        let sheet = Sheet::read(&models.folder.join(format!("fold-{fold}")).join("curves.tsv"))?;
        let epoch = sheet.need(&["epoch"])?;
        for (column, name) in [("training", "training"), ("smoothed", "validation, smoothed")] {
            let at = sheet.need(&[column])?;
            let points = sheet.rows.iter().filter_map(|r| {
                Some((r[epoch].parse::<f64>().ok()? + 1.0, r[at].parse::<f64>().ok()?))
            });
            let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
            if !x.is_empty() {
                out.push(Series {
                    name: format!("{name}, fold {fold}"),
                    x_label: "epoch".to_owned(),
                    y_label: "loss (nats)".to_owned(),
                    x,
                    y,
                    ..Series::default()
                });
            }
        }
    }
    Ok(out)
}
