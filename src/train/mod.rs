//! Fitting networks: splits, losses, optimiser, the loop, and how well held-out subjects
//! are told apart.

pub mod aims;
pub mod apply;
pub mod augment;
pub mod baseline;
pub mod checkpoint;
mod feed;
pub mod fit;
pub mod loss;
pub mod members;
pub mod metrics;
pub mod models;
pub mod network;
pub mod optimiser;
pub mod pool;
pub mod prepare;
pub mod relabel;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod split;
pub mod write;
