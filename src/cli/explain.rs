//! `heatproof explain`: the relevance map of one image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::cohort::Participant;
use crate::compute::Workspace;
use crate::explain::ledger::LedgerLine;
use crate::explain::{Composite, Start, explain};
use crate::image::nifti;
use crate::model::bundle::Bundle;
use crate::model::input::{back, prepare, to_array};
use crate::model::subject::{MaskSource, read_subject};
use crate::progress::Progress;
use crate::train::apply::saw;
use crate::train::models::Models;
use crate::{Error, Result, files};

/// Explain the decision on one image as a relevance map on the image's own grid
///
/// The map is in units of the explained score per voxel of the network's grid, carried back
/// to the grid and the affine of INPUT; it is 0 where the network did not look.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof explain model scan.nii.gz relevance.nii.gz \
    --mask brain.nii.gz --rule epsilon_plus --target margin")]
pub struct Args {
    /// Folder of a training, or one fold-K folder of it
    model: PathBuf,
    /// NIfTI image
    input: PathBuf,
    /// NIfTI file to write (.nii or .nii.gz)
    out: PathBuf,
    /// Rule or composite; see `heatproof list rules`
    #[arg(long, value_name = "NAME", default_value = "epsilon_plus")]
    rule: String,
    /// What to explain: margin (log-odds of the two classes), or a class by name or number
    #[arg(long, value_name = "CLASS", default_value = "margin")]
    target: String,
    /// Brain mask; label map or the voxels that are not 0 when not given
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Label map whose labels other than 0 are the brain
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Network of this fold
    #[arg(long, value_name = "K", default_value_t = 0)]
    fold: usize,
    /// Write where the relevance of every layer went
    #[arg(long, value_name = "FILE.json")]
    ledger: Option<PathBuf>,
}

/// Explains, writes the map and prints the score.
///
/// # Errors
/// Those of the readers, [`explain`] and the writers.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let bundle = Models::load(&args.model)?.fold(args.fold)?;
    let Bundle { spec, graph } = &bundle;
    let composite = Composite::named(&args.rule)?;
    let start = Start::named(&args.target, &spec.classes)?;
    let images = read_subject(&participant(args))?;
    for warning in &images.warnings {
        terminal.say(&format!("note: {warning}"));
    }
    if images.source == MaskSource::NonZero {
        terminal.say("note: no mask was given; voxels that are not 0 are taken as brain");
    }
    let ready = prepare(&images.volume, &images.mask, &spec.input)?;
    let (x, mut ws) = (to_array(&[&ready])?, Workspace::new());
    let (canonical, proof) = graph.canonical(&x, &mut ws)?;
    let mut found = explain(&canonical, &x, &composite, start, &mut ws)?;
    let map: Vec<f32> = found.relevance.to_f64()?.into_iter().map(|v| v as f32).collect();
    let sum: f64 = map.iter().map(|v| f64::from(*v)).sum();
    let volume = back(&map, ready.grid(), images.volume.grid())?;
    let said = format!("heatproof relevance {}", composite.id);
    nifti::write_volume(&args.out, &volume, Some(&images.header), &said)?;
    let ledger = found.ledgers.swap_remove(0);
    if let Some(path) = &args.ledger {
        let text = serde_json::to_vec_pretty(&ledger)
            .map_err(|e| Error::internal(format!("the ledger cannot be written: {e}")))?;
        files::write_whole(path, &text)?;
    }
    let residual = ledger.iter().map(LedgerLine::residual).fold(0.0, f64::max);
    let id = participant(args).id;
    let mut text = format!(
        "{}: {} = {:.6}; {:.6} of it is on the map\n",
        args.out.display(),
        start.words(&spec.classes),
        found.scores[0],
        sum
    );
    text.push_str(&format!(
        "rule {}, {} batch norm folded (logits differ by {:.1e} of the largest), largest \
         unaccounted share of a layer {residual:.1e}\n",
        composite.id, proof.folded, proof.drift
    ));
    if saw(&spec.training, &id) {
        text.push_str("this image was used to train the network\n");
    }
    term::out(&text)?;
    Ok(ExitCode::Success)
}

fn participant(args: &Args) -> Participant {
    let name = args.input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
    let id = name.split('.').next().unwrap_or_default().to_owned();
    Participant {
        subject: id.clone(),
        id,
        image: args.input.clone(),
        labels: args.labels.clone(),
        mask: args.mask.clone(),
        truth: None,
        covariates: BTreeMap::new(),
    }
}
