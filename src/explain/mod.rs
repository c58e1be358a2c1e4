//! Layer-wise relevance propagation over the graph, with a ledger per layer.

pub mod backward;
pub mod batch;
pub mod booked;
pub mod composite;
mod glob;
mod journal;
mod known;
pub mod ledger;
pub mod methods;
pub mod propagate;
pub mod recipe;
pub mod redistribute;
pub mod rules;
pub mod start;
pub mod terms;
pub mod used;
mod walk;
pub mod way;

pub use batch::{explain, explain_each, explain_in_turn, images_at_once};
pub use composite::Composite;
pub use propagate::Explanation;
pub use start::Start;
