//! Graph to a new graph that can be explained: batch norm folded exactly, dropout dropped.
//! Nothing is restored, nothing mutated.

use super::graph::{FoldProof, From, Graph, Node};
use super::layer::{Affine, Layer, Role};
use crate::compute::{Array, Workspace};
use crate::{Error, Result};

impl Graph {
    /// Batch norm folded into the layer before it, dropout dropped. The proof compares the
    /// logits of both graphs on `probe`.
    ///
    /// # Errors
    /// As [`Graph::folded`]; [`Error::Shape`] when the probe does not fit.
    pub fn canonical(&self, probe: &Array, ws: &mut Workspace) -> Result<(Self, FoldProof)> {
        let graph = self.folded()?;
        let norms = self.nodes().iter().filter(|n| matches!(n.layer.role(), Role::MustFold(..)));
        let folded = norms.count();
        let (before, after) =
            (self.forward(probe, ws)?.to_f64()?, graph.forward(probe, ws)?.to_f64()?);
        let scale = before.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let gap = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Ok((graph, FoldProof { drift: gap / scale, inputs: probe.shape()[0], folded }))
    }

    /// The same without the proof, for the many re-initialised networks of an audit.
    ///
    /// # Errors
    /// `E-MODEL-004` when a batch norm does not follow a layer with weights whose output
    /// nothing else reads.
    pub fn folded(&self) -> Result<Self> {
        let mut graph = Self::default();
        let mut place: Vec<From> = Vec::new();
        for (n, node) in self.nodes().iter().enumerate() {
            let inputs: Vec<From> = node.inputs.iter().map(|f| moved(*f, &place)).collect();
            match self.absorber(n, node)? {
                Fate::Drop => place.push(inputs[0]),
                Fate::Keep => {
                    let layer = match self.fold_into(n, node)? {
                        Some(layer) => layer,
                        None => node.layer.duplicate()?,
                    };
                    place.push(From::Node(graph.push(&node.name, layer, inputs)));
                }
            }
        }
        Ok(graph)
    }

    /// What becomes of a node: a foldable batch norm and dropout go.
    fn absorber(&self, n: usize, node: &Node) -> Result<Fate> {
        if node.layer.card().id == "dropout" {
            return Ok(Fate::Drop);
        }
        if !matches!(node.layer.role(), Role::MustFold(..)) {
            return Ok(Fate::Keep);
        }
        let foldable = match node.inputs[0] {
            From::Node(m) => {
                let readers = self.nodes().iter().filter(|o| o.inputs.contains(&From::Node(m)));
                matches!(self.nodes()[m].layer.role(), Role::Affine(_)) && readers.count() == 1
            }
            From::Input => false,
        };
        if foldable {
            return Ok(Fate::Drop);
        }
        Err(Error::model(
            "E-MODEL-004",
            format!(
                "batch norm '{}' (node {n}) does not follow a layer with weights alone",
                node.name
            ),
            "Put each batch norm right after a convolution or dense layer",
        ))
    }

    /// The layer of node `n` with the batch norm after it folded in, if there is one.
    fn fold_into(&self, n: usize, node: &Node) -> Result<Option<Box<dyn Layer>>> {
        let Role::Affine(affine) = node.layer.role() else { return Ok(None) };
        for next in self.nodes().iter().filter(|o| o.inputs.contains(&From::Node(n))) {
            if let Role::MustFold(scale, shift) = next.layer.role() {
                return fold(affine, &scale, &shift).map(Some);
            }
        }
        Ok(None)
    }
}

enum Fate {
    Keep,
    Drop,
}

fn moved(from: From, place: &[From]) -> From {
    match from {
        From::Input => From::Input,
        From::Node(n) => place[n],
    }
}

/// `w' = w · scale[o]`, `b' = b · scale[o] + shift[o]`, in f64, rounded once.
fn fold(affine: &dyn Affine, scale: &[f64], shift: &[f64]) -> Result<Box<dyn Layer>> {
    let weight = affine.weight();
    let row = weight.len() / scale.len();
    let folded: Vec<f64> =
        weight.to_f64()?.iter().enumerate().map(|(at, w)| w * scale[at / row]).collect();
    let bias = affine.bias().map(Array::to_f64).transpose()?.unwrap_or(vec![0.0; scale.len()]);
    let bias: Vec<f64> = bias.iter().zip(scale).zip(shift).map(|((b, a), s)| b * a + s).collect();
    crate::by_type!(weight, T => {
        let weight = Array::from_vec(folded, weight.shape())?.cast::<T>()?;
        let bias = Array::from_vec(bias, &[scale.len()])?.cast::<T>()?;
        affine.with(weight, bias)
    })
}
