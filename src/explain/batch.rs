//! A batch some samples at a time. No sample's result depends on those beside it; what a walk
//! keeps of each sample is most of the memory an explanation takes.

use super::composite::Composite;
use super::propagate::{Explanation, explain_at_once, explain_on};
use super::start::Start;
use crate::Result;
use crate::compute::{Array, Workspace, blocks, device};
use crate::model::Graph;
use crate::model::graph::Trace;

/// Explains every sample of `x [n, c, k, j, i]` on a canonical graph, all from one start.
///
/// # Errors
/// As [`explain_each`].
pub fn explain(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    start: Start,
    ws: &mut Workspace,
) -> Result<Explanation> {
    explain_each(graph, x, composite, &vec![start; x.shape()[0]], ws)
}

/// Explains every sample of `x [n, c, k, j, i]` on a canonical graph, each from its start.
///
/// # Errors
/// [`crate::Error::Model`] `E-MODEL-005` when a start does not fit the logits, `E-MODEL-006`
/// when a layer must be folded first; `E-RULE-004` when a rule does not fit a layer; `E-DEVICE-003`
/// when the card fails.
pub fn explain_each(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    starts: &[Start],
    ws: &mut Workspace,
) -> Result<Explanation> {
    device::pass(|| explain_there(graph, x, composite, starts, ws))
}

fn explain_there(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    starts: &[Start],
    ws: &mut Workspace,
) -> Result<Explanation> {
    let (samples, some) = (x.shape()[0], at_once(graph, x)?);
    if some >= samples || starts.len() != samples {
        return explain_at_once(graph, ws.copy_at_work(x)?, composite, starts, ws);
    }
    let (scores, logits, ledgers, sinks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let relevance = ws.take_beside(x, x.shape())?;
    let mut all = Explanation { scores, logits, relevance, ledgers, sinks };
    for (piece, starts) in starts.chunks(some).enumerate() {
        let first = piece * some;
        let part = blocks::samples(x, first..first + starts.len(), ws)?;
        let found = explain_at_once(graph, part, composite, starts, ws)?;
        blocks::place(&found.relevance, first, &mut all.relevance)?;
        ws.give(found.relevance);
        all.scores.extend(found.scores);
        all.logits.extend(found.logits);
        all.ledgers.extend(found.ledgers);
        if piece == 0 {
            all.sinks = found.sinks;
            continue;
        }
        for ((_, sink), (_, more)) in all.sinks.iter_mut().zip(found.sinks) {
            *sink = blocks::stack(&[sink, &more], ws)?;
        }
    }
    Ok(all)
}

/// Explains every sample under several canonical graphs of one network with other numbers, one
/// after the other, all from one start. Activations that a graph shares with the one before
/// are not computed again; no more is kept than a walk keeps anyway. The numbers are those of
/// [`explain`], to the last bit.
///
/// # Errors
/// As [`explain_each`].
pub fn explain_in_turn(
    graphs: &[&Graph],
    x: &Array,
    composite: &Composite,
    start: Start,
    ws: &mut Workspace,
) -> Result<Vec<Vec<Explanation>>> {
    let Some(first) = graphs.first() else { return Ok(Vec::new()) };
    let shared = graphs.windows(2).map(|pair| pair[1].unchanged_since(pair[0]));
    let shared: Vec<usize> = std::iter::once(Ok(0)).chain(shared).collect::<Result<_>>()?;
    let (samples, some) = (x.shape()[0], at_once(first, x)?.max(1));
    let mut all: Vec<Vec<Explanation>> = graphs.iter().map(|_| Vec::new()).collect();
    for from in (0..samples).step_by(some) {
        device::pass(|| {
            let part = blocks::samples(x, from..samples.min(from + some), ws)?;
            let starts = vec![start; part.shape()[0]];
            let mut kept = Trace { input: part, outputs: Vec::new(), saved: Vec::new() };
            for ((graph, unchanged), out) in graphs.iter().zip(&shared).zip(&mut all) {
                let (found, trace) = explain_on(graph, (kept, *unchanged), composite, &starts, ws)?;
                out.push(found);
                kept = trace;
            }
            kept.recycle(ws);
            Ok(())
        })?;
    }
    Ok(all)
}

/// How many samples a walk should have: on the host by the largest output of a layer, on a card by what
/// a walk holds.
fn at_once(graph: &Graph, x: &Array) -> Result<usize> {
    let (shape, number) = (&x.shape()[1..], x.dtype().size_in_bytes());
    match device::memory_of_a_pass()? {
        Some(memory) => Ok((memory / held(graph, shape, number)?).max(1)),
        None => blocks::at_once(largest(graph, shape)? * number),
    }
}

/// Numbers of every layer's output, for an input `[c, k, j, i]`.
fn outputs(graph: &Graph, shape: &[usize]) -> Result<Vec<usize>> {
    Ok(graph.describe(shape)?.iter().map(|row| row.shape.iter().product()).collect())
}

/// Numbers of the largest output of a layer, for an input `[c, k, j, i]`.
fn largest(graph: &Graph, shape: &[usize]) -> Result<usize> {
    Ok(outputs(graph, shape)?.into_iter().max().unwrap_or_default())
}

/// Arrays as large as the largest output that a walk may hold beside the outputs of all layers: of the
/// layer that it is at, what comes, what goes, and the products between. Six were seen, under zB everywhere
/// (`card::memory`).
const BESIDE: usize = 8;

/// Bytes of a card that a walk holds at most for each sample `[c, k, j, i]` of numbers of `number`
/// bytes; what it holds of the network, beyond its weights, is less than those.
///
/// # Errors
/// Those of [`Graph::describe`].
pub fn held(graph: &Graph, shape: &[usize], number: usize) -> Result<usize> {
    let outputs = outputs(graph, shape)?;
    let largest = outputs.iter().max().copied().unwrap_or_default();
    let numbers =
        shape.iter().product::<usize>() + outputs.iter().sum::<usize>() + BESIDE * largest;
    Ok(numbers.saturating_mul(number).max(1))
}

/// Images that share a pass on the host, and on a card at most.
const SHARED: [usize; 2] = [4, 64];

/// How many images `[c, k, j, i]` are handed to a network together: a few, on a card as many as the
/// memory of a pass holds.
///
/// # Errors
/// Those of [`Graph::describe`]; `E-DEVICE-003` when the card does not answer.
pub fn images_at_once(graph: &Graph, shape: &[usize]) -> Result<usize> {
    let [few, many] = SHARED;
    match device::memory_of_a_pass()? {
        Some(memory) => Ok((memory / held(graph, shape, size_of::<f32>())?).clamp(1, many)),
        None => Ok(few),
    }
}
