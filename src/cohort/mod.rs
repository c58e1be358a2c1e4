//! Who is in the data: a BIDS folder or a CSV/TSV table, read into participants.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
