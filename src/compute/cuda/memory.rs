//! The card's memory: what there is, and how much of it arrays take.
//!
//! Arrays come from the driver's pool, in the order of the stream: what one kernel leaves, the next may
//! have, without a wait.

#![allow(unsafe_code)]

use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute as Attribute;
use candle_core::cuda_backend::cudarc::driver::{DriverError, result, sys};

use super::Card;
use super::card::failed;
use crate::Result;

/// Sets a number of the pool, or reads it.
fn attribute(
    device: sys::CUdevice,
    which: Attribute,
    set: Option<u64>,
) -> std::result::Result<u64, DriverError> {
    let mut value = set.unwrap_or(0);
    let at = (&raw mut value).cast();
    // SAFETY: every attribute used here is a 64-bit number, and this one lives through the call.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        match set {
            Some(_) => sys::cuMemPoolSetAttribute(pool, which, at).result()?,
            None => sys::cuMemPoolGetAttribute(pool, which, at).result()?,
        }
    }
    Ok(value)
}

/// Keeps freed memory for the next array rather than giving it back to the driver.
pub(super) fn keep(device: sys::CUdevice) -> std::result::Result<(), DriverError> {
    let which = Attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    attribute(device, which, Some(u64::MAX)).map(|_| ())
}

impl Card {
    /// Bytes free and in all.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver does not answer.
    pub fn memory(&self) -> Result<(usize, usize)> {
        let stream = self.device.cuda_stream();
        stream.context().mem_get_info().map_err(|why| failed("asking for memory", why))
    }

    /// Bytes that arrays take now. From here on [`Card::held_at_most`] counts.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver does not answer.
    pub fn held_from_now(&self) -> Result<usize> {
        self.finish()?;
        // The mark can be set to 0 only, by which it becomes what is held.
        self.pool(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, Some(0))?;
        self.pool(Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT, None)
    }

    /// The most bytes that arrays took at once, of the whole program, since it was last marked.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver does not answer.
    pub fn held_at_most(&self) -> Result<usize> {
        self.pool(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, None)
    }

    fn pool(&self, which: Attribute, set: Option<u64>) -> Result<usize> {
        let device = self.device.cuda_stream().context().cu_device();
        let value = attribute(device, which, set);
        Ok(value.map_err(|why| failed("asking for memory", why))? as usize)
    }
}
