//! What steers a walk and depends on numbers, known before it begins: a card that is asked on the way
//! is waited for at every layer.

use std::collections::BTreeMap;

use super::composite::Composite;
use super::rules::Applied;
use super::terms::Bounds;
use crate::compute::{Array, elementwise};
use crate::model::Graph;
use crate::model::graph::{From, Trace};
use crate::model::layer::{Part, Role};
use crate::{Error, Result};

/// What is known.
#[derive(Debug)]
pub(super) struct Known {
    stated: Option<(f64, f64)>,
    /// Bounds of each sample's input; empty where the composite states them or no rule asks.
    bounds: Vec<(f64, f64)>,
    /// Per node: which samples have negative numbers in its input; none where that is looked for
    /// when the walk is there.
    negative: Vec<Option<Vec<bool>>>,
    /// Per node whether no relevance comes to its negative outputs.
    behind_relu: Vec<bool>,
    /// Scale and shift of layers that each sample decides for itself, by node.
    held: BTreeMap<usize, [Vec<f64>; 2]>,
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
        let mut negative = vec![None; rules.len()];
        let (mut looked, mut maps) = (Vec::new(), Vec::new());
        for (n, (node, applied)) in graph.nodes().iter().zip(rules).enumerate().take(at + 1) {
            let Some(applied) = applied else { continue };
            let from = node.inputs[0];
            if !applied.asks_for_negatives() || matches!(from, From::Node(m) if never[m]) {
                negative[n] = Some(vec![false; samples]);
            } else if !trace.input.on_host() {
                // The host looks as the walk comes by, and no further than the first.
                looked.push((n, elementwise::negatives(trace.at(from))?));
            }
            if let (Role::PerSample(layer), false) = (node.layer.role(), applied.passes()) {
                maps.push((n, layer.held(trace.at(from))?));
            }
        }
        let of_maps = maps.iter().flat_map(|(_, map)| [&map.scale, &map.shift]);
        let arrays = looked.iter().map(|(_, counts)| counts).chain(of_maps).chain(&ranges);
        let mut numbers = Array::all_to_f64(&arrays.collect::<Vec<_>>())?.into_iter();
        let mut next = || numbers.next().unwrap_or_default();
        for (n, _) in &looked {
            negative[*n] = Some(next().into_iter().map(|count| count > 0.0).collect());
        }
        let held = maps.iter().map(|(n, _)| (*n, [next(), next()])).collect();
        let usual = |range: &[f64; 2]| (range[0].min(-3.0), range[1].max(3.0));
        let bounds = next().as_chunks().0.iter().map(usual).collect();
        let behind_relu = behind_relu(graph, rules, at);
        Ok(Self { stated: composite.bounds, bounds, negative, behind_relu, held })
    }

    /// Scale and shift per sample and channel of node `n`, which each sample decides for itself.
    ///
    /// # Errors
    /// [`Error::Internal`] for another layer.
    pub fn held(&self, n: usize) -> Result<&[Vec<f64>; 2]> {
        self.held.get(&n).ok_or_else(|| Error::internal("a map of no sample"))
    }

    /// Bounds of the input, of all samples or of one.
    pub fn bounds(&self, sample: Option<usize>) -> Bounds<'_> {
        match (self.stated, sample) {
            (Some((low, high)), _) => Bounds::Stated(low, high),
            (None, Some(s)) => Bounds::Each(self.bounds.get(s..=s).unwrap_or_default()),
            (None, None) => Bounds::Each(&self.bounds),
        }
    }

    /// Whether it is known that no relevance comes to negative outputs of node `n`.
    pub fn behind_relu(&self, n: usize) -> bool {
        self.behind_relu[n]
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

/// Per node whether ReLUs alone listen to it, whose outputs of 0 get no relevance, in a walk from node
/// `at` down. Rules whose every term multiplies by the input give none to 0; ReLUs and layers that
/// move or pick numbers hand on what came to the output that the number became.
fn behind_relu(graph: &Graph, rules: &[Option<Applied>], at: usize) -> Vec<bool> {
    let nodes = graph.nodes();
    let (mut spared, mut behind) = (vec![true; nodes.len()], vec![true; nodes.len()]);
    // What is explained gets relevance wherever it is.
    for n in (at..nodes.len()).chain([at]) {
        (spared[n], behind[n]) = (false, false);
    }
    for (n, node) in nodes.iter().enumerate().take(at + 1).rev() {
        let rectifies = matches!(node.layer.part(), Part::Rectifier);
        let to_zeros = match node.layer.role() {
            Role::Affine(_) | Role::PerSample(_) => {
                rules[n].as_ref().is_some_and(Applied::spares_zeros)
            }
            Role::Proportional | Role::Merge => true,
            Role::Routing | Role::Reshape | Role::Split => spared[n],
            _ => rectifies && spared[n],
        };
        for from in &node.inputs {
            if let From::Node(m) = from {
                behind[*m] &= rectifies && spared[n];
                spared[*m] &= to_zeros;
            }
        }
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::super::rules::Convention;
    use super::*;
    use crate::model::layer::Layer;
    use crate::model::layers::{dense::Dense, leaky_relu, relu::Relu};

    #[test]
    fn behind_relus_nothing_comes_to_negative_outputs_unless_a_rule_gives_to_zeros() {
        let dense = || -> Box<dyn Layer> {
            let [w, b] = [Array::zeros::<f32>(&[2, 2]), Array::zeros::<f32>(&[2])];
            Box::new(Dense::new(w, b).expect("dense"))
        };
        let behind = |between: Box<dyn Layer>, rule: &str, skipped: bool| {
            let mut graph = Graph::default();
            let below = graph.push("below", dense(), vec![From::Input]);
            let relu = graph.push("relu", between, vec![From::Node(below)]);
            let from = if skipped { below } else { relu };
            let above = graph.push("above", dense(), vec![From::Node(relu)]);
            let _ = graph.push("beside", dense(), vec![From::Node(from)]);
            let rule = Applied::named(rule, Convention::Own).expect("known").expect("numbers");
            let rules = [Some(rule.clone()), None, Some(rule.clone()), Some(rule)];
            assert!(!behind_relu(&graph, &rules, above)[above]);
            [above, above + 1].map(|at| behind_relu(&graph, &rules, at)[below])
        };
        for rule in ["epsilon", "gamma", "alpha2_beta1", "z_plus"] {
            assert_eq!(behind(Box::new(Relu), rule, false), [true; 2], "{rule}");
            // Another layer listens, too; it counts where it has relevance.
            assert_eq!(behind(Box::new(Relu), rule, true), [true, false], "{rule}");
            assert_eq!(behind(Box::new(leaky_relu::layer(0.1)), rule, false), [false; 2], "{rule}");
        }
        for rule in ["flat", "w_square", "z_box", "pass"] {
            assert_eq!(behind(Box::new(Relu), rule, false), [false; 2], "{rule}");
        }
    }
}
