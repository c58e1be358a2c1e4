//! The card in use.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaModule, CudaSlice};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, CudaStorage, CudaStorageSlice};
use candle_core::{DType, Storage};

use super::super::array::Array;
use super::convolution::Tables;
use super::ferry::Ferry;
use super::memory;
use crate::{Error, Result};

/// Sources of the kernels, the common beginning first.
const SOURCES: &[&str] = &[
    include_str!("kernels/prelude.cuh"),
    include_str!("kernels/elementwise.cu"),
    include_str!("kernels/curves.cu"),
    include_str!("kernels/rows.cu"),
    include_str!("kernels/norms.cu"),
    include_str!("kernels/pools.cu"),
    include_str!("kernels/fused.cu"),
    include_str!("kernels/relevance.cu"),
    include_str!("kernels/blocks.cu"),
    include_str!("kernels/dense.cu"),
    include_str!("kernels/convolution.cu"),
    include_str!("kernels/near.cu"),
];

/// A card with its stream and the kernels loaded so far.
pub struct Card {
    pub(super) device: CudaDevice,
    /// Number, from 0.
    pub number: usize,
    /// The maker's name of it.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
    modules: Mutex<HashMap<DType, Arc<CudaModule>>>,
    functions: Mutex<HashMap<(&'static str, DType), CudaFunction>>,
    pub(super) tables: Tables,
    pub(super) ferry: Mutex<Option<Ferry>>,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cuda:{} {}", self.number, self.name)
    }
}

thread_local! {
    static WAITS: Cell<usize> = const { Cell::new(0) };
}

static CARD: OnceLock<Card> = OnceLock::new();

/// A driver's or candle's error as ours.
pub(super) fn failed(step: &str, why: impl std::fmt::Display) -> Error {
    Error::usage(
        "E-DEVICE-003",
        format!("the card failed at {step}: {}", first_line(&why)),
        "Free its memory or use a smaller batch; --device cpu works without it",
    )
}

/// What went wrong without the calls that led there, which candle adds where `RUST_BACKTRACE` asks.
fn first_line(why: &impl std::fmt::Display) -> String {
    why.to_string().lines().next().unwrap_or_default().to_owned()
}

fn unusable(number: usize, why: impl std::fmt::Display) -> Error {
    Error::usage(
        "E-DEVICE-002",
        format!("card {number} cannot be used: {}", first_line(&why)),
        "Look with nvidia-smi whether the driver sees it, or use --device cpu",
    )
}

