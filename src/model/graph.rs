//! The graph: nodes in topological order, walked forward, backward and in relevance.

use std::collections::BTreeMap;

use crate::compute::{Array, Workspace};
use crate::seed::{Seed, Stream};
use crate::{Error, Result};

/// A network.
#[derive(Debug)]
pub struct Graph {}

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

fn unwritten<T>() -> Result<T> {
    Err(Error::internal("to be written"))
}

impl Graph {
    /// Trainable parameters (`conv1.weight`, …) in a fixed order.
    pub fn parameters(&self) -> Vec<(String, &Array)> {
        Vec::new()
    }
    /// The same for writing.
    pub fn parameters_mut(&mut self) -> Vec<(String, &mut Array)> {
        Vec::new()
    }
    /// Parameters and running statistics, in a fixed order.
    pub fn state(&self) -> Vec<(String, &Array)> {
        Vec::new()
    }
    /// The same graph with other numbers.
    ///
    /// # Errors
    /// `E-MODEL-003` when a name is missing, unknown or of another shape.
    pub fn with_state(&self, _state: BTreeMap<String, Array>) -> Result<Self> {
        unwritten()
    }
    /// An independent copy.
    ///
    /// # Errors
    /// As [`Array::host`].
    pub fn duplicate(&self) -> Result<Self> {
        unwritten()
    }
    /// Logits `[n, classes]` of `x [n, 1, k, j, i]` in inference mode.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input does not fit.
    pub fn forward(&self, _x: &Array, _ws: &mut Workspace) -> Result<Array> {
        unwritten()
    }
    /// One forward and backward pass in training mode; running statistics are updated.
    /// `loss` gets the logits and returns the loss and its gradient. Gradients come in the
    /// order of [`Graph::parameters`].
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn train_step(
        &mut self,
        _x: Array,
        _loss: &mut dyn FnMut(&Array) -> Result<(f64, Array)>,
        _dropout: &mut Stream,
        _ws: &mut Workspace,
    ) -> Result<(f64, Vec<Array>)> {
        unwritten()
    }
    /// Names of the layers with weights, output first (the order of a top-down cascade).
    pub fn weighted_layers(&self) -> Vec<String> {
        Vec::new()
    }
    /// The same graph with the named layers' weights drawn afresh (same scheme as
    /// [`super::build`]); batch norm after them keeps gamma 1, beta 0 and statistics
    /// recalibrated on `calibrate` where the graph still has batch norm.
    ///
    /// # Errors
    /// `E-MODEL-003` for an unknown name.
    pub fn reinitialised(
        &self,
        _layers: &[String],
        _seed: Seed,
        _calibrate: Option<&Array>,
        _ws: &mut Workspace,
    ) -> Result<Self> {
        unwritten()
    }
    /// Batch norm folded exactly, dropout dropped: the graph that is explained. The proof
    /// compares logits on `probe`.
    ///
    /// # Errors
    /// `E-MODEL-004` when a batch norm cannot be folded exactly.
    pub fn canonical(&self, _probe: &Array, _ws: &mut Workspace) -> Result<(Self, FoldProof)> {
        unwritten()
    }
    /// Layer by layer.
    pub fn describe(&self) -> Vec<NodeRow> {
        Vec::new()
    }
}
