//! 3D convolution and its two gradients.
//!
//! `y[n, o, p] = b[o] + Σ_{c, t} w[o, c, t] · x[n, c, s·p + d·t − pad]` (cross-correlation,
//! as in PyTorch). Shapes: `x [n, c_in, k, j, i]`, `w [c_out, c_in / groups, kk, kj, ki]`,
//! `b [c_out]`, `y [n, c_out, k', j', i']`.

use candle_core::DType;

use super::array::{Array, five};
use super::geometry::ConvGeometry;
use super::host::columns::Frame;
use super::host::conv3d::{self as host, Channels};
use super::host::flat::{self, Flat};
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

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

/// `source` in the padded layout, in a buffer of the workspace.
fn padded(flat: &Flat, source: &Array, ws: &mut Workspace) -> Result<Array> {
    let mut target =
        ws.take(DType::F32, &[source.shape()[0], source.shape()[1], flat.channel()])?;
    flat.pad(source.host::<f32>()?, target.host_mut::<f32>()?);
    Ok(target)
}

/// Convolution with optional bias.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree.
pub fn forward(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    g: &ConvGeometry,
    ws: &mut Workspace,
) -> Result<Array> {
    let (xs, wsh) = (five(x, "conv3d input")?, five(w, "conv3d weight")?);
    let out = checked(xs, wsh, g)?;
    if b.is_some_and(|b| b.shape() != [wsh[0]]) {
        return Err(Error::shape("conv3d bias", [wsh[0]], b.map(Array::shape)));
    }
    let mut y = ws.take(x.dtype(), &[xs[0], wsh[0], out[0], out[1], out[2]])?;
    let frame = Frame { geometry: g, input: [xs[2], xs[3], xs[4]], output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: wsh[0] };
    if let (Some(flat), DType::F32) = (Flat::of(g, frame.input, out), x.dtype()) {
        let padded = padded(&flat, x, ws)?;
        let (p, w) = (padded.host::<f32>()?, w.host::<f32>()?);
        let bias = b.map(|b| b.host::<f32>()).transpose()?;
        flat::forward(&flat, channels, p, w, bias, y.host_mut::<f32>()?);
        ws.give(padded);
        return Ok(y);
    }
    by_type!(x, T => {
        let bias = b.map(|b| b.host::<T>()).transpose()?;
        host::forward(&frame, channels, x.host::<T>()?, w.host::<T>()?, bias, y.host_mut::<T>()?);
    });
    Ok(y)
}

/// Gradient with respect to the input (the transposed convolution of `dy`), shaped
/// `[n, c_in, k, j, i]` with the spatial extent `input`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree.
pub fn grad_input(
    dy: &Array,
    w: &Array,
    g: &ConvGeometry,
    input: [usize; 3],
    ws: &mut Workspace,
) -> Result<Array> {
    let (ys, wsh) = (five(dy, "conv3d output gradient")?, five(w, "conv3d weight")?);
    let xs = [ys[0], wsh[1] * g.groups, input[0], input[1], input[2]];
    let out = checked(xs, wsh, g)?;
    if ys[1] != wsh[0] || ys[2..] != out {
        return Err(Error::shape("conv3d output gradient", out, ys));
    }
    let mut dx = ws.take(dy.dtype(), &xs)?;
    let frame = Frame { geometry: g, input, output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: wsh[0] };
    if let (Some(flat), DType::F32) = (Flat::transposed(g, input, out), dy.dtype()) {
        let padded = padded(&flat, dy, ws)?;
        let (p, w) = (padded.host::<f32>()?, w.host::<f32>()?);
        flat::grad_input(&flat, channels, p, w, dx.host_mut::<f32>()?);
        ws.give(padded);
        return Ok(dx);
    }
    by_type!(dy, T => {
        host::grad_input(&frame, channels, dy.host::<T>()?, w.host::<T>()?, dx.host_mut::<T>()?);
    });
    Ok(dx)
}

/// Gradient with respect to the weight, shaped like the weight `[c_out, c_in / groups, …kernel]`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree.
pub fn grad_weight(x: &Array, dy: &Array, g: &ConvGeometry, ws: &mut Workspace) -> Result<Array> {
    let (xs, ys) = (five(x, "conv3d input")?, five(dy, "conv3d output gradient")?);
    let [kk, kj, ki] = g.kernel;
    let wsh = [ys[1], xs[1] / g.groups.max(1), kk, kj, ki];
    let out = checked(xs, wsh, g)?;
    if ys[0] != xs[0] || ys[2..] != out {
        return Err(Error::shape("conv3d output gradient", out, ys));
    }
    let mut dw = ws.take(x.dtype(), &wsh)?;
    let frame = Frame { geometry: g, input: [xs[2], xs[3], xs[4]], output: out };
    let channels = Channels { batch: xs[0], input: xs[1], output: ys[1] };
    if let (Some(flat), DType::F32) = (Flat::of(g, frame.input, out), x.dtype()) {
        let padded = padded(&flat, x, ws)?;
        let (p, dy) = (padded.host::<f32>()?, dy.host::<f32>()?);
        flat::grad_weight(&flat, channels, p, dy, dw.host_mut::<f32>()?);
        ws.give(padded);
        return Ok(dw);
    }
    by_type!(x, T => {
        host::grad_weight(&frame, channels, x.host::<T>()?, dy.host::<T>()?, dw.host_mut::<T>()?);
    });
    Ok(dw)
}
