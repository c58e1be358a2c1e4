//! Stored tensors as numbers: from the file itself or from another file beside it. No memory
//! is taken before the extents agree with the bytes that are there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::document::{self, Pieces};
use super::fold::extents::LARGEST;
use super::wire::varint;
use crate::{Error, Result};

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first; none for a single number.
    pub dims: Vec<usize>,
    /// The numbers.
    pub data: Data,
}

/// Numbers of a tensor: reals are kept as f32, whole numbers and truth values as i64.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Reals.
    Float(Vec<f32>),
    /// Whole numbers; true is 1.
    Int(Vec<i64>),
}

impl Tensor {
    /// Whole numbers along one axis.
    pub fn ints(data: Vec<i64>) -> Self {
        Self { dims: vec![data.len()], data: Data::Int(data) }
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(data) => data.len(),
            Data::Int(data) => data.len(),
        }
    }

    /// The numbers if they are whole.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(data) => Some(data),
            Data::Float(_) => None,
        }
    }

    /// The numbers if they are real.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.data {
            Data::Float(data) => Some(data),
            Data::Int(_) => None,
        }
    }
}

/// The file a model is read from, for its tensors and for messages.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
}

/// Most numbers that are read again, for a second node and more: a small file must not become a
/// large network.
const MOST_AGAIN: usize = 1 << 24;

/// Stored tensors by name.
#[derive(Debug)]
pub struct Stored<'a> {
    /// Each with whether a node has read it.
    tensors: HashMap<&'a str, (&'a document::Tensor<'a>, bool)>,
    /// Numbers read again.
    again: usize,
}

impl<'a> Stored<'a> {
    /// None read yet.
    pub fn new(all: &'a [document::Tensor<'a>]) -> Self {
        Self { tensors: all.iter().map(|t| (t.name.as_ref(), (t, false))).collect(), again: 0 }
    }

    /// The numbers of a tensor, if there is one of this name.
    ///
    /// # Errors
    /// Those of [`Source::tensor`]; `E-ONNX-004` when too many numbers are read again.
    pub fn read(&mut self, source: &Source, name: &str) -> Result<Option<Tensor>> {
        let Some((stored, seen)) = self.tensors.get_mut(name) else { return Ok(None) };
        let tensor = source.tensor(stored)?;
        self.again += if std::mem::replace(seen, true) { tensor.len() } else { 0 };
        if self.again > MOST_AGAIN {
            let seen = format!("more than {MOST_AGAIN} numbers that several nodes read");
            return Err(source.refuse(name, seen, "a network whose layers have their own weights"));
        }
        Ok(Some(tensor))
    }
}

/// Bytes of one number, by the format's numbering; none for a kind that is not read.
fn width(kind: i64) -> Option<usize> {
    match kind {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 => Some(4),
        7 | 11 => Some(8),
        _ => None,
    }
}

/// What the format calls a kind.
fn kind_name(kind: i64) -> String {
    match kind {
        8 => "string".to_owned(),
        12 | 13 => "uint32 or uint64".to_owned(),
        14 | 15 => "complex".to_owned(),
        other => format!("type {other}"),
    }
}

impl Source {
    /// A refusal of a tensor: `E-ONNX-004`.
    fn refuse(&self, name: &str, seen: impl ToString, allowed: impl Into<String>) -> Error {
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let field = format!("tensor '{name}'");
        let fix = "Export the model again; this file is damaged or of another kind";
        Error::refused("E-ONNX-004", &self.path, field, seen, allowed, fix)
    }

