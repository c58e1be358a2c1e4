//! What a record says of the model and of the explanation, in words and tables.

use super::finding::{Cell, Column, Table};
use super::gather::{Gathered, Maker, Studied};
use super::record::{ExplanationCard, ModelCard};
use crate::Result;
use crate::explain::Composite;
use crate::explain::terms::BiasPolicy;
use crate::explain::used::Used;
use crate::model::Graph;
use crate::model::layer::Role;

/// The network, layer by layer as it is explained.
///
/// # Errors
/// Those of [`crate::model::Graph::describe`].
pub fn model_card(of: &Studied, composite: Option<&Composite>) -> Result<ModelCard> {
    let [k, j, i] = of.input.tensor_shape();
    let layers = layers(&of.canonical, &[1, k, j, i], composite)?;
    let proof = &of.proof;
    Ok(ModelCard {
        architecture: of.network.architecture().to_owned(),
        parameters: of.network.parameters(),
        input_shape: of.input.shape,
        spacing_mm: of.input.spacing_mm,
        sha256: of.network.sha256()?,
        layers,
        fold_proof: format!(
            "{} batch norm layers folded into the layers before them; on {} inputs the logits \
             differ by at most {:.1e} of the largest logit",
            proof.folded, proof.inputs, proof.drift
        ),
    })
}

/// A graph layer by layer for an input `[c, k, j, i]`: name, kind, output shape, trainable
/// numbers, its role, the rule relevance passes it by, its stabiliser and its bias policy; the
/// last three are empty where no rule is known.
///
/// # Errors
/// Those of [`Graph::describe`].
pub fn layers(graph: &Graph, input: &[usize], composite: Option<&Composite>) -> Result<Table> {
    let columns =
        ["layer", "kind", "output c×k×j×i", "parameters", "role", "rule", "stabiliser", "bias"];
    let columns = columns.map(|n| Column { name: n.to_owned(), unit: String::new() }).to_vec();
    let text = |t: &str| Cell::Text(t.to_owned());
    let mut rows = Vec::new();
    let unknown = || vec![None; graph.nodes().len()];
    let rules = composite.map_or_else(unknown, |c| c.assign(graph));
    let used = composite.map_or_else(Vec::new, |c| c.used(graph));
    for ((row, node), applied) in graph.describe(input)?.iter().zip(graph.nodes()).zip(&rules) {
        let shape: Vec<String> = row.shape.iter().map(usize::to_string).collect();
        let rule = match node.layer.role() {
            _ if composite.is_none() => String::new(),
            Role::Affine(_) | Role::PerSample(_) => {
                applied.as_ref().map_or_else(String::new, |a| a.words())
            }
            Role::Pointwise | Role::Link => "pass".to_owned(),
            Role::Gate => "signal".to_owned(),
            Role::Split => "split".to_owned(),
            Role::Border(_) => "within".to_owned(),
            Role::Reshape => "reshape".to_owned(),
            Role::Routing => "winner".to_owned(),
            Role::Proportional | Role::Merge => "in proportion".to_owned(),
            Role::MustFold(..) => "none".to_owned(),
        };
        let parameters = Cell::Number(row.parameters as f64);
        let (name, kind, role) = (text(&row.name), text(row.kind), text(node.layer.role().words()));
        let own = used.iter().find(|u| u.layer == row.name);
        let stabiliser = text(&own.map_or_else(String::new, Used::stabiliser));
        let bias = text(own.map_or("", Used::bias));
        let shape = text(&shape.join("×"));
        rows.push(vec![name, kind, shape, parameters, role, text(&rule), stabiliser, bias]);
    }
    Ok(Table { name: "layers".to_owned(), columns, rows })
}

/// How maps were made.
///
/// # Errors
/// Those of [`Graph::describe`].
pub fn explanation_card(of: &Gathered) -> Result<ExplanationCard> {
    let start = |studied: &Studied| -> Result<String> {
        let [k, j, i] = studied.input.tensor_shape();
        let rows = studied.canonical.describe(&[1, k, j, i])?;
        let logits = rows.last().and_then(|row| row.shape.first().copied()).unwrap_or(0);
        Ok(studied.start.words(&of.classes, logits))
    };
    let colour_range =
        "±99.5 % quantile of |R| inside the masks, the same for all subjects".to_owned();
    match (&of.maker, &of.studied) {
        (Maker::Rule(composite), Some(studied)) => Ok(ExplanationCard {
            rule: composite.id.clone(),
            stabiliser: stabilisers(studied, composite),
            bias: bias(studied, composite).to_owned(),
            start: start(studied)?,
            convention: composite.convention.word().to_owned(),
            colour_range,
        }),
        (maker, studied) => {
            let name = if let Maker::Elsewhere(name, _) = maker { name } else { "" };
            let asked = studied.as_ref().map(start).transpose()?;
            Ok(ExplanationCard {
                rule: format!("made elsewhere ({name})"),
                stabiliser: "not known".to_owned(),
                bias: "not known".to_owned(),
                start: asked.map_or_else(
                    || "not known".to_owned(),
                    |s| format!("not known; the network is asked for the {s}"),
                ),
                convention: String::new(),
                colour_range,
            })
        }
    }
}

/// Stabilisers in words: of the composite, and what layers with weights use instead.
fn stabilisers(studied: &Studied, composite: &Composite) -> String {
    let mut all = vec![composite.stabiliser.words()];
    for words in composite.assign(&studied.canonical).iter().flatten().map(|a| a.stabiliser.words())
    {
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all.join("; in some layers ")
}

/// Where the relevance of biases goes, in words: what each layer with weights uses, not what
/// the composite would give others.
fn bias(studied: &Studied, composite: &Composite) -> &'static str {
    let used: Vec<_> = composite.assign(&studied.canonical).into_iter().flatten().collect();
    match used.iter().filter(|a| a.bias == BiasPolicy::Drop).count() {
        0 => {
            "kept apart: the share of the biases is a line of the ledger and is not spread over \
             the inputs"
        }
        n if n == used.len() => "left out of the sums: the inputs share all relevance",
        _ => "left out of the sums in some layers, kept apart in the others",
    }
}
