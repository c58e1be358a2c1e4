//! From header numbers to extents and one voxel-to-world matrix, with everything doubtful
//! said aloud.

use std::path::Path;

use super::fields::Fields;
use super::open::MAX_VOXELS;
use crate::image::Grid;
use crate::image::header::{AffineSource, Units};
use crate::{Error, Result};

/// Voxel-to-world matrices may differ by this fraction of the smallest voxel edge before
/// they count as different.
pub(super) const AGREE: f64 = 0.05;
/// Voxel edges outside this range (mm) are not those of a head.
const PLAUSIBLE_MM: [f64; 2] = [0.05, 20.0];

/// Extents along all declared dimensions.
///
/// # Errors
/// `E-IMAGE-004` for an extent below 1, `E-IMAGE-005` for more voxels than [`MAX_VOXELS`].
pub(super) fn dims(path: &Path, fields: &Fields) -> Result<Vec<usize>> {
    let rank = fields.dim[0].clamp(1, 7) as usize;
    let mut dims = Vec::with_capacity(rank);
    for (at, &extent) in fields.dim[1..=rank].iter().enumerate() {
        match usize::try_from(extent) {
            Ok(extent) if extent > 0 => dims.push(extent),
            _ => {
                return Err(Error::refused(
                    "E-IMAGE-004",
                    path,
                    format!("dim[{}]", at + 1),
                    extent,
                    "1 or more",
                    "The header is damaged: export the image again",
                ));
            }
        }
    }
    let voxels = dims.iter().fold(1u128, |n, &d| n.saturating_mul(d as u128));
    if voxels > u128::from(MAX_VOXELS) {
        return Err(Error::refused(
            "E-IMAGE-005",
            path,
            "number of voxels",
            format!("{voxels} ({dims:?})"),
            format!("at most {MAX_VOXELS}"),
            "Check the extents in the header; resample the image if it is really this large",
        ));
    }
    Ok(dims)
}

/// Unit of length, with a warning when it is missing or unknown.
pub(super) fn units(fields: &Fields, warnings: &mut Vec<String>) -> Units {
    match fields.units & 7 {
        1 => Units::Metre,
        2 => Units::Millimetre,
        3 => Units::Micron,
        0 => {
            warnings.push("xyzt_units names no unit of length; millimetres assumed".into());
            Units::Unknown
        }
        other => {
            warnings
                .push(format!("xyzt_units names the unknown unit {other}; millimetres assumed"));
            Units::Unknown
        }
    }
}

/// The voxel-to-world matrix (RAS+ mm) and where it came from: sform, else qform, else
/// `pixdim` alone. The matrix may be unusable; see [`check`].
pub(super) fn affine(
    fields: &Fields,
    shape: [usize; 3],
    unit: Units,
    warnings: &mut Vec<String>,
) -> ([[f64; 4]; 3], AffineSource) {
    for axis in 1..=3 {
        if fields.pixdim[axis] < 0.0 {
            warnings.push(format!(
                "pixdim[{axis}] is {}; its absolute value is used",
                fields.pixdim[axis]
            ));
        }
    }
    let scaled = |m: [[f64; 4]; 3]| m.map(|row| row.map(|v| v * unit.mm()));
    let (matrix, source) = if fields.sform_code > 0 {
        (scaled(fields.srow), AffineSource::Sform)
    } else if fields.qform_code > 0 {
        (scaled(qform(fields, warnings)), AffineSource::Qform)
    } else {
        warnings.push(
            "sform_code and qform_code are 0: left and right are unknown; stored right to left \
             and centred assumed, as common tools do"
                .into(),
        );
        (scaled(from_pixdim(fields, shape)), AffineSource::Pixdim)
    };
    if source == AffineSource::Sform && fields.qform_code > 0 {
        conflict(shape, matrix, scaled(qform(fields, &mut Vec::new())), warnings);
    }
    implausible(shape, matrix, warnings);
    (matrix, source)
}

/// Warns when the two matrices of a file lead to different places.
fn conflict(
    shape: [usize; 3],
    sform: [[f64; 4]; 3],
    qform: [[f64; 4]; 3],
    warnings: &mut Vec<String>,
) {
    let Ok(s) = Grid::new(shape, sform) else { return };
    let Ok(q) = Grid::new(shape, qform) else {
        warnings.push("qform is unusable; sform is used".into());
        return;
    };
    let tolerance = AGREE * smallest(&s);
    if s.matches(&q, tolerance) {
        return;
    }
    if s.orientation() == q.orientation() {
        warnings.push("sform and qform place the image differently; sform is used".into());
    } else {
        warnings.push(format!(
            "sform ({}) and qform ({}) contradict each other on the directions of the axes; \
             sform is used: check left and right",
            s.axes(),
            q.axes()
        ));
    }
}

