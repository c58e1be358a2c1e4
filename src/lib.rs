//! Train a 3D CNN on MRI volumes, explain it with layer-wise relevance
//! propagation, and audit the explanations.
//!
//! # Floors
//!
//! Imports go downwards only; siblings on one floor do not see each other. A test
//! (`tests/suite/architecture.rs`) holds this.
//!
//! | floor | modules | knows of |
//! | --- | --- | --- |
//! | 0 | [`error`], [`seed`], [`card`], [`provenance`], [`progress`], [`files`], [`sheet`], [`stats`] | nothing of images or networks |
//! | 1 | [`image`], [`cohort`], [`compute`] | voxels and grids; tables of subjects; kernels |
//! | 2 | [`phantom`], [`model`] | synthetic heads; the layer graph |
//! | 3 | [`train`], [`explain`] | fitting; relevance |
//! | 4 | [`audit`] | checks, findings, policy, verdicts, baselines |
//! | 5 | [`report`] | figures and pages |
//! | 6 | [`cli`] | commands and the terminal |

pub mod card;
pub mod error;
pub mod files;
pub mod progress;
pub mod provenance;
pub mod seed;
pub mod sheet;
pub mod stats;

pub mod cohort;
pub mod compute;
pub mod image;

pub mod model;
pub mod phantom;

pub mod explain;
pub mod train;

pub mod audit;
pub mod report;

pub mod cli;

pub use error::{Error, Result};
