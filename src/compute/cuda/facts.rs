//! What the driver says of the card.

use candle_core::cuda_backend::cudarc::driver::sys::CUdevice_attribute;

use super::super::facts::Facts;
use super::Card;
use super::card::failed;
use crate::Result;

impl Card {
    /// What the driver says; newer ones answer 0 where they do not say.
    ///
    /// # Errors
    /// `E-DEVICE-003` when it does not answer.
    pub fn facts(&self) -> Result<Facts> {
        let stream = self.device.cuda_stream();
        let attribute = |which| {
            let told = stream.context().attribute(which);
            told.map_err(|why| failed("asking what it is", why))
        };
        let count = |which| Ok(u32::try_from(attribute(which)?).ok().filter(|n| *n > 0));
        let mhz = |which| Ok(count(which)?.map(|khz| f64::from(khz) / 1e3));
        let (major, minor) = self.capability;
        Ok(Facts {
            device: format!("cuda:{}", self.number),
            name: self.name.clone(),
            compute_capability: format!("{major}.{minor}"),
            memory_bytes: self.memory()?.1,
            multiprocessors: count(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            clock_mhz: mhz(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
            memory_clock_mhz: mhz(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?,
            memory_bus_bits: count(
                CUdevice_attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
            )?,
            cudnn: cfg!(feature = "cudnn"),
        })
    }
}
