//! Activations.

use super::super::super::curve::Curve;
use super::super::super::layers::{
    clip as clip_layer, elu as elu_layer, gelu as gelu_layer, gelu_tanh,
    hard_sigmoid as hard_sigmoid_layer, hard_swish as hard_swish_layer,
    leaky_relu as leaky_relu_layer, prelu::PRelu, relu::Relu, sigmoid as sigmoid_layer,
    silu as silu_layer, softmax::Softmax, tanh as tanh_layer,
};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Value};
use crate::compute::Array;

fn curve(builder: &mut Builder, call: &Call<'_>, curve: Curve) -> Result<Value, Fault> {
    builder.push(&call.name, curve, &[call.signal(0)?])
}

/// `Relu`.
pub fn relu(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    builder.push(&call.name, Relu, &[call.signal(0)?])
}

/// `LeakyRelu`.
pub fn leaky_relu(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let slope = call.attributes.float("alpha", f64::from(0.01f32))?;
    curve(builder, call, leaky_relu_layer::layer(slope))
}

/// `PRelu` with constant slopes.
pub fn prelu(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let slopes = call.per_channel(1, &x.dims)?;
    let count = slopes.len();
    builder.push(&call.name, PRelu::new(Array::from_vec(slopes, &[count])?)?, &[x])
}

/// `Elu`.
pub fn elu(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let scale = call.attributes.float("alpha", 1.0)?;
    curve(builder, call, elu_layer::layer(scale))
}

/// `Gelu`, exact or by tanh.
pub fn gelu(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    match call.attributes.text("approximate", "none")?.as_str() {
        "none" => curve(builder, call, gelu_layer::layer()),
        "tanh" => curve(builder, call, gelu_tanh::layer()),
        other => Err(format!("approximate {other:?}; only \"none\" or \"tanh\"").into()),
    }
}

/// `Clip` with constant bounds.
pub fn clip(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let bound = |at: usize, default: f32| -> Result<f64, Fault> {
        match call.constant(at)?.map(|t| t.as_floats()) {
            None => Ok(f64::from(default)),
            Some(Some([one])) if one.is_finite() => Ok(f64::from(*one)),
            Some(_) => Err(format!("input {at} is not one finite number").into()),
        }
    };
    let (low, high) = (bound(1, f32::MIN)?, bound(2, f32::MAX)?);
    if low > high {
        return Err(format!("bounds {low} and {high}").into());
    }
    curve(builder, call, clip_layer::layer(low, high))
}

/// `Sigmoid`.
pub fn sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    curve(builder, call, sigmoid_layer::layer())
}

/// `HardSigmoid`.
pub fn hard_sigmoid(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let slope = call.attributes.float("alpha", f64::from(0.2f32))?;
    let offset = call.attributes.float("beta", 0.5)?;
    curve(builder, call, hard_sigmoid_layer::layer(slope, offset))
}

/// `HardSwish`.
pub fn hard_swish(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    curve(builder, call, hard_swish_layer::layer())
}

/// `Swish`.
pub fn swish(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    match call.attributes.float("alpha", 1.0)? {
        1.0 => curve(builder, call, silu_layer::layer()),
        other => Err(format!("alpha {other}; only 1").into()),
    }
}

/// `Tanh`.
pub fn tanh(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    curve(builder, call, tanh_layer::layer())
}

/// `Softmax` over the classes.
pub fn softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    over_classes(builder, call, false)
}

/// `LogSoftmax` over the classes.
pub fn log_softmax(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    over_classes(builder, call, true)
}

fn over_classes(builder: &mut Builder, call: &Call<'_>, logarithm: bool) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let old = call.opset < 13;
    let axis = call.attributes.int("axis", if old { 1 } else { -1 })?;
    let at = if axis < 0 { axis.saturating_add(x.dims.len() as i64) } else { axis };
    // before opset 13 all axes from this one on were one
    let alone = !old || x.dims.iter().skip(2).all(|d| *d == 1);
    if at != 1 || !alone {
        return Err(format!("axis {axis} of extents {:?}, not the classes alone", x.dims).into());
    }
    builder.push(&call.name, Softmax { logarithm }, &[x])
}
