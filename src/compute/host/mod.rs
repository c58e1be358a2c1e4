//! CPU kernels. `unsafe` of this crate lives here only: in `simd.rs` and `ceiling.rs` (vector
//! instructions), `kernels.rs`, `rows.rs` and `tiles.rs` (bodies compiled for instructions found
//! at run time), the drivers that call them by table (`direct.rs`, `winograd.rs`, `weight.rs`,
//! `winograd_weight.rs`), `gemm.rs` (calls into the matrix-product library) and `disjoint.rs`
//! (tasks writing to separate parts of one output).
//!
//! [`choice`] says which kernel a convolution gets.

pub mod ceiling;
pub mod choice;
pub mod columns;
pub mod conv3d;
mod correlation;
mod direct;
mod disjoint;
pub mod gemm;
pub mod isa;
mod kernels;
mod pass;
mod rows;
mod simd;
#[cfg(test)]
mod tests;
pub mod tiles;
mod weight;
mod winograd;
mod winograd_weight;
