//! Kernels: 3D convolution, pooling, batch statistics, dense products and the
//! elementwise steps of relevance, forward and backward, over candle storages.
//!
//! Three implementations of the heavy operations: [`reference`](mod@reference) (nested loops in
//! f64, the truth the others are held to), `host` (CPU) and, with the feature `cuda`, `cuda`. Each
//! operation is done where its first array lies ([`device`]).
//! All results are independent of the number of threads: work is cut by shape alone
//! and partial sums are added in a fixed order.

pub mod array;
pub mod autograd;
pub mod batch_norm;
pub mod blocks;
pub mod card_rates;
pub mod conformance;
pub mod conv3d;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod dense;
pub mod device;
pub mod elementwise;
pub mod facts;
pub mod flow;
pub mod fused;
pub mod geometry;
pub mod group_norm;
mod host;
pub mod marks;
pub mod norm;
mod place;
pub mod pool3d;
pub mod precision;
pub mod rates;
pub mod reference;
pub mod relevance;
mod seats;
pub mod softmax;
pub mod update;
pub mod workspace;

pub use array::{Array, Real, five};
pub use geometry::{ConvGeometry, PoolGeometry};
pub use marks::Marks;
pub use precision::Precision;
pub use workspace::Workspace;

/// The instruction set the kernels run with: `avx512`, `avx2` or `portable`.
pub fn instruction_set() -> &'static str {
    host::isa::Isa::chosen().name()
}
