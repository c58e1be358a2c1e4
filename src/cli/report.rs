//! `heatproof report`: figures and page again.

use std::path::PathBuf;

use super::exit::ExitCode;
use super::{check_cards, term};
use crate::Result;
use crate::report::dossier;

/// Draw figures and page of an audit folder again from its report.json
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof report audit")]
pub struct Args {
    /// Folder of an audit
    out: PathBuf,
}

/// Draws.
///
/// # Errors
/// Those of [`dossier::redraw`].
pub fn run(args: &Args) -> Result<ExitCode> {
    dossier::redraw(&args.out, check_cards())?;
    term::out(&format!("{}\n", args.out.join("report.html").display()))?;
    Ok(ExitCode::Success)
}
