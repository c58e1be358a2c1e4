//! What a later audit is compared with: the numbers of a record, rounded and small enough
//! for a repository. [`super::compare`] does the comparing.

use serde::{Deserialize, Serialize};

use super::finding::{COHORT, Cell, Finding};
use super::policy::Verdict;
use super::record::Record;
use crate::{Error, Result};

/// What the file says it is.
pub const KIND: &str = "heatproof baseline";
/// Version of the layout; a change of the first number makes files incompatible.
pub const SCHEMA_VERSION: &str = "1.0.0";
/// Largest number of cells of a coarse map along each axis.
pub const COARSE_EDGE: usize = 16;

/// A baseline file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`KIND`].
    pub kind: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// Program version that made the record.
    pub program_version: String,
    /// Device and number type.
    pub engine: String,
    /// Architecture id.
    pub architecture: String,
    /// Input voxels.
    pub input_shape: [usize; 3],
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// Rule or composite.
    pub rule: String,
    /// What was explained.
    pub start: String,
    /// Subjects by id.
    pub subjects: Vec<SubjectBaseline>,
    /// Numbers of the whole cohort, by check and quantity.
    pub cohort: Vec<CheckValue>,
    /// Overall verdict.
    pub verdict: Verdict,
}

/// One subject of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectBaseline {
    /// Participant id.
    pub id: String,
    /// Explained score, log-odds; this and the next are missing for maps without a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Predicted class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<String>,
    /// SHA-256 of the image file.
    pub image_sha256: String,
    /// Numbers of the checks, by check and quantity.
    pub values: Vec<CheckValue>,
    /// Region names, in the order of the record; empty without regions.
    pub region_names: Vec<String>,
    /// A number per region.
    pub regions: Vec<f64>,
    /// Coarse map, if one was given.
    pub map: Option<CoarseMap>,
}

/// One number of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckValue {
    /// Check id.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// The number, or none where it was not measured.
    pub value: Option<f64>,
    /// The verdict on it.
    pub verdict: Verdict,
}

/// A relevance map averaged over boxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoarseMap {
    /// Participant id.
    pub subject: String,
    /// Boxes along each axis, at most [`COARSE_EDGE`].
    pub shape: [usize; 3],
    /// Mean relevance per box, last axis fastest, unit of the score per voxel.
    pub values: Vec<f64>,
}

/// A number rounded to 9 significant decimal digits; −0 becomes 0.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { 0.0 } else { value };
    }
    format!("{value:.8e}").parse().unwrap_or(value)
}

fn checked(value: f64, what: &str) -> Result<f64> {
    if value.is_finite() {
        return Ok(rounded(value));
    }
    let fix = "Audit again; a baseline holds finite numbers only";
    Err(Error::baseline("E-BASELINE-001", format!("{what} is {value}"), fix))
}

/// Makes a baseline of a record and, where there are any, coarse maps of its subjects.
///
/// # Errors
/// [`Error::Baseline`]: `E-BASELINE-001` for a number that is not finite, `E-BASELINE-002`
/// for a map that is too large, has the wrong number of values, belongs to no subject or
/// comes twice, `E-BASELINE-003` for a record whose judgements do not match its findings
/// or that names a subject or a number twice.
pub fn record(record: &Record, maps: &[CoarseMap]) -> Result<Baseline> {
    let matching =
        record.judgements.len() >= record.findings.len()
            && record.findings.iter().zip(&record.judgements).all(|(f, j)| {
                f.check == j.check && f.quantity == j.quantity && f.subject == j.subject
            });
    if !matching {
        return Err(broken("its judgements do not match its findings"));
    }
    check_maps(record, maps)?;
    let mut subjects = Vec::new();
    for s in &record.subjects {
        let (region_names, regions) = regions(record, &s.id)?;
        let map = maps.iter().find(|m| m.subject == s.id).map(round_map).transpose()?;
        subjects.push(SubjectBaseline {
            id: s.id.clone(),
            score: s.score.map(|v| checked(v, &format!("the score of {}", s.id))).transpose()?,
            predicted: s.predicted.clone(),
            image_sha256: s.image_sha256.clone(),
            values: values(record, &s.id)?,
            region_names,
            regions,
            map,
        });
    }
    subjects.sort_by(|a, b| a.id.cmp(&b.id));
    if subjects.windows(2).any(|w| w[0].id == w[1].id) {
        return Err(broken("a subject occurs twice"));
    }
    let model = record.model.as_ref();
    Ok(Baseline {
        kind: KIND.to_owned(),
        schema_version: SCHEMA_VERSION.to_owned(),
        program_version: record.provenance.version.clone(),
        engine: record.provenance.engine.clone(),
        architecture: model.map_or_else(String::new, |m| m.architecture.clone()),
        input_shape: model.map_or([0; 3], |m| m.input_shape),
        model_sha256: model.map_or_else(String::new, |m| m.sha256.clone()),
        rule: record.explanation.rule.clone(),
        start: record.explanation.start.clone(),
        subjects,
        cohort: values(record, COHORT)?,
        verdict: record.verdict,
    })
}

fn broken(why: &str) -> Error {
    let fix = "Audit again and record the new result";
    Error::baseline("E-BASELINE-003", format!("the record is inconsistent: {why}"), fix)
}

