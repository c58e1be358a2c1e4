//! Layer-wise relevance propagation over the graph, with a ledger per layer.

pub mod composite;
pub mod ledger;
pub mod propagate;
pub mod rules;
pub mod terms;

pub use composite::Composite;
pub use propagate::{Explanation, Start, explain};
