//! The graph under construction: what is known of every value, and the layers so far.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::super::canonise::fold;
use super::super::graph::{From, Graph, Node};
use super::super::layer::{Layer, Role};
use super::attributes::{Attributes, Fault};
use super::fold::Budget;
use super::fold::extents::{broadcast, product};
use super::tensors::Tensor;
use crate::compute::Array;
use crate::{Error, Result};

/// Most numbers of one activation.
const MOST: usize = 1 << 31;

/// An activation: where it comes from, and its extents with the batch as the file has them.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Where from.
    pub from: From,
    /// Extents.
    pub dims: Vec<usize>,
}

/// What is known of a value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Numbers that do not depend on the image.
    Constant(Rc<Tensor>),
    /// An activation.
    Signal(Signal),
    /// Comes after an operator that is not supported.
    Unknown,
}

/// One node with what its inputs are.
#[derive(Debug)]
pub struct Call<'a> {
    /// Attributes and node.
    pub attributes: Attributes<'a>,
    /// Name for the layer.
    pub name: String,
    /// Inputs; `None` for one left out.
    pub inputs: Vec<Option<Value>>,
    /// Version of the operators.
    pub opset: i64,
}

impl Call<'_> {
    /// The operator.
    pub fn operator(&self) -> &str {
        &self.attributes.node.operator
    }

    /// An input that must be an activation.
    ///
    /// # Errors
    /// When it is none.
    pub fn signal(&self, at: usize) -> Result<&Signal, Fault> {
        match self.inputs.get(at) {
            Some(Some(Value::Signal(signal))) => Ok(signal),
            Some(Some(Value::Constant(_))) => Err(format!("input {at} is a constant").into()),
            _ => Err(format!("input {at} is missing").into()),
        }
    }

    /// An input that must be a constant, if it is given.
    ///
    /// # Errors
    /// When it depends on the image.
    pub fn constant(&self, at: usize) -> Result<Option<&Tensor>, Fault> {
        match self.inputs.get(at) {
            None | Some(None) => Ok(None),
            Some(Some(Value::Constant(tensor))) => Ok(Some(tensor)),
            Some(Some(_)) => Err(format!("input {at} depends on the image, not a constant").into()),
        }
    }

    /// Whole numbers of an input, or of an attribute of older operator sets.
    ///
    /// # Errors
    /// When they are of another kind.
    pub fn ints(&self, at: usize, attribute: &str) -> Result<Option<Vec<i64>>, Fault> {
        match self.constant(at)? {
            Some(tensor) => {
                let ints = tensor.as_ints().ok_or(format!("input {at} is not of whole numbers"))?;
                Ok(Some(ints.to_vec()))
            }
            None => Ok(self.attributes.ints(attribute)?),
        }
    }

    /// Real numbers of a constant input as an array of the extents it has.
    ///
    /// # Errors
    /// When it is missing or of whole numbers.
    pub fn weights(&self, at: usize) -> Result<Array, Fault> {
        let tensor = self.constant(at)?.ok_or(format!("input {at} is missing"))?;
        let data = tensor.as_floats().ok_or(format!("input {at} is not of real numbers"))?;
        if let Some(place) = data.iter().position(|v| !v.is_finite()) {
            return Err(format!("input {at} holds {} at place {place}", data[place]).into());
        }
        Ok(Array::from_vec(data.to_vec(), &tensor.dims)?)
    }

    /// The same along one axis of `len` numbers; zeros when left out.
    ///
    /// # Errors
    /// As [`Call::weights`]; for another length.
    pub fn vector(&self, at: usize, len: usize) -> Result<Array, Fault> {
        if self.constant(at)?.is_none() {
            return Ok(Array::zeros::<f32>(&[len]));
        }
        let array = self.weights(at)?;
        if array.len() != len {
            return Err(format!("input {at} has {} numbers, not {len}", array.len()).into());
        }
        Ok(array.reshaped(&[len])?)
    }

    /// One number per channel of a constant that is spread over a signal.
    ///
    /// # Errors
    /// When it differs along another axis than the channels.
    pub fn per_channel(&self, at: usize, dims: &[usize]) -> Result<Vec<f32>, Fault> {
        let tensor = self.weights(at)?;
        let own = tensor.shape();
        let wrong = || format!("a constant of extents {own:?} on {dims:?}, not one per channel");
        if broadcast(dims, own).ok().as_deref() != Some(dims) {
            return Err(wrong().into());
        }
        let missing = dims.len() - own.len();
        if own.iter().enumerate().any(|(a, d)| *d != 1 && a + missing != 1) {
            return Err(wrong().into());
        }
        let values = tensor.host::<f32>()?;
        let channels = dims.get(1).copied().unwrap_or(1);
        match values {
            [one] => Ok(vec![*one; channels]),
            all if all.len() == channels => Ok(all.to_vec()),
            _ => Err(wrong().into()),
        }
    }
}

/// The layers so far.
#[derive(Debug)]
pub struct Builder {
    /// Layers in topological order.
    pub nodes: Vec<Node>,
    /// What constant folding may still use.
    pub budget: Budget,
    names: BTreeSet<String>,
}

impl Builder {
    /// Without layers.
    pub fn new() -> Self {
        Self { nodes: Vec::new(), budget: Budget::default(), names: BTreeSet::new() }
    }

    /// A name not yet used.
    fn unique(&mut self, name: &str) -> String {
        let mut own = name.to_owned();
        let mut n = 1;
        while !self.names.insert(own.clone()) {
            n += 1;
            own = format!("{name}_{n}");
        }
        own
    }

    /// Appends a layer; the batch is that of its first input.
    ///
    /// # Errors
    /// When its inputs do not fit or its output is beyond memory.
    pub fn push(
        &mut self,
        name: &str,
        layer: impl Layer + 'static,
        inputs: &[&Signal],
    ) -> Result<Value, Fault> {
        let shapes: Vec<&[usize]> =
            inputs.iter().map(|s| s.dims.get(1..).unwrap_or_default()).collect();
        let batch = inputs.first().and_then(|s| s.dims.first()).copied().unwrap_or(1);
        if inputs.iter().any(|s| s.dims.first() != Some(&batch)) {
            return Err("inputs of different batches".into());
        }
        let mut dims = vec![batch];
        dims.extend(layer.out_shape(&shapes)?);
        if product(&dims)? > MOST {
            return Err(format!("an output of extents {dims:?}; at most {MOST} numbers").into());
        }
        if dims.contains(&0) {
            return Err(format!("an empty output of extents {dims:?}").into());
        }
        let name = self.unique(name);
        let inputs = inputs.iter().map(|s| s.from).collect();
        self.nodes.push(Node { name, layer: Box::new(layer), inputs });
        Ok(Value::Signal(Signal { from: From::Node(self.nodes.len() - 1), dims }))
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

/// Values by name.
pub type Values<'a> = HashMap<&'a str, Value>;
