//! Normalisations at rest.

use super::super::super::layers::{batch_norm::BatchNorm, group_norm::GroupNorm};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Value};
use crate::compute::Array;

fn channels(call: &Call<'_>) -> Result<usize, Fault> {
    let dims = &call.signal(0)?.dims;
    dims.get(1).copied().ok_or(format!("data of extents {dims:?} without channels").into())
}

/// A variance's ε from 0.
fn epsilon(call: &Call<'_>) -> Result<f64, Fault> {
    let epsilon = call.attributes.float("epsilon", 1e-5)?;
    if epsilon < 0.0 {
        return Err(format!("epsilon {epsilon}").into());
    }
    Ok(epsilon)
}

/// `BatchNormalization` with running statistics.
pub fn batch(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let count = channels(call)?;
    if call.attributes.on("training_mode")? {
        return Err("training_mode = 1: export the model in evaluation mode".into());
    }
    let epsilon = epsilon(call)?;
    let arrays = [call.weights(1)?, call.weights(2)?, call.weights(3)?, call.weights(4)?];
    if arrays.iter().any(|a| a.shape() != [count]) {
        return Err(format!("statistics that are not {count} numbers each").into());
    }
    let variance = arrays[3].host::<f32>()?;
    if let Some(low) = variance.iter().find(|v| f64::from(**v) + epsilon <= 0.0) {
        return Err(format!("a variance of {low}").into());
    }
    builder.push(&call.name, BatchNorm::new(arrays, epsilon)?, &[call.signal(0)?])
}

/// `InstanceNormalization`.
pub fn instance(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let count = channels(call)?;
    let (gamma, beta) = (call.weights(1)?, call.weights(2)?);
    let layer = GroupNorm::new(gamma, beta, count, epsilon(call)?)?;
    builder.push(&call.name, layer, &[call.signal(0)?])
}

/// `GroupNormalization`; before opset 21 its weights were one per group.
pub fn group(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let count = channels(call)?;
    let groups = usize::try_from(call.attributes.int("num_groups", 0)?).unwrap_or(0);
    if groups == 0 || !count.is_multiple_of(groups) {
        return Err(format!("{groups} groups of {count} channels").into());
    }
    let wide = |at: usize| -> Result<Array, Fault> {
        let own = call.weights(at)?;
        if own.len() == count {
            return Ok(own.reshaped(&[count])?);
        }
        if own.len() != groups {
            return Err(format!("{} weights for {count} channels", own.len()).into());
        }
        let values = own.host::<f32>()?;
        let each = (0..count).map(|c| values[c / (count / groups)]).collect();
        Ok(Array::from_vec::<f32>(each, &[count])?)
    };
    let layer = GroupNorm::new(wide(1)?, wide(2)?, groups, epsilon(call)?)?;
    builder.push(&call.name, layer, &[call.signal(0)?])
}
