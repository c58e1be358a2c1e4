//! `heatproof predict`: trained networks applied to a cohort.

use std::path::PathBuf;

use super::apart::outside_model;
use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::Result;
use crate::cohort::Cohort;
use crate::progress::Progress;
use crate::train::apply::{Applied, apply, write};
use crate::train::models::Models;

/// Remarks that are printed; all are counted.
const PRINTED: usize = 10;

/// Predict the class of every subject of a data set
///
/// Each subject is judged by the networks that never saw it in training, and the mean of
/// their log-odds counts. Writes predictions.tsv and, where the data say the class,
/// metrics.json. The exit code is 3 when some images could not be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof predict model scans.csv predictions")]
pub struct Args {
    /// Folder of a training, or one fold-K folder of it
    model: PathBuf,
    /// BIDS folder or table
    data: PathBuf,
    /// Folder to write
    out: PathBuf,
}

/// Predicts and prints the metrics.
///
/// # Errors
/// `E-CLI-013` for an OUT in the model's folder; those of the readers, [`apply`] and [`write()`].
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    outside_model(&args.model, "OUT", &args.out)?;
    let models = Models::load(&args.model)?;
    let cohort = Cohort::read(&args.data)?;
    let applied = apply(&models, &cohort, terminal)?;
    write(&applied, &args.out)?;
    for (id, why) in &applied.failed {
        term::complain(&format!("{id} could not be used: {why}"));
    }
    for note in cohort.notes.iter().chain(&applied.notes).take(PRINTED) {
        terminal.say(&format!("note: {note}"));
    }
    term::out(&words(&applied))?;
    Ok(if applied.failed.is_empty() { ExitCode::Success } else { ExitCode::Partial })
}

fn words(applied: &Applied) -> String {
    let mut text = format!("{} subjects predicted\n", applied.rows.len());
    for line in &applied.metrics {
        text.push_str(&super::train::line(line));
    }
    text
}
