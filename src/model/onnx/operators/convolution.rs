//! Convolutions.

use super::super::super::layers::{conv3d::Conv3d, transposed_conv3d::TransposedConv3d};
use super::super::attributes::Fault;
use super::super::builder::{Builder, Call, Value};
use crate::compute::{Array, ConvGeometry};

/// Extents `[n, c, k, j, i]` of a signal.
///
/// # Errors
/// When it has not five.
pub fn volume(dims: &[usize]) -> Result<[usize; 5], Fault> {
    let five = dims.try_into();
    five.map_err(|_| format!("data of extents {dims:?}, not [n, c, k, j, i] (3D)").into())
}

/// Padding of `auto_pad` for windows of `reach` voxels.
///
/// # Errors
/// For a word that is not known.
pub fn padding(
    call: &Call<'_>,
    input: [usize; 3],
    reach: [usize; 3],
    stride: [usize; 3],
) -> Result<[[usize; 3]; 2], Fault> {
    let word = call.attributes.text("auto_pad", "NOTSET")?;
    if word == "NOTSET" {
        return Ok(call.attributes.pads()?);
    }
    let mut pads = [[0; 3]; 2];
    if word == "VALID" {
        return Ok(pads);
    }
    let upper = match word.as_str() {
        "SAME_UPPER" => true,
        "SAME_LOWER" => false,
        _ => return Err(format!("auto_pad {word:?}").into()),
    };
    for a in 0..3 {
        let out = input[a].div_ceil(stride[a]);
        let total = ((out.max(1) - 1) * stride[a] + reach[a]).saturating_sub(input[a]);
        let (small, large) = (total / 2, total - total / 2);
        (pads[0][a], pads[1][a]) = if upper { (small, large) } else { (large, small) };
    }
    Ok(pads)
}

/// Weight and what its window is, padding aside.
fn window(call: &Call<'_>) -> Result<(Array, [usize; 5], ConvGeometry), Fault> {
    let weight = call.weights(1)?;
    let shape = volume(weight.shape())?;
    let kernel = [shape[2], shape[3], shape[4]];
    let named = call.attributes.three("kernel_shape", 0, 1)?;
    if named != [0; 3] && named != kernel {
        return Err(format!("kernel_shape {named:?} with weights of {kernel:?}").into());
    }
    let groups = call.attributes.int("group", 1)?;
    let groups = usize::try_from(groups).ok().filter(|g| *g > 0 && shape[0].is_multiple_of(*g));
    let geometry = ConvGeometry {
        kernel,
        stride: call.attributes.three("strides", 1, 1)?,
        dilation: call.attributes.three("dilations", 1, 1)?,
        groups: groups.ok_or(format!("groups that do not divide {} channels", shape[0]))?,
        ..ConvGeometry::valid(1)
    };
    if kernel.iter().any(|k| !(1..=1 << 16).contains(k)) {
        return Err(format!("a kernel of {kernel:?}").into());
    }
    Ok((weight, shape, geometry))
}

fn reach(g: &ConvGeometry) -> [usize; 3] {
    std::array::from_fn(|a| g.dilation[a] * (g.kernel[a] - 1) + 1)
}

/// `Conv`.
pub fn conv(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let [_, _, k, j, i] = volume(&x.dims)?;
    let (weight, shape, mut geometry) = window(call)?;
    [geometry.pad_before, geometry.pad_after] =
        padding(call, [k, j, i], reach(&geometry), geometry.stride)?;
    let bias = call.vector(2, shape[0])?;
    builder.push(&call.name, Conv3d::new(weight, bias, geometry)?, &[x])
}

/// `ConvTranspose`.
pub fn transposed(builder: &mut Builder, call: &Call<'_>) -> Result<Value, Fault> {
    let x = call.signal(0)?;
    let [_, _, k, j, i] = volume(&x.dims)?;
    let (weight, shape, mut geometry) = window(call)?;
    let extra = call.attributes.three("output_padding", 0, 0)?;
    let word = call.attributes.text("auto_pad", "NOTSET")?;
    let wanted = call.attributes.three("output_shape", 0, 1)?;
    let reach = reach(&geometry);
    if word == "NOTSET" && wanted == [0; 3] {
        [geometry.pad_before, geometry.pad_after] = call.attributes.pads()?;
    } else if word != "VALID" {
        // what is beyond the wanted extent is cut off on both sides
        for (a, extent) in [k, j, i].into_iter().enumerate() {
            let full = (extent - 1) * geometry.stride[a] + reach[a] + extra[a];
            let out = if wanted[a] > 0 { wanted[a] } else { extent * geometry.stride[a] };
            let total = full.checked_sub(out).ok_or(format!("output_shape {wanted:?}"))?;
            let (small, large) = (total / 2, total - total / 2);
            let upper = word == "SAME_UPPER";
            (geometry.pad_before[a], geometry.pad_after[a]) =
                if upper { (small, large) } else { (large, small) };
        }
    }
    let channels = shape[1].checked_mul(geometry.groups).ok_or("too many channels")?;
    let bias = call.vector(2, channels)?;
    builder.push(&call.name, TransposedConv3d::new(weight, bias, geometry, extra)?, &[x])
}
