//! `heatproof demo`: from nothing to an audited report.

use std::path::PathBuf;
use std::time::Instant;

use super::audit::{Job, perform};
use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::Result;
use crate::audit::audited::Audited;
use crate::audit::gather::Request;
use crate::audit::policy::Policy;
use crate::cohort::{Cohort, Target};
use crate::image::normalise::{self, Outside};
use crate::phantom::{self, Arm, write_bids};
use crate::progress::Progress;
use crate::seed::Seed;
use crate::train::metrics::DEFAULT_DRAWS;
use crate::train::models::Models;
use crate::train::prepare::InputChoice;
use crate::train::run::{RunSettings, cross_validate};
use crate::train::settings::Settings;

/// Subjects audited.
const AUDITED: usize = 8;
/// Epochs of each fold: half of what real data get, as the phantoms are few and alike.
const EPOCHS: usize = 25;

/// Make a synthetic cohort, train on it, explain and audit: the whole program in one command
///
/// Writes OUT/data (BIDS), OUT/model, OUT/report.html, report.json, figures and maps. The
/// network also sees what lies outside the brain, so that the arm `shortcut`, whose label
/// leaks there, can be caught. The exit code says the verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof demo out\n  heatproof demo caught --arm shortcut")]
pub struct Args {
    /// Folder to write
    out: PathBuf,
    /// What the label does in the images; see `heatproof phantom --help`
    #[arg(long, value_name = "NAME", default_value = Arm::Volume.id())]
    arm: String,
    /// Seed of everything random
    #[arg(long, default_value_t = 4)]
    seed: u64,
}

/// The training of the demo: the model grid is the field of view, so that nothing a network
/// could use lies outside it.
pub(super) fn settings(cohort: &phantom::Settings, seed: u64) -> RunSettings {
    RunSettings {
        architecture: "compact".to_owned(),
        members: 1,
        input: InputChoice {
            spacing_mm: cohort.spacing_mm[0],
            margin_mm: 0.0,
            shape: Some(cohort.shape),
            normalise: normalise::Options { outside: Outside::Keep, ..Default::default() },
        },
        folds: 3,
        hold_out: 0.25,
        validation: 0.0,
        draws: DEFAULT_DRAWS,
        fit: Settings { seed, epochs: EPOCHS, ..Settings::default() },
    }
}

/// Makes, trains, audits.
///
/// # Errors
/// Those of the phantom, the training and the audit.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let cohort = phantom::Settings {
        arm: Arm::parse(&args.arm)?,
        seed: Seed(args.seed),
        ..phantom::Settings::default()
    };
    let (data, model) = (args.out.join("data"), args.out.join("model"));
    let mut seconds = Vec::new();
    let mut timed = |stage: &str, start: Instant| {
        seconds.push((stage.to_owned(), start.elapsed().as_secs_f64()));
    };
    let start = Instant::now();
    super::phantom::usable(&data, cohort.subjects)?;
    write_bids(&cohort, &data, terminal)?;
    timed("phantom", start);
    let start = Instant::now();
    let subjects = Cohort::read(&data)?;
    let target = Target::parse("group=preterm")?;
    let summary =
        cross_validate(&subjects, &target, &settings(&cohort, args.seed), &model, terminal)?;
    let held_out = summary.metrics.iter().filter(|m| m.fold.is_none());
    for metric in held_out.filter(|m| m.metric == "roc_auc") {
        terminal.say(super::train::line(metric).trim_end());
    }
    timed("training", start);
    let request = Request { subjects: AUDITED, seed: args.seed, ..Request::default() };
    let job = Job {
        audited: Some(Audited::trained(Models::load(&model)?, 0)?),
        files: Vec::new(),
        cohort: subjects,
        request,
        policy: Policy::default_policy()?,
        command: "demo",
    };
    let verdict = perform(job, &args.out, seconds, terminal)?;
    term::out(&format!("{}\n", cohort.arm.description()))?;
    Ok(verdict.into())
}
