//! Delimited text tables (CSV, TSV): one header row, every row as long as the header.

use std::path::{Path, PathBuf};

use crate::{Error, Result, files};

/// No table of subjects or regions is larger than this many bytes.
const LIMIT: u64 = 64 << 20;

/// A table in memory: column names and rows of text, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The file.
    pub path: PathBuf,
    /// Column names, in order; all different.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// Line of the file each row begins on, from 1.
    pub lines: Vec<u64>,
}

impl Sheet {
    /// Reads a table. The delimiter is a tab for `.tsv`, a comma for `.csv`, otherwise
    /// whichever of the two the first line has more of. A byte order mark, CRLF line ends,
    /// quoted fields and blank lines are understood.
    ///
    /// # Errors
    /// [`Error::Io`] when unreadable; [`Error::Refused`] `E-TABLE-001` (not UTF-8 text),
    /// `E-TABLE-002` (no columns, an empty or repeated column name), `E-TABLE-003` (a row
    /// with more or fewer fields than the header, with its line).
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read_limited(path, LIMIT)?;
        let text = text_of(path, &bytes)?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(path, text))
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let columns: Vec<String> = match reader.headers() {
            Ok(names) => names.iter().map(str::to_owned).collect(),
            Err(error) => return Err(ragged(path, text, &error)),
        };
        check_columns(path, &columns)?;
        let mut sheet =
            Self { path: path.to_path_buf(), columns, rows: Vec::new(), lines: Vec::new() };
        let mut counter = Lines { text, at: 0, line: 1 };
        for record in reader.records() {
            let record = record.map_err(|error| ragged(path, text, &error))?;
            sheet.lines.push(record.position().map_or(0, |p| counter.line_of(p.byte())));
            sheet.rows.push(record.iter().map(str::to_owned).collect());
        }
        Ok(sheet)
    }

    /// Position of the first column named like one of `names`, regardless of case.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|n| self.columns.iter().position(|c| c.eq_ignore_ascii_case(n)))
    }

    /// As [`Self::column`], refusing a table without it.
    ///
    /// # Errors
    /// [`Error::Refused`] `E-TABLE-004`, listing the columns seen.
    pub fn need(&self, names: &[&str]) -> Result<usize> {
        self.column(names).ok_or_else(|| {
            Error::refused(
                "E-TABLE-004",
                &self.path,
                "columns",
                self.columns.join(", "),
                format!("a column named {}", names.join(" or ")),
                "Add the column, or rename the one that holds it",
            )
        })
    }
}

/// True for what tables write where a value is missing.
pub fn is_missing(value: &str) -> bool {
    let value = value.trim();
    value.is_empty()
        || ["n/a", "na", "nan", "null", "none"].iter().any(|m| value.eq_ignore_ascii_case(m))
}

fn text_of<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let seen = if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        "UTF-16".to_owned()
    } else if text.contains(&0) {
        "binary".to_owned()
    } else {
        match std::str::from_utf8(text) {
            Ok(text) => return Ok(text),
            Err(error) => format!("not UTF-8 at byte {}", error.valid_up_to()),
        }
    };
    Err(Error::refused(
        "E-TABLE-001",
        path,
        "encoding",
        seen,
        "UTF-8 text",
        "Save the table as \"CSV UTF-8\" or as tab-separated UTF-8 text",
    ))
}

fn delimiter(path: &Path, text: &str) -> u8 {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("tsv") => b'\t',
        Some("csv") => b',',
        _ => {
            let first = text.lines().next().unwrap_or_default();
            if first.matches('\t').count() > first.matches(',').count() { b'\t' } else { b',' }
        }
    }
}

fn check_columns(path: &Path, columns: &[String]) -> Result<()> {
    let refuse = |seen: String, fix: &str| {
        Err(Error::refused(
            "E-TABLE-002",
            path,
            "first line",
            seen,
            "different, non-empty column names",
            fix,
        ))
    };
    if columns.is_empty() {
        return refuse("empty".into(), "Give the table a first line of column names");
    }
    if let [only] = columns
        && only.contains(';')
    {
        return refuse(
            format!("{only:?}"),
            "Separate columns by commas (.csv) or tabs (.tsv), not by semicolons",
        );
    }
    for (at, name) in columns.iter().enumerate() {
        if name.is_empty() {
            return refuse(format!("empty in column {}", at + 1), "Name every column");
        }
        if columns[..at].iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return refuse(format!("{name:?} twice"), "Remove or rename one of the two");
        }
    }
    Ok(())
}

/// Lines of byte positions that only grow. The reader's own count stands before the line
/// ends that it skips, so it is wrong after blank lines and CRLF.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(&b) = bytes.get(self.at)
            && (self.at < byte || b == b'\r' || b == b'\n')
        {
            self.line += u64::from(b == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn ragged(path: &Path, text: &str, error: &csv::Error) -> Error {
    let at = error.position().map_or(0, csv::Position::byte);
    let line = Lines { text, at: 0, line: 1 }.line_of(at);
    let (seen, allowed) = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            (format!("{len} fields"), format!("{expected_len} fields, as in the first line"))
        }
        other => (format!("{other:?}"), "a row of text".to_owned()),
    };
    Error::refused(
        "E-TABLE-003",
        path,
        format!("line {line}"),
        seen,
        allowed,
        "Correct that line; quote fields that contain the delimiter",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(name: &str, bytes: &[u8]) -> Result<Sheet> {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("write");
        Sheet::read(&path)
    }

    #[test]
    fn mark_crlf_quotes_and_blank_lines_are_understood() {
        let s = sheet("a.csv", b"\xef\xbb\xbfid,note\r\n1,\"a, \"\"b\"\"\"\r\n\r\n2,c\r\n")
            .expect("read");
        assert_eq!(s.columns, ["id", "note"]);
        assert_eq!(s.rows, [["1", "a, \"b\""], ["2", "c"]]);
        assert_eq!(s.lines, [2, 4]);
    }

    #[test]
    fn a_ragged_row_is_refused_with_its_line() {
        let error = sheet("a.tsv", b"id\tx\n1\t2\n3\n").expect_err("ragged");
        assert_eq!(error.code(), "E-TABLE-003");
        assert!(error.to_string().contains("line 3"), "{error}");
        assert!(error.to_string().contains("1 fields"), "{error}");
    }

    #[test]
    fn wrong_encodings_and_bad_headers_are_refused() {
        for (bytes, code) in [
            (&b"\xff\xfei\0d\0"[..], "E-TABLE-001"),
            (b"id,\xe9\n", "E-TABLE-001"),
            (b"", "E-TABLE-002"),
            (b"id,ID\n", "E-TABLE-002"),
            (b"id,\n", "E-TABLE-002"),
            (b"id;age\n1;2\n", "E-TABLE-002"),
        ] {
            assert_eq!(sheet("a.csv", bytes).expect_err("refused").code(), code, "{bytes:?}");
        }
    }
}
