//! cuDNN's convolutions, where it has one that always gives the same bits.
//!
//! Its algorithms are fixed rather than tried out: those that it documents as deterministic, all of
//! them matrix products of the very products that a convolution adds. `CUDNN_FMA_MATH` forbids the
//! rounding to TF32 that it otherwise allows itself; a training may allow it, or give it arrays of
//! bf16. It pads both ends of an axis alike; other windows, and what it says it does not support in
//! f32, are left to our own kernels; what it does not support in bf16 is made in f32.

#![allow(unsafe_code)]

mod element;

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::DType;
use candle_core::Storage;
use candle_core::cuda_backend::cudarc::cudnn::result::CudnnError;
use candle_core::cuda_backend::cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t, cudnnConvolutionFwdAlgo_t,
    cudnnConvolutionMode_t, cudnnTensorFormat_t,
};
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, FilterDescriptor,
    TensorDescriptor,
};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use half::bf16;

use super::super::array::Array;
use super::super::precision::Precision;
use super::Card;
use super::card::failed;
use super::convolution::{Pass3d, Shapes};
use crate::{Error, Result};
use element::Element;

/// Output: the first is the faster one.
const FORWARD: [cudnnConvolutionFwdAlgo_t; 2] = [
    cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
    cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
];
/// Gradient by the input.
const BY_INPUT: cudnnConvolutionBwdDataAlgo_t =
    cudnnConvolutionBwdDataAlgo_t::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
/// Gradient by the weights.
const BY_WEIGHT: cudnnConvolutionBwdFilterAlgo_t =
    cudnnConvolutionBwdFilterAlgo_t::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

/// Bytes of memory that an algorithm may ask for. One limit, whatever is free: the choice of an
/// algorithm must not depend on what else the card does.
const MOST: usize = 1 << 30;

/// Status codes that say "not supported", and why.
const REFUSALS: std::ops::Range<u32> = 3000..4000;

thread_local! {
    /// Handles must not be shared between threads.
    static HANDLE: RefCell<Option<Arc<Cudnn>>> = const { RefCell::new(None) };
}

/// A convolution as cuDNN knows it, sums of f32.
struct Described<T> {
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<T>,
    w: FilterDescriptor<T>,
    y: TensorDescriptor<T>,
    shapes: [[usize; 5]; 3],
}

/// What was made, or nothing where cuDNN does not support it.
fn unless_refused<T>(step: &str, told: std::result::Result<T, CudnnError>) -> Result<Option<T>> {
    match told {
        Ok(made) => Ok(Some(made)),
        Err(CudnnError(status)) if REFUSALS.contains(&(status as u32)) => Ok(None),
        Err(why) => Err(failed(step, why)),
    }
}

fn handle(card: &Card) -> Result<Arc<Cudnn>> {
    HANDLE.with_borrow_mut(|held| {
        if let Some(handle) = held {
            return Ok(handle.clone());
        }
        let made = Cudnn::new(card.device.cuda_stream());
        let made = made.map_err(|why| failed("opening cuDNN", why))?;
        *held = Some(made.clone());
        Ok(made)
    })
}

impl<T: Element> Described<T> {
    /// None where cuDNN has no such convolution.
    fn of(card: &Card, shapes: &Shapes) -> Result<Option<Self>> {
        let g = shapes.geometry;
        let [inputs, outputs] = shapes.channels;
        let ([k, j, i], [a, b, c], [d, e, f]) = (shapes.input, g.kernel, shapes.output);
        let all = [
            [shapes.batch, inputs, k, j, i],
            [outputs, inputs / g.groups, a, b, c],
            [shapes.batch, outputs, d, e, f],
        ];
        let counted = |shape: &[usize; 5]| i32::try_from(shape.iter().product::<usize>()).is_ok();
        if g.pad_before != g.pad_after || !all.iter().all(counted) {
            return Ok(None);
        }
        let made = Self::make(&handle(card)?, shapes, all);
        unless_refused("describing a convolution to cuDNN", made)
    }

    fn make(
        cudnn: &Arc<Cudnn>,
        shapes: &Shapes,
        all: [[usize; 5]; 3],
    ) -> std::result::Result<Self, CudnnError> {
        let g = shapes.geometry;
        let ints = |three: [usize; 3]| three.map(|n| n as i32);
        let tensor = |shape: [usize; 5]| {
            let mut strides = [1; 5];
            (0..4).rev().for_each(|a| strides[a] = strides[a + 1] * shape[a + 1] as i32);
            cudnn.create_nd_tensor(&shape.map(|n| n as i32), &strides)
        };
        let [pads, steps, between] = [g.pad_before, g.stride, g.dilation].map(ints);
        let mode = cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let mut conv = cudnn.create_convnd::<f32>(&pads, &steps, &between, mode)?;
        conv.set_group_count(g.groups as i32)?;
        conv.set_math_type(T::math(shapes.precision))?;
        let format = cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        let w = cudnn.create_5d_filter(format, all[1].map(|n| n as i32))?;
        Ok(Self { conv, x: tensor(all[0])?, w, y: tensor(all[2])?, shapes: all })
    }
}

fn numbers<T: Element>(x: &Array) -> Result<&CudaSlice<T>> {
    match x.storage() {
        Storage::Cuda(storage) => {
            storage.as_cuda_slice().map_err(|_| Error::internal("numbers of another type"))
        }
        _ => Err(Error::internal("an array of the card expected")),
    }
}

