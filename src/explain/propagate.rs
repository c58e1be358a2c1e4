//! The walk from the start down to the voxels, one ledger line per layer.

use super::composite::Composite;
use super::ledger::LedgerLine;
use super::rules::Applied;
use super::start::{Seeded, Start, logits_node, seed};
use super::walk::Walk;
use crate::compute::{Array, Workspace, device};
use crate::model::Graph;
use crate::model::graph::{Node, Trace};
use crate::{Error, Result};

/// Maps of a batch.
#[derive(Debug)]
pub struct Explanation {
    /// The explained score per sample.
    pub scores: Vec<f64>,
    /// Logits `[n, classes]`, row by row.
    pub logits: Vec<f64>,
    /// Relevance per voxel, shaped like the input `[n, 1, k, j, i]`.
    pub relevance: Array,
    /// Ledger per sample, output first.
    pub ledgers: Vec<Vec<LedgerLine>>,
    /// Relevance of biases per layer, `[n, channels]`, with
    /// [`super::terms::BiasPolicy::Sink`].
    pub sinks: Vec<(String, Array)>,
}

/// Explains every sample of `x`, all at once.
///
/// # Errors
/// Those of [`super::explain_each`].
pub(super) fn explain_at_once(
    graph: &Graph,
    x: Array,
    composite: &Composite,
    starts: &[Start],
    ws: &mut Workspace,
) -> Result<Explanation> {
    let from = Trace { input: x, outputs: Vec::new(), saved: Vec::new() };
    let (found, trace) = explain_on(graph, (from, 0), composite, starts, ws)?;
    trace.recycle(ws);
    Ok(found)
}

/// Explains every sample of a trace, of which the outputs of the first nodes, `unchanged` in
/// number, may be there already ([`Graph::trace_on`]); gives the whole trace back.
///
/// # Errors
/// Those of [`super::explain_each`].
pub(super) fn explain_on(
    graph: &Graph,
    (from, unchanged): (Trace, usize),
    composite: &Composite,
    starts: &[Start],
    ws: &mut Workspace,
) -> Result<(Explanation, Trace)> {
    let (graph, from) = (graph.at_work()?, Trace { input: from.input.at_work()?, ..from });
    let graph = &*graph;
    let rules = composite.assign(graph);
    let trace = graph.trace_on(from, unchanged, &by_sign(&rules), ws)?;
    let last = logits_node(graph)?;
    let logits = trace.outputs[last].fetched()?;
    let Seeded { scores, relevance: first, .. } = seed(&logits, starts)?;
    let (logits, samples) = (logits.to_f64()?, starts.len());
    let first = first.beside(&trace.outputs[last])?;
    let walk = Walk::new(graph, &trace, composite, rules, (last, first))?;
    let walk = walk.down(graph, &mut |_, _| Ok(()), ws)?;
    let (ledgers, sinks) = walk.journal.closed(samples)?;
    let relevance = ws.at_rest(walk.input.ok_or_else(unmet)?)?;
    Ok((Explanation { scores, logits, relevance, ledgers, sinks }, trace))
}

/// Hands any relevance of the outputs of node `at`, one row per sample, down to the input.
/// `look` sees what each layer with weights receives; behind a max pool with windows side by side
/// these are the numbers of the voxels that won, the only ones that are not 0.
///
/// # Errors
/// As [`super::explain_each`]; [`Error::Shape`] for relevance of another shape, those of `look`.
pub fn hand_down(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    (at, relevance): (usize, Array),
    look: &mut (dyn FnMut(&Node, &Array) -> Result<()> + Send),
    ws: &mut Workspace,
) -> Result<Array> {
    device::pass(|| handed_down(graph, x, composite, (at, relevance), look, ws))
}

fn handed_down(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    (at, relevance): (usize, Array),
    look: &mut dyn FnMut(&Node, &Array) -> Result<()>,
    ws: &mut Workspace,
) -> Result<Array> {
    let (graph, relevance) = (graph.at_work()?, relevance.at_work()?);
    let graph = &*graph;
    let rules = composite.assign(graph);
    let trace = graph.trace_winners(ws.copy_at_work(x)?, &by_sign(&rules), ws)?;
    let shape = trace.outputs.get(at).map_or(&[][..], Array::shape);
    if shape != relevance.shape() {
        return Err(Error::shape("relevance of a layer", shape, relevance.shape()));
    }
    let walk = Walk::new(graph, &trace, composite, rules, (at, relevance))?;
    let input = walk.down(graph, look, ws)?.input.ok_or_else(unmet)?;
    trace.recycle(ws);
    ws.at_rest(input)
}

fn unmet() -> Error {
    Error::internal("relevance never met the input")
}

/// Only rules that ask for the sign of a layer's output look at it.
fn by_sign(rules: &[Option<Applied>]) -> impl Fn(usize) -> bool + '_ {
    |n| rules[n].as_ref().is_none_or(Applied::asks_for_signs)
}
