//! A fit between two epochs, in one file: arrays, and the numbers in the file's header, so
//! that both are replaced together or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::compute::Array;
use crate::files::{read_limited, write_whole};
use crate::model::tensors;
use crate::{Error, Result};

const MOST_BYTES: u64 = 8 << 30;

/// One epoch of the learning curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurveRow {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub rate: f64,
    /// Mean training loss (smoothed labels, augmented images), nats.
    pub training: f64,
    /// Validation loss of the averaged weights, classes counting alike, nats; none without
    /// validation rows.
    pub validation: Option<f64>,
    /// Moving average of the validation loss, nats.
    pub smoothed: Option<f64>,
}

/// The numbers of a checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// SHA-256 of settings and data.
    pub key: String,
    /// Epochs done.
    pub epochs: usize,
    /// Optimiser steps done.
    pub steps: usize,
    /// Best epoch and its smoothed validation loss.
    pub best: Option<(usize, f64)>,
    /// Learning curves.
    pub curves: Vec<CurveRow>,
    /// The fit is over.
    pub done: bool,
}

/// Groups of arrays by prefix: `state`, `ema`, `best`, `moment`.
pub type Groups = BTreeMap<String, BTreeMap<String, Array>>;

/// Writes a checkpoint.
///
/// # Errors
/// [`Error::Io`].
pub fn save(path: &Path, marks: &Marks, groups: &[(&str, Vec<(String, &Array)>)]) -> Result<()> {
    let text =
        serde_json::to_string(marks).map_err(|e| Error::internal(format!("checkpoint: {e}")))?;
    let all: Vec<(String, &Array)> = groups
        .iter()
        .flat_map(|(group, arrays)| arrays.iter().map(move |(n, a)| (format!("{group}:{n}"), *a)))
        .collect();
    write_whole(path, &tensors::to_bytes(&all, Some(&text))?)
}

/// Reads a checkpoint; none when there is no file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Refused`] when the file is damaged.
pub fn load(path: &Path) -> Result<Option<(Marks, Groups)>> {
    if !path.is_file() {
        return Ok(None);
    }
    let stored = tensors::from_bytes(path, &read_limited(path, MOST_BYTES)?)?;
    let text = stored.text.unwrap_or_default();
    let marks: Marks = serde_json::from_str(&text).map_err(|e| {
        let fix = "Delete it; the fit then starts anew";
        Error::refused("E-TRAIN-003", path, "header", e.to_string(), "marks of a checkpoint", fix)
    })?;
    let mut groups = Groups::new();
    for (name, array) in stored.arrays {
        if let Some((group, rest)) = name.split_once(':') {
            groups.entry(group.to_owned()).or_default().insert(rest.to_owned(), array);
        }
    }
    Ok(Some((marks, groups)))
}
