//! `heatproof inspect`: what an image file or a model holds.

use std::path::{Path, PathBuf};

use super::exit::ExitCode;
use super::term;
use crate::Result;
use crate::audit::describe::layers;
use crate::audit::finding::{Cell, Table};
use crate::explain::Composite;
use crate::image::nifti::{Inspection, inspect};
use crate::model::bundle::Bundle;
use crate::model::onnx;
use crate::train::models::Models;

/// Describe a NIfTI file, also one that would be refused, or a model
///
/// A model, a folder of this program or an ONNX file, is drawn layer by layer with the rule
/// each would get. The exit code is 4 when the file cannot be used, 5 when a network has parts
/// that relevance cannot be propagated through.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  heatproof inspect scan.nii.gz --json\n  heatproof inspect model\n  heatproof inspect net.onnx --input-shape 1,1,96,112,96"
)]
pub struct Args {
    /// NIfTI-1 or NIfTI-2 file, also gzipped, the folder of a model or of a training, or an
    /// ONNX file
    file: PathBuf,
    /// Extents of an ONNX network's input where the file leaves them open
    #[arg(long, value_name = "N,C,K,J,I", value_parser = extents)]
    input_shape: Option<Extents>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the description.
///
/// # Errors
/// Those of [`inspect`].
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.file.is_dir() {
        return model(args);
    }
    if args.file.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
        return network(args);
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

/// What an ONNX file holds.
fn network(args: &Args) -> Result<ExitCode> {
    let found = onnx::read(&args.file, args.input_shape)?;
    let [_, c, k, j, i] = found.input_shape;
    let composite = Composite::named("epsilon_plus")?;
    let folded = found.graph.folded()?;
    let layers = layers(&folded, &[c, k, j, i], &composite)?;
    let parameters: usize = found.graph.parameters().iter().map(|(_, a)| a.len()).sum();
    if args.json {
        term::json(&serde_json::json!({
            "input": { "name": found.input_name, "shape": found.input_shape },
            "output": found.output_name,
            "opset": found.opset,
            "producer": found.producer,
            "parameters": parameters,
            "notes": found.notes,
            "layers": layers,
        }))?;
        return Ok(ExitCode::Success);
    }
    let mut text = safe(&format!(
        "ONNX operator set {}, made by {}, {parameters} parameters",
        found.opset, found.producer
    ));
    let shape = found.input_shape.map(|d| d.to_string()).join(" x ");
    let ports = format!("input '{}' {shape}, output '{}'", found.input_name, found.output_name);
    text.push_str(&format!("\n{}\n", safe(&ports)));
    found.notes.iter().for_each(|note| text.push_str(&format!("note: {}\n", safe(note))));
    text.push_str(&format!("\n{}", in_columns(&layers)));
    text.push_str(
        "batch norm is shown folded into the layer before it where that is exact, as \
         channel_affine elsewhere\n",
    );
    term::out(&text)?;
    Ok(ExitCode::Success)
}

/// A table as text, its columns as wide as their longest entry.
fn in_columns(layers: &Table) -> String {
    let mut text = String::new();
    let cell = |c: &Cell| match c {
        Cell::Text(t) | Cell::Missing(t) => t.clone(),
        Cell::Number(v) => v.to_string(),
    };
    let head: Vec<String> = layers.columns.iter().map(|c| c.name.clone()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(layers.rows.iter().map(|r| r.iter().map(cell).collect()))
        .collect();
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..layers.columns.len()).map(width).collect();
    for row in &rows {
        let padded = row.iter().zip(&widths).map(|(text, w)| format!("{text:<w$}"));
        text.push_str(safe(&padded.collect::<Vec<_>>().join("  ")).trim_end());
        text.push('\n');
    }
    text
}

/// What a model is: its description and its layers.
fn model(args: &Args) -> Result<ExitCode> {
    let models = Models::load(&args.file)?;
    let Bundle { spec, graph } = &models.bundles[0];
    let folded = graph.folded()?;
    let [k, j, i] = spec.input.tensor_shape();
    let composite = Composite::named("epsilon_plus")?;
    let layers = layers(&folded, &[1, k, j, i], &composite)?;
    if args.json {
        let specs: Vec<_> = models.bundles.iter().map(|b| &b.spec).collect();
        term::json(&serde_json::json!({ "models": specs, "layers": layers }))?;
        return Ok(ExitCode::Success);
    }
    let [i, j, k] = spec.input.shape;
    let training = &spec.training;
    let mut text = format!(
        "{} network(s), {}, told apart: {} ({})\ninput {i} x {j} x {k} voxels of {} mm\n\
         fitted on {}, epoch chosen on {}, held out {}\n\n",
        models.bundles.len(),
        spec.architecture.name,
        spec.target,
        spec.classes.join(", "),
        spec.input.spacing_mm,
        training.fitting.len(),
        training.validation.len(),
        training.held_out.len(),
    );
    text.push_str(&in_columns(&layers));
    text.push_str("batch norm is shown folded into the layer before it, dropout is dropped\n");
    term::out(&text)?;
    Ok(ExitCode::Success)
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

/// Text of a file never steers the terminal.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
