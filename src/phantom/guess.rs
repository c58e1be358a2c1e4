//! Region tables of real atlases: tissues and sides guessed from names.

use std::path::Path;

use super::regions::{Region, Tissue};
use crate::{Error, Result};

/// Largest table accepted (bytes).
const LIMIT: u64 = 4 << 20;

/// What a region is made of, by its name. The order of the questions matters: "white
/// matter (without corpus callosum)" is white matter, "extra-ventricular CSF" is outside.
pub fn guess_tissue(name: &str) -> Tissue {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    let word = |w: &str| name.split(|c: char| !c.is_alphanumeric()).any(|part| part == w);
    if has(&["cerebell", "vermis"]) {
        Tissue::Cerebellum
    } else if has(&["brainstem", "brain stem", "pons", "medulla", "midbrain"]) {
        Tissue::Brainstem
    } else if has(&["extra", "external", "subarachnoid"]) && has(&["csf", "fluid", "space"]) {
        Tissue::OuterFluid
    } else if has(&["ventric", "cavum"]) {
        Tissue::Ventricle
    } else if has(&["thalam", "caudate", "lentiform", "putamen", "pallid", "accumbens"])
        || (has(&["deep"]) && has(&["grey", "gray", "gm"]))
    {
        Tissue::DeepGrey
    } else if has(&["white matter"]) || word("wm") {
        Tissue::White
    } else if has(&["callosum"]) {
        Tissue::Callosum
    } else if has(&["cortex", "cortical", "grey matter", "gray matter", "gyrus"]) || word("gm") {
        Tissue::Cortex
    } else if word("csf") {
        Tissue::OuterFluid
    } else {
        Tissue::Other
    }
}

/// The side named at the end of a name, or `M`.
pub fn guess_side(name: &str) -> char {
    let lower = name.to_lowercase();
    match lower.split(|c: char| !c.is_alphanumeric()).rfind(|w| !w.is_empty()) {
        Some("l" | "left" | "lh") => 'L',
        Some("r" | "right" | "rh") => 'R',
        _ if lower.starts_with("left") => 'L',
        _ if lower.starts_with("right") => 'R',
        _ => 'M',
    }
}

/// Reads a region table with columns `index` and `name`, comma- or tab-separated.
///
/// # Errors
/// [`Error::Io`] when unreadable, [`Error::Refused`] `E-PHANTOM-010` when a column is
/// missing or an index is no whole number.
pub fn read_table(path: &Path) -> Result<Vec<Region>> {
    let bytes = crate::files::read_limited(path, LIMIT)?;
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = if first.contains(&b'\t') { b'\t' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&bytes[..]);
    let refuse = |field: &str, seen: String| {
        Error::refused(
            "E-PHANTOM-010",
            path,
            field,
            seen,
            "columns index (whole number) and name",
            "Correct the region table",
        )
    };
    let headers = reader.headers().map_err(|e| refuse("header", e.to_string()))?.clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|h| h.trim() == name)
            .ok_or_else(|| refuse("header", headers.iter().collect::<Vec<_>>().join(", ")))
    };
    let (index, name) = (column("index")?, column("name")?);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| refuse("row", e.to_string()))?;
        let seen = record.get(index).unwrap_or_default();
        let index: i32 = seen.trim().parse().map_err(|_| refuse("index", seen.to_owned()))?;
        let name = record.get(name).unwrap_or_default().trim().to_owned();
        if index > 0 {
            let (side, tissue) = (guess_side(&name), guess_tissue(&name));
            rows.push(Region { index, name, side, tissue });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_real_atlases_are_understood() {
        let cases = [
            ("Frontal Lobe GM - R", Tissue::Cortex, 'R'),
            ("Cingulate Gyrus WM - L", Tissue::White, 'L'),
            ("Extracerebral CSF - L", Tissue::OuterFluid, 'L'),
            ("Lateral Ventricle - R", Tissue::Ventricle, 'R'),
            ("Cavum Septum Pellucidum", Tissue::Ventricle, 'M'),
            ("Intracerebral Background", Tissue::Other, 'M'),
            ("Cerebellar Hemisphere - R", Tissue::Cerebellum, 'R'),
            ("white matter (without corpus callosum)", Tissue::White, 'M'),
            ("ventricles (intra-axial CSF)", Tissue::Ventricle, 'M'),
            ("extra-ventricular CSF", Tissue::OuterFluid, 'M'),
            ("deep grey matter", Tissue::DeepGrey, 'M'),
            ("cortical grey matter", Tissue::Cortex, 'M'),
            ("corpus callosum", Tissue::Callosum, 'M'),
        ];
        for (name, tissue, side) in cases {
            assert_eq!((guess_tissue(name), guess_side(name)), (tissue, side), "{name}");
        }
        for region in super::super::regions::regions() {
            assert_eq!(guess_tissue(&region.name), region.tissue, "{}", region.name);
            assert_eq!(guess_side(&region.name), region.side, "{}", region.name);
        }
    }

    #[test]
    fn a_table_without_an_index_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("regions.csv");
        std::fs::write(&path, "number,name\n1,a\n").expect("written");
        assert_eq!(read_table(&path).expect_err("no index").code(), "E-PHANTOM-010");
    }
}
