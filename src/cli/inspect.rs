//! `heatproof inspect`: what an image file holds.

use std::path::{Path, PathBuf};

use super::exit::ExitCode;
use super::term;
use crate::Result;
use crate::image::nifti::{Inspection, inspect};

/// Describe a NIfTI file, also one that would be refused
///
/// The exit code is 4 when the file cannot be used as an image.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof inspect scan.nii.gz --json")]
pub struct Args {
    /// NIfTI-1 or NIfTI-2 file, also gzipped
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the description.
///
/// # Errors
/// Those of [`inspect`].
pub fn run(args: &Args) -> Result<ExitCode> {
    let found = inspect(&args.file)?;
    if args.json {
        term::json(&found)?;
    } else {
        term::out(&words(&args.file, &found))?;
    }
    match &found.refusal {
        Some(refusal) => {
            term::complain(refusal);
            Ok(ExitCode::Input)
        }
        None => Ok(ExitCode::Success),
    }
}

fn words(file: &Path, found: &Inspection) -> String {
    let number = |v: Option<f64>| v.map_or("unknown".to_owned(), |v| format!("{v:.6}"));
    let shape: Vec<String> = found.shape.iter().map(usize::to_string).collect();
    let spacing = found.spacing_mm.map(|v| format!("{v:.4}"));
    let mut rows = vec![
        ("file", file.display().to_string()),
        ("format", format!("NIfTI-{}", found.nifti_version)),
        ("shape", shape.join(" x ")),
        ("spacing", format!("{} mm", spacing.join(" x "))),
        ("axes", found.axes.clone()),
        ("datatype", found.datatype.clone()),
        ("range", format!("{} to {}", number(found.min), number(found.max))),
        ("sum", number(found.sum)),
        ("not finite", found.nonfinite.map_or("unknown".to_owned(), |n| n.to_string())),
        ("sform, qform", format!("{}, {}", found.sform_code, found.qform_code)),
    ];
    for row in &found.affine {
        let cells = row.map(|v| format!("{:>12}", v.map_or("?".to_owned(), |v| format!("{v:.4}"))));
        rows.push(("affine", cells.join(" ")));
    }
    if !found.description.is_empty() {
        rows.push(("description", found.description.clone()));
    }
    rows.extend(found.warnings.iter().map(|w| ("warning", w.clone())));
    rows.iter().map(|(name, value)| format!("{name:<12}  {}\n", safe(value))).collect()
}

/// Text of a file never steers the terminal.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