fn check_maps(record: &Record, maps: &[CoarseMap]) -> Result<()> {
    let refuse = |why: String| {
        let fix = format!("Average maps over boxes, at most {COARSE_EDGE} along each axis");
        Err(Error::baseline("E-BASELINE-002", why, fix))
    };
    for (i, map) in maps.iter().enumerate() {
        let CoarseMap { subject, shape, values } = map;
        if shape.iter().any(|n| *n == 0 || *n > COARSE_EDGE) {
            return refuse(format!("the map of {subject} has shape {shape:?}"));
        }
        if values.len() != shape.iter().product::<usize>() {
            return refuse(format!(
                "the map of {subject} has {} values for shape {shape:?}",
                values.len()
            ));
        }
        if !record.subjects.iter().any(|s| s.id == *subject) {
            return refuse(format!("there is a map of {subject}, who was not audited"));
        }
        if maps[..i].iter().any(|m| m.subject == *subject) {
            return refuse(format!("there are two maps of {subject}"));
        }
    }
    Ok(())
}

fn round_map(map: &CoarseMap) -> Result<CoarseMap> {
    let what = format!("a value of the map of {}", map.subject);
    let values = map.values.iter().map(|v| checked(*v, &what)).collect::<Result<_>>()?;
    Ok(CoarseMap { subject: map.subject.clone(), shape: map.shape, values })
}

/// The numbers of one subject. The judgements after the findings (missing results, gates,
/// stale waivers) carry no number but their verdict must not be lost.
fn values(record: &Record, subject: &str) -> Result<Vec<CheckValue>> {
    let mut out: Vec<CheckValue> = Vec::new();
    for (i, j) in record.judgements.iter().enumerate().filter(|(_, j)| j.subject == subject) {
        let what = format!("{}/{} of {subject}", j.check, j.quantity);
        let number = record.findings.get(i).and_then(|f| f.outcome.value());
        let value = number.map(|v| checked(v, &what)).transpose()?;
        let own = CheckValue {
            check: j.check.clone(),
            quantity: j.quantity.clone(),
            value,
            verdict: j.verdict,
        };
        match out.iter_mut().find(|v| v.check == own.check && v.quantity == own.quantity) {
            // Several gates or waivers: the worst stands for them.
            Some(old) if i >= record.findings.len() => old.verdict = old.verdict.max(own.verdict),
            Some(_) => return Err(broken(&format!("{what} occurs twice"))),
            None => out.push(own),
        }
    }
    out.sort_by(|a, b| (&a.check, &a.quantity).cmp(&(&b.check, &b.quantity)));
    Ok(out)
}

/// The series or table `regions` of the subject's `region_mass` findings.
fn regions(record: &Record, subject: &str) -> Result<(Vec<String>, Vec<f64>)> {
    let own = record.findings.iter().filter(|f| f.check == "region_mass" && f.subject == subject);
    let Some((names, numbers)) = own.filter_map(region_rows).next() else {
        return Ok((Vec::new(), Vec::new()));
    };
    let what = format!("a region of {subject}");
    let numbers = numbers.into_iter().map(|v| checked(v, &what)).collect::<Result<_>>()?;
    Ok((names, numbers))
}

fn region_rows(finding: &Finding) -> Option<(Vec<String>, Vec<f64>)> {
    if let Some(s) = finding.series.iter().find(|s| s.name == "regions") {
        return (s.labels.len() == s.y.len()).then(|| (s.labels.clone(), s.y.clone()));
    }
    let table = finding.tables.iter().find(|t| t.name == "regions")?;
    // First text and first number of each row; rows without a number carry no value.
    let rows = table.rows.iter().filter_map(|row| {
        let name = row.iter().find_map(|c| match c {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        })?;
        let number = row.iter().find_map(|c| match c {
            Cell::Number(value) => Some(*value),
            _ => None,
        })?;
        Some((name, number))
    });
    Some(rows.unzip())
}

impl Baseline {
    /// Reads a baseline file's text; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Baseline`]: `E-BASELINE-004` for text that is no baseline of this layout.
    pub fn from_json(text: &str, source: &str) -> Result<Self> {
        let fix = "Record a baseline with this version of the program";
        let refuse = |why: String| {
            Error::baseline("E-BASELINE-004", format!("{source} is no usable baseline: {why}"), fix)
        };
        // The version first: another layout should be named as such, not as a stray field.
        let head: serde_json::Value =
            serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
        let word = |key: &str| head.get(key).and_then(|v| v.as_str()).unwrap_or("").to_owned();
        if word("kind") != KIND {
            return Err(refuse(format!("its kind is \"{}\"", word("kind"))));
        }
        if major(&word("schema_version")) != major(SCHEMA_VERSION) {
            let seen = word("schema_version");
            return Err(refuse(format!("its layout is {seen}, this program has {SCHEMA_VERSION}")));
        }
        serde_json::from_value(head).map_err(|e| refuse(e.to_string()))
    }

    /// The file's text: one number per line would bloat it, so subjects are not indented.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string(self)
            .map_err(|e| Error::internal(format!("writing a baseline: {e}")))?;
        // A line per subject keeps differences in a repository readable.
        Ok(text.replace("},{\"id\":", "},\n{\"id\":") + "\n")
    }
}

/// The first number of a version.
pub(super) fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or("")
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
