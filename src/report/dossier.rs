//! The run folder: `report.json`, `figures/*.png`, `report.html` and `SHA256SUMS`.

use std::path::Path;

use super::figures::{FIGURES, Place};
use super::scene::{Anchor, Item, Scene, Text};
use super::{colour, html, png};
use crate::audit::record::{Record, SCHEMA_VERSION};
use crate::card::Card;
use crate::files;
use crate::{Error, Result};

/// What `kind` of a record says.
pub const KIND: &str = "heatproof audit record";
/// Largest `report.json` that is read.
const LARGEST: u64 = 256 << 20;
const RECORD: &str = "report.json";
const PAGE: &str = "report.html";
const SUMS: &str = "SHA256SUMS";
const FIGURE_FOLDER: &str = "figures";

/// A figure drawn: what the page needs to place it.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Stem of the file name.
    pub stem: String,
    /// What the figure says of itself.
    pub card: &'static Card,
    /// Where it stands.
    pub place: Place,
    /// Checks it belongs to.
    pub checks: Vec<String>,
    /// Title.
    pub title: String,
    /// The figure in words.
    pub alt: String,
    /// Width and height in page pixels.
    pub size: [f64; 2],
    /// PNG bytes.
    pub png: Vec<u8>,
}

/// Writes the folder. Figures of an earlier run that are no longer drawn are removed.
///
/// # Errors
/// When a figure cannot be drawn or a file cannot be written.
pub fn write(record: &Record, cards: &[&'static Card], out: &Path) -> Result<()> {
    let json = to_json(record)?;
    let drawn = draw(record)?;
    let page = html::render(record, cards, &drawn)?;
    remove_stale(out, &drawn)?;
    let mut sums: Vec<(String, String)> = Vec::new();
    let mut put = |name: String, bytes: &[u8]| -> Result<()> {
        files::write_whole(&out.join(&name), bytes)?;
        sums.push((name, files::sha256_hex(bytes)));
        Ok(())
    };
    put(RECORD.to_owned(), json.as_bytes())?;
    for figure in &drawn {
        put(format!("{FIGURE_FOLDER}/{}.png", figure.stem), &figure.png)?;
    }
    put(PAGE.to_owned(), page.as_bytes())?;
    sums.sort();
    let list: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    files::write_whole(&out.join(SUMS), list.as_bytes())
}

/// Reads the record of a folder.
///
/// # Errors
/// [`Error::Refused`] when it is too large, is not a record, or has another major version.
pub fn read(out: &Path) -> Result<Record> {
    let path = out.join(RECORD);
    let bytes = files::read_limited(&path, LARGEST)?;
    let refuse = |code, field: &str, seen: String, allowed: &str, fix: &str| {
        Error::refused(code, &path, field, seen, allowed, fix)
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| {
        let fix = "Take the report.json that this program wrote, or run the audit again";
        refuse("E-REPORT-001", "content", e.to_string(), "JSON", fix)
    })?;
    let text = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or("missing").to_owned();
    if text("kind") != KIND {
        let fix = "Name the folder of an audit";
        return Err(refuse("E-REPORT-002", "kind", text("kind"), KIND, fix));
    }
    let version = text("schema_version");
    if major(&version) != major(SCHEMA_VERSION) {
        let fix = "Read it with the program version that wrote it, or run the audit again";
        return Err(refuse("E-REPORT-003", "schema_version", version, SCHEMA_VERSION, fix));
    }
    serde_json::from_value(value).map_err(|e| {
        let fix = "The file was edited or cut off; run the audit again";
        refuse("E-REPORT-004", "content", e.to_string(), "an audit record", fix)
    })
}

/// Draws figures and page of a folder again from its `report.json`.
///
/// # Errors
/// As [`read`] and [`write()`].
pub fn redraw(out: &Path, cards: &[&'static Card]) -> Result<()> {
    write(&read(out)?, cards, out)
}

/// The record as written: indented, keys in the order of the types, newline at the end.
///
/// # Errors
/// [`Error::Internal`] when a number is not finite or the record cannot be written as JSON.
pub fn to_json(record: &Record) -> Result<String> {
    let text = serde_json::to_string_pretty(record).map_err(|e| Error::internal(e.to_string()))?;
    serde_json::from_str::<Record>(&text).map_err(|e| {
        Error::internal(format!(
            "the record does not read back (a number that is not finite?): {e}"
        ))
    })?;
    Ok(text + "\n")
}

/// Draws every figure that the record holds data for.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn draw(record: &Record) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    for finding in &record.findings {
        if !ids.contains(&finding.check.as_str()) {
            ids.push(&finding.check);
        }
    }
    for figure in FIGURES {
        for (stem, mut scene) in figure.scenes(record)? {
            if record.data.synthetic {
                mark_synthetic(&mut scene);
            }
            let png = png::draw(&scene, &record.provenance)?;
            let Scene { title, alt, size, .. } = scene;
            let own = ids.iter().filter(|id| figure.belongs(&stem, id));
            let checks = own.map(|id| (*id).to_owned()).collect();
            let (card, place) = (figure.card(), figure.place());
            drawn.push(Drawn { stem, card, place, checks, title, alt, size, png });
        }
    }
    Ok(drawn)
}

