//! An owned block of numbers in a candle storage, with its shape.
//!
//! candle's `Tensor` shares its storage behind a lock; an [`Array`] owns it, so kernels
//! can write in place and workspaces can reuse buffers. Conversion to and from `Tensor`
//! is a move.

use candle_core::{CpuStorage, DType, Storage, Tensor};

use super::host::tiles::sum_and_mass;
use super::place::on_card;
use crate::error::TensorResult;
use crate::{Error, Result};

/// Number types the kernels are written for: f32 for work, f64 for proofs.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Smallest number that is below all others (−∞).
    const LOWEST: Self;
    /// candle's name of the type.
    const DTYPE: DType;
    /// From f64, rounded.
    fn of(value: f64) -> Self;
    /// To f64, exact.
    fn wide(self) -> f64;
    /// The numbers of a CPU storage, if it holds this type.
    fn slice(storage: &CpuStorage) -> Option<&[Self]>;
    /// The same for writing.
    fn slice_mut(storage: &mut CpuStorage) -> Option<&mut Vec<Self>>;
    /// A CPU storage holding these numbers.
    fn store(data: Vec<Self>) -> CpuStorage;
    /// Lends this thread's scratch buffer of at least `len` numbers (contents undefined).
    fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [Self]) -> R) -> R;
}

macro_rules! real {
    ($type:ty, $variant:ident, $scratch:ident) => {
        thread_local! {
            static $scratch: std::cell::RefCell<Vec<$type>> =
                const { std::cell::RefCell::new(Vec::new()) };
        }

        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = <$type>::NEG_INFINITY;
            const DTYPE: DType = DType::$variant;

            fn of(value: f64) -> Self {
                value as $type
            }

            fn wide(self) -> f64 {
                f64::from(self)
            }

            fn slice(storage: &CpuStorage) -> Option<&[Self]> {
                match storage {
                    CpuStorage::$variant(data) => Some(data),
                    _ => None,
                }
            }

            fn slice_mut(storage: &mut CpuStorage) -> Option<&mut Vec<Self>> {
                match storage {
                    CpuStorage::$variant(data) => Some(data),
                    _ => None,
                }
            }

            fn store(data: Vec<Self>) -> CpuStorage {
                CpuStorage::$variant(data)
            }

            fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [Self]) -> R) -> R {
                $scratch.with(|cell| match cell.try_borrow_mut() {
                    Ok(mut buffer) => {
                        if buffer.len() < len {
                            buffer.resize(len, 0.0);
                        }
                        body(&mut buffer[..len])
                    }
                    // rayon may run another task of ours on this thread while one waits
                    Err(_) => body(&mut vec![0.0; len]),
                })
            }
        }
    };
}

real!(f32, F32, SCRATCH_F32);
real!(f64, F64, SCRATCH_F64);

