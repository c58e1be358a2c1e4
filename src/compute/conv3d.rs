//! 3D convolution and its two gradients.
//!
//! `y[n, o, p] = b[o] + Σ_{c, t} w[o, c, t] · x[n, c, s·p + d·t − pad]` (cross-correlation,
//! as in PyTorch). Shapes: `x [n, c_in, k, j, i]`, `w [c_out, c_in / groups, kk, kj, ki]`,
//! `b [c_out]`, `y [n, c_out, k', j', i']`.

use candle_core::DType;

use super::array::{Array, five};
#[cfg(feature = "cuda")]
use super::cuda;
use super::geometry::ConvGeometry;
use super::host::choice::Conv;
pub use super::host::choice::Sums;
use super::host::columns::Frame;
use super::host::conv3d::{self as host, Channels};
use super::host::isa::Isa;
use super::place::on_card;
use super::precision::Precision;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

/// How sums may be made, and how exactly in a training.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Kind of sums.
    pub sums: Sums,
    /// Precision on a card.
    pub precision: Precision,
}

impl From<Sums> for How {
    fn from(sums: Sums) -> Self {
        Self { sums, precision: Precision::F32 }
    }
}

impl From<Precision> for How {
    fn from(precision: Precision) -> Self {
        Self { sums: Sums::Any, precision }
    }
}

fn checked(x: [usize; 5], w: [usize; 5], g: &ConvGeometry) -> Result<[usize; 3]> {
    let fits = g.groups > 0
        && x[1].is_multiple_of(g.groups)
        && w[0].is_multiple_of(g.groups)
        && w[1] == x[1] / g.groups
        && w[2..] == g.kernel;
    if !fits {
        return Err(Error::shape("conv3d weight", (x[1], g), w));
    }
    g.output([x[2], x[3], x[4]])
}

/// Convolution with optional bias.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn forward(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    g: &ConvGeometry,
    ws: &mut Workspace,
) -> Result<Array> {
    forward_as(x, w, b, g, Sums::Any, ws)
}

/// [`forward`] with negative numbers set to 0.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn forward_rectified(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    g: &ConvGeometry,
    ws: &mut Workspace,
) -> Result<Array> {
    convolved(x, w, b, g, (Sums::Any.into(), true), ws)
}

/// [`forward`] with sums of one kind or precision.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn forward_as(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    g: &ConvGeometry,
    how: impl Into<How>,
    ws: &mut Workspace,
) -> Result<Array> {
    convolved(x, w, b, g, (how.into(), false), ws)
}

fn convolved(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    g: &ConvGeometry,
    (how, rectify): (How, bool),
    ws: &mut Workspace,
) -> Result<Array> {
    let (xs, wsh) = (five(x, "conv3d input")?, five(w, "conv3d weight")?);
    let out = checked(xs, wsh, g)?;
    if b.is_some_and(|b| b.shape() != [wsh[0]]) {
        return Err(Error::shape("conv3d bias", [wsh[0]], b.map(Array::shape)));
    }
    on_card!(x, card => {
        let channels = [xs[1], wsh[0]];
        let extents = [[xs[2], xs[3], xs[4]], out];
        let shapes = on_card(g, xs[0], channels, extents, how.precision);
        cuda::convolution::forward(card, [x, w], b, &shapes, rectify)
    });
    let mut y = ws.take(x.dtype(), &[xs[0], wsh[0], out[0], out[1], out[2]])?;
    let frame = Frame { geometry: g, input: [xs[2], xs[3], xs[4]], output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: wsh[0], groups: g.groups };
    if x.dtype() == DType::F32 {
        let bias = b.map(|b| b.host::<f32>()).transpose()?;
        let (x, w, y) = (x.host::<f32>()?, w.host::<f32>()?, y.host_mut::<f32>()?);
        fast(&frame, channels, how.sums).forward((x, w), (bias, rectify), ws.packed(), y);
    } else {
        let bias = b.map(|b| b.host::<f64>()).transpose()?;
        let (x, w, y) = (x.host::<f64>()?, w.host::<f64>()?, y.host_mut::<f64>()?);
        host::forward(&frame, channels, x, w, bias, y);
        if rectify {
            y.iter_mut().for_each(|y| *y = if *y > 0.0 { *y } else { 0.0 });
        }
    }
    Ok(y)
}

/// Shapes, and precision, as the card's kernels take them: channels and extents of input and output.
#[cfg(feature = "cuda")]
fn on_card(
    geometry: &ConvGeometry,
    batch: usize,
    channels: [usize; 2],
    [input, output]: [[usize; 3]; 2],
    precision: Precision,
) -> cuda::convolution::Shapes<'_> {
    cuda::convolution::Shapes { geometry, batch, channels, input, output, precision }
}

