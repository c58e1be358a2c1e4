//! Named arrays as safetensors bytes: f32, little-endian, with an optional text beside them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::compute::{Array, five};
use crate::{Error, Result};

/// Key of the text in the header.
const TEXT: &str = "heatproof";

/// Named arrays and the text that came with them.
#[derive(Debug, Default)]
pub struct Stored {
    /// The arrays by name.
    pub arrays: BTreeMap<String, Array>,
    /// The text, if any.
    pub text: Option<String>,
}

/// Safetensors bytes of f32 arrays; the order given does not matter.
///
/// # Errors
/// [`Error::Internal`] for an array that is not f32 on the host or a name used twice.
pub fn to_bytes(arrays: &[(String, &Array)], text: Option<&str>) -> Result<Vec<u8>> {
    let mut raw: BTreeMap<&str, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, array) in arrays {
        let rest = (!array.on_host()).then(|| array.fetched()).transpose()?;
        let bytes = rest
            .as_ref()
            .unwrap_or(array)
            .host::<f32>()?
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        if raw.insert(name, (array.shape().to_vec(), bytes)).is_some() {
            return Err(Error::internal(format!("two arrays are named {name}")));
        }
    }
    let fault = |e: &dyn std::fmt::Display| Error::internal(format!("safetensors: {e}"));
    let mut views = Vec::with_capacity(raw.len());
    for (name, (shape, bytes)) in &raw {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| fault(&e))?;
        views.push((*name, view));
    }
    let info = text.map(|t| HashMap::from([(TEXT.to_owned(), t.to_owned())]));
    serialize(views, info).map_err(|e| fault(&e))
}

/// Reads [`to_bytes`] back; `path` is for messages.
///
/// # Errors
/// [`Error::Refused`] `E-MODEL-010` when the bytes are damaged or not f32.
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Stored> {
    let refuse = |field: &str, seen: String| {
        let fix = "Write the file again; it is damaged or of another program";
        Error::refused("E-MODEL-010", path, field, seen, "safetensors of F32", fix)
    };
    let file = SafeTensors::deserialize(bytes).map_err(|e| refuse("content", e.to_string()))?;
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| refuse("header", e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(TEXT)).cloned();
    let mut arrays = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(refuse(&name, format!("{:?}", view.dtype())));
        }
        let data: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        arrays.insert(name, Array::from_vec(data, view.shape())?);
    }
    Ok(Stored { arrays, text })
}

/// One array of a safetensors file, of any floating-point type, as f32.
///
/// # Errors
/// [`Error::Refused`] `E-MODEL-010` when the bytes are damaged, the array is missing or holds
/// no floating-point numbers.
pub fn one(path: &Path, bytes: &[u8], name: &str) -> Result<Array> {
    let refuse = |field: &str, seen: String| {
        let fix = format!("Give a safetensors file with a tensor named {name:?} of F32");
        let allowed = "a tensor of F64, F32, F16 or BF16";
        Error::refused("E-MODEL-010", path, field, seen, allowed, fix)
    };
    let file = SafeTensors::deserialize(bytes).map_err(|e| refuse("content", e.to_string()))?;
    let view = file.tensor(name).map_err(|_| refuse(name, "no such tensor".to_owned()))?;
    let data = reals(view.dtype(), view.data())
        .ok_or_else(|| refuse(name, format!("{:?}", view.dtype())))?;
    Array::from_vec(data, view.shape())
}

/// Extents `[n, c, k, j, i]` of an input of a network, all of them 1 or more and all numbers
/// finite; `path` is for messages.
///
/// # Errors
/// [`Error::Shape`] for another rank; [`Error::Refused`] `E-INPUT-002` for an extent of 0,
/// `E-INPUT-003` with sample, index and value for a number that is not finite.
pub fn sound(path: &Path, x: &Array) -> Result<[usize; 5]> {
    let shape = five(x, "input")?;
    if shape.contains(&0) {
        let (seen, fix) = (format!("{shape:?}"), "Give at least one sample of one voxel");
        return Err(Error::refused(
            "E-INPUT-002",
            path,
            "shape of the input",
            seen,
            "extents of 1 or more",
            fix,
        ));
    }
    let values = x.host::<f32>()?;
    let Some(at) = values.iter().position(|v| !v.is_finite()) else { return Ok(shape) };
    let (mut rest, mut index) = (at, [0; 5]);
    for axis in (0..5).rev() {
        (index[axis], rest) = (rest % shape[axis], rest / shape[axis]);
    }
    let [sample, within @ ..] = index;
    Err(Error::refused(
        "E-INPUT-003",
        path,
        format!("input of sample {sample} at {within:?} (channel and three axes)"),
        values[at],
        "finite numbers of 32 bits",
        "Mend the number or leave the sample out",
    ))
}

/// Every array of floating-point numbers of a safetensors file, as f32; arrays of whole
/// numbers are left out.
///
/// # Errors
/// [`Error::Refused`] `E-MODEL-010` when the bytes are damaged.
pub fn all(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        let fix = "Write the file again; it is damaged or of another kind";
        Error::refused("E-MODEL-010", path, "content", e.to_string(), "safetensors", fix)
    })?;
    let mut arrays = BTreeMap::new();
    for (name, view) in file.tensors() {
        if let Some(data) = reals(view.dtype(), view.data()) {
            let _ = arrays.insert(name, Array::from_vec(data, view.shape())?);
        }
    }
    Ok(arrays)
}

/// Little-endian floating-point numbers as f32; none for another type.
pub fn reals(kind: Dtype, raw: &[u8]) -> Option<Vec<f32>> {
    let pairs = || raw.chunks_exact(2).map(|b| [b[0], b[1]]);
    Some(match kind {
        Dtype::F32 => {
            raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        Dtype::F64 => raw
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        Dtype::F16 => pairs().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_bit_for_bit_whatever_the_order() {
        let a = Array::from_vec(vec![1.5f32, -0.0, f32::MIN_POSITIVE], &[3]).expect("a");
        let b = Array::from_vec(vec![7.0f32; 4], &[2, 2]).expect("b");
        let bytes = to_bytes(&[("a".into(), &a), ("b".into(), &b)], Some("x")).expect("bytes");
        let other = to_bytes(&[("b".into(), &b), ("a".into(), &a)], Some("x")).expect("bytes");
        assert_eq!(bytes, other);
        let stored = from_bytes(Path::new("t"), &bytes).expect("stored");
        assert_eq!(stored.text.as_deref(), Some("x"));
        let bits = |v: &Array| -> Vec<u32> {
            v.host::<f32>().expect("f32").iter().map(|x| x.to_bits()).collect()
        };
        assert_eq!(bits(&stored.arrays["a"]), bits(&a));
        assert_eq!(stored.arrays["b"].shape(), [2, 2]);
        for cut in [0, 5, 40, bytes.len() - 1] {
            let error = from_bytes(Path::new("t"), &bytes[..cut]).expect_err("damaged");
            assert_eq!(error.code(), "E-MODEL-010");
        }
    }
}
