//! `heatproof explain`: relevance maps of one image, or of a batch of tensors.

mod image;
mod outputs;
mod sound;
mod tensors;

use std::path::PathBuf;

use super::exit::ExitCode;
use super::network;
use super::term::Terminal;
use crate::explain::terms::BiasPolicy;
use crate::explain::way::Way;
use crate::{Error, Result};

/// Explain the decision on one image as a relevance map on the image's own grid
///
/// The map is in units of the explained score per voxel of the network's grid, carried back
/// to the grid and the affine of INPUT; it is 0 where the network did not look. INPUT may
/// also be FILE.safetensors with a tensor "input" (N, C, D, H, W) that is fed to the network
/// as it is; OUT is then FILE.safetensors with "relevance" (or "relevance.RULE" for several
/// rules) and "logits".
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof explain model scan.nii.gz relevance.nii.gz \
    --mask brain.nii.gz --rule epsilon_plus --target margin\n  heatproof explain model \
    batch.safetensors maps.safetensors --rule epsilon_plus,gradient,mine.toml --target 0,1,1")]
pub struct Args {
    /// Folder of a training, one fold-K folder of it, an ONNX file, or a PyTorch state dict
    /// (.pt, .pth, .safetensors) of an architecture the program knows; for images NAME.toml
    /// beside a file says which grid and intensities the network was trained on
    model: PathBuf,
    /// NIfTI image, or tensors (.safetensors)
    input: PathBuf,
    /// File to write: .nii or .nii.gz, or .safetensors when INPUT is; several rules give one
    /// image each, named OUT.RULE.nii.gz
    out: PathBuf,
    /// Rules, composites, methods or files NAME.toml, separated by commas; see `heatproof
    /// list rules` and `heatproof list methods`
    #[arg(long, value_name = "NAME[,NAME]", default_value = "epsilon_plus")]
    rule: String,
    /// What to explain: margin (log-odds of two classes; of more, the largest logit minus the
    /// mean of the others), margin:CLASS, or a class by name or number; for tensors also one
    /// per sample, as 0,1,1
    #[arg(long, value_name = "CLASS", default_value = "margin")]
    target: String,
    /// What biases do in every layer, whatever the rules say: absorb, drop or sink
    #[arg(long, value_name = "POLICY")]
    bias: Option<String>,
    /// Least and largest value of an input, for z-box; -3,3 when not given, wider where a
    /// sample has values beyond
    #[arg(long = "box", value_name = "LOW,HIGH", allow_hyphen_values = true)]
    bounds: Option<String>,
    /// Seed of methods that draw noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Brain mask; label map or the voxels that are not 0 when not given
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Label map whose labels other than 0 are the brain, and the regions of occlusion_region
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Network of this fold of a training; 0 when not given
    #[arg(long, value_name = "K")]
    fold: Option<usize>,
    /// Write where the relevance of every layer went, under the name of each rule, with rule,
    /// stabiliser, bias policy, convention and start on every line, and for an image with sinks
    /// of biases "sink", their relevance per channel of the layer; of another method the sum of
    /// every region, where there are labels
    #[arg(long, value_name = "FILE.json")]
    ledger: Option<PathBuf>,
}

/// Explains, writes the maps and prints the scores.
///
/// # Errors
/// `E-CLI-010` for a result that would replace another file of the command, `E-CLI-011` for an
/// option that would do nothing, `E-CLI-013` for a result in the model's folder; those of the
/// readers, of the rules and methods, and of the writers.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    useless(args)?;
    let ways = ways(args)?;
    let maps = outputs::maps(args, &ways);
    outputs::apart(args, &maps)?;
    if ends_with(&args.input, "safetensors") {
        return tensors::run(args, &ways, terminal);
    }
    image::run(args, &ways, &maps, terminal)
}

/// Refuses options that would do nothing.
fn useless(args: &Args) -> Result<()> {
    let tensors = ends_with(&args.input, "safetensors");
    let one = network::is_file(&args.model);
    let whole = "tensors are fed to the network as they are";
    let all = [
        ("--mask", args.mask.is_some() && tensors, whole),
        ("--labels", args.labels.is_some() && tensors, whole),
        ("--fold", args.fold.is_some() && one, "MODEL is a file with one network"),
    ];
    all.into_iter().find(|(_, idle, _)| *idle).map_or(Ok(()), |(option, _, why)| {
        let what = format!("{option} would do nothing: {why}");
        Err(Error::usage("E-CLI-011", what, format!("Leave out {option}")))
    })
}

fn ends_with(path: &std::path::Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::internal(format!("the result cannot be written: {error}"))
}

/// The rules and methods asked for, with what the options say of all of them.
fn ways(args: &Args) -> Result<Vec<(String, Way)>> {
    let bias = match args.bias.as_deref() {
        None => None,
        Some("absorb") => Some(BiasPolicy::Absorb),
        Some("drop") => Some(BiasPolicy::Drop),
        Some("sink") => Some(BiasPolicy::Sink),
        Some(other) => {
            let what = format!("there is no bias policy {other:?}");
            return Err(Error::usage("E-RULE-007", what, "Choose absorb, drop or sink"));
        }
    };
    let bounds = args.bounds.as_deref().map(bounds).transpose()?;
    let mut ways = Way::list(&args.rule)?;
    for (_, way) in &mut ways {
        if let Way::Rules(composite) = way {
            if let Some(bias) = bias {
                *composite = composite.clone().with_bias(bias);
            }
            composite.bounds = bounds.or(composite.bounds);
        }
    }
    Ok(ways)
}

fn bounds(word: &str) -> Result<(f64, f64)> {
    let parsed = word.split_once(',').and_then(|(low, high)| {
        let both = (low.trim().parse::<f64>().ok()?, high.trim().parse::<f64>().ok()?);
        (both.0 <= 0.0 && 0.0 <= both.1 && both.1 > both.0).then_some(both)
    });
    parsed.ok_or_else(|| {
        let fix = "Give the least and the largest value of an input with 0 between, as -3,3";
        Error::usage("E-RULE-008", format!("--box {word}"), fix)
    })
}
