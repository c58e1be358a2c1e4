//! The network as an explicit graph.

pub mod architecture;
pub mod canonise;
pub mod graph;
pub mod layer;
pub mod layers;

pub use architecture::{ArchitectureSpec, build};
pub use graph::Graph;
