//! Architectures as data.

use serde::{Deserialize, Serialize};

use super::graph::Graph;
use crate::Result;
use crate::seed::Seed;

/// An architecture and its settings: enough to build the graph again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureSpec {
    /// `compact` or `boehle2019`.
    pub name: String,
    /// Input voxels as the tensor has them: `[k, j, i]`.
    pub input: [usize; 3],
    /// Output logits.
    pub classes: usize,
    /// Channels of the convolution blocks.
    pub channels: Vec<usize>,
    /// Dropout before the last layer.
    pub dropout: f64,
}

impl ArchitectureSpec {
    /// The default settings of a named architecture for an input extent `[k, j, i]`.
    ///
    /// # Errors
    /// `E-MODEL-001` for an unknown name (lists the known ones).
    pub fn named(name: &str, input: [usize; 3], classes: usize) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            input,
            classes,
            channels: vec![8, 16, 32, 64],
            dropout: 0.2,
        })
    }
}

/// Builds the graph with fresh weights drawn from `seed`.
///
/// # Errors
/// `E-MODEL-002` when the input is too small for the layers.
pub fn build(_spec: &ArchitectureSpec, _seed: Seed) -> Result<Graph> {
    Err(crate::Error::internal("to be written"))
}
