//! The numbers that cuDNN is given: those of an array of f32, or the nearest of bf16 to them in arrays
//! of half the size. What it makes of bf16 is bf16, and becomes an array of f32 again.

use candle_core::DType;
use candle_core::cuda_backend::cudarc::cudnn::CudnnDataType;
use candle_core::cuda_backend::cudarc::cudnn::sys::cudnnMathType_t;
use half::bf16;

use super::super::super::array::Array;
use super::super::super::precision::Precision;
use super::super::Card;
use super::super::card::Held;
use super::super::elementwise::Lent;
use crate::Result;

/// Numbers of a convolution's three arrays.
pub trait Element: CudnnDataType + Held {
    /// Shares of what is made and of what was there: nothing is added to.
    const OVER: (Self, Self);

    /// What cuDNN may do with them in a precision.
    fn math(precision: Precision) -> cudnnMathType_t;

    /// Those of an array of f32, on the card.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    fn lent<'a>(card: &Card, x: &'a Array) -> Result<Lent<'a>>;

    /// As an array of f32.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    fn given(card: &Card, made: Array) -> Result<Array>;
}

impl Element for f32 {
    const OVER: (Self, Self) = (1.0, 0.0);

    fn math(precision: Precision) -> cudnnMathType_t {
        match precision {
            Precision::Tf32 => cudnnMathType_t::CUDNN_DEFAULT_MATH,
            _ => cudnnMathType_t::CUDNN_FMA_MATH,
        }
    }

    fn lent<'a>(card: &Card, x: &'a Array) -> Result<Lent<'a>> {
        card.lent(x)
    }

    fn given(_: &Card, made: Array) -> Result<Array> {
        Ok(made)
    }
}

impl Element for bf16 {
    const OVER: (Self, Self) = (Self::ONE, Self::ZERO);

    /// Tensor cores, and no other rounding.
    fn math(_: Precision) -> cudnnMathType_t {
        cudnnMathType_t::CUDNN_TENSOR_OP_MATH
    }

    fn lent<'a>(card: &Card, x: &'a Array) -> Result<Lent<'a>> {
        let x = card.lent(x)?;
        Ok(Lent::Brought(turned(card, "to_bf16", x.array(), DType::BF16)?))
    }

    fn given(card: &Card, made: Array) -> Result<Array> {
        turned(card, "from_bf16", &made, DType::F32)
    }
}

/// The numbers in another type.
fn turned(card: &Card, kernel: &'static str, x: &Array, dtype: DType) -> Result<Array> {
    let y = card.room(dtype, x.shape())?;
    card.each(kernel, DType::F32, x.len(), &[card.of(x)?, card.of(&y)?])?;
    Ok(y)
}
