//! Graph to a new graph that can be explained: batch norm folded exactly, or left as the affine
//! map per channel that it is where it cannot be; dropout dropped.
//! Nothing is restored, nothing mutated.

use super::graph::{FoldProof, From, Graph, Node};
use super::layer::{Affine, Layer, Role};
use super::layers::channel_affine::ChannelAffine;
use crate::compute::{Array, Workspace};
use crate::{Error, Result};

impl Graph {
    /// Batch norm folded into the layer before it, dropout dropped. The proof compares the
    /// logits of both graphs on `probe`.
    ///
    /// # Errors
    /// As [`Graph::folded`]; [`Error::Shape`] when the probe does not fit.
    pub fn canonical(&self, probe: &Array, ws: &mut Workspace) -> Result<(Self, FoldProof)> {
        self.proven(self.folded()?, probe, ws)
    }

    /// As Zennit 0.5.1 folds: the batch norm that is left behind still divides by
    /// √(1 + 1e-5), so the logits drift. For comparisons with it alone.
    ///
    /// # Errors
    /// As [`Graph::canonical`].
    pub fn canonical_as_zennit(
        &self,
        probe: &Array,
        ws: &mut Workspace,
    ) -> Result<(Self, FoldProof)> {
        self.proven(self.folded_times(1.0 / (1.0f64 + 1e-5).sqrt())?, probe, ws)
    }

    fn proven(&self, graph: Self, probe: &Array, ws: &mut Workspace) -> Result<(Self, FoldProof)> {
        let norm = |n: &&Node| matches!(n.layer.role(), Role::MustFold(..));
        let gone = |n: &&Node| norm(n) && matches!(self.fate(n), Fate::Drop);
        let folded = self.nodes().iter().filter(gone).count();
        let (before, after) =
            (self.forward(probe, ws)?.to_f64()?, graph.forward(probe, ws)?.to_f64()?);
        let scale = before.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let gap = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Ok((graph, FoldProof { drift: gap / scale, inputs: probe.shape()[0], folded }))
    }

    /// The network that ends where explanations start: without the softmax or sigmoid at its
    /// end.
    ///
    /// # Errors
    /// As [`Graph::duplicate`].
    pub fn before_links(&self) -> Result<Self> {
        let mut end = self.nodes().len();
        while end > 1 && matches!(self.nodes()[end - 1].layer.role(), Role::Link) {
            match self.nodes()[end - 1].inputs[0] {
                From::Node(below) => end = below + 1,
                From::Input => break,
            }
        }
        let mut graph = Self::default();
        for node in &self.nodes()[..end] {
            let _ = graph.push(&node.name, node.layer.duplicate()?, node.inputs.clone());
        }
        Ok(graph)
    }

    /// The same without the proof, for the many re-initialised networks of an audit.
    ///
    /// # Errors
    /// [`Error::Shape`] when a batch norm does not fit the layer before it.
    pub fn folded(&self) -> Result<Self> {
        self.folded_times(1.0)
    }

    /// Every batch norm folded, times a factor.
    fn folded_times(&self, factor: f64) -> Result<Self> {
        let mut graph = Self::default();
        let mut place: Vec<From> = Vec::new();
        for (n, node) in self.nodes().iter().enumerate() {
            let inputs: Vec<From> = node.inputs.iter().map(|f| moved(*f, &place)).collect();
            let layer = match self.fate(node) {
                Fate::Drop => {
                    place.push(inputs[0]);
                    continue;
                }
                Fate::Affine => own_map(node)?,
                Fate::Keep => match self.fold_into(n, node, factor)? {
                    Some(layer) => layer,
                    None => node.layer.duplicate()?,
                },
            };
            place.push(From::Node(graph.push(&node.name, layer, inputs)));
        }
        Ok(graph)
    }

    /// What becomes of a node: a foldable batch norm and dropout go, another batch norm becomes
    /// an affine map of its own.
    fn fate(&self, node: &Node) -> Fate {
        if node.layer.card().id == "dropout" {
            return Fate::Drop;
        }
        if !matches!(node.layer.role(), Role::MustFold(..)) {
            return Fate::Keep;
        }
        // after a layer with weights the fold is exact at every voxel, borders too: padding is
        // already behind; before one, the shift would be missing in the padding
        match node.inputs[0] {
            From::Node(m) if self.folds_into(m) => Fate::Drop,
            _ => Fate::Affine,
        }
    }

    /// Whether node `m` has weights and its output one reader.
    fn folds_into(&self, m: usize) -> bool {
        let readers = self.nodes().iter().flat_map(|o| &o.inputs);
        matches!(self.nodes()[m].layer.role(), Role::Affine(_))
            && readers.filter(|f| **f == From::Node(m)).count() == 1
    }

    /// The layer of node `n` with the batch norm after it folded in, if there is one.
    fn fold_into(&self, n: usize, node: &Node, factor: f64) -> Result<Option<Box<dyn Layer>>> {
        let Role::Affine(affine) = node.layer.role() else { return Ok(None) };
        if !self.folds_into(n) {
            return Ok(None);
        }
        for next in self.nodes().iter().filter(|o| o.inputs.contains(&From::Node(n))) {
            if let Role::MustFold(scale, shift) = next.layer.role() {
                let times = |v: Vec<f64>| v.into_iter().map(|v| v * factor).collect::<Vec<f64>>();
                return fold(affine, &times(scale), &times(shift)).map(Some);
            }
        }
        Ok(None)
    }
}

enum Fate {
    Keep,
    Drop,
    Affine,
}

fn moved(from: From, place: &[From]) -> From {
    match from {
        From::Input => From::Input,
        From::Node(n) => place[n],
    }
}

/// A batch norm that nothing can take in, as the affine map it is.
fn own_map(node: &Node) -> Result<Box<dyn Layer>> {
    let Role::MustFold(scale, shift) = node.layer.role() else {
        return Err(Error::internal(format!("layer '{}' is no batch norm", node.name)));
    };
    let kind = node.layer.parameters().first().map(|(_, array)| array.dtype());
    let own = |values: Vec<f64>| -> Result<Array> {
        let array = Array::from_vec(values, &[scale.len()])?;
        if kind == Some(candle_core::DType::F64) { Ok(array) } else { array.cast::<f32>() }
    };
    Ok(Box::new(ChannelAffine::new(own(scale.clone())?, own(shift)?)?))
}

/// `w' = w · scale[o]`, `b' = b · scale[o] + shift[o]`, in f64, rounded once.
pub(super) fn fold(affine: &dyn Affine, scale: &[f64], shift: &[f64]) -> Result<Box<dyn Layer>> {
    let weight = affine.weight();
    let folded: Vec<f64> = weight
        .to_f64()?
        .iter()
        .enumerate()
        .map(|(at, w)| w * scale[affine.out_channel(at)])
        .collect();
    let bias = affine.bias().map(Array::to_f64).transpose()?.unwrap_or(vec![0.0; scale.len()]);
    let bias: Vec<f64> = bias.iter().zip(scale).zip(shift).map(|((b, a), s)| b * a + s).collect();
    crate::by_type!(weight, T => {
        let weight = Array::from_vec(folded, weight.shape())?.cast::<T>()?;
        let bias = Array::from_vec(bias, &[scale.len()])?.cast::<T>()?;
        affine.with(weight, bias)
    })
}
