//! `heatproof train`: a network per fold, judged on the subjects it never saw.

use std::path::PathBuf;

use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::cohort::{Cohort, Target};
use crate::compute::Precision;
use crate::image::normalise::{self, Method, Outside};
use crate::train::prepare::InputChoice;
use crate::train::run::{RunSettings, TrainSummary, cross_validate};
use crate::train::settings::Settings;
use crate::train::write::MetricLine;
use crate::{Result, files};

/// Train a classifier and test it on held-out subjects
///
/// DATA is a BIDS folder, or a CSV/TSV table with the columns participant_id (or id), image
/// and optionally labels, mask; other columns are covariates. An interrupted run goes on
/// where it stopped when the same command is given again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  heatproof train cohort model --target group=preterm --folds 5\n  \
    heatproof train scans.csv model --target 'age_years>=45' --spacing 4"
)]
pub struct Args {
    /// BIDS folder or table
    data: PathBuf,
    /// Folder to write
    out: PathBuf,
    /// What to tell apart: column=value or column>=number (also !=, >, <, <=)
    #[arg(long, value_name = "CONDITION")]
    target: String,
    /// Folds by subject; 1 holds out a quarter once
    #[arg(long, default_value_t = 5, value_name = "K")]
    folds: usize,
    /// Voxel size of the network's input in mm
    #[arg(long, default_value_t = 3.0, value_name = "MM")]
    spacing: f64,
    /// Architecture: compact or boehle2019
    #[arg(long, default_value = "compact", value_name = "NAME")]
    architecture: String,
    /// Networks fitted from different starts per fold; the model is their mean
    #[arg(long, default_value_t = 1, value_name = "N")]
    members: usize,
    /// How intensities are put on one scale: z_score, robust_z or none
    #[arg(long, default_value = "z_score", value_name = "NAME")]
    normalise: String,
    /// Let the network see what lies outside the brain, to find out whether it would use it
    #[arg(long)]
    keep_background: bool,
    /// Share of the training subjects that choose the epoch; 0 fits all, and for all epochs
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    validation: f64,
    /// Settings of the fit as TOML (epochs, lr, weight_decay, [augment] flip, ...); the
    /// options below go before the file
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Most epochs
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Highest learning rate
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Images per step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// How exactly a card's convolutions are made while training: f32, or tf32 or bf16 (coarser; both
    /// need a card and cuDNN, and are for 32 channels and more); weights, explaining and auditing are
    /// always f32
    #[arg(long, value_name = "NAME")]
    precision: Option<Precision>,
    /// Seed of everything random; 1 when not given
    #[arg(long)]
    seed: Option<u64>,
}

/// Trains and prints the table of metrics.
///
/// # Errors
/// Those of the readers and of [`cross_validate`].
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let mut fit = match &args.settings {
        Some(file) => Settings::parse(&files::read_toml(file)?, &file.display().to_string())?,
        None => Settings::default(),
    };
    fit.seed = args.seed.unwrap_or(fit.seed);
    fit.epochs = args.epochs.unwrap_or(fit.epochs);
    fit.lr = args.lr.unwrap_or(fit.lr);
    fit.batch = args.batch.unwrap_or(fit.batch);
    fit.precision = args.precision.unwrap_or(fit.precision);
    fit.precision.check()?;
    let cohort = Cohort::read(&args.data)?;
    let target = Target::parse(&args.target)?;
    let settings = RunSettings {
        architecture: args.architecture.clone(),
        members: args.members,
        input: InputChoice {
            spacing_mm: args.spacing,
            margin_mm: args.spacing,
            shape: None,
            normalise: normalise::Options {
                method: Method::parse(&args.normalise)?,
                outside: if args.keep_background { Outside::Keep } else { Outside::Zero },
                ..normalise::Options::default()
            },
        },
        folds: args.folds,
        hold_out: 0.25,
        validation: args.validation,
        draws: crate::train::metrics::DEFAULT_DRAWS,
        fit,
    };
    let summary = cross_validate(&cohort, &target, &settings, &args.out, terminal)?;
    term::out(&describe(&summary))?;
    Ok(ExitCode::Success)
}

fn describe(summary: &TrainSummary) -> String {
    let [i, j, k] = summary.input.shape;
    let [zero, one] = &summary.classes;
    let mut text = format!(
        "'{one}' against '{zero}', input {i}×{j}×{k} voxels of {} mm\n",
        summary.input.spacing_mm
    );
    for metric in &summary.metrics {
        text.push_str(&line(metric));
    }
    for note in summary.notes.iter().take(10) {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// A metric as one line of text.
pub(super) fn line(line: &MetricLine) -> String {
    let place = line.fold.map_or("pooled".to_owned(), |f| format!("fold {f}"));
    let value = match (line.value, line.low, line.high) {
        (Some(v), Some(low), Some(high)) => format!("{v:.3} [{low:.3}, {high:.3}]"),
        (Some(v), ..) => format!("{v:.3}"),
        _ => format!("undefined: {}", line.reason.as_deref().unwrap_or("no reason kept")),
    };
    let (model, metric) = (&line.model, &line.metric);
    format!("{model:<15} {place:<8} {metric:<18} {value}\n")
}
