//! The whole of an audit as data: `report.json`. Figures, page, re-judging and baselines
//! are made from this alone.

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Table};
use super::policy::{Judgement, Policy, Verdict};
pub use crate::explain::ledger::LedgerLine;
use crate::provenance::{Provenance, Volatile};

/// Version of the layout of `report.json` (semantic: additions raise the minor number).
pub const SCHEMA_VERSION: &str = "1.2.0";

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always `heatproof audit record`.
    pub kind: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// Title of the page.
    pub title: String,
    /// What made it, from what.
    pub provenance: Provenance,
    /// What was audited on.
    pub data: DataCard,
    /// What was audited; none where maps came without a network (from layout 1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelCard>,
    /// How well it classifies: on held-out subjects, as measured when it was trained, or on the
    /// audited data.
    pub performance: Option<Performance>,
    /// How it was explained.
    pub explanation: ExplanationCard,
    /// Everything measured, in a fixed order.
    pub findings: Vec<Finding>,
    /// The limits the verdicts below were made with.
    pub policy: Policy,
    /// One judgement per finding, in the same order, then cohort gates.
    pub judgements: Vec<Judgement>,
    /// The worst of the judgements.
    pub verdict: Verdict,
    /// The verdict and its reasons in plain words, one sentence each, most serious first.
    pub summary: Vec<String>,
    /// Per audited subject: score, ledger, pictures.
    pub subjects: Vec<SubjectRecord>,
    /// Group pictures (for example the mean map of each class); may be empty.
    pub group_pictures: Vec<Picture>,
    /// What may differ between identical runs (times, threads, host).
    pub volatile: Volatile,
}

/// What the audit ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCard {
    /// Name of the data set.
    pub name: String,
    /// True when the images are synthetic; then said on every page.
    pub synthetic: bool,
    /// Subjects in the table.
    pub subjects: usize,
    /// Subjects audited.
    pub audited: usize,
    /// Class names, class 0 first.
    pub classes: Vec<String>,
    /// Subjects per class, in the order of `classes`.
    pub class_counts: Vec<usize>,
    /// How the label was defined, for example `group=preterm`.
    pub target: String,
    /// Remarks: exclusions, missing values, warnings of the readers.
    pub notes: Vec<String>,
}

/// What model was audited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Architecture id, for example `compact`.
    pub architecture: String,
    /// Trainable numbers.
    pub parameters: usize,
    /// Input voxels along i, j, k.
    pub input_shape: [usize; 3],
    /// Input voxel size in mm.
    pub spacing_mm: f64,
    /// SHA-256 of the weights as safetensors.
    pub sha256: String,
    /// Layer by layer: name, kind, output shape, parameters, role, rule, stabiliser, bias policy.
    pub layers: Table,
    /// Largest |logit difference| that folding batch norm made, over |logit|, and on how many inputs.
    pub fold_proof: String,
}

/// How well the network classifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Where the numbers come from, for example `5-fold cross-validation, pooled`.
    pub source: String,
    /// Metric, value, interval; rows as printed.
    pub metrics: Table,
    /// ROC points (false positive rate, true positive rate).
    pub roc: Vec<[f64; 2]>,
    /// Learning curves: epoch, training loss, validation loss, validation AUC per fold.
    pub curves: Vec<super::finding::Series>,
    /// Remarks, for example the baseline to respect.
    pub notes: Vec<String>,
}

/// How maps were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplanationCard {
    /// Rule or composite id.
    pub rule: String,
    /// Stabiliser mode and value in words, for example `1e-6 absolute, sign(0)=+1`.
    pub stabiliser: String,
    /// Where bias relevance goes.
    pub bias: String,
    /// What was explained, for example `log-odds of preterm over term`.
    pub start: String,
    /// Whose habits the rules follow where programs differ; from layout 1.1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub convention: String,
    /// Colour range rule, for example `±99.5 % quantile of |R| inside the masks, same for all`.
    pub colour_range: String,
}

/// One audited subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRecord {
    /// Participant id.
    pub id: String,
    /// True class name.
    pub truth: String,
    /// Predicted class name; this and the next two are missing where maps came without a network
    /// (from layout 1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<String>,
    /// The explained score (log-odds), natural log units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Probability of class 1 by the softmax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// True when this subject is known not to have been used to fit the model that explains it.
    pub held_out: bool,
    /// Ledger, output first.
    pub ledger: Vec<LedgerLine>,
    /// Slices.
    pub picture: Picture,
    /// Middle slices of the maps of other methods, for the first subjects; from layout 1.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<Picture>,
    /// SHA-256 of the image file, and of the written map.
    pub image_sha256: String,
    /// Path of the written map relative to the record, if one was written.
    pub map: Option<String>,
}

/// Slices of one subject, small enough for JSON: everything a figure needs.
/// Slices are cut in the canonical RAS frame of the model's input grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// What is shown.
    pub caption: String,
    /// |R| at full colour, in relevance units of the score.
    pub colour_range: f64,
    /// The slices.
    pub slices: Vec<Slice>,
}

/// Plane of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// x to the right of the patient, y to anterior; seen at a z in mm.
    Axial,
    /// x to the right of the patient, z to superior; seen at a y in mm.
    Coronal,
    /// y to anterior, z to superior; seen at an x in mm.
    Sagittal,
}

/// One slice: pixels row by row, first row at the lowest second coordinate, first pixel
/// at the lowest first coordinate (so axial: leftmost-of-patient first, posterior first).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Plane.
    pub plane: Plane,
    /// World coordinate of the plane in mm (RAS+).
    pub position_mm: f64,
    /// Pixels along the first and the second coordinate.
    pub size: [usize; 2],
    /// Pixel size in mm along both.
    pub pixel_mm: [f64; 2],
    /// Anatomy, 0..=255 per pixel, base64.
    pub anatomy: String,
    /// Relevance as signed bytes, ±127 at ±`colour_range`, base64; empty when there is none.
    pub relevance: String,
    /// Outline of the truth or of the focus region: 0 or 1 per pixel, base64; empty when there is none.
    pub outline: String,
}
