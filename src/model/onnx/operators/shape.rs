//! Operators that move or rename numbers.

use std::rc::Rc;

use super::super::super::layers::{flatten::Flatten, pad::Pad, reshape::Reshape};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Signal, Value};
use super::super::fold::extents::{axis, reshaped, squeezed, unsqueezed};
use super::super::fold::shape;
use super::convolution::volume;

/// Largest border.
const WIDEST: i64 = 1 << 16;

/// Operators that leave real numbers as they are: `Identity`, `Cast` to real.
pub fn same(_: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let to = call.attributes.int("to", 1)?;
    if ![1, 11].contains(&to) {
        return Err(format!("a cast to type {to}").into());
    }
    Ok(Value::Signal(call.signal(0)?.clone()))
}

/// `Dropout` at rest.
pub fn dropout(_: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let training = call.constant(2)?.and_then(|t| t.as_ints()).and_then(|v| v.first());
    if training.is_some_and(|t| *t != 0) {
        return Err("training_mode = 1: export the model in evaluation mode".into());
    }
    Ok(Value::Signal(call.signal(0)?.clone()))
}

/// `Shape`: at a fixed input shape a constant.
pub fn extents(_: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let dims: Vec<i64> = call.signal(0)?.dims.iter().map(|d| *d as i64).collect();
    Ok(Value::Constant(Rc::new(shape(&dims, &call.attributes)?)))
}

/// The same numbers under other extents; the batch must stay in front.
fn turned(
    builder: &mut Builder,
    call: &Call<'_>,
    x: &Signal,
    dims: Vec<usize>,
) -> Result<Value, Fault> {
    if dims == x.dims {
        return Ok(Value::Signal(x.clone()));
    }
    if dims.first() != x.dims.first() {
        return Err(format!("extents {:?} to {dims:?} mix the samples of a batch", x.dims).into());
    }
    let value = if dims.len() == 2 {
        builder.push(&call.name, Flatten, &[x])?
    } else {
        builder.push(&call.name, Reshape { shape: dims[1..].to_vec() }, &[x])?
    };
    match value {
        Value::Signal(signal) => Ok(Value::Signal(Signal { dims, ..signal })),
        other => Ok(other),
    }
}

/// `Reshape` to constant extents.
pub fn reshape(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let wanted = call.ints(1, "shape")?.ok_or("extents are missing")?;
    let dims = reshaped(&x.dims, &wanted, call.attributes.on("allowzero")?)?;
    turned(builder, call, x, dims)
}

/// `Flatten` to rows.
pub fn flatten(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let from = call.attributes.int("axis", 1)?;
    if axis(from, x.dims.len())? != 1 {
        return Err(format!("axis {from} of {}, not 1", x.dims.len()).into());
    }
    let dims = vec![x.dims[0], x.dims[1..].iter().product()];
    turned(builder, call, x, dims)
}

/// `Squeeze`.
pub fn squeeze(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let dims = squeezed(&x.dims, call.ints(1, "axes")?.as_deref())?;
    turned(builder, call, x, dims)
}

/// `Unsqueeze`.
pub fn unsqueeze(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let axes = call.ints(1, "axes")?.ok_or("axes are missing")?;
    let dims = unsqueezed(&x.dims, &axes)?;
    turned(builder, call, x, dims)
}

/// `Transpose` of axes that hold one number each, or of none.
pub fn transpose(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let rank = x.dims.len();
    let order = call.attributes.ints("perm")?.unwrap_or((0..rank as i64).rev().collect());
    let order = order.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?;
    let long: Vec<usize> = order.iter().copied().filter(|a| x.dims[*a] != 1).collect();
    if order.len() != rank || !long.is_sorted() {
        return Err(format!("an order {order:?} of extents {:?}", x.dims).into());
    }
    let dims = order.iter().map(|a| x.dims[*a]).collect();
    turned(builder, call, x, dims)
}

/// `Pad` with a constant.
pub fn pad(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let _ = volume(&x.dims)?;
    let mode = call.attributes.text("mode", "constant")?;
    if mode != "constant" {
        return Err(format!("mode {mode:?}; only \"constant\"").into());
    }
    let widths = call.ints(1, "pads")?.ok_or("pads are missing")?;
    let axes = match call.ints(3, "axes")? {
        Some(axes) => axes.iter().map(|a| axis(*a, 5)).collect::<Result<Vec<_>, _>>()?,
        None => (0..5).collect(),
    };
    if widths.len() != 2 * axes.len() || widths.iter().any(|w| !(0..=WIDEST).contains(w)) {
        return Err(format!("pads {widths:?}, not two from 0 to {WIDEST} per axis").into());
    }
    let (mut before, mut after) = ([0; 5], [0; 5]);
    for (n, a) in axes.iter().enumerate() {
        before[*a] = widths[n] as usize;
        after[*a] = widths[n + axes.len()] as usize;
    }
    if (before[0], after[0]) != (0, 0) {
        return Err("a border around the batch".into());
    }
    let value = match call.constant(2)?.map(|t| t.as_floats()) {
        None => 0.0,
        Some(Some([one])) if one.is_finite() => f64::from(*one),
        Some(_) => return Err("a border value that is not one finite number".into()),
    };
    if before == [0; 5] && after == [0; 5] {
        return Ok(Value::Signal(x.clone()));
    }
    let four = |w: [usize; 5]| [w[1], w[2], w[3], w[4]];
    builder.push(&call.name, Pad { before: four(before), after: four(after), value }, &[x])
}
