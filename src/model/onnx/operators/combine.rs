//! Operators of several inputs.

use super::super::super::layers::{
    add::Add, channel_affine::ChannelAffine, concat::Concat, gate::Gate, hard_swish, pad::Pad, silu,
};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Signal, Value};
use super::super::fold::extents::axis;
use super::super::tensors::Tensor;
use crate::compute::Array;

/// The one activation among two inputs, and which input the constant is; `None` for two.
fn with_constant<'a>(call: &'a Call<'_>) -> Result<Option<(&'a Signal, usize)>, Fault> {
    match (call.inputs.first(), call.inputs.get(1)) {
        (Some(Some(Value::Signal(x))), Some(Some(Value::Constant(_)))) => Ok(Some((x, 1))),
        (Some(Some(Value::Constant(_))), Some(Some(Value::Signal(x)))) => Ok(Some((x, 0))),
        (Some(Some(Value::Signal(_))), Some(Some(Value::Signal(_)))) => Ok(None),
        _ => Err("an input is missing".into()),
    }
}

/// `scale · x + shift` per channel, from a constant's number of each channel.
fn affine(
    builder: &mut Builder,
    call: &Call<'_>,
    (x, constant): (&Signal, usize),
    of: impl Fn(f64) -> (f64, f64),
) -> Result<Value, Fault> {
    let values = call.per_channel(constant, &x.dims)?;
    let pairs = values.iter().map(|v| of(f64::from(*v)));
    let (scale, shift): (Vec<f32>, Vec<f32>) = pairs.map(|(a, b)| (a as f32, b as f32)).unzip();
    if scale.iter().chain(&shift).any(|v| !v.is_finite()) {
        return Err("a constant that makes numbers beyond f32".into());
    }
    let channels = [scale.len()];
    let (scale, shift) = (Array::from_vec(scale, &channels)?, Array::from_vec(shift, &channels)?);
    builder.push(&call.name, ChannelAffine::new(scale, shift)?, &[x])
}

/// `Add`: a residual sum, or a shift per channel.
pub fn add(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    match with_constant(call)? {
        Some(of) => affine(builder, call, of, |v| (1.0, v)),
        None => sum(builder, call),
    }
}

/// `Sum` of activations.
pub fn sum(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let all = (0..call.inputs.len()).map(|at| call.signal(at)).collect::<Result<Vec<_>, _>>()?;
    if let [one] = all[..] {
        return Ok(Value::Signal(one.clone()));
    }
    builder.push(&call.name, Add, &all)
}

/// `Sub` with a constant.
pub fn subtract(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    match with_constant(call)? {
        Some(of @ (_, 1)) => affine(builder, call, of, |v| (1.0, -v)),
        Some(of) => affine(builder, call, of, |v| (-1.0, v)),
        None => Err("a difference of two activations".into()),
    }
}

/// `Div` by a constant.
pub fn divide(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    match with_constant(call)? {
        Some(of @ (_, 1)) => affine(builder, call, of, |v| (1.0 / v, 0.0)),
        _ => Err("a division by an activation".into()),
    }
}

/// `Mul`: a scale per channel, `x · σ(x)`, or a gate.
pub fn multiply(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    if let Some(of) = with_constant(call)? {
        return affine(builder, call, of, |v| (v, 0.0));
    }
    let (a, b) = (call.signal(0)?, call.signal(1)?);
    for (x, g) in [(a, b), (b, a)] {
        match builder.assembly.maker(g) {
            Some(("sigmoid", from)) if from == [x.from] => {
                return builder.push(&call.name, silu::layer(), &[x]);
            }
            // only with slope 1/6 and offset 1/2 are the two one function
            Some(("hard_sigmoid", from)) if from == [x.from] && sixth(builder, g) => {
                return builder.push(&call.name, hard_swish::layer(), &[x]);
            }
            _ => {}
        }
    }
    let bounded = |s: &Signal| {
        let kinds = ["sigmoid", "hard_sigmoid", "softmax", "tanh"];
        builder.assembly.source(s).is_some_and(|kind| kinds.contains(&kind))
    };
    let smaller = |s: &Signal, l: &Signal| {
        let pairs = s.dims.iter().zip(&l.dims);
        s.dims.len() == l.dims.len()
            && s.dims != l.dims
            && pairs.into_iter().all(|(s, l)| s == l || *s == 1)
    };
    let (signal, gate) = match (bounded(a), bounded(b)) {
        _ if smaller(b, a) => (a, b),
        _ if smaller(a, b) => (b, a),
        (false, true) => (a, b),
        (true, false) => (b, a),
        _ => return Err("a product of two activations neither of which is a gate".into()),
    };
    builder.push(&call.name, Gate, &[signal, gate])
}

/// Whether a hard sigmoid is the one of a hard swish.
fn sixth(builder: &Builder, gate: &Signal) -> bool {
    let super::super::super::graph::From::Node(n) = gate.from else { return false };
    let probe = Array::from_vec(vec![-3.0f32, -1.5, 0.0, 1.5, 3.0], &[1, 5]);
    let mut ws = crate::compute::Workspace::new();
    let mut mode = super::super::super::layer::Mode::Infer;
    let out =
        probe.and_then(|x| builder.assembly.nodes[n].layer.forward(&[&x], &mut mode, &mut ws));
    let out = out.and_then(|(y, _)| y.to_f64()).unwrap_or_default();
    out.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]).all(|(y, want)| (y - want).abs() < 1e-6)
}

/// `Concat` of channels; constant zeros at either end are a border of channels.
pub fn concat(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let signals: Vec<&Signal> = call
        .inputs
        .iter()
        .filter_map(|v| match v {
            Some(Value::Signal(s)) => Some(s),
            _ => None,
        })
        .collect();
    let first = signals.first().ok_or("no activation")?;
    let along = call.attributes.int("axis", 1)?;
    if axis(along, first.dims.len())? != 1 {
        return Err(format!("axis {along} of extents {:?}, not the channels", first.dims).into());
    }
    if let [one] = signals[..]
        && call.inputs.len() > 1
    {
        return channels_of_zeros(builder, call, one);
    }
    if signals.len() != call.inputs.len() {
        return Err("constants beside several activations".into());
    }
    builder.push(&call.name, Concat, &signals)
}

fn channels_of_zeros(builder: &mut Builder, call: &Call<'_>, x: &Signal) -> Result<Value, Fault> {
    let (mut before, mut after, mut seen) = (0, 0, false);
    let zeros = |t: &Tensor| {
        let fits = t.dims.len() == x.dims.len()
            && t.dims.iter().zip(&x.dims).enumerate().all(|(a, (t, x))| a == 1 || t == x);
        fits && t.as_floats().is_some_and(|v| v.iter().all(|v| *v == 0.0))
    };
    for input in &call.inputs {
        match input {
            Some(Value::Signal(_)) => seen = true,
            Some(Value::Constant(t)) if zeros(t) => {
                *(if seen { &mut after } else { &mut before }) += t.dims[1];
            }
            _ => return Err("constants other than zeros beside an activation".into()),
        }
    }
    let four = |channels: usize| [channels, 0, 0, 0];
    builder.push(&call.name, Pad { before: four(before), after: four(after), value: 0.0 }, &[x])
}
