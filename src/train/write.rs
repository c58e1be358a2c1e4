//! Files of a cross-validation: predictions, metrics, splits, learning curves.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checkpoint::CurveRow;
use super::metrics::MetricRow;
use crate::files::write_whole;
use crate::{Error, Result};

/// One held-out row.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    /// Row id.
    pub id: String,
    /// Subject.
    pub subject: String,
    /// Fold whose model did not see it.
    pub fold: usize,
    /// Class number.
    pub class: usize,
    /// Log-odds of class 1, nats, as the model says.
    pub log_odds: f64,
    /// The same on the common scale of all folds ([`super::pool`]), nats.
    pub aligned: f64,
    /// Log-odds of the region-volume baseline, nats.
    pub baseline: Option<f64>,
}

/// Who was where in one fold, by row id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldSplit {
    /// Fold, from 0.
    pub fold: usize,
    /// Folder of its model, relative to the file.
    pub bundle: String,
    /// SHA-256 of its `model.json`.
    pub sha256: String,
    /// Rows fitted.
    pub fitting: Vec<String>,
    /// Rows that chose the epoch.
    pub validation: Vec<String>,
    /// Rows the model never saw.
    pub held_out: Vec<String>,
}

/// `splits.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// 1.
    pub schema_version: u32,
    /// What was told apart.
    pub target: String,
    /// Seed of the run.
    pub seed: u64,
    /// The folds.
    pub folds: Vec<FoldSplit>,
}

/// One line of `metrics.json`; `fold` is null for all folds pooled, `value` is null with a
/// reason where undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricLine {
    /// `network` or `region_volumes`.
    pub model: String,
    /// Metric id.
    pub metric: String,
    /// Unit.
    pub unit: String,
    /// Fold.
    pub fold: Option<usize>,
    /// Rows it rests on.
    pub rows: usize,
    /// The number.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// How the interval is made; missing in files of earlier versions, which bootstrapped all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Why number or interval is missing.
    pub reason: Option<String>,
}

impl MetricLine {
    /// How the interval is made.
    pub fn interval_by(&self) -> &str {
        self.interval.as_deref().unwrap_or("percentile bootstrap")
    }

    /// A line of the table for a model.
    pub fn new(model: &str, row: &MetricRow) -> Self {
        let interval = row.interval.as_ref();
        let why = row.value.as_ref().err().or(interval.err()).map(|u| u.0.clone());
        Self {
            model: model.to_owned(),
            metric: row.metric.id().to_owned(),
            unit: row.metric.unit().to_owned(),
            fold: row.fold,
            rows: row.rows,
            value: row.value.as_ref().ok().copied(),
            low: interval.ok().map(|b| b.low),
            high: interval.ok().map(|b| b.high),
            interval: interval.ok().map(|_| row.metric.interval_by().to_owned()),
            reason: why,
        }
    }
}

/// Writes a value as indented JSON.
///
/// # Errors
/// [`Error::Io`].
pub fn json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::internal(format!("{}: {e}", path.display())))?;
    text.push(b'\n');
    write_whole(path, &text)
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".into(), |v| v.to_string())
}

/// Writes `predictions.tsv`.
///
/// # Errors
/// [`Error::Io`].
pub fn predictions(path: &Path, rows: &[PredictionRow]) -> Result<()> {
    let mut text = String::from("id\tsubject\tfold\tclass\tlog_odds\tlog_odds_aligned\tbaseline\n");
    for r in rows {
        let base = cell(r.baseline);
        let who = format!("{}\t{}\t{}\t{}", r.id, r.subject, r.fold, r.class);
        let _ = writeln!(text, "{who}\t{}\t{}\t{base}", r.log_odds, r.aligned);
    }
    write_whole(path, text.as_bytes())
}

/// Writes `curves.tsv`.
///
/// # Errors
/// [`Error::Io`].
pub fn curves(path: &Path, rows: &[CurveRow]) -> Result<()> {
    let mut text = String::from("epoch\tlearning_rate\ttraining\tvalidation\tsmoothed\n");
    for r in rows {
        let (validation, smoothed) = (cell(r.validation), cell(r.smoothed));
        let _ = writeln!(text, "{}\t{}\t{}\t{validation}\t{smoothed}", r.epoch, r.rate, r.training);
    }
    write_whole(path, text.as_bytes())
}
