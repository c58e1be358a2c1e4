//! A graph under construction: layers so far, the extents of every signal, and what becomes
//! part of another layer at the end.

use std::collections::BTreeMap;

use super::canonise::fold;
use super::graph::{From, Graph, Node};
use super::layer::{Layer, Role};
use crate::compute::Array;
use crate::{Error, Result};

/// Most numbers of one activation.
const MOST: usize = 1 << 31;

/// An activation: where it comes from, and its extents, the batch first.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Where from.
    pub from: From,
    /// Extents.
    pub dims: Vec<usize>,
}

/// The layers so far.
#[derive(Debug, Default)]
pub struct Assembly {
    /// Layers in topological order.
    pub nodes: Vec<Node>,
    /// Names in use, each with the last number put behind it.
    names: BTreeMap<String, usize>,
}

impl Assembly {
    /// A name not yet used.
    fn unique(&mut self, name: &str) -> String {
        let Some(mut n) = self.names.get(name).copied() else {
            let _ = self.names.insert(name.to_owned(), 1);
            return name.to_owned();
        };
        // Numbers go on where they ended: a file may give one name to all its nodes.
        let own = loop {
            n += 1;
            let own = format!("{name}_{n}");
            if !self.names.contains_key(&own) {
                break own;
            }
        };
        let _ = self.names.insert(name.to_owned(), n);
        let _ = self.names.insert(own.clone(), 1);
        own
    }

    /// Appends a layer; the batch is that of its first input.
    ///
    /// # Errors
    /// [`Error::Shape`] when its inputs do not fit or its output is empty or beyond memory.
    pub fn push(
        &mut self,
        name: &str,
        layer: impl Layer + 'static,
        inputs: &[&Signal],
    ) -> Result<Signal> {
        let shapes: Vec<&[usize]> =
            inputs.iter().map(|s| s.dims.get(1..).unwrap_or_default()).collect();
        let batch = inputs.first().and_then(|s| s.dims.first()).copied().unwrap_or(1);
        if inputs.iter().any(|s| s.dims.first() != Some(&batch)) {
            return Err(Error::shape("inputs", "one batch", inputs));
        }
        let mut dims = vec![batch];
        dims.extend(layer.out_shape(&shapes)?);
        let numbers = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if numbers.is_none_or(|n| n == 0 || n > MOST) {
            return Err(Error::shape("an output", format!("1 to {MOST} numbers"), &dims));
        }
        let name = self.unique(name);
        let inputs = inputs.iter().map(|s| s.from).collect();
        self.nodes.push(Node { name, layer: Box::new(layer), inputs });
        Ok(Signal { from: From::Node(self.nodes.len() - 1), dims })
    }

    /// Kind of the layer a signal comes from, and the layer's inputs.
    pub fn maker(&self, signal: &Signal) -> Option<(&'static str, &[From])> {
        match signal.from {
            From::Input => None,
            From::Node(n) => Some((self.nodes[n].layer.card().id, &self.nodes[n].inputs)),
        }
    }

    /// Kind of the layer that gave a signal its values: reshapes are looked through.
    pub fn source(&self, signal: &Signal) -> Option<&'static str> {
        let mut from = signal.from;
        while let From::Node(n) = from {
            let kind = self.nodes[n].layer.card().id;
            if !["reshape", "flatten"].contains(&kind) {
                return Some(kind);
            }
            from = self.nodes[n].inputs[0];
        }
        None
    }

    /// The network up to `output`: layers that do not lead there are left out, and scales and
    /// shifts of one layer's output alone become part of it.
    ///
    /// # Errors
    /// Those of folding.
    pub fn finish(self, output: usize) -> Result<Graph> {
        let nodes = self.nodes;
        let mut readers = vec![0usize; nodes.len()];
        readers[output] = 1;
        for n in (0..=output).rev() {
            if readers[n] > 0 {
                for from in &nodes[n].inputs {
                    if let From::Node(m) = from {
                        readers[*m] += 1;
                    }
                }
            }
        }
        let mut kept: Vec<Node> = Vec::new();
        let mut place = Vec::with_capacity(nodes.len());
        for (n, node) in nodes.into_iter().enumerate() {
            let moved = |from: &From| match from {
                From::Input => From::Input,
                From::Node(m) => place[*m],
            };
            let inputs: Vec<From> = node.inputs.iter().map(moved).collect();
            if readers[n] == 0 {
                place.push(From::Input);
                continue;
            }
            if let (true, From::Node(below), From::Node(before)) =
                (node.layer.card().id == "channel_affine", inputs[0], node.inputs[0])
                && readers[before] == 1
                && let Some(layer) = merged(&*kept[below].layer, &*node.layer)?
            {
                kept[below].layer = layer;
                place.push(From::Node(below));
                continue;
            }
            kept.push(Node { inputs, ..node });
            place.push(From::Node(kept.len() - 1));
        }
        let mut graph = Graph::default();
        for node in kept {
            let _ = graph.push(&node.name, node.layer, node.inputs);
        }
        if graph.nodes().is_empty() {
            return Err(Error::internal("an imported network without layers"));
        }
        Ok(graph)
    }
}

/// A layer with weights with the scale and shift that follow it.
fn merged(below: &dyn Layer, map: &dyn Layer) -> Result<Option<Box<dyn Layer>>> {
    let (Role::Affine(below), Role::Affine(map)) = (below.role(), map.role()) else {
        return Ok(None);
    };
    let scale = map.weight().to_f64()?;
    let shift = map.bias().map(Array::to_f64).transpose()?.unwrap_or(vec![0.0; scale.len()]);
    fold(below, &scale, &shift).map(Some)
}