/// The kernels of f32.
fn fast<'a>(f: &Frame<'a>, channels: Channels, sums: Sums) -> Conv<'a> {
    let Frame { geometry, input, output } = *f;
    Conv { geometry, channels, input, output, sums, isa: Isa::chosen() }
}

/// Gradient with respect to the input (the transposed convolution of `dy`), shaped
/// `[n, c_in, k, j, i]` with the spatial extent `input`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn grad_input(
    dy: &Array,
    w: &Array,
    g: &ConvGeometry,
    input: [usize; 3],
    ws: &mut Workspace,
) -> Result<Array> {
    grad_input_as(dy, w, g, input, Sums::Any, ws)
}

/// [`grad_input`] with sums of one kind or precision.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn grad_input_as(
    dy: &Array,
    w: &Array,
    g: &ConvGeometry,
    input: [usize; 3],
    how: impl Into<How>,
    ws: &mut Workspace,
) -> Result<Array> {
    let how = how.into();
    let (ys, wsh) = (five(dy, "conv3d output gradient")?, five(w, "conv3d weight")?);
    let xs = [ys[0], wsh[1] * g.groups, input[0], input[1], input[2]];
    let out = checked(xs, wsh, g)?;
    if ys[1] != wsh[0] || ys[2..] != out {
        return Err(Error::shape("conv3d output gradient", out, ys));
    }
    on_card!(dy, card => {
        let shapes = on_card(g, xs[0], [xs[1], wsh[0]], [input, out], how.precision);
        cuda::convolution::grad_input(card, [dy, w], &shapes)
    });
    let mut dx = ws.take(dy.dtype(), &xs)?;
    let frame = Frame { geometry: g, input, output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: wsh[0], groups: g.groups };
    if dy.dtype() == DType::F32 {
        let (dy, w, dx) = (dy.host::<f32>()?, w.host::<f32>()?, dx.host_mut::<f32>()?);
        fast(&frame, channels, how.sums).grad_input(dy, w, ws.packed(), dx);
    } else {
        let (dy, w, dx) = (dy.host::<f64>()?, w.host::<f64>()?, dx.host_mut::<f64>()?);
        host::grad_input(&frame, channels, dy, w, dx);
    }
    Ok(dx)
}

/// Gradient with respect to the weight, shaped like the weight `[c_out, c_in / groups, …kernel]`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn grad_weight(x: &Array, dy: &Array, g: &ConvGeometry, ws: &mut Workspace) -> Result<Array> {
    grad_weight_in(Precision::F32, x, dy, g, ws)
}

/// [`grad_weight`] in a precision.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails;
/// `E-DEVICE-005` when places need more than 31 bits there.
pub fn grad_weight_in(
    precision: Precision,
    x: &Array,
    dy: &Array,
    g: &ConvGeometry,
    ws: &mut Workspace,
) -> Result<Array> {
    let _ = precision; // the host has f32 alone
    let (xs, ys) = (five(x, "conv3d input")?, five(dy, "conv3d output gradient")?);
    let [kk, kj, ki] = g.kernel;
    let wsh = [ys[1], xs[1] / g.groups.max(1), kk, kj, ki];
    let out = checked(xs, wsh, g)?;
    if ys[0] != xs[0] || ys[2..] != out {
        return Err(Error::shape("conv3d output gradient", out, ys));
    }
    on_card!(x, card => {
        let extents = [[xs[2], xs[3], xs[4]], out];
        let shapes = on_card(g, xs[0], [xs[1], ys[1]], extents, precision);
        cuda::convolution::grad_weight(card, [x, dy], &shapes)
    });
    let mut dw = ws.take(x.dtype(), &wsh)?;
    let frame = Frame { geometry: g, input: [xs[2], xs[3], xs[4]], output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: ys[1], groups: g.groups };
    if x.dtype() == DType::F32 {
        let (x, dy, to) = (x.host::<f32>()?, dy.host::<f32>()?, dw.host_mut::<f32>()?);
        let conv = fast(&frame, channels, Sums::Any);
        if let Some(numbers) = conv.weight_room() {
            let mut room = ws.take(DType::F32, &[numbers])?;
            conv.grad_weight(x, dy, room.host_mut::<f32>()?, to);
            ws.give(room);
            return Ok(dw);
        }
    }
    by_type!(x, T => {
        host::grad_weight(&frame, channels, x.host::<T>()?, dy.host::<T>()?, dw.host_mut::<T>()?);
    });
    Ok(dw)
}
