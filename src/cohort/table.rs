//! CSV and TSV tables of subjects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Cohort, Participant, description, no_images, stem};
use crate::sheet::{Sheet, is_missing};
use crate::{Error, Result};

/// Columns that are not covariates.
struct Columns {
    id: usize,
    image: usize,
    labels: Option<usize>,
    mask: Option<usize>,
    truth: Option<usize>,
    subject: Option<usize>,
}

impl Columns {
    fn find(sheet: &Sheet) -> Result<Self> {
        Ok(Self {
            id: sheet.need(&["participant_id", "id"])?,
            image: sheet.need(&["image"])?,
            labels: sheet.column(&["labels"]),
            mask: sheet.column(&["mask"]),
            truth: sheet.column(&["truth"]),
            subject: sheet.column(&["subject"]),
        })
    }

    fn is_covariate(&self, column: usize) -> bool {
        let named = [self.labels, self.mask, self.truth, self.subject];
        column != self.id && column != self.image && !named.contains(&Some(column))
    }
}

/// Reads a table of subjects.
pub(super) fn read(path: &Path) -> Result<Cohort> {
    let sheet = Sheet::read(path)?;
    let columns = Columns::find(&sheet)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut participants = Vec::with_capacity(sheet.rows.len());
    let mut seen = BTreeSet::new();
    for (row, &line) in sheet.rows.iter().zip(&sheet.lines) {
        let id = row[columns.id].clone();
        if is_missing(&id) || !seen.insert(id.clone()) {
            return Err(Error::refused(
                "E-COHORT-002",
                path,
                format!("{} in line {line}", sheet.columns[columns.id]),
                if is_missing(&id) { "missing".into() } else { format!("{id:?}, seen before") },
                "each id once; several scans of one subject share the column \"subject\"",
                "Give every row its own id",
            ));
        }
        let file = |column: Option<usize>| -> Result<Option<PathBuf>> {
            column
                .filter(|&c| !is_missing(&row[c]))
                .map(|c| resolve(&sheet, folder, c, &row[c], line))
                .transpose()
        };
        let image = file(Some(columns.image))?
            .ok_or_else(|| missing(&sheet, columns.image, line, "empty".into(), ""))?;
        let said = columns.subject.map(|c| row[c].clone()).filter(|s| !is_missing(s));
        participants.push(Participant {
            subject: said.unwrap_or_else(|| id.clone()),
            id,
            image,
            labels: file(columns.labels)?,
            mask: file(columns.mask)?,
            truth: file(columns.truth)?,
            covariates: covariates(&sheet, &columns, row),
        });
    }
    if participants.is_empty() {
        return Err(no_images(path, "no rows"));
    }
    let mut notes = Vec::new();
    let regions = regions(path, folder, &mut notes)?;
    let (name, synthetic) = description(folder)?;
    let name = name.unwrap_or_else(|| stem(path));
    Ok(Cohort { name, participants, regions, synthetic, notes })
}

fn covariates(sheet: &Sheet, columns: &Columns, row: &[String]) -> BTreeMap<String, String> {
    let cells = sheet.columns.iter().zip(row).enumerate();
    cells
        .filter(|(c, _)| columns.is_covariate(*c))
        .map(|(_, (name, value))| (name.clone(), value.clone()))
        .collect()
}

fn missing(sheet: &Sheet, column: usize, line: u64, seen: String, hint: &str) -> Error {
    Error::refused(
        "E-COHORT-003",
        &sheet.path,
        format!("{} in line {line}", sheet.columns[column]),
        seen,
        "an existing file, relative to the folder of the table",
        format!("Correct the path or remove the row{hint}"),
    )
}

/// The path of a cell. Absolute paths and paths out of the folder are allowed where the file
/// exists; otherwise they are the likely mistake, and named as such.
fn resolve(sheet: &Sheet, folder: &Path, column: usize, cell: &str, line: u64) -> Result<PathBuf> {
    let path = folder.join(cell);
    if path.is_file() {
        return Ok(path);
    }
    let given = Path::new(cell);
    let hint = if given.is_absolute() {
        "; the path is absolute, so it holds on one computer only: write it relative to the table"
    } else if given.components().any(|c| c == std::path::Component::ParentDir) {
        "; the path leaves the folder of the table by \"..\": was the table moved?"
    } else {
        ""
    };
    let kind = if path.is_dir() { "a folder" } else { "no such file" };
    Err(missing(sheet, column, line, format!("{cell:?} ({kind})"), hint))
}

/// The lookup table of regions beside the table of subjects.
fn regions(path: &Path, folder: &Path, notes: &mut Vec<String>) -> Result<Option<PathBuf>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let own = [format!("{stem}_regions.csv"), "regions.csv".into(), "dseg.tsv".into()];
    if let Some(found) = own.iter().map(|n| folder.join(n)).find(|p| p.is_file()) {
        return Ok(Some(found));
    }
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let io = |e| Error::io("reading", here, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(here).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if name.to_string_lossy().ends_with("_regions.csv") {
            found.push(folder.join(name));
        }
    }
    found.sort();
    if found.len() > 1 {
        let first = found[0].display();
        notes.push(format!("{} region tables beside the table; {first} used", found.len()));
    }
    Ok(found.into_iter().next())
}
