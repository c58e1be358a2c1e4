//! Our kernels as candle operations: convolution and pools that can stand in a candle graph,
//! with candle's own backward pass going through them.
//!
//! candle has no general 3D convolution, and its max pool divides the gradient among ties and
//! by the window. `model::Graph` does not use candle's graph; these operations are for users
//! of the library, and hold our graph against an independent backward pass. Host tensors of
//! f32 or f64; every call takes fresh buffers.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Shape, Tensor};

use super::array::{Array, Real};
use super::geometry::{ConvGeometry, PoolGeometry};
use super::workspace::Workspace;
use super::{conv3d as conv, elementwise, pool3d};
use crate::error::TensorResult;
use crate::{Result, by_type};

/// candle's result: its traits ask for it.
type Candle<T> = candle_core::Result<T>;

/// `y[n, o, p] = b[o] + Σ_{c, t} w[o, c, t] · x[n, c, s·p + d·t − pad]` of
/// `x [n, c_in, k, j, i]`, `w [c_out, c_in / groups, …kernel]` and `b [c_out]`, differentiable
/// in all three.
///
/// # Errors
/// [`crate::Error::Tensor`] when shapes or number types do not agree.
pub fn conv3d(x: &Tensor, w: &Tensor, b: &Tensor, geometry: ConvGeometry) -> Result<Tensor> {
    let (x, w, b) = (dense(x)?, dense(w)?, dense(b)?);
    x.apply_op3(&w, &b, Convolution(geometry)).tensor("conv3d")
}

/// Largest value of each window of `x [n, c, k, j, i]`; the gradient goes to the first
/// maximum alone.
///
/// # Errors
/// [`crate::Error::Tensor`] when the window does not fit.
pub fn max_pool3d(x: &Tensor, geometry: PoolGeometry) -> Result<Tensor> {
    dense(x)?.apply_op1(MaxPool(geometry)).tensor("max_pool3d")
}

/// Mean of each window of `x [n, c, k, j, i]`.
///
/// # Errors
/// [`crate::Error::Tensor`] when the window does not fit.
pub fn average_pool3d(x: &Tensor, geometry: PoolGeometry) -> Result<Tensor> {
    dense(x)?.apply_op1(AveragePool(geometry)).tensor("average_pool3d")
}

/// The operations below read plain memory.
fn dense(x: &Tensor) -> Result<Tensor> {
    x.contiguous().tensor("contiguous")
}

fn read(storage: &CpuStorage, layout: &Layout) -> Candle<Array> {
    fn part<T: Real>(storage: &CpuStorage, layout: &Layout) -> Candle<Array> {
        let unfit = || candle_core::Error::msg("contiguous f32 or f64 expected");
        let (from, to) = layout.contiguous_offsets().ok_or_else(unfit)?;
        let data = T::slice(storage).ok_or_else(unfit)?[from..to].to_vec();
        Array::from_vec(data, layout.dims()).map_err(candle_core::Error::wrap)
    }
    if f64::slice(storage).is_some() {
        part::<f64>(storage, layout)
    } else {
        part::<f32>(storage, layout)
    }
}

fn written(result: Result<Array>) -> Candle<(CpuStorage, Shape)> {
    let array = result.map_err(candle_core::Error::wrap)?;
    let shape = Shape::from(array.shape());
    by_type!(array, T => {
        let data = array.into_vec::<T>().ok_or_else(|| candle_core::Error::msg("host expected"))?;
        Ok((T::store(data), shape))
    })
}

fn array(tensor: &Tensor) -> Candle<Array> {
    Array::from_tensor(tensor).map_err(candle_core::Error::wrap)
}

fn tensor(result: Result<Array>) -> Candle<Tensor> {
    result.map(Array::into_tensor).map_err(candle_core::Error::wrap)
}

/// Extent `[k, j, i]` of a volume batch.
fn extent(x: &Tensor) -> Candle<[usize; 3]> {
    let (_, _, k, j, i) = x.dims5()?;
    Ok([k, j, i])
}

#[derive(Debug)]
struct Convolution(ConvGeometry);

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "heatproof conv3d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Candle<(CpuStorage, Shape)> {
        let (x, w, b) = (read(x, x_layout)?, read(w, w_layout)?, read(b, b_layout)?);
        written(conv::forward(&x, &w, Some(&b), &self.0, &mut Workspace::new()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Candle<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (input, ws) = (extent(x)?, &mut Workspace::new());
        let (x, w, grad) = (array(x)?, array(w)?, array(grad)?);
        let dx = tensor(conv::grad_input(&grad, &w, &self.0, input, ws))?;
        let dw = tensor(conv::grad_weight(&x, &grad, &self.0, ws))?;
        Ok((Some(dx), Some(dw), Some(tensor(elementwise::channel_sums(&grad))?)))
    }
}

#[derive(Debug)]
struct MaxPool(PoolGeometry);

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "heatproof max_pool3d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Candle<(CpuStorage, Shape)> {
        let x = read(x, layout)?;
        written(pool3d::max_forward(&x, &self.0, &mut Workspace::new()).map(|m| m.output))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Candle<Option<Tensor>> {
        let (input, ws) = (extent(x)?, &mut Workspace::new());
        // candle keeps no room for the places, so they are found again
        let maxima =
            pool3d::max_forward(&array(x)?, &self.0, ws).map_err(candle_core::Error::wrap)?;
        tensor(pool3d::max_backward(&array(grad)?, &maxima.places, &self.0, input, ws)).map(Some)
    }
}

#[derive(Debug)]
struct AveragePool(PoolGeometry);

impl CustomOp1 for AveragePool {
    fn name(&self) -> &'static str {
        "heatproof average_pool3d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Candle<(CpuStorage, Shape)> {
        let x = read(x, layout)?;
        written(pool3d::average_forward(&x, &self.0, &mut Workspace::new()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Candle<Option<Tensor>> {
        let ws = &mut Workspace::new();
        tensor(pool3d::average_backward(&array(grad)?, &self.0, extent(x)?, ws)).map(Some)
    }
}
