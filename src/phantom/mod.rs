//! Synthetic newborn heads with a known difference between two groups, and the truth of
//! where that difference lies.
//!
//! A head is drawn in code (or deformed from a real template), each voxel as the mixture
//! of tissues it holds, then scanned with gain, bias field and Rician noise. For each
//! subject a twin is made with the same head, pose and noise but the other label: where
//! the two differ is where the label shows. [`Arm`] says how the label shows.
//!
//! These are test objects for the audit, not models of infants: sizes and directions of
//! effects follow the literature, shapes are drawn by eye.

mod acquire;
mod anatomy;
mod arm;
mod cortex;
mod deep;
mod extras;
mod field;
mod folds;
mod guess;
mod latents;
mod noise;
mod placement;
mod plan;
mod proportions;
mod regions;
mod render;
mod settings;
mod shape;
mod subject;
mod template;
#[cfg(test)]
mod tests;
mod words;
mod write;

pub use acquire::NOISE;
pub use arm::Arm;
pub use guess::{guess_side, guess_tissue, read_table};
pub use latents::{Group, Latents, subject_id};
pub use proportions::Effects;
pub use regions::{Region, Tissue, regions};
pub use settings::{Settings, Source};
pub use subject::{Subject, TRUTH_THRESHOLD, subject};
pub use template::Template;
pub use write::write_bids;
