//! What steers a walk and depends on numbers, known before it begins: a card that is asked on the way
//! is waited for at every layer.

use super::composite::Composite;
use super::rules::Applied;
use super::terms::Bounds;
use crate::Result;
use crate::compute::{Array, elementwise};
use crate::model::Graph;
use crate::model::graph::{From, Trace};
use crate::model::layer::{Part, Role};

/// What is known.
#[derive(Debug)]
pub(super) struct Known {
    stated: Option<(f64, f64)>,
    /// Bounds of each sample's input; empty where the composite states them or no rule asks.
    bounds: Vec<(f64, f64)>,
    /// Per node: which samples have negative numbers in its input; none where that is looked for
    /// when the walk is there.
    negative: Vec<Option<Vec<bool>>>,
}

impl Known {
    /// For a walk from node `at` down.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn of(
        graph: &Graph,
        trace: &Trace,
        composite: &Composite,
        rules: &[Option<Applied>],
        at: usize,
    ) -> Result<Self> {
        let samples = trace.input.shape()[0];
        let bounded = rules.iter().flatten().any(Applied::asks_for_bounds);
        let ranges = (bounded && composite.bounds.is_none()).then_some(&trace.input);
        let ranges = ranges.map(elementwise::ranges).transpose()?;
        let never = never_negative(graph);
        let (mut negative, mut looked) = (vec![None; rules.len()], Vec::new());
        for (n, (node, applied)) in graph.nodes().iter().zip(rules).enumerate().take(at + 1) {
            let Some(applied) = applied else { continue };
            let from = node.inputs[0];
            if !applied.asks_for_negatives() || matches!(from, From::Node(m) if never[m]) {
                negative[n] = Some(vec![false; samples]);
            } else if !trace.input.on_host() {
                // The host looks as the walk comes by, and no further than the first.
                looked.push((n, elementwise::negatives(trace.at(from))?));
            }
        }
        let arrays: Vec<&Array> = ranges.iter().chain(looked.iter().map(|(_, x)| x)).collect();
        let mut numbers = Array::all_to_f64(&arrays)?.into_iter();
        let ranges = numbers.by_ref().take(arrays.len() - looked.len()).flatten();
        let ranges = ranges.collect::<Vec<f64>>();
        let usual = |range: &[f64; 2]| (range[0].min(-3.0), range[1].max(3.0));
        let bounds = ranges.as_chunks().0.iter().map(usual).collect();
        for ((n, _), counts) in looked.iter().zip(numbers) {
            negative[*n] = Some(counts.iter().map(|count| *count > 0.0).collect());
        }
        Ok(Self { stated: composite.bounds, bounds, negative })
    }

    /// Bounds of the input, of all samples or of one.
    pub fn bounds(&self, sample: Option<usize>) -> Bounds<'_> {
        match (self.stated, sample) {
            (Some((low, high)), _) => Bounds::Stated(low, high),
            (None, Some(s)) => Bounds::Each(self.bounds.get(s..=s).unwrap_or_default()),
            (None, None) => Bounds::Each(&self.bounds),
        }
    }

    /// Whether the input `x` of node `n` has negative numbers: that of all samples or of one.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn signed(&self, n: usize, sample: Option<usize>, x: &Array) -> Result<bool> {
        match (&self.negative[n], sample) {
            (Some(each), Some(s)) => Ok(each[s]),
            (Some(each), None) => Ok(each.contains(&true)),
            (None, _) => elementwise::any_negative(x),
        }
    }
}

/// Per node whether its output has no negative number, whatever the input: a ReLU, and what moves,
/// picks or adds up numbers of such.
fn never_negative(graph: &Graph) -> Vec<bool> {
    let mut never: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let keeps =
            matches!(node.layer.role(), Role::Routing | Role::Reshape | Role::Split | Role::Merge);
        let of = |from: &From| matches!(from, From::Node(n) if never[*n]);
        let kept = keeps && node.inputs.iter().all(of);
        never.push(kept || matches!(node.layer.part(), Part::Rectifier));
    }
    never
}
