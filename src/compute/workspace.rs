//! Buffers kept for reuse: fresh memory costs page faults that take longer than many a
//! kernel (docs/performance.md).

use candle_core::DType;

use super::array::{Array, Real};
use crate::Result;

/// A store of buffers. One per worker; never shared between threads.
#[derive(Debug, Default)]
pub struct Workspace {
    f32: Vec<Vec<f32>>,
    f64: Vec<Vec<f64>>,
}

/// Hands out the smallest kept buffer that fits, or a new one.
fn fit<T: Real>(kept: &mut Vec<Vec<T>>, len: usize) -> Vec<T> {
    let best =
        (0..kept.len()).filter(|&b| kept[b].capacity() >= len).min_by_key(|&b| kept[b].capacity());
    let mut buffer = best.map(|b| kept.swap_remove(b)).unwrap_or_default();
    // Contents are the caller's to overwrite; only the grown part must be initialised.
    buffer.resize(len, T::ZERO);
    buffer
}

/// At most this many idle buffers of each type are kept.
const KEPT: usize = 64;

impl Workspace {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An array of `shape` with the number type of `like`; contents are whatever was there.
    ///
    /// # Errors
    /// Never in practice; [`crate::Error::Shape`] if the buffer were of the wrong length.
    pub fn take(&mut self, like: DType, shape: &[usize]) -> Result<Array> {
        let len = shape.iter().product();
        match like {
            DType::F64 => Array::from_vec(fit(&mut self.f64, len), shape),
            _ => Array::from_vec(fit(&mut self.f32, len), shape),
        }
    }

    /// Takes an array back.
    pub fn give(&mut self, array: Array) {
        match array.dtype() {
            DType::F64 if self.f64.len() < KEPT => self.f64.extend(array.into_vec::<f64>()),
            DType::F32 if self.f32.len() < KEPT => self.f32.extend(array.into_vec::<f32>()),
            _ => {}
        }
    }
}
