//! The audit audited: defects planted, and sound cases that must pass.

pub mod faulty;
