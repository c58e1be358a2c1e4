//! Who is in the data: a BIDS folder or a CSV/TSV table, read into participants.

mod bids;
mod entities;
mod table;
pub mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

pub use target::{Labelled, Target};

/// One row of the data: a scan of a subject and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// Unique id of the row (`sub-01`, `sub-01_ses-02`, or the table's id).
    pub id: String,
    /// The subject; several rows may share it (sessions), and never fall into two folds.
    pub subject: String,
    /// Image file, absolute or relative to the working folder.
    pub image: PathBuf,
    /// Label map, if any.
    pub labels: Option<PathBuf>,
    /// Mask, if any.
    pub mask: Option<PathBuf>,
    /// Truth mask of a planted effect (phantoms), if any.
    pub truth: Option<PathBuf>,
    /// All other columns, as written.
    pub covariates: BTreeMap<String, String>,
}

/// A data set: rows in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// Name of the data set (folder or file name, or BIDS `Name`).
    pub name: String,
    /// Rows.
    pub participants: Vec<Participant>,
    /// Names of the regions of the label maps: index to name and side, if a lookup table was found.
    pub regions: Option<PathBuf>,
    /// True when the data set says it is synthetic (phantoms).
    pub synthetic: bool,
    /// Warnings of the reader.
    pub notes: Vec<String>,
}

impl Cohort {
    /// Reads a data set: a BIDS folder, a CSV or TSV table, or a folder with the table
    /// `participants.csv`.
    ///
    /// A table has the columns `participant_id` (or `id`) and `image`, optionally `labels`,
    /// `mask`, `truth`, `subject`; all others are covariates. Paths are relative to the table.
    ///
    /// # Errors
    /// [`Error::Io`] when unreadable; those of [`crate::sheet::Sheet::read`];
    /// [`Error::Refused`] `E-COHORT-001` (no images found), `002` (an id or the id is missing
    /// or repeated), `003` (a file named in the table does not exist), `004` (damaged
    /// `dataset_description.json`).
    pub fn read(path: &Path) -> Result<Self> {
        let data = std::fs::metadata(path).map_err(|e| Error::io("reading", path, e))?;
        if !data.is_dir() {
            return table::read(path);
        }
        let inside = path.join("participants.csv");
        let bids = ["dataset_description.json", "participants.tsv"];
        if inside.is_file() && !bids.iter().any(|n| path.join(n).exists()) {
            return table::read(&inside);
        }
        bids::read(path)
    }

    /// Names of all covariates of any row, in alphabetical order.
    pub fn columns(&self) -> Vec<String> {
        let all: std::collections::BTreeSet<&String> =
            self.participants.iter().flat_map(|p| p.covariates.keys()).collect();
        all.into_iter().cloned().collect()
    }
}

/// Name of a folder or file without its extension, for a data set that has no other.
fn stem(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    full.file_stem().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned())
}

/// What `dataset_description.json` of a folder says: name, and whether it is synthetic.
///
/// # Errors
/// `E-COHORT-004` when the file is there and is not JSON.
fn description(folder: &Path) -> Result<(Option<String>, bool)> {
    let path = folder.join("dataset_description.json");
    if !path.is_file() {
        return Ok((None, false));
    }
    let bytes = crate::files::read_limited(&path, 16 << 20)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let json: serde_json::Value = serde_json::from_slice(text).map_err(|e| {
        Error::refused(
            "E-COHORT-004",
            &path,
            "content",
            format!("not JSON ({e})"),
            "a JSON object with Name and BIDSVersion",
            "Correct the file",
        )
    })?;
    let name = json.get("Name").and_then(|n| n.as_str()).map(str::to_owned);
    let made_by = json.get("GeneratedBy").and_then(|g| g.as_array()).into_iter().flatten();
    let synthetic = made_by
        .filter_map(|g| g.get("Name").and_then(|n| n.as_str()))
        .any(|n| n.to_lowercase().contains("heatproof phantom"));
    Ok((name, synthetic))
}

fn no_images(path: &Path, seen: &str) -> Error {
    Error::refused(
        "E-COHORT-001",
        path,
        "images",
        seen,
        "one 3D image per row, or sub-*/[ses-*/]anat/*_T2w.nii.gz (or T1w)",
        "Give a table with the columns participant_id and image, or a BIDS folder",
    )
}