/// Runs a generic body with the array's number type: `by_type!(array, T => body)`.
#[macro_export]
#[doc(hidden)]
macro_rules! by_type {
    ($array:expr, $t:ident => $body:expr) => {
        match $array.dtype() {
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}

/// An owned array. Shapes are in tensor order, for volumes `[n, c, k, j, i]`.
#[derive(Debug)]
pub struct Array {
    storage: Storage,
    shape: Vec<usize>,
}

impl Array {
    /// Numbers on the host with their shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shape does not hold exactly these numbers.
    pub fn from_vec<T: Real>(data: Vec<T>, shape: &[usize]) -> Result<Self> {
        if data.len() != shape.iter().product::<usize>() {
            return Err(Error::shape("array", shape, data.len()));
        }
        Ok(Self { storage: Storage::Cpu(T::store(data)), shape: shape.to_vec() })
    }

    /// Zeros of type `T`.
    pub fn zeros<T: Real>(shape: &[usize]) -> Self {
        let data = vec![T::ZERO; shape.iter().product()];
        Self { storage: Storage::Cpu(T::store(data)), shape: shape.to_vec() }
    }

    /// An array of numbers that are already where they belong.
    #[cfg(feature = "cuda")]
    pub(super) fn stored(storage: Storage, shape: &[usize]) -> Self {
        Self { storage, shape: shape.to_vec() }
    }

    /// Where the numbers are.
    #[cfg(feature = "cuda")]
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether the numbers are on the host.
    pub fn on_host(&self) -> bool {
        matches!(self.storage, Storage::Cpu(_))
    }

    /// Copies a tensor.
    ///
    /// # Errors
    /// [`Error::Tensor`] when candle refuses the copy or the type is neither f32 nor f64.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let shape = tensor.dims().to_vec();
        let flat = tensor.flatten_all().tensor("flatten")?;
        match tensor.dtype() {
            DType::F64 => Self::from_vec(flat.to_vec1::<f64>().tensor("to_vec1")?, &shape),
            _ => Self::from_vec(flat.to_vec1::<f32>().tensor("to_vec1")?, &shape),
        }
    }

    /// Moves into a tensor.
    pub fn into_tensor(self) -> Tensor {
        let none = candle_core::op::BackpropOp::none();
        Tensor::from_storage(self.storage, self.shape, none, false)
    }

    /// Shape, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number type.
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// The numbers, on the host.
    ///
    /// # Errors
    /// [`Error::Internal`] when the storage is not on the host or of another type.
    pub fn host<T: Real>(&self) -> Result<&[T]> {
        match &self.storage {
            Storage::Cpu(storage) => T::slice(storage),
            _ => None,
        }
        .ok_or_else(|| Error::internal(format!("host array of {:?} expected", T::DTYPE)))
    }

    /// The numbers, on the host, for writing.
    ///
    /// # Errors
    /// As [`Array::host`].
    pub fn host_mut<T: Real>(&mut self) -> Result<&mut [T]> {
        match &mut self.storage {
            Storage::Cpu(storage) => T::slice_mut(storage).map(Vec::as_mut_slice),
            _ => None,
        }
        .ok_or_else(|| Error::internal(format!("host array of {:?} expected", T::DTYPE)))
    }

    /// The buffer itself, for reuse.
    pub fn into_vec<T: Real>(self) -> Option<Vec<T>> {
        match self.storage {
            Storage::Cpu(mut storage) => T::slice_mut(&mut storage).map(std::mem::take),
            _ => None,
        }
    }

    /// All numbers as f64, on the host.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        on_card!(self, card => card.give(self)?.to_f64());
        by_type!(self, T => Ok(self.host::<T>()?.iter().map(|v| v.wide()).collect()))
    }

    /// [`Array::to_f64`] of several small arrays: a card is waited for once for all those it has.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn all_to_f64(arrays: &[&Self]) -> Result<Vec<Vec<f64>>> {
        #[cfg(feature = "cuda")]
        {
            let there: Vec<&Self> = arrays.iter().copied().filter(|a| !a.on_host()).collect();
            if let [first, _, ..] = there[..]
                && let Some(card) = first.card()?
            {
                let mut all = card.gathered(&there)?.into_iter();
                let next = |a: &&Self| match a.on_host() {
                    true => a.to_f64(),
                    false => Ok(all.next().unwrap_or_default()),
                };
                return arrays.iter().map(next).collect();
            }
        }
        arrays.iter().map(|a| a.to_f64()).collect()
    }

    /// The same numbers in type `T`, rounded where needed.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn cast<T: Real>(&self) -> Result<Self> {
        on_card!(self, card => card.take(&card.give(self)?.cast::<T>()?));
        let data = by_type!(self, S => {
            self.host::<S>()?.iter().map(|v| T::of(v.wide())).collect::<Vec<T>>()
        });
        Self::from_vec(data, &self.shape)
    }

    /// The same numbers under another shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the counts differ.
    pub fn reshaped(mut self, shape: &[usize]) -> Result<Self> {
        if self.len() != shape.iter().product::<usize>() {
            return Err(Error::shape("reshape", shape, &self.shape));
        }
        self.shape = shape.to_vec();
        Ok(self)
    }

    /// An independent copy.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn duplicate(&self) -> Result<Self> {
        on_card!(self, card => card.copy(self));
        by_type!(self, T => Self::from_vec(self.host::<T>()?.to_vec(), &self.shape))
    }

    /// Rows `from..to` along the first axis, copied.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn rows(&self, from: usize, to: usize) -> Result<Self> {
        let row: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = to - from;
        on_card!(self, card => card.part(self, from * row, &shape));
        by_type!(self, T => {
            Self::from_vec(self.host::<T>()?[from * row..to * row].to_vec(), &shape)
        })
    }

    /// Σ and Σ|·| in f64, in a fixed order.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn sums(&self) -> Result<(f64, f64)> {
        on_card!(self, card => {
            let sums = card.row_sums(self, 1)?.to_f64()?;
            Ok((sums[0], sums[1]))
        });
        by_type!(self, T => {
            let [sum, mass] = sum_and_mass(self.host::<T>()?);
            Ok((sum, mass))
        })
    }
}

/// The five extents of a volume batch `[n, c, k, j, i]`.
///
/// # Errors
/// [`Error::Shape`] when the array is not of rank five.
pub fn five(array: &Array, what: &str) -> Result<[usize; 5]> {
    array.shape().try_into().map_err(|_| Error::shape(what, "[n, c, k, j, i]", array.shape()))
}
