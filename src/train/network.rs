//! What the training loop asks of a network. [`Graph`] is one; tests use a smaller one.

use std::collections::BTreeMap;

use crate::Result;
use crate::compute::{Array, Precision, Workspace};
use crate::model::Graph;
use crate::seed::Stream;

/// A loss: from logits `[n, classes]` to its value and its gradient by them.
pub type Loss<'a> = dyn FnMut(&Array) -> Result<(f64, Array)> + 'a;

/// A network that can be trained. Methods as those of [`Graph`].
pub trait Network: Sized {
    /// Trainable arrays in a fixed order.
    fn parameters(&self) -> Vec<(String, &Array)>;
    /// The same for writing.
    fn parameters_mut(&mut self) -> Vec<(String, &mut Array)>;
    /// Trainable arrays and running statistics, in a fixed order.
    fn state(&self) -> Vec<(String, &Array)>;
    /// The same network with other numbers.
    ///
    /// # Errors
    /// `E-MODEL-003` when names or shapes do not fit.
    fn with_state(&self, state: BTreeMap<String, Array>) -> Result<Self>;
    /// Logits in inference mode.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when the input does not fit.
    fn forward(&self, x: &Array, ws: &mut Workspace) -> Result<Array>;
    /// Forward and backward in training mode: the stream of dropout, and how exactly convolutions
    /// are made.
    ///
    /// # Errors
    /// As [`Network::forward`], and what the loss returns.
    fn train_step(
        &mut self,
        x: &Array,
        loss: &mut Loss,
        dropout: (&mut Stream, Precision),
        ws: &mut Workspace,
    ) -> Result<(f64, Vec<Array>)>;
}

impl Network for Graph {
    fn parameters(&self) -> Vec<(String, &Array)> {
        Graph::parameters(self)
    }
    fn parameters_mut(&mut self) -> Vec<(String, &mut Array)> {
        Graph::parameters_mut(self)
    }
    fn state(&self) -> Vec<(String, &Array)> {
        Graph::state(self)
    }
    fn with_state(&self, state: BTreeMap<String, Array>) -> Result<Self> {
        Graph::with_state(self, state)
    }
    fn forward(&self, x: &Array, ws: &mut Workspace) -> Result<Array> {
        Graph::forward(self, x, ws)
    }
    fn train_step(
        &mut self,
        x: &Array,
        loss: &mut Loss,
        (dropout, precision): (&mut Stream, Precision),
        ws: &mut Workspace,
    ) -> Result<(f64, Vec<Array>)> {
        self.train_step_in(precision, x, loss, dropout, ws)
    }
}