fn implausible(shape: [usize; 3], affine: [[f64; 4]; 3], warnings: &mut Vec<String>) {
    if let Ok(grid) = Grid::new(shape, affine) {
        let spacing = grid.spacing_mm();
        if spacing.iter().any(|s| !(PLAUSIBLE_MM[0]..=PLAUSIBLE_MM[1]).contains(s)) {
            warnings.push(format!(
                "voxel edges of {spacing:?} mm are implausible for a head: check xyzt_units"
            ));
        }
    }
}

/// Smallest voxel edge in mm.
pub(super) fn smallest(grid: &Grid) -> f64 {
    grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min)
}

/// The matrix of quaternion `b, c, d`, offsets and `pixdim`, in the unit of the file
/// (NIfTI-1 standard, method 2).
fn qform(fields: &Fields, warnings: &mut Vec<String>) -> [[f64; 4]; 3] {
    let [b, c, d, x, y, z] = fields.quatern;
    let length = b * b + c * c + d * d;
    if length > 1.0 + 1e-4 {
        warnings.push("the quaternion of the qform is longer than 1; it is shortened".into());
    }
    let sign = if fields.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let edge = [fields.pixdim[1], fields.pixdim[2], fields.pixdim[3]].map(f64::abs);
    quaternion_matrix([b, c, d], [x, y, z], [edge[0], edge[1], edge[2] * sign])
}

/// Rotation of the unit quaternion `(a, b, c, d)` with `a = sqrt(1 - b² - c² - d²)`, its
/// columns scaled, with an offset.
pub(super) fn quaternion_matrix(bcd: [f64; 3], offset: [f64; 3], scale: [f64; 3]) -> [[f64; 4]; 3] {
    let length: f64 = bcd.iter().map(|v| v * v).sum();
    // A half turn: a² is below what float32 can tell from 0, so a is 0.
    let (a, [b, c, d]) = if 1.0 - length < 1e-7 {
        (0.0, bcd.map(|v| v / length.sqrt()))
    } else {
        ((1.0 - length).sqrt(), bcd)
    };
    let r = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    std::array::from_fn(|i| [r[i][0] * scale[0], r[i][1] * scale[1], r[i][2] * scale[2], offset[i]])
}

/// Without orientation: first axis from right to left, centre of the image at the origin.
fn from_pixdim(fields: &Fields, shape: [usize; 3]) -> [[f64; 4]; 3] {
    let mut m = [[0.0; 4]; 3];
    for a in 0..3 {
        let edge = fields.pixdim[a + 1].abs() * if a == 0 { -1.0 } else { 1.0 };
        m[a][a] = edge;
        m[a][3] = -edge * (shape[a] as f64 - 1.0) / 2.0;
    }
    m
}

/// Refuses a matrix that no world position can be computed with.
///
/// # Errors
/// `E-IMAGE-010` when it rests on a `pixdim` that is zero or not finite, `E-IMAGE-009` when
/// it is not finite or has no inverse.
pub(super) fn check(
    path: &Path,
    fields: &Fields,
    shape: [usize; 3],
    affine: [[f64; 4]; 3],
    source: AffineSource,
) -> Result<Grid> {
    let edges = &fields.pixdim[1..4];
    if source != AffineSource::Sform && edges.iter().any(|e| !e.is_finite() || *e == 0.0) {
        return Err(Error::refused(
            "E-IMAGE-010",
            path,
            "pixdim[1..4]",
            format!("{edges:?}"),
            "finite and not zero",
            "The size of a voxel is unknown: export the image again with its voxel size",
        ));
    }
    Grid::new(shape, affine).map_err(|_| {
        let field = match source {
            AffineSource::Sform => "sform",
            AffineSource::Qform => "qform",
            AffineSource::Pixdim => "pixdim",
        };
        Error::refused(
            "E-IMAGE-009",
            path,
            field,
            format!("{affine:?}"),
            "finite numbers and independent columns",
            "The place of the voxels is unknown: export the image again, or set a valid sform",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_about_z_sends_x_to_y() {
        let half = std::f64::consts::FRAC_PI_4;
        let m = quaternion_matrix([0.0, 0.0, half.sin()], [1.0, 2.0, 3.0], [2.0, 3.0, -4.0]);
        let expected = [[0.0, -3.0, 0.0, 1.0], [2.0, 0.0, 0.0, 2.0], [0.0, 0.0, -4.0, 3.0]];
        for (row, want) in m.iter().zip(&expected) {
            for (v, w) in row.iter().zip(want) {
                assert!((v - w).abs() < 1e-12, "{m:?}");
            }
        }
    }
}
