//! `heatproof phantom`: a synthetic cohort with its truth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::ExitCode;
use super::term;
use crate::phantom::{Arm, Settings, Source, Template, subject_id, write_bids};
use crate::progress::Progress;
use crate::seed::Seed;
use crate::{Error, Result};

/// Write a synthetic cohort of newborn heads as a BIDS data set, with the truth
///
/// Same settings, same bytes, for any number of threads.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// Folder to write; new, empty, or from an earlier run of the same command
    out: PathBuf,
    /// Number of subjects
    #[arg(long, value_name = "N", default_value_t = Settings::default().subjects)]
    subjects: usize,
    /// What the label does in the images
    #[arg(long, value_name = "NAME", default_value = Settings::default().arm.id())]
    arm: String,
    /// Seed of everything random
    #[arg(long, value_name = "S", default_value_t = Settings::default().seed.0)]
    seed: u64,
    /// Voxels along each axis
    #[arg(long, value_name = "N", default_value_t = Settings::default().shape[0])]
    shape: usize,
    /// Voxel size in mm
    #[arg(long, value_name = "MM", default_value_t = Settings::default().spacing_mm[0])]
    spacing: f64,
    /// T2w template image to deform in place of heads drawn in code
    #[arg(long, value_name = "FILE", requires_all = ["labels", "regions"])]
    template: Option<PathBuf>,
    /// Label map of the template, on the same grid
    #[arg(long, value_name = "FILE", requires = "template")]
    labels: Option<PathBuf>,
    /// Region table of the label map
    #[arg(long, value_name = "FILE", requires = "template")]
    regions: Option<PathBuf>,
}

fn after_help() -> String {
    let arms = Arm::ALL.iter().map(|arm| format!("\n  {}: {}", arm.id(), arm.description()));
    let arms: String = arms.collect();
    format!("Arms:{arms}\n\nExample:\n  heatproof phantom heads --subjects 4 --arm volume")
}

/// Makes and writes the cohort.
///
/// # Errors
/// Those of [`write_bids`] and [`Template::read`]; `E-CLI-002` for a folder that holds
/// something else.
pub fn run(args: &Args, progress: &dyn Progress) -> Result<ExitCode> {
    let source = match (&args.template, &args.labels, &args.regions) {
        (Some(image), Some(labels), Some(table)) => {
            Source::Template(Arc::new(Template::read(image, labels, table)?))
        }
        _ => Source::Procedural,
    };
    let settings = Settings {
        subjects: args.subjects,
        arm: Arm::parse(&args.arm)?,
        shape: [args.shape; 3],
        spacing_mm: [args.spacing; 3],
        seed: Seed(args.seed),
        source,
        ..Settings::default()
    };
    settings.check()?;
    usable(&args.out, settings.subjects)?;
    write_bids(&settings, &args.out, progress)?;
    let (n, arm) = (settings.subjects, settings.arm.id());
    term::out(&format!("{n} synthetic subjects, arm {arm}, in {}\n", args.out.display()))?;
    Ok(ExitCode::Success)
}

/// Refuses to mix a cohort with other files, or with subjects of another cohort.
pub(super) fn usable(out: &Path, subjects: usize) -> Result<()> {
    let refuse = |seen: String| {
        let what = format!("{} holds {seen}", out.display());
        Err(Error::usage("E-CLI-002", what, "Name a new folder"))
    };
    if !out.exists() {
        return Ok(());
    }
    let unreadable = |e| Error::io("reading", out, e);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(out).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    if !names.is_empty() && !out.join("derivatives").join("phantom").is_dir() {
        return refuse("files that are no synthetic cohort".to_owned());
    }
    let ours: BTreeSet<String> = (0..subjects).map(subject_id).collect();
    match names.iter().find(|name| name.starts_with("sub-") && !ours.contains(*name)) {
        Some(other) => refuse(format!("{other} of another cohort")),
        None => Ok(()),
    }
}
