//! NVIDIA cards: memory and kernels on candle's CUDA storages.
//!
//! The kernels are CUDA C++ (`kernels/`), compiled by NVRTC when a number type is first used. All
//! work of a program goes through one stream of one card, so that what one thread asked for is done
//! before what another asks for next. Sums are taken in an order that shapes alone decide: the same
//! launch gives the same bits again.
//!
//! `unsafe` stays in `card`, `memory`, `ferry`, `launch` and `cudnn`. That kernels get the arguments they declare,
//! write within their arrays and let nothing count that nobody wrote is shown by running them, emulated,
//! on the CPU (`tools/cuda/emulator`), where every array lies between guards and begins as NaN.

mod blocks;
pub mod card;
pub mod convolution;
#[cfg(feature = "cudnn")]
mod cudnn;
mod dense;
mod divider;
mod elementwise;
mod facts;
mod ferry;
mod fused;
mod launch;
mod memory;
mod norms;
mod pools;
mod relevance;
mod rows;
#[cfg(test)]
mod tests;

pub use card::Card;
pub use launch::Argument;