    /// The numbers of a stored tensor.
    ///
    /// # Errors
    /// [`Error::Refused`] `E-ONNX-004` when extents, kind and bytes do not agree or a number is
    /// not finite, `E-ONNX-005` when an external file is not a plain file beside this one.
    pub fn tensor(&self, stored: &document::Tensor<'_>) -> Result<Tensor> {
        let name = &stored.name;
        let dims: Option<Vec<usize>> = stored
            .dims
            .iter()
            .map(|&d| usize::try_from(d).ok().filter(|d| *d <= LARGEST))
            .collect();
        let count = dims.as_ref().and_then(|d| d.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
        let (Some(dims), Some(count)) = (dims, count) else {
            let seen = format!("extents {:?}", stored.dims);
            return Err(self.refuse(name, seen, "extents from 0 whose product fits in memory"));
        };
        let Some(width) = width(stored.kind) else {
            let allowed = "float16 to float64, bfloat16, int8 to int64 and bool";
            return Err(self.refuse(name, kind_name(stored.kind), allowed));
        };
        let Some(size) = count.checked_mul(width) else {
            return Err(self.refuse(name, format!("{count} numbers"), "what fits in memory"));
        };
        let owned;
        let raw = if stored.is_external {
            owned = self.external(stored, size)?;
            Some(owned.as_slice())
        } else {
            stored.raw
        };
        let numbers = match raw {
            Some(raw) if raw.len() == size => from_raw(stored.kind, raw),
            Some(raw) => {
                let seen = format!("{} bytes for extents {dims:?}", raw.len());
                return Err(self.refuse(name, seen, format!("{size} bytes")));
            }
            None => self.numbers_in(stored, count)?,
        };
        if let Data::Float(numbers) = &numbers
            && let Some(at) = numbers.iter().position(|v| !v.is_finite())
        {
            let seen = format!("{} at place {at}", numbers[at]);
            return Err(self.refuse(name, seen, "finite numbers"));
        }
        Ok(Tensor { dims, data: numbers })
    }

    /// Numbers written one by one or packed.
    fn numbers_in(&self, stored: &document::Tensor<'_>, count: usize) -> Result<Data> {
        let wrong = |seen: usize| {
            let seen = format!("{seen} numbers for extents {:?}", stored.dims);
            self.refuse(&stored.name, seen, format!("{count} numbers"))
        };
        let fixed = |pieces: &Pieces<'_>, width: usize| -> Result<Vec<u64>> {
            let there: usize = pieces.packed.iter().map(|p| p.len() / width).sum();
            if there + pieces.single.len() != count {
                return Err(wrong(there + pieces.single.len()));
            }
            let packed = pieces.packed.iter().flat_map(|p| p.chunks_exact(width));
            let number = |b: &[u8]| b.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
            Ok(packed.map(number).chain(pieces.single.iter().copied()).collect())
        };
        match stored.kind {
            1 => {
                let bits = fixed(&stored.floats, 4)?;
                Ok(Data::Float(bits.iter().map(|b| f32::from_bits(*b as u32)).collect()))
            }
            11 => {
                let bits = fixed(&stored.doubles, 8)?;
                Ok(Data::Float(bits.iter().map(|b| f64::from_bits(*b) as f32).collect()))
            }
            _ => {
                let mut all = Vec::new();
                for mut piece in stored.ints.packed.iter().copied() {
                    while !piece.is_empty() {
                        let value = varint(&mut piece)
                            .map_err(|e| self.refuse(&stored.name, e, "whole numbers"))?;
                        all.push(value.cast_signed());
                        if all.len() > count {
                            return Err(wrong(all.len()));
                        }
                    }
                }
                all.extend(stored.ints.single.iter().map(|v| v.cast_signed()));
                if all.len() != count {
                    return Err(wrong(all.len()));
                }
                Ok(match stored.kind {
                    // Half floats stand here as the whole numbers their bits spell.
                    10 | 16 => {
                        let half = |v: &i64| half(stored.kind, (*v as u16).to_le_bytes());
                        Data::Float(all.iter().map(half).collect())
                    }
                    _ => Data::Int(all),
                })
            }
        }
    }

