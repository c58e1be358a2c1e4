//! The integration tests, in one binary.

mod cohorts;
mod hostile;
mod images;
mod support;
mod writing;
