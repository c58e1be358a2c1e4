//! Reading voxels: in pieces, scaled in `f64`, counted, and never more than the file holds.

use std::path::Path;

use super::decode;
use super::open::{Opened, open};
use crate::image::header::Header;
use crate::image::{Grid, Labels, Mask, Volume};
use crate::{Error, Result};

/// Voxels decoded at a time.
const PIECE: usize = 1 << 16;
/// Bytes after the voxels that are read to reach the checksum.
const MAX_TAIL: u64 = 1 << 30;

/// An image with what its file said and what is doubtful about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The voxels on their grid.
    pub image: T,
    /// The header of the file.
    pub header: Header,
    /// What was assumed, corrected or replaced; one sentence each.
    pub warnings: Vec<String>,
}

/// Numbers of all voxels of a file, over the finite ones, as real (scaled) values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tally {
    pub sum: f64,
    /// Lost low-order part of `sum` (Neumaier), so that the sum does not depend on size.
    lost: f64,
    pub min: f64,
    pub max: f64,
    pub finite: u64,
    pub nonfinite: u64,
}

impl Tally {
    fn new() -> Self {
        Self {
            sum: 0.0,
            lost: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            finite: 0,
            nonfinite: 0,
        }
    }

    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.nonfinite += 1;
            return;
        }
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
        self.finite += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Sum of the finite values.
    pub fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

/// Streams all voxels of an opened file through `take`, scaled, in storage order, then reads
/// to the end so that the checksum of a compressed file is verified.
///
/// # Errors
/// `E-IMAGE-006`, `007`, `008`, `011`, `012`, `018`, and what `take` refuses.
pub(super) fn stream(
    path: &Path,
    opened: &mut Opened,
    mut take: impl FnMut(&[f64]) -> Result<()>,
) -> Result<Tally> {
    let (slope, inter) = (opened.header.slope, opened.header.inter);
    let voxels = opened.header.voxels();
    let f = &opened.fields;
    let (size, decode) = decode::decoder(path, f.datatype, f.bitpix, f.big_endian)?;
    let promised = voxels as u64 * size as u64;
    let file = opened.seek_voxels(promised)?;
    let mut tally = Tally::new();
    let mut bytes = vec![0; PIECE.min(voxels) * size];
    let mut values = Vec::with_capacity(PIECE.min(voxels));
    let mut left = voxels;
    while left > 0 {
        let piece = left.min(PIECE);
        let wanted = &mut bytes[..piece * size];
        let have = file.fill(wanted)?;
        if have < piece * size {
            let seen = (voxels - left) as u64 * size as u64 + have as u64;
            return Err(file.too_short(format!("{seen} bytes"), promised));
        }
        values.clear();
        decode(wanted, &mut values);
        if slope != 1.0 || inter != 0.0 {
            values.iter_mut().for_each(|v| *v = *v * slope + inter);
        }
        values.iter().for_each(|&v| tally.add(v));
        take(&values)?;
        left -= piece;
    }
    if file.compressed && file.skip(MAX_TAIL)? == MAX_TAIL {
        return Err(Error::refused(
            "E-IMAGE-018",
            path,
            "data after the voxels",
            format!("{MAX_TAIL} bytes or more"),
            format!("less than {MAX_TAIL} bytes"),
            "Check that the extents in the header are those of the image",
        ));
    }
    Ok(tally)
}

/// Refuses what is not one 3D image on a usable grid.
///
/// # Errors
/// `E-IMAGE-013`, `009`, `010`.
pub(super) fn usable(path: &Path, opened: &mut Opened) -> Result<Grid> {
    let dims = &opened.header.dims;
    if dims.len() < 3 || dims[3..].iter().any(|&d| d != 1) {
        return Err(Error::refused(
            "E-IMAGE-013",
            path,
            "dim",
            format!("{dims:?}"),
            "three dimensions, or more with all others 1",
            "Give one 3D image: take one volume out of a series, or stack the slices",
        ));
    }
    if let Some(problem) = opened.problem.take() {
        return Err(problem);
    }
    if dims[..3].contains(&1) {
        opened.warnings.push("the image is one slice thick".into());
    }
    Grid::new(opened.header.shape(), opened.header.affine)
}

/// Opens, checks and decodes a 3D file, voxel by voxel through `convert`.
fn load<V>(
    path: &Path,
    mut convert: impl FnMut(f64) -> Result<V>,
) -> Result<(Grid, Vec<V>, Opened, Tally)> {
    let mut opened = open(path)?;
    let grid = usable(path, &mut opened)?;
    let mut data: Vec<V> = Vec::new();
    let voxels = grid.len();
    let tally = stream(path, &mut opened, |values| {
        // Grown with what was really read: a lying header costs nothing.
        if data.capacity() - data.len() < values.len() {
            let more = data.len().max(values.len()).min(voxels - data.len());
            data.try_reserve_exact(more).map_err(|_| too_large(path, voxels))?;
        }
        for &value in values {
            data.push(convert(value)?);
        }
        Ok(())
    })?;
    Ok((grid, data, opened, tally))
}

