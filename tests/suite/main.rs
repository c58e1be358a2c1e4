//! The integration tests, in one binary: each module is a subject.

mod architecture;
mod cli;
mod cohorts;
mod golden_stats;
mod hostile;
mod images;
mod kernels;
mod relevance;
mod support;
mod writing;
