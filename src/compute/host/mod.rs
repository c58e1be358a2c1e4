//! CPU kernels. `unsafe` of this crate lives here only: in `gemm.rs` (calls into the
//! matrix-product library), `lanes.rs` (vector instructions) and `disjoint.rs` (tasks
//! writing to separate parts of one output).

pub mod columns;
pub mod conv3d;
mod disjoint;
pub mod flat;
pub mod gemm;
mod lanes;
