//! The raw numbers of a NIfTI-1 or NIfTI-2 header, in one type for both.

use std::path::Path;

use ::nifti::NiftiHeader;

use crate::{Error, Result};

/// Bytes of a NIfTI-1 header.
pub(super) const SIZE_1: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(super) const SIZE_2: usize = 540;

/// Header numbers as stored, not yet judged.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub version: u8,
    pub big_endian: bool,
    /// True when the voxels lie in another file (`.hdr`/`.img`).
    pub pair: bool,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub units: u8,
    pub qform_code: i32,
    pub sform_code: i32,
    pub quatern: [f64; 6],
    pub srow: [[f64; 4]; 3],
    pub description: String,
    pub raw: Vec<u8>,
}

/// True when the first four bytes announce a NIfTI-2 header.
pub(super) fn is_version_2(start: &[u8]) -> bool {
    size_field(start).is_some_and(|(size, _)| size == SIZE_2)
}

/// Size field and whether it is big-endian.
fn size_field(start: &[u8]) -> Option<(usize, bool)> {
    let word: [u8; 4] = start.get(..4)?.try_into().ok()?;
    [(i32::from_le_bytes(word), false), (i32::from_be_bytes(word), true)]
        .into_iter()
        .map(|(size, big)| (usize::try_from(size).unwrap_or(0), big))
        .find(|&(size, _)| size == SIZE_1 || size == SIZE_2)
}

fn not_nifti(path: &Path, field: &str, seen: impl ToString, allowed: &str) -> Error {
    Error::refused(
        "E-IMAGE-001",
        path,
        field,
        seen,
        allowed,
        "Check that this is a NIfTI image and that it was copied completely",
    )
}

/// Parses a header block of 348 or 540 bytes.
///
/// # Errors
/// `E-IMAGE-001` for a wrong size field or magic, `E-IMAGE-002` for Analyze 7.5,
/// `E-IMAGE-004` for a number of dimensions outside 1 to 7.
pub(super) fn parse(path: &Path, raw: Vec<u8>) -> Result<Fields> {
    let Some((size, big_endian)) = size_field(&raw) else {
        let seen = match raw.get(..4) {
            Some(word) => format!("bytes {word:02x?}"),
            None => format!("{} bytes", raw.len()),
        };
        return Err(not_nifti(path, "sizeof_hdr", seen, "348 (NIfTI-1) or 540 (NIfTI-2)"));
    };
    if raw.len() < size {
        return Err(not_nifti(path, "file size", format!("{} bytes", raw.len()), "a whole header"));
    }
    if size == SIZE_1 { parse_1(path, raw, big_endian) } else { parse_2(path, raw, big_endian) }
}

fn check_rank(path: &Path, rank: i64) -> Result<()> {
    if (1..=7).contains(&rank) {
        return Ok(());
    }
    Err(Error::refused(
        "E-IMAGE-004",
        path,
        "dim[0]",
        rank,
        "1 to 7",
        "The header is damaged: export the image again",
    ))
}

fn parse_1(path: &Path, raw: Vec<u8>, big_endian: bool) -> Result<Fields> {
    let magic = &raw[344..348];
    let pair = match magic {
        b"n+1\0" => false,
        b"ni1\0" => true,
        [0, 0, 0, 0] => return Err(analyze(path)),
        other => {
            return Err(not_nifti(path, "magic", format!("{other:02x?}"), "\"n+1\" or \"ni1\""));
        }
    };
    let word = [raw[40], raw[41]];
    let rank = if big_endian { i16::from_be_bytes(word) } else { i16::from_le_bytes(word) };
    // The crate guesses the byte order from dim[0]; checked first, its guess is ours.
    check_rank(path, i64::from(rank))?;
    let h = NiftiHeader::from_reader(&raw[..SIZE_1])
        .map_err(|e| not_nifti(path, "header", e, "a NIfTI-1 header"))?;
    Ok(Fields {
        version: 1,
        big_endian,
        pair,
        // Stored signed; the crate reads them unsigned.
        dim: h.dim.map(|d| i64::from(d as i16)),
        datatype: h.datatype,
        bitpix: h.bitpix,
        pixdim: h.pixdim.map(f64::from),
        vox_offset: f64::from(h.vox_offset),
        slope: f64::from(h.scl_slope),
        inter: f64::from(h.scl_inter),
        units: h.xyzt_units,
        qform_code: i32::from(h.qform_code),
        sform_code: i32::from(h.sform_code),
        quatern: [h.quatern_b, h.quatern_c, h.quatern_d, h.quatern_x, h.quatern_y, h.quatern_z]
            .map(f64::from),
        srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
        description: text(&h.descrip),
        raw,
    })
}

fn analyze(path: &Path) -> Error {
    Error::refused(
        "E-IMAGE-002",
        path,
        "magic",
        "empty (Analyze 7.5)",
        "NIfTI-1 or NIfTI-2",
        "Analyze files do not say where left is: convert to NIfTI with a tool that knows",
    )
}

fn parse_2(path: &Path, raw: Vec<u8>, big_endian: bool) -> Result<Fields> {
    let pair = match &raw[4..12] {
        b"n+2\0\r\n\x1a\n" => false,
        b"ni2\0\r\n\x1a\n" => true,
        other => {
            return Err(not_nifti(path, "magic", format!("{other:02x?}"), "\"n+2\" or \"ni2\""));
        }
    };
    let at = Bytes { raw: &raw, big_endian };
    let dim: [i64; 8] = std::array::from_fn(|i| at.i64(16 + 8 * i));
    check_rank(path, dim[0])?;
    Ok(Fields {
        version: 2,
        big_endian,
        pair,
        dim,
        datatype: at.i16(12),
        bitpix: at.i16(14),
        pixdim: std::array::from_fn(|i| at.f64(104 + 8 * i)),
        vox_offset: at.i64(168) as f64,
        slope: at.f64(176),
        inter: at.f64(184),
        units: (at.i32(500) & 0xff) as u8,
        qform_code: at.i32(344),
        sform_code: at.i32(348),
        quatern: std::array::from_fn(|i| at.f64(352 + 8 * i)),
        srow: std::array::from_fn(|r| std::array::from_fn(|c| at.f64(400 + 32 * r + 8 * c))),
        description: text(&raw[240..320]),
        raw,
    })
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Numbers at byte positions of a block known to be long enough.
struct Bytes<'a> {
    raw: &'a [u8],
    big_endian: bool,
}

impl Bytes<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes: [u8; N] = std::array::from_fn(|i| self.raw[at + i]);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.get(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.get(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.get(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.get(at))
    }
}