/// A picture that travels without its page still says that no patient is on it.
fn mark_synthetic(scene: &mut Scene) {
    let at = [scene.size[0] - 20.0, 23.0];
    let words = Text::new(at, "SYNTHETIC DATA", 10.0).colour(colour::CAUTION);
    scene.items.push(Item::Text(words.anchor(Anchor::End)));
    scene.alt.push_str(" Synthetic data.");
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// Removes figures that an earlier run listed in its sums and that are no longer drawn, so
/// that no picture of another record stays behind. Nothing else is touched.
fn remove_stale(out: &Path, drawn: &[Drawn]) -> Result<()> {
    let sums = out.join(SUMS);
    if !sums.is_file() {
        return Ok(());
    }
    let list = files::read_limited(&sums, 1 << 20)?;
    for line in String::from_utf8_lossy(&list).lines() {
        let name = line.get(66..).and_then(|name| name.strip_prefix("figures/"));
        let Some(stem) = name.and_then(|name| name.strip_suffix(".png")) else { continue };
        if super::stem::safe(stem) != stem || drawn.iter().any(|d| d.stem == stem) {
            continue;
        }
        let path = out.join(FIGURE_FOLDER).join(format!("{stem}.png"));
        if path.is_file() {
            std::fs::remove_file(&path).map_err(|e| Error::io("removing", &path, e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_folder_reads_back_and_its_sums_hold() {
        let folder = tempfile::tempdir().expect("temp folder");
        let mut record = sample::record(2);
        write(&record, sample::CARDS, folder.path()).expect("written");
        assert_eq!(read(folder.path()).expect("read"), record);
        let page = std::fs::read(folder.path().join(PAGE)).expect("page");
        redraw(folder.path(), sample::CARDS).expect("redrawn");
        assert!(page == std::fs::read(folder.path().join(PAGE)).expect("page"), "same page");
        record.subjects.truncate(1);
        write(&record, sample::CARDS, folder.path()).expect("written again");
        let sums = std::fs::read_to_string(folder.path().join(SUMS)).expect("sums");
        let listed: Vec<&str> = sums.lines().map(|l| &l[66..]).collect();
        for line in sums.lines() {
            let sum = files::sha256_file(&folder.path().join(&line[66..])).expect("file");
            assert_eq!(sum, line[..64]);
        }
        let figures = std::fs::read_dir(folder.path().join(FIGURE_FOLDER)).expect("figures");
        assert_eq!(figures.count(), listed.len() - 2, "no stale figure stays");
    }

    #[test]
    fn odd_records_still_draw() {
        let mut record = sample::record(1);
        let line = record.subjects[0].ledger[0].clone();
        let layer = |i| crate::audit::record::LedgerLine { layer: format!("l{i}"), ..line.clone() };
        record.subjects[0].ledger = (0..300).map(layer).collect();
        record.subjects[0].ledger[7].received = 0.0;
        record.subjects[0].picture.slices[0].anatomy = "not base64!".to_owned();
        let series = &mut record.findings[0].series[0];
        series.labels = (0..500).map(|i| format!("stage {i}")).collect();
        series.y = (0..500).map(|i| f64::from(i) * 1e300).collect();
        series.low = vec![f64::MIN];
        series.high = vec![f64::MAX];
        assert!(draw(&record).expect("drawn").len() > 5);
        record.findings[0].outcome =
            crate::audit::finding::Outcome::Measured { value: f64::NAN, interval: None };
        assert!(to_json(&record).is_err(), "a number that is not finite is never written");
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join(RECORD);
        for (text, code) in [
            ("[", "E-REPORT-001"),
            ("{\"kind\":\"x\"}", "E-REPORT-002"),
            ("{\"kind\":\"heatproof audit record\",\"schema_version\":\"9.0.0\"}", "E-REPORT-003"),
            ("{\"kind\":\"heatproof audit record\",\"schema_version\":\"1.9.0\"}", "E-REPORT-004"),
        ] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(read(folder.path()).expect_err("refused").code(), code);
        }
    }

    #[test]
    fn figures_decode_and_are_byte_identical() {
        let record = sample::record(1);
        let first = draw(&record).expect("drawn");
        let second = draw(&record).expect("drawn");
        let mut stems: Vec<&str> = first.iter().map(|d| d.stem.as_str()).collect();
        stems.sort_unstable();
        stems.dedup();
        assert_eq!(stems.len(), first.len(), "stems are unique");
        for (a, b) in first.iter().zip(&second) {
            assert!(a.png == b.png, "{} differs between two draws", a.stem);
            let decoder = ::png::Decoder::new(std::io::Cursor::new(a.png.as_slice()));
            let mut reader = decoder.read_info().expect("header");
            let mut pixels = vec![0; reader.output_buffer_size().expect("size")];
            let info = reader.next_frame(&mut pixels).expect("pixels");
            assert_eq!(info.width, a.size[0].ceil() as u32 * png::SCALE);
            assert!(pixels.iter().any(|p| *p < 128), "{} is blank", a.stem);
        }
        let drawn: Vec<&str> = first.iter().map(|d| d.card.id).collect();
        for figure in FIGURES {
            assert!(drawn.contains(&figure.card().id), "sample draws {}", figure.card().id);
        }
    }

    #[test]
    fn an_empty_record_gives_no_figure_and_a_page() {
        let record = sample::empty();
        let drawn = draw(&record).expect("no error");
        assert!(drawn.is_empty());
        let page = html::render(&record, &[], &drawn).expect("page");
        assert!(page.contains("</html>"));
    }
}
