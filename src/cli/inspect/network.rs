//! A network drawn layer by layer.

use std::fmt::Write as _;

use super::Args;
use crate::audit::describe::layers;
use crate::audit::finding::{Cell, Table};
use crate::cli::columns::{columns, safe};
use crate::cli::exit::ExitCode;
use crate::cli::{network, term};
use crate::explain::Composite;
use crate::explain::way::Way;
use crate::model::network::{Network, Origin};
use crate::train::models::Models;
use crate::{Error, Result};

/// Prints what a model is: where it came from, and its layers as they are explained.
///
/// # Errors
/// Those of the readers; `E-RULE-009` for a method in the place of a rule, `E-RULE-010` for an entry
/// of a composite that fits no layer.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let composite = match Way::named(&args.rule)? {
        Way::Rules(composite) => composite,
        Way::Method(_) => {
            let what = format!("{} is a method that needs no rule of a layer", args.rule);
            let fix = "Name a rule or a composite; see heatproof list rules";
            return Err(Error::usage("E-RULE-009", what, fix));
        }
    };
    if network::is_file(&args.file) {
        return drawn(args, &Network::read(&args.file, args.input)?, &composite);
    }
    let mut models = Models::load(&args.file)?;
    let specs: Vec<_> = models.bundles.iter().map(|b| b.spec.clone()).collect();
    let network = Network::from(models.bundles.swap_remove(0));
    if args.json {
        let layers = table(&network, &composite)?;
        term::json(&serde_json::json!({ "models": specs, "layers": layers }))?;
        return Ok(ExitCode::Success);
    }
    term::out(&format!("{} network(s), ", specs.len()))?;
    drawn(args, &network, &composite)
}

fn table(network: &Network, composite: &Composite) -> Result<Table> {
    let graph = network.graph.folded()?;
    composite.names_layers_of(&graph)?;
    layers(&graph, &network.shape[1..], Some(composite))
}

fn drawn(args: &Args, network: &Network, composite: &Composite) -> Result<ExitCode> {
    let layers = table(network, composite)?;
    let parameters = network.parameters();
    if args.json {
        let mut told = serde_json::json!({
            "architecture": network.architecture(),
            "input": { "shape": network.shape },
            "classes": network.classes,
            "parameters": parameters,
            "notes": network.notes,
            "layers": layers,
        });
        if let Origin::Onnx { input, output, opset, producer } = &network.origin {
            told["input"]["name"] = input.as_str().into();
            told["output"] = output.as_str().into();
            told["opset"] = (*opset).into();
            told["producer"] = producer.as_str().into();
        }
        term::json(&told)?;
        return Ok(ExitCode::Success);
    }
    let mut text = safe(&head(network));
    let shape = network.shape.map(|d| d.to_string()).join(" x ");
    let port = match &network.origin {
        Origin::Onnx { input, .. } => safe(&format!("'{input}' ")),
        _ => String::new(),
    };
    let _ = write!(text, "\n{parameters} parameters, input {port}{shape}, ");
    let _ = match &network.input {
        Some(_) => writeln!(text, "classes {}", safe(&network.classes.join(", "))),
        None => writeln!(text, "{} logit(s)", network.classes.len()),
    };
    network.notes.iter().for_each(|note| text.push_str(&format!("note: {}\n", safe(note))));
    text.push_str(&format!("\n{}", in_columns(&layers)));
    text.push_str(
        "batch norm is shown folded into the layer before it where that is exact, as \
         channel_affine elsewhere; dropout is dropped\n",
    );
    term::out(&text)?;
    Ok(ExitCode::Success)
}

/// Where it came from, in a line or two.
fn head(network: &Network) -> String {
    match &network.origin {
        Origin::Onnx { output, opset, producer, .. } => {
            format!("ONNX operator set {opset}, made by {producer}, output '{output}'")
        }
        Origin::Weights { architecture } => {
            format!("state dict of the architecture {architecture}")
        }
        Origin::Trained(spec) => {
            let training = &spec.training;
            format!(
                "{}, told apart: {}, voxels of {} mm, fitted on {}, epoch chosen on {}, held out {}",
                spec.architecture.name,
                spec.target,
                spec.input.spacing_mm,
                training.fitting.len(),
                training.validation.len(),
                training.held_out.len(),
            )
        }
    }
}

/// A table as text, its columns as wide as their longest entry.
fn in_columns(layers: &Table) -> String {
    let cell = |c: &Cell| match c {
        Cell::Text(t) | Cell::Missing(t) => t.clone(),
        Cell::Number(v) => v.to_string(),
    };
    let head: Vec<String> = layers.columns.iter().map(|c| c.name.clone()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(layers.rows.iter().map(|r| r.iter().map(cell).collect()))
        .collect();
    columns(&rows)
}
