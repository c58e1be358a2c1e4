//! The walk from the start down to the voxels.

use super::composite::Composite;
use super::ledger::LedgerLine;
use crate::compute::{Array, Workspace};
use crate::model::Graph;
use crate::{Error, Result};

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Two classes: log-odds of class 1 over class 0; one logit: itself.
    Margin,
    /// One class's logit.
    Class(usize),
}

/// Maps of a batch.
#[derive(Debug)]
pub struct Explanation {
    /// The explained score per sample.
    pub scores: Vec<f64>,
    /// Relevance per voxel, shaped like the input `[n, 1, k, j, i]`.
    pub relevance: Array,
    /// Ledger per sample, output first.
    pub ledgers: Vec<Vec<LedgerLine>>,
}

/// Explains every sample of `x [n, 1, k, j, i]` on a canonical graph.
///
/// # Errors
/// [`Error::Model`] when a layer has no rule.
pub fn explain(
    _graph: &Graph,
    _x: &Array,
    _composite: &Composite,
    _start: Start,
    _ws: &mut Workspace,
) -> Result<Explanation> {
    Err(Error::internal("to be written"))
}
