//! Describing a file, also one that is refused for use.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::open::open;
use super::read::{judge, stream, usable};
use crate::Result;
use crate::image::Grid;
use crate::image::header::{AffineSource, Units};

/// What a file holds. Lengths in mm, world frame RAS+, values after scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Extents, without trailing ones beyond the third.
    pub shape: Vec<usize>,
    /// Distance of neighbouring voxel centres along i, j, k.
    pub spacing_mm: [f64; 3],
    /// Voxel-to-world matrix with its last row `0 0 0 1`; `null` where not finite.
    pub affine: [[Option<f64>; 4]; 4],
    /// World directions of i, j, k, for example `RAS`; `???` without a usable matrix.
    pub axes: String,
    /// Voxel type, for example `int16`.
    pub datatype: String,
    /// Sum of the finite values; `null` when the voxels cannot be read.
    pub sum: Option<f64>,
    /// Least finite value.
    pub min: Option<f64>,
    /// Greatest finite value.
    pub max: Option<f64>,
    /// Voxels that are NaN or infinite.
    pub nonfinite: Option<u64>,
    /// NIfTI version.
    pub nifti_version: u8,
    /// Where `affine` came from.
    pub affine_source: AffineSource,
    /// `sform_code`.
    pub sform_code: i32,
    /// `qform_code`.
    pub qform_code: i32,
    /// Unit of length in the file.
    pub units: Units,
    /// Free text of the file.
    pub description: String,
    /// What was assumed or corrected.
    pub warnings: Vec<String>,
    /// Why the file is refused as an image, with its code; `null` when it can be used.
    pub refusal: Option<String>,
}

/// Describes an image file without keeping its voxels in memory.
///
/// # Errors
/// [`crate::Error::Io`] when unreadable; [`crate::Error::Refused`] when there is no header
/// to describe (codes `E-IMAGE-001` to `005`). Any later reason is in
/// [`Inspection::refusal`].
pub fn inspect(path: &Path) -> Result<Inspection> {
    let mut opened = open(path)?;
    let usable = usable(path, &mut opened).err();
    let tally = stream(path, &mut opened, |_| Ok(()));
    let judged = tally.as_ref().ok().and_then(|t| judge(path, t).err());
    let tally = tally.map_err(|e| e.to_string());
    let refusal = usable
        .map(|e| e.to_string())
        .or_else(|| tally.as_ref().err().cloned())
        .or(judged.map(|e| e.to_string()));
    let tally = tally.ok();
    let some_finite = tally.filter(|t| t.finite > 0);
    let header = opened.header;
    let mut shape = header.dims.clone();
    while shape.len() > 3 && shape.last() == Some(&1) {
        shape.pop();
    }
    let mut warnings = opened.warnings;
    if let Some(count) = tally.map(|t| t.nonfinite).filter(|&n| n > 0) {
        warnings.push(format!("{count} voxels are NaN or infinite; used as 0"));
    }
    Ok(Inspection {
        shape,
        spacing_mm: std::array::from_fn(|c| {
            (0..3).map(|r| header.affine[r][c].powi(2)).sum::<f64>().sqrt()
        }),
        affine: four_rows(&header.affine),
        axes: Grid::new(header.shape(), header.affine)
            .map_or_else(|_| "???".to_owned(), |g| g.axes()),
        datatype: header.datatype.to_owned(),
        sum: tally.map(|t| t.total()).filter(|s| s.is_finite()),
        min: some_finite.map(|t| t.min),
        max: some_finite.map(|t| t.max),
        nonfinite: tally.map(|t| t.nonfinite),
        nifti_version: header.version,
        affine_source: header.affine_source,
        sform_code: header.sform_code,
        qform_code: header.qform_code,
        units: header.units,
        description: header.description,
        warnings,
        refusal,
    })
}

fn four_rows(affine: &[[f64; 4]; 3]) -> [[Option<f64>; 4]; 4] {
    let last = [0.0, 0.0, 0.0, 1.0];
    std::array::from_fn(|r| affine.get(r).unwrap_or(&last).map(|v| v.is_finite().then_some(v)))
}
