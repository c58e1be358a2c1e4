//! Synthetic newborn heads with a known difference between two groups.

mod anatomy;
mod cortex;
mod deep;
mod folds;
#[cfg(test)]
mod look;
mod noise;
mod placement;
mod proportions;
mod regions;
mod render;
mod shape;
