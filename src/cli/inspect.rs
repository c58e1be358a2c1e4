//! `heatproof inspect`: what an image file or a model holds.

mod network;

use std::path::{Path, PathBuf};

use super::columns::safe;
use super::exit::ExitCode;
use super::term;
use crate::Result;
use crate::image::nifti::{Inspection, inspect};
use crate::model::network::Network;
use crate::model::weights;

/// Describe a NIfTI file, also one that would be refused, or a model
///
/// A model (a folder of this program, an ONNX file, a state dict of PyTorch or safetensors) is
/// drawn layer by layer with the rule each would get. The exit code is 4 when the file cannot be used, 5 when a network has parts
/// that relevance cannot be propagated through.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  heatproof inspect scan.nii.gz --json\n  heatproof inspect model\n  heatproof inspect net.onnx --input 1,1,96,112,96 --rule epsilon_alpha2_beta1"
)]
pub struct Args {
    /// NIfTI-1 or NIfTI-2 file, also gzipped, the folder of a model or of a training, an ONNX
    /// file or a state dict (.pt, .pth, .safetensors)
    file: PathBuf,
    /// Extents of a network's input, samples and channels first, where neither its file nor
    /// NAME.toml beside it says them
    #[arg(long, alias = "input-shape", value_name = "N,C,D,H,W", value_parser = extents)]
    input: Option<Extents>,
    /// Rules the layers of a network would get: a rule, a composite or a file NAME.toml
    #[arg(long, value_name = "NAME", default_value = "epsilon_plus")]
    rule: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the description.
///
/// # Errors
/// Those of [`inspect`] and of the readers of networks.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.file.is_dir() || Network::is_onnx(&args.file) || weights::holds(&args.file) {
        return network::run(args);
    }
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

/// Extents on the command line.
type Extents = [usize; 5];

fn extents(text: &str) -> std::result::Result<Extents, String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let five = numbers.and_then(|n| Extents::try_from(n).ok());
    five.ok_or("five whole numbers with commas, samples and channels first".to_owned())
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