impl Card {
    /// Opens card `number`; the first one opened is that of the program.
    ///
    /// # Errors
    /// `E-DEVICE-002` when there is none or it does not answer.
    pub fn open(number: usize) -> Result<&'static Self> {
        if let Some(card) = CARD.get() {
            return match card.number == number {
                true => Ok(card),
                false => Err(unusable(number, format!("card {} is in use", card.number))),
            };
        }
        let card = Self::new(number).map_err(|why| unusable(number, why))?;
        Ok(CARD.get_or_init(|| card))
    }

    /// The card in use, if one was opened.
    pub fn opened() -> Option<&'static Self> {
        CARD.get()
    }

    fn new(number: usize) -> candle_core::Result<Self> {
        let wrap = candle_core::Error::wrap;
        let device = CudaDevice::new_with_stream(number)?;
        let stream = device.cuda_stream();
        let context = stream.context();
        // SAFETY: there is one stream, so no use of memory can meet another's.
        unsafe { device.disable_event_tracking() };
        memory::keep(context.cu_device()).map_err(wrap)?;
        Ok(Self {
            number,
            name: context.name().map_err(wrap)?,
            capability: context.compute_capability().map_err(wrap)?,
            device,
            modules: Mutex::default(),
            functions: Mutex::default(),
            tables: Tables::default(),
            ferry: Mutex::default(),
        })
    }

    /// Waits until everything asked for is done.
    ///
    /// # Errors
    /// `E-DEVICE-003` when something asked for failed.
    pub fn finish(&self) -> Result<()> {
        self.device.cuda_stream().synchronize().map_err(|why| failed("waiting", why))
    }

    /// How often this thread has copied numbers to the host so far. It waits for each until all that
    /// was asked for before is done.
    pub fn waits() -> usize {
        WAITS.get()
    }

    /// A kernel by name.
    pub(super) fn function(&self, name: &'static str, dtype: DType) -> Result<CudaFunction> {
        let mut functions = self.functions.lock().map_err(|_| poisoned())?;
        if let Some(function) = functions.get(&(name, dtype)) {
            return Ok(function.clone());
        }
        let suffix = if dtype == DType::F64 { "f64" } else { "f32" };
        let module = self.module(dtype)?;
        let function = module
            .load_function(&format!("{name}_{suffix}"))
            .map_err(|why| failed(&format!("loading kernel {name}"), why))?;
        functions.insert((name, dtype), function.clone());
        Ok(function)
    }

    fn module(&self, dtype: DType) -> Result<Arc<CudaModule>> {
        let mut modules = self.modules.lock().map_err(|_| poisoned())?;
        if let Some(module) = modules.get(&dtype) {
            return Ok(module.clone());
        }
        let (major, minor) = self.capability;
        let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}")];
        if dtype == DType::F64 {
            options.push("--define-macro=REAL_F64".to_owned());
        }
        let options = CompileOptions { options, ..CompileOptions::default() };
        let image = compile_ptx_with_opts(SOURCES.concat(), options)
            .map_err(|why| failed("compiling the kernels", format!("{why:?}")))?;
        let stream = self.device.cuda_stream();
        let module =
            stream.context().load_module(image).map_err(|why| failed("loading kernels", why))?;
        modules.insert(dtype, module.clone());
        Ok(module)
    }

    /// An array of the card; contents are undefined.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub(in super::super) fn room(&self, dtype: DType, shape: &[usize]) -> Result<Array> {
        // CUDA gives no memory of length 0.
        let len = shape.iter().product::<usize>().max(1);
        let short = |why: candle_core::Error| failed(&format!("making an array {shape:?}"), why);
        // SAFETY: callers write every number before any is read.
        let slice = unsafe {
            match dtype {
                DType::F64 => CudaStorageSlice::F64(self.device.alloc(len).map_err(short)?),
                DType::U32 => CudaStorageSlice::U32(self.device.alloc(len).map_err(short)?),
                DType::U8 => CudaStorageSlice::U8(self.device.alloc(len).map_err(short)?),
                DType::BF16 => CudaStorageSlice::BF16(self.device.alloc(len).map_err(short)?),
                _ => CudaStorageSlice::F32(self.device.alloc(len).map_err(short)?),
            }
        };
        Ok(self.array(slice, shape))
    }

    /// An array shaped like `x`, of its type; contents are undefined.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub(super) fn like(&self, x: &Array) -> Result<Array> {
        self.room(x.dtype(), x.shape())
    }

    pub(super) fn array(&self, slice: CudaStorageSlice, shape: &[usize]) -> Array {
        let storage = CudaStorage { slice, device: self.device.clone() };
        Array::stored(Storage::Cuda(storage), shape)
    }

    /// Zeros.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub fn zeros(&self, dtype: DType, shape: &[usize]) -> Result<Array> {
        let len = shape.iter().product::<usize>().max(1);
        let short = |why: candle_core::Error| failed("making zeros", why);
        let slice = match dtype {
            DType::F64 => CudaStorageSlice::F64(self.device.alloc_zeros(len).map_err(short)?),
            DType::U32 => CudaStorageSlice::U32(self.device.alloc_zeros(len).map_err(short)?),
            DType::U8 => CudaStorageSlice::U8(self.device.alloc_zeros(len).map_err(short)?),
            _ => CudaStorageSlice::F32(self.device.alloc_zeros(len).map_err(short)?),
        };
        Ok(self.array(slice, shape))
    }

    /// Numbers of the host, copied to the card.
    pub(super) fn upload<T: Held>(&self, data: &[T]) -> Result<CudaSlice<T>> {
        let short = |why: candle_core::Error| failed("copying to it", why);
        if data.is_empty() {
            return self.device.alloc_zeros(1).map_err(short);
        }
        // SAFETY: all of it is written next, in the same stream.
        let mut slice = unsafe { self.device.alloc::<T>(data.len()).map_err(short)? };
        if !self.send(data, &mut slice)? {
            self.device.memcpy_htod(data, &mut slice).map_err(short)?;
        }
        Ok(slice)
    }

    /// Whole numbers of the host, copied to the card.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub(super) fn numbers(&self, data: &[u32]) -> Result<Array> {
        Ok(self.array(CudaStorageSlice::U32(self.upload(data)?), &[data.len()]))
    }

    /// Copies an array of the host to the card.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub fn take(&self, x: &Array) -> Result<Array> {
        let slice = match x.dtype() {
            DType::F64 => CudaStorageSlice::F64(self.upload(x.host::<f64>()?)?),
            _ => CudaStorageSlice::F32(self.upload(x.host::<f32>()?)?),
        };
        Ok(self.array(slice, x.shape()))
    }

    /// Whether a storage is this card's.
    pub(in super::super) fn holds(&self, storage: &Storage) -> bool {
        matches!(storage, Storage::Cuda(storage) if storage.device.id() == self.device.id())
    }

    /// Copies an array of the card to the host.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver fails.
    pub fn give(&self, x: &Array) -> Result<Array> {
        let Storage::Cuda(storage) = x.storage() else { return Err(elsewhere()) };
        match &storage.slice {
            CudaStorageSlice::F64(s) => Array::from_vec(self.download(s, x.len())?, x.shape()),
            CudaStorageSlice::F32(s) => Array::from_vec(self.download(s, x.len())?, x.shape()),
            _ => Err(Error::internal("numbers expected")),
        }
    }

    /// Copies an array of the card to one of the host, of the same type and length.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver fails.
    pub fn fill(&self, x: &Array, to: &mut Array) -> Result<()> {
        let Storage::Cuda(storage) = x.storage() else { return Err(elsewhere()) };
        if x.len() != to.len() {
            return Err(Error::internal("arrays of one length expected"));
        }
        match &storage.slice {
            CudaStorageSlice::F64(s) => self.download_to(s, to.host_mut()?),
            CudaStorageSlice::F32(s) => self.download_to(s, to.host_mut()?),
            _ => Err(Error::internal("numbers expected")),
        }
    }

    /// A copy on the card.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub fn copy(&self, x: &Array) -> Result<Array> {
        self.part(x, 0, x.shape())
    }

    /// As many numbers as `shape` holds, from number `from` on, copied.
    ///
    /// # Errors
    /// `E-DEVICE-003` when memory is short.
    pub fn part(&self, x: &Array, from: usize, shape: &[usize]) -> Result<Array> {
        let y = self.room(x.dtype(), shape)?;
        let count = y.len();
        self.each(
            "copy",
            x.dtype(),
            count,
            &[self.of(x)?, from.into(), self.of(&y)?, 0usize.into()],
        )?;
        Ok(y)
    }

    /// Numbers of the card, copied to the host; waits for what was asked for before.
    pub(super) fn download<T: Held>(&self, slice: &CudaSlice<T>, len: usize) -> Result<Vec<T>> {
        WAITS.set(WAITS.get() + 1);
        if let Some(numbers) = self.brought(slice, len)? {
            return Ok(numbers);
        }
        let whole = self.device.clone_dtoh(slice);
        let mut whole = whole.map_err(|why| failed("copying from it", why))?;
        whole.truncate(len);
        Ok(whole)
    }

    /// The same to where there is room already.
    fn download_to<T: Held>(&self, slice: &CudaSlice<T>, to: &mut [T]) -> Result<()> {
        // SAFETY: numbers are only written there, by what are numbers of this type.
        let room = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), to.len()) };
        if self.bring(slice, room)? {
            WAITS.set(WAITS.get() + 1);
            return Ok(());
        }
        to.copy_from_slice(&self.download(slice, to.len())?);
        Ok(())
    }
}

pub(super) fn elsewhere() -> Error {
    Error::internal("an array of the card expected")
}

fn poisoned() -> Error {
    Error::internal("a thread stopped while it loaded kernels")
}

/// Number types of arrays on the card.
pub trait Held:
    candle_core::cuda_backend::cudarc::driver::DeviceRepr
    + candle_core::cuda_backend::cudarc::driver::ValidAsZeroBits
    + candle_core::cuda_backend::CudaDType
    + Copy
    + 'static
{
}

impl Held for f32 {}
impl Held for f64 {}
impl Held for u32 {}
impl Held for u8 {}
impl Held for half::bf16 {}
