//! What a file said about its voxels, in our own terms.

use serde::{Deserialize, Serialize};

/// Where the voxel-to-world matrix of a file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AffineSource {
    /// The rows `srow_x`, `srow_y`, `srow_z`.
    Sform,
    /// The quaternion, offsets and `pixdim`.
    Qform,
    /// Only `pixdim`: orientation and origin are unknown.
    Pixdim,
}

/// Unit of length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// Metres.
    Metre,
    /// Millimetres.
    Millimetre,
    /// Micrometres.
    Micron,
    /// Not said; taken as millimetres.
    Unknown,
}

impl Units {
    /// Millimetres per unit.
    pub fn mm(self) -> f64 {
        match self {
            Self::Metre => 1000.0,
            Self::Micron => 0.001,
            Self::Millimetre | Self::Unknown => 1.0,
        }
    }
}

/// The header of an image file: what is needed to describe it and to write a result on
/// the same grid. All lengths in mm, world frame RAS+.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// NIfTI version, 1 or 2.
    pub version: u8,
    /// True when the file is big-endian.
    pub big_endian: bool,
    /// Extents as declared, 1 to 7 of them.
    pub dims: Vec<usize>,
    /// Name of the voxel type, for example `int16`.
    pub datatype: &'static str,
    /// Number of the voxel type in the NIfTI standard.
    pub datatype_code: i16,
    /// Factor from stored to real values; 1 when the file gives none.
    pub slope: f64,
    /// Added after `slope`; 0 when the file gives none.
    pub inter: f64,
    /// Unit of length of the file.
    pub units: Units,
    /// `sform_code`, 0 when the file has no sform.
    pub sform_code: i32,
    /// `qform_code`, 0 when the file has no qform.
    pub qform_code: i32,
    /// `pixdim[0..4]` as stored, in the unit of the file.
    pub pixdim: [f64; 4],
    /// `quatern_b, c, d, qoffset_x, y, z` as stored, in the unit of the file.
    pub quatern: [f64; 6],
    /// Where `affine` came from.
    pub affine_source: AffineSource,
    /// Upper rows of the voxel-to-world matrix, RAS+ mm. May be unusable (not finite, no
    /// inverse) in a header that is only described.
    pub affine: [[f64; 4]; 3],
    /// Free text of the file.
    pub description: String,
    /// The header block as stored: 348 bytes (NIfTI-1) or 540 (NIfTI-2).
    pub raw: Vec<u8>,
}

impl Header {
    /// The first three extents; missing ones are 1.
    pub fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.dims.get(a).copied().unwrap_or(1))
    }

    /// Voxels of the whole file, all dimensions; saturating.
    pub fn voxels(&self) -> usize {
        self.dims.iter().fold(1usize, |n, &d| n.saturating_mul(d))
    }
}
