//! The walk that gradients and modified gradients share.

use super::start::{Seeded, seed};
use crate::compute::{Array, Workspace, device};
use crate::model::graph::{Instead, Trace};
use crate::model::layer::Mode;
use crate::{Error, Result};

use super::methods::Question;

/// What a walk starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// 1 at the explained score: gradients.
    One,
    /// The explained logits themselves, as relevance does.
    Logits,
}

/// Walks back to the input; `instead` may change what a layer does. Returns the scores and
/// what arrives at the input, shaped like it.
///
/// # Errors
/// Those of the graph and of [`seed`].
pub fn walk(
    of: &Question<'_>,
    x: &Array,
    from: From,
    instead: Instead<'_>,
    ws: &mut Workspace,
) -> Result<(Vec<f64>, Array)> {
    let graph = of.graph.at_work()?;
    let of = &Question { graph: &graph, ..*of };
    device::pass(|| {
        let trace = of.graph.trace(ws.copy_at_work(x)?, &mut Mode::Infer, ws)?;
        let found = back(of, &trace, from, instead, ws);
        trace.recycle(ws);
        let (scores, map) = found?;
        Ok((scores, ws.at_rest(map)?))
    })
}

fn back(
    of: &Question<'_>,
    trace: &Trace,
    from: From,
    instead: Instead<'_>,
    ws: &mut Workspace,
) -> Result<(Vec<f64>, Array)> {
    let logits = trace.outputs.last().ok_or_else(|| Error::internal("an empty graph"))?;
    let Seeded { scores, weights, relevance } = seed(logits, of.starts)?;
    let first = match from {
        From::One => weights,
        From::Logits => relevance,
    };
    let first = first.beside(logits)?;
    let (input, _) = of.graph.backward_with(trace, first, true, instead, ws)?;
    Ok((scores, input.ok_or_else(|| Error::internal("no gradient met the input"))?))
}

/// The gradient of each sample's score.
///
/// # Errors
/// As [`walk`].
pub fn gradient(of: &Question<'_>, x: &Array, ws: &mut Workspace) -> Result<Array> {
    Ok(walk(of, x, From::One, &mut |_, _, _| Ok(None), ws)?.1)
}