/// Memory for the algorithm and for what it makes, if it keeps within [`MOST`]; nothing in it is
/// defined.
type Rooms<T> = (CudaSlice<u8>, CudaSlice<T>);

fn rooms<T: Element>(
    card: &Card,
    bytes: std::result::Result<usize, CudnnError>,
    made: [usize; 5],
) -> Result<Option<Rooms<T>>> {
    let bytes = unless_refused("asking cuDNN for an algorithm", bytes)?;
    let Some(bytes) = bytes.filter(|bytes| *bytes <= MOST) else { return Ok(None) };
    let short = |why: candle_core::Error| failed("making room for cuDNN", why);
    let len = made.iter().product::<usize>().max(1);
    // SAFETY: cuDNN reads nothing of either before it wrote it: the output is not added to.
    unsafe {
        let work = card.device.alloc::<u8>(bytes.max(1)).map_err(short)?;
        Ok(Some((work, card.device.alloc::<T>(len).map_err(short)?)))
    }
}

/// What a pass makes of its arrays, or nothing where cuDNN does not take it. Where it does not take it
/// in bf16, it is asked for full f32.
///
/// # Errors
/// `E-DEVICE-003` when cuDNN or the card fails.
pub fn made(
    card: &Card,
    pass: Pass3d,
    arrays: [&Array; 2],
    shapes: &Shapes,
) -> Result<Option<Array>> {
    if arrays[0].dtype() != DType::F32 {
        return Ok(None);
    }
    if shapes.precision == Precision::Bf16
        && let Some(made) = made_of::<bf16>(card, pass, arrays, shapes)?
    {
        return Ok(Some(made));
    }
    made_of::<f32>(card, pass, arrays, shapes)
}

/// [`made`] of numbers of one type.
fn made_of<T: Element>(
    card: &Card,
    pass: Pass3d,
    arrays: [&Array; 2],
    shapes: &Shapes,
) -> Result<Option<Array>> {
    let Some(d) = Described::<T>::of(card, shapes)? else { return Ok(None) };
    let (made, shape) = match pass {
        Pass3d::Forward => (forward(card, arrays, &d)?, d.shapes[2]),
        Pass3d::ByInput => (grad_input(card, arrays, &d)?, d.shapes[0]),
        Pass3d::ByWeight => (grad_weight(card, arrays, &d)?, d.shapes[1]),
    };
    let array = |made| Storage::Cuda(T::wrap_cuda_slice(made, card.device.clone()));
    made.map(|made| T::given(card, Array::stored(array(made), &shape))).transpose()
}

/// What cuDNN made, or nothing.
type Made<T> = Result<Option<CudaSlice<T>>>;

/// `conv(x, w)`.
fn forward<T: Element>(card: &Card, [x, w]: [&Array; 2], d: &Described<T>) -> Made<T> {
    let pass = ConvForward { conv: &d.conv, x: &d.x, w: &d.w, y: &d.y };
    for algorithm in FORWARD {
        let bytes = pass.get_workspace_size(algorithm);
        let Some((mut work, mut y)) = rooms(card, bytes, d.shapes[2])? else { continue };
        let (x, w) = (T::lent(card, x)?, T::lent(card, w)?);
        let (x, w) = (numbers(x.array())?, numbers(w.array())?);
        // SAFETY: arrays have the shapes described, and work is queued in their stream.
        let told = unsafe { pass.launch(algorithm, Some(&mut work), T::OVER, x, w, &mut y) };
        if unless_refused("convolving with cuDNN", told)?.is_some() {
            return Ok(Some(y));
        }
    }
    Ok(None)
}

/// Gradient by the input.
fn grad_input<T: Element>(card: &Card, [dy, w]: [&Array; 2], d: &Described<T>) -> Made<T> {
    let pass = ConvBackwardData { conv: &d.conv, dx: &d.x, w: &d.w, dy: &d.y };
    let bytes = pass.get_workspace_size(BY_INPUT);
    let Some((mut work, mut dx)) = rooms(card, bytes, d.shapes[0])? else { return Ok(None) };
    let (w, dy) = (T::lent(card, w)?, T::lent(card, dy)?);
    let (w, dy) = (numbers(w.array())?, numbers(dy.array())?);
    // SAFETY: as in `forward`.
    let told = unsafe { pass.launch(BY_INPUT, Some(&mut work), T::OVER, &mut dx, w, dy) };
    let done = unless_refused("taking a gradient with cuDNN", told)?;
    Ok(done.map(|()| dx))
}

/// Gradient by the weights.
fn grad_weight<T: Element>(card: &Card, [x, dy]: [&Array; 2], d: &Described<T>) -> Made<T> {
    let pass = ConvBackwardFilter { conv: &d.conv, x: &d.x, dw: &d.w, dy: &d.y };
    let bytes = pass.get_workspace_size(BY_WEIGHT);
    let Some((mut work, mut dw)) = rooms(card, bytes, d.shapes[1])? else { return Ok(None) };
    let (x, dy) = (T::lent(card, x)?, T::lent(card, dy)?);
    let (x, dy) = (numbers(x.array())?, numbers(dy.array())?);
    // SAFETY: as in `forward`.
    let told = unsafe { pass.launch(BY_WEIGHT, Some(&mut work), T::OVER, x, &mut dw, dy) };
    let done = unless_refused("taking a gradient with cuDNN", told)?;
    Ok(done.map(|()| dw))
}

#[cfg(test)]
mod tests;
