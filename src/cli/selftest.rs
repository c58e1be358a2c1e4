//! `heatproof selftest`: the audit audited.

use std::path::PathBuf;

use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::audit::selftest::{self, Row};
use crate::{Error, Result, files};

/// Plant defects in phantoms, networks and maps, and see whether the audit catches each
///
/// Each defect must be caught by the check meant for it, judged by the built-in policy; sound
/// cases must pass every check. Takes a few minutes and needs no data. Exit code 0 when all of it
/// holds, 1 when not: then verdicts of this program on this machine are not to be trusted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof selftest\n  heatproof selftest --json selftest.json")]
pub struct Args {
    /// Write the table as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs all trials and prints the table.
///
/// # Errors
/// Those of the trials, and of writing.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let folder = tempfile::tempdir()
        .map_err(|e| Error::io("making a folder in", std::env::temp_dir(), e))?;
    let rows = selftest::run(folder.path(), terminal)?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|e| Error::internal(format!("the table as JSON: {e}")))?;
        files::write_whole(path, text.as_bytes())?;
    }
    term::out(&table(&rows))?;
    let wrong = rows.iter().filter(|r| !r.ok).count();
    Ok(if wrong == 0 { ExitCode::Success } else { ExitCode::Failed })
}

/// The table as Markdown, and a sentence.
fn table(rows: &[Row]) -> String {
    let mut text = String::from("| planted | meant to catch it | |\n| --- | --- | --- |\n");
    for row in rows {
        let word = if row.ok { "yes" } else { "NO" };
        text.push_str(&format!("| {} | `{}` | {word} |\n", row.planted, row.meant));
    }
    for row in rows.iter().filter(|r| !r.ok) {
        text.push_str(&format!("\n{}: {}\n", row.trial, row.seen));
    }
    let good = rows.iter().filter(|r| r.ok).count();
    text.push_str(&format!("\n{good} of {} trials as they must be\n", rows.len()));
    text
}
