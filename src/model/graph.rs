//! The graph: nodes in topological order, walked forward, backward and in relevance.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::brought::{AtWork, Brought};
use super::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use crate::compute::{Array, Precision, Workspace, device};
use crate::{Error, Result};

/// Where a node's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The network's input.
    Input,
    /// The output of an earlier node.
    Node(usize),
}

/// One layer in its place.
#[derive(Debug)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// The layer.
    pub layer: Box<dyn Layer>,
    /// Its inputs, all earlier.
    pub inputs: Vec<From>,
}

/// A network; the last node is its output.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// The same network with its weights on the card, once it was asked for.
    there: Brought,
}

/// Every activation of a forward pass, kept.
#[derive(Debug)]
pub struct Trace {
    /// The input.
    pub input: Array,
    /// Output of each node.
    pub outputs: Vec<Array>,
    /// What each node keeps for the way back.
    pub saved: Vec<Saved>,
}

impl Trace {
    /// The array an edge carries.
    pub fn at(&self, from: From) -> &Array {
        match from {
            From::Input => &self.input,
            From::Node(n) => &self.outputs[n],
        }
    }

    /// Hands all buffers back.
    pub fn recycle(self, ws: &mut Workspace) {
        ws.give(self.input);
        self.outputs.into_iter().for_each(|a| ws.give(a));
        self.saved.into_iter().for_each(|s| s.recycle(ws));
    }
}

/// One row of a graph's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Name of the layer.
    pub name: String,
    /// Kind id.
    pub kind: &'static str,
    /// Output shape without the batch.
    pub shape: Vec<usize>,
    /// Trainable numbers.
    pub parameters: usize,
}

/// What [`Graph::backward_with`] asks before each layer's own backward pass.
pub type Instead<'a> =
    &'a mut (dyn FnMut(&Node, &Pass<'_>, &mut Workspace) -> Result<Option<Gradients>> + Send);

/// How exactly folding kept the function.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldProof {
    /// Largest |logit difference| over largest |logit|, over the inputs tried.
    pub drift: f64,
    /// Inputs tried.
    pub inputs: usize,
    /// Layers folded.
    pub folded: usize,
}

impl Graph {
    /// Appends a node and returns its index.
    pub fn push(&mut self, name: &str, layer: Box<dyn Layer>, inputs: Vec<From>) -> usize {
        self.there.forget();
        self.nodes.push(Node { name: name.to_owned(), layer, inputs });
        self.nodes.len() - 1
    }

    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The same for the passes of this module's neighbour.
    pub(super) fn nodes_mut(&mut self) -> &mut [Node] {
        self.there.forget();
        &mut self.nodes
    }

    /// Trainable parameters (`conv1.weight`, …) in a fixed order.
    pub fn parameters(&self) -> Vec<(String, &Array)> {
        let of = |n: &'static str, p: &str| format!("{p}.{n}");
        self.nodes
            .iter()
            .flat_map(|node| {
                node.layer.parameters().into_iter().map(move |(n, a)| (of(n, &node.name), a))
            })
            .collect()
    }

    /// The same for writing.
    pub fn parameters_mut(&mut self) -> Vec<(String, &mut Array)> {
        let mut all = Vec::new();
        for node in self.nodes_mut() {
            let name = node.name.clone();
            for (n, a) in node.layer.parameters_mut() {
                all.push((format!("{name}.{n}"), a));
            }
        }
        all
    }

