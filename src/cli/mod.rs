//! (to be written)
pub mod exit;
