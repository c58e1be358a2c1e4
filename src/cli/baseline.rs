//! `heatproof baseline`: numbers kept, and a later audit compared with them.

use std::path::{Component, Path, PathBuf};

use super::exit::ExitCode;
use super::term;
use crate::audit::baseline::{self, Baseline, CoarseMap};
use crate::audit::compare::{Change, Tolerances, compare};
use crate::image::nifti;
use crate::report::dossier;
use crate::{Error, Result, files};

/// Largest baseline that is read.
const LARGEST: u64 = 64 << 20;
/// Changed numbers that are printed.
const PRINTED: usize = 40;

/// Keep the numbers of an audit, or compare an audit with kept ones
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof baseline check audit baseline.json")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Keep the numbers of an audit folder in a small file
    #[command(after_help = "Example:\n  heatproof baseline record audit baseline.json")]
    Record {
        /// Folder of an audit
        out: PathBuf,
        /// Baseline to write
        file: PathBuf,
    },
    /// Compare an audit folder with a baseline; the exit code is 0, 8 (moved), 9 (flipped)
    /// or 6 (no usable baseline)
    #[command(after_help = "Example:\n  heatproof baseline check audit baseline.json --json")]
    Check {
        /// Folder of an audit
        out: PathBuf,
        /// Baseline to compare with
        file: PathBuf,
        /// Print the whole comparison as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Records or checks.
///
/// # Errors
/// Those of the record, the baseline and the comparison.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::Record { out, file } => {
            let kept = numbers(out)?;
            files::write_whole(file, kept.to_json()?.as_bytes())?;
            let n = kept.subjects.len();
            term::out(&format!("numbers of {n} subjects in {}\n", file.display()))?;
            Ok(ExitCode::Success)
        }
        Action::Check { out, file, json } => {
            let old = read(file)?;
            let new = numbers(out)?;
            let found = compare(&old, &new, Tolerances::default())?;
            if *json {
                term::json(&found)?;
            } else {
                term::out(&found.describe(PRINTED))?;
            }
            Ok(code(found.worst))
        }
    }
}

/// The numbers of an audit folder, with its maps averaged over boxes.
fn numbers(out: &Path) -> Result<Baseline> {
    let record = dossier::read(out)?;
    let mut maps = Vec::new();
    for subject in &record.subjects {
        let Some(name) = &subject.map else { continue };
        let inside = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        if !inside {
            let fix = "Run the audit again";
            let what = format!("the map of {} lies outside the audit: {name}", subject.id);
            return Err(Error::baseline("E-BASELINE-009", what, fix));
        }
        let map = nifti::read_volume(&out.join(name))?.image;
        maps.push(CoarseMap::of(&subject.id, &map));
    }
    baseline::record(&record, &maps)
}

fn code(worst: Change) -> ExitCode {
    match worst {
        Change::Same | Change::MovedWithinNoise => ExitCode::Success,
        Change::New | Change::Moved | Change::Deleted => ExitCode::Moved,
        Change::VerdictFlipped => ExitCode::Flipped,
    }
}

fn read(path: &Path) -> Result<Baseline> {
    let unusable = |why: String| {
        let fix = "Record one with `heatproof baseline record`";
        Error::baseline("E-BASELINE-008", format!("{}: {why}", path.display()), fix)
    };
    let bytes = files::read_limited(path, LARGEST).map_err(|e| unusable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8".to_owned()))?;
    Baseline::from_json(&text, &path.display().to_string())
}