    /// `size` bytes of another file in the model's folder.
    fn external(&self, stored: &document::Tensor<'_>, size: usize) -> Result<Vec<u8>> {
        let entry = |key: &str| stored.external.iter().find(|(k, _)| k == key).map(|(_, v)| v);
        let location = entry("location").map(|v| v.as_ref()).unwrap_or_default();
        let path = self.beside(location)?;
        let number = |key: &str| match entry(key) {
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                self.refuse(&stored.name, format!("{key} {text:?}"), "a whole number")
            }),
            None => Ok(None),
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|l| l != size as u64) {
            let seen = format!("length {} of external data", length.unwrap_or_default());
            return Err(self.refuse(&stored.name, seen, format!("{size} bytes")));
        }
        let reading = |e| Error::io("reading", &path, e);
        let mut file = File::open(&path).map_err(reading)?;
        let there = file.metadata().map_err(reading)?.len();
        if offset.checked_add(size as u64).is_none_or(|end| end > there) {
            let seen = format!("offset {offset} and {size} bytes in a file of {there}");
            return Err(self.refuse(&stored.name, seen, "a place within the external file"));
        }
        file.seek(SeekFrom::Start(offset)).map_err(reading)?;
        let mut bytes = vec![0; size];
        file.read_exact(&mut bytes).map_err(reading)?;
        Ok(bytes)
    }

    /// A plain file in the model's folder or below it; links that lead out are refused.
    fn beside(&self, location: &str) -> Result<PathBuf> {
        let refuse = |why: &str| {
            let shown: String = location.chars().filter(|c| !c.is_control()).take(200).collect();
            Error::refused(
                "E-ONNX-005",
                &self.path,
                "external_data location",
                format!("{shown:?}, {why}"),
                "the name of a plain file in the model's folder",
                "Keep the model and its data file side by side, as they were exported",
            )
        };
        let inner = Path::new(location);
        let plain = inner.components().all(|part| matches!(part, Component::Normal(_)));
        if location.is_empty() || location.contains(['\\', '\0', ':']) || !plain {
            return Err(refuse("which is no relative path that stays in the folder"));
        }
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let reading = |e| Error::io("reading", folder.join(inner), e);
        let folder = fs::canonicalize(folder).map_err(|e| Error::io("reading", folder, e))?;
        let path = fs::canonicalize(folder.join(inner)).map_err(reading)?;
        if !path.starts_with(&folder) {
            return Err(refuse("a link that leads out of the folder"));
        }
        if !fs::metadata(&path).map_err(reading)?.is_file() {
            return Err(refuse("which is no plain file"));
        }
        Ok(path)
    }
}

/// A number of 16 bits, float16 (kind 10) or bfloat16, as f32: exactly.
fn half(kind: i64, bytes: [u8; 2]) -> f32 {
    match kind {
        10 => half::f16::from_le_bytes(bytes).to_f32(),
        _ => half::bf16::from_le_bytes(bytes).to_f32(),
    }
}

/// Little-endian numbers; the length is a multiple of the width.
fn from_raw(kind: i64, raw: &[u8]) -> Data {
    let eight = |b: &[u8]| [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]];
    let four = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    let ints = |width: usize, number: &dyn Fn(&[u8]) -> i64| {
        Data::Int(raw.chunks_exact(width).map(number).collect())
    };
    match kind {
        1 => Data::Float(raw.chunks_exact(4).map(|b| f32::from_le_bytes(four(b))).collect()),
        11 => {
            let wide = raw.chunks_exact(8).map(|b| f64::from_le_bytes(eight(b)));
            Data::Float(wide.map(|v| v as f32).collect())
        }
        10 | 16 => Data::Float(raw.chunks_exact(2).map(|b| half(kind, [b[0], b[1]])).collect()),
        3 => ints(1, &|b| i64::from(b[0].cast_signed())),
        4 => ints(2, &|b| i64::from(u16::from_le_bytes([b[0], b[1]]))),
        5 => ints(2, &|b| i64::from(i16::from_le_bytes([b[0], b[1]]))),
        6 => ints(4, &|b| i64::from(i32::from_le_bytes(four(b)))),
        7 => ints(8, &|b| i64::from_le_bytes(eight(b))),
        _ => ints(1, &|b| i64::from(b[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_read_exactly() {
        // 1.5, -2, the largest, the smallest of all, by the definitions of IEEE 754 and bfloat16
        let bits = |all: [u16; 4]| all.iter().flat_map(|b| b.to_le_bytes()).collect::<Vec<u8>>();
        let half = bits([0x3e00, 0xc000, 0x7bff, 0x0001]);
        let want = Data::Float(vec![1.5, -2.0, 65504.0, 2f32.powi(-24)]);
        assert_eq!(from_raw(10, &half), want);
        let brain = bits([0x3fc0, 0xc000, 0x7f7f, 0x0001]);
        let largest = (2.0 - 2f32.powi(-7)) * 2f32.powi(127);
        let want = Data::Float(vec![1.5, -2.0, largest, 2f32.powi(-126) * 2f32.powi(-7)]);
        assert_eq!(from_raw(16, &brain), want);
        // the same as whole numbers, as some programs write them
        let ints = Pieces { single: vec![0x3e00, 0xc000], ..Pieces::default() };
        let stored = document::Tensor { dims: vec![2], kind: 10, ints, ..Default::default() };
        let read = Source { path: "t.onnx".into() }.tensor(&stored).expect("read");
        assert_eq!(read.data, Data::Float(vec![1.5, -2.0]));
    }
}