fn too_large(path: &Path, voxels: usize) -> Error {
    Error::refused(
        "E-IMAGE-005",
        path,
        "number of voxels",
        voxels,
        "what fits into memory",
        "Resample the image to larger voxels, or give the program more memory",
    )
}

/// Reads a scalar image without judging its values: NaN and infinite voxels become 0 with a
/// warning, a constant image is fine. For maps made by this program.
///
/// # Errors
/// As [`read_volume`], without `E-IMAGE-014` and `015`.
pub fn read_values(path: &Path) -> Result<Loaded<Volume>> {
    values(path).map(|(loaded, _)| loaded)
}

fn values(path: &Path) -> Result<(Loaded<Volume>, Tally)> {
    let mut replaced = 0u64;
    let (grid, data, opened, tally) = load(path, |value| {
        // A double beyond the range of float32 is as unusable as an infinite one.
        let value = value as f32;
        if value.is_finite() {
            return Ok(value);
        }
        replaced += 1;
        Ok(0.0)
    })?;
    let Opened { header, mut warnings, .. } = opened;
    if replaced > 0 {
        warnings.push(format!("{replaced} voxels are NaN or infinite; replaced by 0"));
    }
    Ok((Loaded { image: Volume::new(grid, data)?, header, warnings }, tally))
}

/// Reads a map that another program made, every voxel of which has to be a number.
///
/// # Errors
/// As [`read_values`], and `E-IMAGE-025` for voxels that are NaN or infinite.
pub fn read_map(path: &Path) -> Result<Loaded<Volume>> {
    let (loaded, tally) = values(path)?;
    if tally.nonfinite > 0 {
        return Err(Error::refused(
            "E-IMAGE-025",
            path,
            "voxels",
            format!("{} of {} NaN or infinite", tally.nonfinite, loaded.image.data().len()),
            "finite numbers",
            "Find out why the method gave none there; a map with holes cannot be audited",
        ));
    }
    Ok(loaded)
}

/// Reads a 3D image to train on or to explain. NaN and infinite voxels become 0 with a
/// warning.
///
/// # Errors
/// [`Error::Io`] when unreadable; [`Error::Refused`] with a code of the table in
/// [`crate::image::nifti`], among them `E-IMAGE-013` for a series or a slice, `014` when no
/// voxel is finite, `015` when all are equal.
pub fn read_volume(path: &Path) -> Result<Loaded<Volume>> {
    let (loaded, tally) = values(path)?;
    judge(path, &tally)?;
    Ok(loaded)
}

/// Refuses values nothing can be learnt from.
pub(super) fn judge(path: &Path, tally: &Tally) -> Result<()> {
    if tally.finite == 0 {
        return Err(Error::refused(
            "E-IMAGE-014",
            path,
            "voxels",
            format!("{} of {} NaN or infinite", tally.nonfinite, tally.nonfinite),
            "finite numbers",
            "Make the image again",
        ));
    }
    if tally.min == tally.max {
        return Err(Error::refused(
            "E-IMAGE-015",
            path,
            "voxels",
            format!("all {}", tally.min),
            "at least two different values",
            "A constant image cannot be normalised: check how it was made",
        ));
    }
    Ok(())
}

/// Reads a label map: integers, 0 is background.
///
/// # Errors
/// As [`read_volume`] without `014` and `015`; `E-IMAGE-016` for a value that is no integer
/// of 32 bits.
pub fn read_labels(path: &Path) -> Result<Loaded<Labels>> {
    let mut replaced = 0u64;
    let (grid, data, opened, _) = load(path, |value| {
        if !value.is_finite() {
            replaced += 1;
            return Ok(0);
        }
        let nearest = value.round();
        let whole = (value - nearest).abs() <= 1e-6 * nearest.abs().max(1.0);
        if !whole || nearest < f64::from(i32::MIN) || nearest > f64::from(i32::MAX) {
            return Err(Error::refused(
                "E-IMAGE-016",
                path,
                "label",
                value,
                "whole numbers of 32 bits",
                "Give a label map; resample label maps with nearest neighbour, not linearly",
            ));
        }
        Ok(nearest as i32)
    })?;
    let Opened { header, mut warnings, .. } = opened;
    if replaced > 0 {
        warnings.push(format!("{replaced} voxels are NaN or infinite; replaced by 0"));
    }
    if data.iter().all(|&v| v == 0) {
        warnings.push("the label map is empty".into());
    }
    Ok(Loaded { image: Labels::new(grid, data)?, header, warnings })
}

/// Reads a mask: a voxel is inside when it is finite and not 0.
///
/// # Errors
/// As [`read_volume`] without `014` and `015`.
pub fn read_mask(path: &Path) -> Result<Loaded<Mask>> {
    let (mut graded, mut inside) = (false, None);
    let (grid, data, opened, _) = load(path, |value| {
        if !value.is_finite() || value == 0.0 {
            return Ok(false);
        }
        graded |= *inside.get_or_insert(value) != value;
        Ok(true)
    })?;
    let Opened { header, mut warnings, .. } = opened;
    if graded {
        warnings.push("the mask has more than one value besides 0; all count as inside".into());
    }
    if inside.is_none() {
        warnings.push("the mask is empty".into());
    }
    Ok(Loaded { image: Mask::new(grid, data)?, header, warnings })
}
