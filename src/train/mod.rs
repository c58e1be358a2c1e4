//! (to be written)

pub mod metrics;
pub mod split;
