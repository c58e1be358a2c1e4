//! The network as an explicit graph, its input, and its file form.

pub mod architecture;
pub mod assembly;
mod borders;
mod brought;
pub mod bundle;
pub mod canonise;
pub mod companion;
pub mod curve;
mod first;
pub mod graph;
pub mod input;
pub mod known;
pub mod layer;
pub mod layers;
pub mod members;
pub mod network;
pub mod onnx;
pub mod plan;
mod prefix;
pub mod redraw;
pub mod subject;
pub mod tensors;
mod walk;
pub mod weights;

pub use architecture::{ArchitectureSpec, build};
pub use bundle::{Bundle, ModelSpec};
pub use graph::Graph;
pub use input::{InputSpec, Prepared, prepare};