    /// Parameters and running statistics, in a fixed order.
    pub fn state(&self) -> Vec<(String, &Array)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            for (n, a) in node.layer.parameters().into_iter().chain(node.layer.buffers()) {
                all.push((format!("{}.{n}", node.name), a));
            }
        }
        all
    }

    /// The same graph with other numbers.
    ///
    /// # Errors
    /// `E-MODEL-003` when a name is missing, unknown or of another shape.
    pub fn with_state(&self, mut state: BTreeMap<String, Array>) -> Result<Self> {
        let fix = "Use weights saved for this architecture and input size";
        let mut graph = self.duplicate()?;
        for node in &mut graph.nodes {
            for buffers in [false, true] {
                let slots =
                    if buffers { node.layer.buffers_mut() } else { node.layer.parameters_mut() };
                for (name, slot) in slots {
                    let key = format!("{}.{name}", node.name);
                    let new = state.remove(&key).ok_or_else(|| {
                        Error::model("E-MODEL-003", format!("weights lack '{key}'"), fix)
                    })?;
                    if new.shape() != slot.shape() {
                        let what =
                            format!("'{key}' has shape {:?}, not {:?}", new.shape(), slot.shape());
                        return Err(Error::model("E-MODEL-003", what, fix));
                    }
                    *slot = new;
                }
            }
        }
        match state.keys().next() {
            Some(key) => Err(Error::model("E-MODEL-003", format!("unknown weights '{key}'"), fix)),
            None => Ok(graph),
        }
    }

    /// The same network with its numbers in f64.
    ///
    /// # Errors
    /// As [`Array::cast`].
    pub fn wide(&self) -> Result<Self> {
        let cast = |(name, array): (String, &Array)| Ok((name, array.cast::<f64>()?));
        self.with_state(self.state().into_iter().map(cast).collect::<Result<_>>()?)
    }

    /// An independent copy.
    ///
    /// # Errors
    /// As [`Array::host`].
    pub fn duplicate(&self) -> Result<Self> {
        let copy = |node: &Node| -> Result<Node> {
            Ok(Node {
                name: node.name.clone(),
                layer: node.layer.duplicate()?,
                inputs: node.inputs.clone(),
            })
        };
        let nodes = self.nodes.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { nodes, there: Brought::default() })
    }

    /// The network where the work is done ([`device`]): itself, or one like it whose weights were
    /// brought to the card. Numbers per channel stay on the host, from where they steer kernels.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn at_work(&self) -> Result<AtWork<'_>> {
        let there = |(_, array): (String, &Array)| !array.on_host();
        let Some(memory) = device::memory()? else { return Ok(AtWork::Here(self)) };
        if self.state().into_iter().any(there) {
            return Ok(AtWork::Here(self));
        }
        if let Some(graph) = self.there.get() {
            return Ok(AtWork::There(graph));
        }
        let mut graph = self.duplicate()?;
        let mut bytes = 0;
        for node in &mut graph.nodes {
            for (_, array) in node.layer.parameters_mut() {
                if array.shape().len() > 1 {
                    bytes += array.len() * array.dtype().size_in_bytes();
                    *array = std::mem::replace(array, array.nothing()).at_work()?;
                }
            }
        }
        let graph = Arc::new(graph);
        self.there.keep(&graph, bytes, memory);
        Ok(AtWork::There(graph))
    }

    /// A forward pass that keeps everything.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input does not fit.
    pub fn trace(&self, input: Array, mode: &mut Mode<'_>, ws: &mut Workspace) -> Result<Trace> {
        let mut trace = Trace { input, outputs: Vec::new(), saved: Vec::new() };
        for n in 0..self.nodes.len() {
            self.extend(&mut trace, n, mode, ws)?;
        }
        Ok(trace)
    }

    /// The forward pass of node `n`, the next one.
    pub(super) fn extend(
        &self,
        trace: &mut Trace,
        n: usize,
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<()> {
        let node = &self.nodes[n];
        let inputs: Vec<&Array> = node.inputs.iter().map(|&f| trace.at(f)).collect();
        let shapes: Vec<&[usize]> = inputs.iter().map(|a| &a.shape()[1..]).collect();
        let _ = node.layer.out_shape(&shapes)?;
        let (output, saved) = node.layer.forward(&inputs, mode, ws)?;
        trace.outputs.push(output);
        trace.saved.push(saved);
        Ok(())
    }

    /// Gradients with respect to the input (if asked for) and the parameters, for a
    /// gradient of the logits.
    ///
    /// # Errors
    /// [`Error::Shape`] when the gradient does not fit.
    pub fn backward(
        &self,
        trace: &Trace,
        start: Array,
        input_too: bool,
        ws: &mut Workspace,
    ) -> Result<(Option<Array>, Vec<Array>)> {
        self.backward_with(trace, start, input_too, &mut |_, _, _| Ok(None), ws)
    }

    /// The same, where `instead` may answer for a layer in place of its own backward pass
    /// (or merely look at it).
    ///
    /// # Errors
    /// As [`Graph::backward`], and those of `instead`.
    pub fn backward_with(
        &self,
        trace: &Trace,
        start: Array,
        input_too: bool,
        instead: Instead<'_>,
        ws: &mut Workspace,
    ) -> Result<(Option<Array>, Vec<Array>)> {
        let mut grads: Vec<Option<Array>> = self.nodes.iter().map(|_| None).collect();
        let mut parameters: Vec<Vec<Array>> = self.nodes.iter().map(|_| Vec::new()).collect();
        let mut input = None;
        if let Some(last) = grads.last_mut() {
            *last = Some(start);
        }
        for n in (0..self.nodes.len()).rev() {
            let Some(grad) = grads[n].take() else { continue };
            let node = &self.nodes[n];
            let inputs: Vec<&Array> = node.inputs.iter().map(|&f| trace.at(f)).collect();
            let output = &trace.outputs[n];
            let pass = Pass {
                inputs: &inputs,
                output,
                saved: &trace.saved[n],
                grad: &grad,
                precision: Precision::F32,
            };
            let wanted = input_too || node.inputs.iter().any(|f| *f != From::Input);
            let back = match instead(node, &pass, ws)? {
                Some(back) => back,
                None => node.layer.backward(&pass, wanted, ws)?,
            };
            parameters[n] = back.parameters;
            for (from, gradient) in node.inputs.iter().zip(back.inputs) {
                let slot = match from {
                    From::Input => &mut input,
                    From::Node(m) => &mut grads[*m],
                };
                accumulate(slot, gradient, ws)?;
            }
            ws.give(grad);
        }
        Ok((input, parameters.into_iter().flatten().collect()))
    }

    /// Names of the layers with weights, output first (the order of a top-down cascade).
    pub fn weighted_layers(&self) -> Vec<String> {
        let affine = |node: &&Node| matches!(node.layer.role(), Role::Affine(_));
        self.nodes.iter().rev().filter(affine).map(|n| n.name.clone()).collect()
    }

    /// Layer by layer, for an input shape `[c, k, j, i]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input does not fit.
    pub fn describe(&self, input: &[usize]) -> Result<Vec<NodeRow>> {
        let mut rows: Vec<NodeRow> = Vec::new();
        for node in &self.nodes {
            let shapes: Vec<&[usize]> = node
                .inputs
                .iter()
                .map(|f| match f {
                    From::Input => input,
                    From::Node(n) => rows[*n].shape.as_slice(),
                })
                .collect();
            let shape = node.layer.out_shape(&shapes)?;
            let parameters = node.layer.parameters().iter().map(|(_, a)| a.len()).sum();
            let kind = node.layer.card().id;
            rows.push(NodeRow { name: node.name.clone(), kind, shape, parameters });
        }
        Ok(rows)
    }
}

/// Adds a gradient to what has already come to a node.
pub fn accumulate(slot: &mut Option<Array>, new: Array, ws: &mut Workspace) -> Result<()> {
    match slot {
        Some(sum) => {
            crate::compute::elementwise::add_to(sum, &new)?;
            ws.give(new);
        }
        None => *slot = Some(new),
    }
    Ok(())
}
