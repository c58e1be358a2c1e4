//! Voxel types: names, sizes and decoding to `f64`.

use std::path::Path;

use ::nifti::{NiftiHeader, NiftiType};

use crate::{Error, Result};

/// The voxel type of a code, or none for a code the standard does not have.
pub(super) fn voxel_type(code: i16) -> Option<NiftiType> {
    NiftiHeader { datatype: code, ..NiftiHeader::default() }.data_type().ok()
}

/// Name of a voxel type, as other tools write it.
pub(super) fn name(code: i16) -> &'static str {
    match voxel_type(code) {
        Some(NiftiType::Uint8) => "uint8",
        Some(NiftiType::Int8) => "int8",
        Some(NiftiType::Uint16) => "uint16",
        Some(NiftiType::Int16) => "int16",
        Some(NiftiType::Uint32) => "uint32",
        Some(NiftiType::Int32) => "int32",
        Some(NiftiType::Uint64) => "uint64",
        Some(NiftiType::Int64) => "int64",
        Some(NiftiType::Float32) => "float32",
        Some(NiftiType::Float64) => "float64",
        Some(NiftiType::Float128) => "float128",
        Some(NiftiType::Complex64) => "complex64",
        Some(NiftiType::Complex128) => "complex128",
        Some(NiftiType::Complex256) => "complex256",
        Some(NiftiType::Rgb24) => "rgb24",
        Some(NiftiType::Rgba32) => "rgba32",
        None => "unknown",
    }
}

/// Decodes a run of voxels.
pub(super) type Decoder = fn(&[u8], &mut Vec<f64>);

macro_rules! decoder {
    ($value:ty, $from:ident) => {{
        fn decode(bytes: &[u8], out: &mut Vec<f64>) {
            const SIZE: usize = size_of::<$value>();
            out.extend(bytes.chunks_exact(SIZE).map(|voxel| {
                let word: [u8; SIZE] = std::array::from_fn(|i| voxel[i]);
                <$value>::$from(word) as f64
            }));
        }
        decode as Decoder
    }};
}

macro_rules! either_endian {
    ($value:ty, $big:expr) => {
        if $big { decoder!($value, from_be_bytes) } else { decoder!($value, from_le_bytes) }
    };
}

/// Bytes per voxel and the decoder of a numeric voxel type.
///
/// # Errors
/// `E-IMAGE-006` for colour, complex, 128-bit and unknown types, `E-IMAGE-007` when
/// `bitpix` contradicts the type.
pub(super) fn decoder(path: &Path, code: i16, bitpix: i16, big: bool) -> Result<(usize, Decoder)> {
    let (size, decode) = match voxel_type(code) {
        Some(NiftiType::Uint8) => (1, either_endian!(u8, big)),
        Some(NiftiType::Int8) => (1, either_endian!(i8, big)),
        Some(NiftiType::Uint16) => (2, either_endian!(u16, big)),
        Some(NiftiType::Int16) => (2, either_endian!(i16, big)),
        Some(NiftiType::Uint32) => (4, either_endian!(u32, big)),
        Some(NiftiType::Int32) => (4, either_endian!(i32, big)),
        Some(NiftiType::Uint64) => (8, either_endian!(u64, big)),
        Some(NiftiType::Int64) => (8, either_endian!(i64, big)),
        Some(NiftiType::Float32) => (4, either_endian!(f32, big)),
        Some(NiftiType::Float64) => (8, either_endian!(f64, big)),
        _ => {
            return Err(Error::refused(
                "E-IMAGE-006",
                path,
                "datatype",
                format!("{code} ({})", name(code)),
                "8 to 64 bit integers, float32, float64",
                "Convert the image to one real number per voxel, for example float32",
            ));
        }
    };
    if usize::try_from(bitpix).ok() != Some(8 * size) {
        return Err(Error::refused(
            "E-IMAGE-007",
            path,
            "bitpix",
            bitpix,
            format!("{} for datatype {code} ({})", 8 * size, name(code)),
            "The header is damaged or was edited: export the image again",
        ));
    }
    Ok((size, decode))
}
