//! Matrix products with constant weights.

use super::super::super::layers::dense::Dense;
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Value};
use crate::compute::Array;

/// Weights `[o, i]` from `[i, o]` (or as they are), times `gain`.
fn rows(weight: &Array, turned: bool, gain: f64) -> Result<Array, Fault> {
    let [a, b] = weight.shape() else {
        return Err(format!("weights of extents {:?}, not a matrix", weight.shape()).into());
    };
    let (a, b) = (*a, *b);
    let data = weight.host::<f32>()?;
    let scaled = |v: f32| if gain == 1.0 { v } else { (f64::from(v) * gain) as f32 };
    if turned {
        let all = data.iter().map(|v| scaled(*v)).collect();
        return Ok(Array::from_vec::<f32>(all, &[a, b])?);
    }
    let all = (0..a * b).map(|at| scaled(data[at % a * b + at / a])).collect();
    Ok(Array::from_vec::<f32>(all, &[b, a])?)
}

/// `Gemm`: `y = α x B + β C`.
pub fn gemm(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    if call.attributes.on("transA")? {
        return Err("transA = 1 mixes the samples of a batch".into());
    }
    let alpha = call.attributes.float("alpha", 1.0)?;
    let beta = call.attributes.float("beta", 1.0)?;
    let weight = rows(&call.weights(1)?, call.attributes.on("transB")?, alpha)?;
    let outputs = weight.shape()[0];
    let bias = if call.constant(2)?.is_some() {
        let row = call.per_channel(2, &[x.dims[0], outputs])?;
        row.iter().map(|v| (f64::from(*v) * beta) as f32).collect()
    } else {
        vec![0.0f32; outputs]
    };
    let bias = Array::from_vec(bias, &[outputs])?;
    builder.push(&call.name, Dense::new(weight, bias)?, &[x])
}

/// `MatMul` of rows with a constant matrix.
pub fn matmul(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let weight = rows(&call.weights(1)?, false, 1.0)?;
    let bias = Array::zeros::<f32>(&[weight.shape()[0]]);
    builder.push(&call.name, Dense::new(weight, bias)?, &[x])
}
