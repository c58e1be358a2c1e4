//! Pools.

use super::super::super::layers::{average_pool::AveragePool, flatten::Flatten, max_pool::MaxPool};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Value};
use super::super::fold::extents::axis;
use super::convolution::{padding, volume};
use crate::compute::PoolGeometry;

/// The window of a pool, `ceil_mode` turned into padding after the last voxel.
fn window(call: &Call<'_>) -> Result<(PoolGeometry, bool), Fault> {
    let [_, _, k, j, i] = volume(&call.signal(0)?.dims)?;
    let input = [k, j, i];
    let kernel = call.attributes.three("kernel_shape", 0, 1)?;
    if kernel == [0; 3] {
        return Err("kernel_shape is missing".into());
    }
    let dilation = call.attributes.three("dilations", 1, 1)?;
    let stride = call.attributes.three("strides", 1, 1)?;
    let reach = std::array::from_fn(|a| dilation[a] * kernel[a].saturating_sub(1) + 1);
    let [pad_before, mut pad_after] = padding(call, input, reach, stride)?;
    let mut grown = false;
    if call.attributes.on("ceil_mode")? {
        for a in 0..3 {
            let padded = input[a] + pad_before[a] + pad_after[a];
            let Some(span) = padded.checked_sub(reach[a]) else { continue };
            let mut last = span.div_ceil(stride[a]);
            // a window may not begin beyond the volume
            if last * stride[a] >= input[a] + pad_before[a] {
                last = last.saturating_sub(1);
            }
            let more = (last * stride[a] + reach[a]).saturating_sub(padded);
            pad_after[a] += more;
            grown |= more > 0;
        }
    }
    let count_padding = false;
    let geometry = PoolGeometry { kernel, stride, pad_before, pad_after, dilation, count_padding };
    Ok((geometry, grown))
}

/// `MaxPool`.
pub fn max(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let (geometry, _) = window(call)?;
    builder.push(&call.name, MaxPool { geometry }, &[call.signal(0)?])
}

/// `AveragePool`.
pub fn average(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let (mut geometry, grown) = window(call)?;
    geometry.count_padding = call.attributes.on("count_include_pad")?;
    if grown && geometry.count_padding {
        return Err("ceil_mode = 1 with count_include_pad = 1".into());
    }
    builder.push(&call.name, AveragePool { geometry: Some(geometry) }, &[call.signal(0)?])
}

/// `GlobalAveragePool`.
pub fn global_average(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let _ = volume(&x.dims)?;
    builder.push(&call.name, AveragePool { geometry: None }, &[x])
}

/// `GlobalMaxPool`: one window over the whole volume.
pub fn global_max(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let [_, _, k, j, i] = volume(&x.dims)?;
    let whole = PoolGeometry { kernel: [k, j, i], stride: [k, j, i], ..PoolGeometry::tiles(1) };
    builder.push(&call.name, MaxPool { geometry: whole }, &[x])
}

/// Whether the volume's axes are to be kept with extent 1, after a look that it is over these
/// that is reduced.
fn kept(call: &Call<'_>) -> Result<bool, Fault> {
    let x = call.signal(0)?;
    let _ = volume(&x.dims)?;
    let axes = call.ints(1, "axes")?.unwrap_or_default();
    let mut axes = axes.iter().map(|a| axis(*a, 5)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes != [2, 3, 4] {
        return Err(format!("a reduction over axes {axes:?}, not over the volume [2, 3, 4]").into());
    }
    Ok(call.attributes.int("keepdims", 1)? != 0)
}

fn flat_unless(
    kept: bool,
    pooled: Value,
    builder: &mut Builder,
    call: &Call<'_>,
) -> Result<Value, Fault> {
    match pooled {
        Value::Signal(signal) if !kept => {
            builder.push(&format!("{}_flat", call.name), Flatten, &[&signal])
        }
        other => Ok(other),
    }
}

/// `ReduceMean` over the volume.
pub fn reduce_mean(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let kept = kept(call)?;
    let pooled = global_average(builder, call)?;
    flat_unless(kept, pooled, builder, call)
}

/// `ReduceMax` over the volume.
pub fn reduce_max(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let kept = kept(call)?;
    let pooled = global_max(builder, call)?;
    flat_unless(kept, pooled, builder, call)
}
