//! Starting kernels.

#![allow(unsafe_code)]

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc::driver::{DevicePtr, result};
use candle_core::{DType, Storage};

use super::super::array::Array;
use super::card::{Card, Held, failed};
use super::convolution::Pass;
use crate::Result;

/// Threads of a block; kernels know it as `THREADS`.
pub const THREADS: u32 = 256;

/// Blocks of a kernel that walks over numbers at most.
const BLOCKS: usize = 1 << 14;

/// An argument of a kernel. The driver reads as many bytes of it as the kernel declares, so a whole
/// number serves for `int` and for `Index`.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// An array: `Real *`, `double *`, `unsigned *`, `unsigned short *`, `unsigned char *`.
    Pointer(u64),
    /// `int` or `Index`.
    Whole(i64),
    /// `double`.
    Double(f64),
    /// A structure of `int`.
    Ints([i32; 48]),
    /// `Pass`.
    Pass(Pass),
}

impl From<usize> for Argument {
    fn from(value: usize) -> Self {
        Self::Whole(value as i64)
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self::Whole(i64::from(value))
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl Argument {
    /// A structure of the numbers of some lists, one after another.
    pub fn ints(lists: &[&[usize]]) -> Self {
        let mut all = [0; 48];
        assert!(lists.iter().map(|list| list.len()).sum::<usize>() <= all.len());
        all.iter_mut().zip(lists.iter().copied().flatten()).for_each(|(a, v)| *a = *v as i32);
        Self::Ints(all)
    }

    fn place(&mut self) -> *mut c_void {
        match self {
            Self::Pointer(v) => (v as *mut u64).cast(),
            Self::Whole(v) => (v as *mut i64).cast(),
            Self::Double(v) => (v as *mut f64).cast(),
            Self::Ints(v) => v.as_mut_ptr().cast(),
            Self::Pass(v) => (v as *mut Pass).cast(),
        }
    }
}

impl Card {
    /// The array as an argument.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it is not on the card.
    pub(super) fn of(&self, x: &Array) -> Result<Argument> {
        let Storage::Cuda(storage) = x.storage() else {
            return Err(crate::Error::internal("an array of the card expected"));
        };
        fn pointer<T: Held>(
            card: &Card,
            storage: &candle_core::CudaStorage,
        ) -> candle_core::Result<u64> {
            let slice = storage.as_cuda_slice::<T>()?;
            let stream = card.device.cuda_stream();
            let (pointer, _guard) = slice.device_ptr(&stream);
            Ok(pointer)
        }
        let pointer = match x.dtype() {
            DType::F64 => pointer::<f64>(self, storage),
            DType::U32 => pointer::<u32>(self, storage),
            DType::U8 => pointer::<u8>(self, storage),
            DType::BF16 => pointer::<half::bf16>(self, storage),
            _ => pointer::<f32>(self, storage),
        };
        pointer.map(Argument::Pointer).map_err(|why| failed("looking up an array", why))
    }

    /// Starts a kernel with `grid` blocks of [`THREADS`] threads.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver refuses.
    pub(super) fn run(
        &self,
        kernel: &'static str,
        dtype: DType,
        grid: [u32; 3],
        arguments: &[Argument],
    ) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let function = self.function(kernel, dtype)?;
        let mut values = arguments.to_vec();
        let mut places: Vec<*mut c_void> = values.iter_mut().map(Argument::place).collect();
        let (grid, block) = ((grid[0], grid[1], grid[2]), (THREADS, 1, 1));
        let stream = self.device.cuda_stream();
        let refused = |why| failed(&format!("starting kernel {kernel}"), why);
        stream.context().bind_to_thread().map_err(refused)?;
        // SAFETY: the callers, all in this module, pass what the kernel declares, arrays that live
        // until it is queued and are long enough; freed memory is queued behind it in the same
        // stream. The emulator checks that on the CPU.
        unsafe {
            result::launch_kernel(
                function.cu_function(),
                grid,
                block,
                0,
                stream.cu_stream(),
                &mut places,
            )
        }
        .map_err(refused)
    }

    /// Starts a kernel over `count` numbers, its last argument.
    ///
    /// # Errors
    /// As [`Card::run`].
    pub(super) fn each(
        &self,
        kernel: &'static str,
        dtype: DType,
        count: usize,
        arguments: &[Argument],
    ) -> Result<()> {
        let blocks = count.div_ceil(THREADS as usize).min(BLOCKS) as u32;
        let all: Vec<Argument> = arguments.iter().copied().chain([count.into()]).collect();
        self.run(kernel, dtype, [blocks, 1, 1], &all)
    }
}
