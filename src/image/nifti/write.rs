//! Writing images: whole or not at all, the same bytes every time.

use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::fields::SIZE_1;
use super::geometry::{AGREE, quaternion_matrix, smallest};
use crate::image::header::{Header, Units};
use crate::image::{Grid, Labels, Mask, Volume};
use crate::{Error, Result, files};

/// Gzip level of the `write_…` functions: maps are mostly zeros, higher levels gain little.
pub const DEFAULT_GZIP_LEVEL: u32 = 6;
/// Offset of the first voxel: header and the four bytes that say "no extension".
const OFFSET: usize = SIZE_1 + 4;
/// `NIFTI_XFORM_SCANNER_ANAT`, when no reference says otherwise.
const SCANNER: i16 = 1;

/// What is written: voxels on their grid.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    /// As float32, unscaled.
    Volume(&'a Volume),
    /// As int16 when all labels fit, else int32.
    Labels(&'a Labels),
    /// As uint8, 1 inside.
    Mask(&'a Mask),
}

impl Written<'_> {
    fn grid(&self) -> &Grid {
        match self {
            Self::Volume(v) => v.grid(),
            Self::Labels(l) => l.grid(),
            Self::Mask(m) => m.grid(),
        }
    }

    /// Voxel type code, bits per voxel, voxel bytes (little-endian).
    fn encode(&self) -> (i16, i16, Vec<u8>) {
        match self {
            Self::Volume(v) => (16, 32, v.data().iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::Labels(l) if l.data().iter().all(|&x| i16::try_from(x).is_ok()) => {
                (4, 16, l.data().iter().flat_map(|&x| (x as i16).to_le_bytes()).collect())
            }
            Self::Labels(l) => (8, 32, l.data().iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::Mask(m) => (2, 8, m.data().iter().map(|&x| u8::from(x)).collect()),
        }
    }
}

/// Writes an image as NIfTI-1, `.nii` or `.nii.gz` by its name, in mm, with the sform of its
/// grid (rounded to float32: a matrix that came from a float32 sform is kept bit for bit) and
/// a qform where one can express it (else `qform_code` is 0). `like` is the header of a file
/// on the same grid, whose transform codes, and qform numbers if they agree with the grid,
/// are kept. `description` is cut to 79 bytes. `gzip_level` is 0 to 9; equal calls give equal
/// bytes.
///
/// # Errors
/// `E-IMAGE-017` for another file name, an extent above 32767 or a `like` of another grid;
/// [`Error::Io`] when the system refuses.
pub fn write(
    path: &Path,
    image: Written<'_>,
    like: Option<&Header>,
    description: &str,
    gzip_level: u32,
) -> Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        return Err(refuse(path, "file name", name, ".nii or .nii.gz"));
    }
    let grid = image.grid();
    if let Some(header) = like {
        let same = Grid::new(header.shape(), header.affine)
            .is_ok_and(|g| g.matches(grid, 1e-3 * smallest(grid)));
        if !same {
            return Err(refuse(path, "reference header", "of another grid", "the image's grid"));
        }
    }
    let (code, bits, voxels) = image.encode();
    let mut bytes = header_bytes(path, grid, like, description, code, bits)?;
    bytes.extend_from_slice(&voxels);
    if name.ends_with(".gz") {
        // No time and no name in the gzip header: the bytes depend on the image alone.
        let mut gzip =
            GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(gzip_level.min(9)));
        bytes = gzip
            .write_all(&bytes)
            .and_then(|()| gzip.finish())
            .map_err(|e| Error::io("writing", path, e))?;
    }
    files::write_whole(path, &bytes)
}

fn refuse(path: &Path, field: &str, seen: impl ToString, allowed: &str) -> Error {
    Error::refused("E-IMAGE-017", path, field, seen, allowed, "Change what is written, or where")
}

/// [`write()`] of a scalar image as float32 at [`DEFAULT_GZIP_LEVEL`].
///
/// # Errors
/// As [`write()`].
pub fn write_volume(
    path: &Path,
    volume: &Volume,
    like: Option<&Header>,
    description: &str,
) -> Result<()> {
    write(path, Written::Volume(volume), like, description, DEFAULT_GZIP_LEVEL)
}

/// [`write()`] of a label map as int16 or int32 at [`DEFAULT_GZIP_LEVEL`].
///
/// # Errors
/// As [`write()`].
pub fn write_labels(
    path: &Path,
    labels: &Labels,
    like: Option<&Header>,
    description: &str,
) -> Result<()> {
    write(path, Written::Labels(labels), like, description, DEFAULT_GZIP_LEVEL)
}

/// [`write()`] of a mask as uint8 at [`DEFAULT_GZIP_LEVEL`].
///
/// # Errors
/// As [`write()`].
pub fn write_mask(
    path: &Path,
    mask: &Mask,
    like: Option<&Header>,
    description: &str,
) -> Result<()> {
    write(path, Written::Mask(mask), like, description, DEFAULT_GZIP_LEVEL)
}

/// A block of bytes filled at fixed positions.
struct Block(Vec<u8>);

impl Block {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn i16(&mut self, at: usize, value: i16) {
        self.put(at, &value.to_le_bytes());
    }

    fn f32(&mut self, at: usize, value: f32) {
        self.put(at, &value.to_le_bytes());
    }
}

fn header_bytes(
    path: &Path,
    grid: &Grid,
    like: Option<&Header>,
    description: &str,
    datatype: i16,
    bits: i16,
) -> Result<Vec<u8>> {
    let mut block = Block(vec![0; OFFSET]);
    block.put(0, &(SIZE_1 as i32).to_le_bytes());
    block.put(38, b"r");
    block.i16(40, 3);
    for (a, &extent) in grid.shape().iter().enumerate() {
        let extent =
            i16::try_from(extent).map_err(|_| refuse(path, "extent", extent, "at most 32767"))?;
        block.i16(42 + 2 * a, extent);
        block.i16(48 + 2 * a, 1);
    }
    block.i16(54, 1);
    block.i16(70, datatype);
    block.i16(72, bits);
    block.f32(108, OFFSET as f32);
    block.f32(112, 1.0);
    block.put(123, &[2]);
    // Cut at a character boundary, so that the text stays text.
    let end = (0..=description.len().min(79)).rev().find(|&n| description.is_char_boundary(n));
    block.put(148, &description.as_bytes()[..end.unwrap_or(0)]);
    put_transforms(&mut block, grid, like);
    block.put(344, b"n+1\0");
    Ok(block.0)
}

fn put_transforms(block: &mut Block, grid: &Grid, like: Option<&Header>) {
    let code = |c: i32| i16::try_from(c).ok().filter(|&c| c > 0);
    let (s, q) = like.map_or((None, None), |h| (code(h.sform_code), code(h.qform_code)));
    let sform_code = s.or(q).unwrap_or(SCANNER);
    block.i16(254, sform_code);
    for (r, row) in grid.affine().iter().enumerate() {
        for (c, &v) in row.iter().enumerate() {
            block.f32(280 + 16 * r + 4 * c, v as f32);
        }
    }
    let kept = like.filter(|h| h.qform_code > 0).and_then(|h| Qform::of_header(h, grid));
    let qform = kept.or_else(|| Qform::of_grid(grid));
    let spacing = grid.spacing_mm().map(|v| v as f32);
    let (sign, edges) = qform.as_ref().map_or((1.0, spacing), |q| (q.sign, q.edges));
    block.f32(76, sign);
    for (a, &edge) in edges.iter().enumerate() {
        block.f32(80 + 4 * a, edge);
    }
    (4..8).for_each(|a| block.f32(76 + 4 * a, 1.0));
    if let Some(qform) = qform {
        block.i16(252, q.unwrap_or(sform_code));
        for (i, v) in qform.bcd.iter().chain(&qform.offset).enumerate() {
            block.f32(256 + 4 * i, *v);
        }
    }
}

/// A qform as stored: quaternion, offset, voxel edges, and the sign of the third axis.
struct Qform {
    bcd: [f32; 3],
    offset: [f32; 3],
    edges: [f32; 3],
    sign: f32,
}

impl Qform {
    /// The qform of a file in mm, bit for bit, if it leads where `grid` does.
    fn of_header(header: &Header, grid: &Grid) -> Option<Self> {
        if matches!(header.units, Units::Metre | Units::Micron) {
            return None;
        }
        let q = header.quatern.map(|v| v as f32);
        let qform = Self {
            bcd: [q[0], q[1], q[2]],
            offset: [q[3], q[4], q[5]],
            edges: std::array::from_fn(|a| header.pixdim[a + 1].abs() as f32),
            sign: if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 },
        };
        qform.leads_to(grid).then_some(qform)
    }

    /// The qform of a grid whose axes are at right angles (within [`AGREE`]), or none.
    fn of_grid(grid: &Grid) -> Option<Self> {
        let spacing = grid.spacing_mm();
        let sign = if grid.determinant() < 0.0 { -1.0 } else { 1.0 };
        let m = grid.affine();
        let r: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| m[i][j] / spacing[j] * if j == 2 { sign } else { 1.0 })
        });
        let qform = Self {
            bcd: quaternion(&r).map(|v| v as f32),
            offset: [m[0][3], m[1][3], m[2][3]].map(|v| v as f32),
            edges: spacing.map(|v| v as f32),
            sign: sign as f32,
        };
        qform.leads_to(grid).then_some(qform)
    }

    fn leads_to(&self, grid: &Grid) -> bool {
        let mut scale = self.edges.map(f64::from);
        scale[2] *= f64::from(self.sign);
        let matrix = quaternion_matrix(self.bcd.map(f64::from), self.offset.map(f64::from), scale);
        Grid::new(grid.shape(), matrix).is_ok_and(|g| g.matches(grid, AGREE / 2.0 * smallest(grid)))
    }
}

/// `b, c, d` of the unit quaternion with `a >= 0` of a rotation matrix, from its largest
/// component so that nothing is divided by a small number.
fn quaternion(r: &[[f64; 3]; 3]) -> [f64; 3] {
    let squares = [
        1.0 + r[0][0] + r[1][1] + r[2][2],
        1.0 + r[0][0] - r[1][1] - r[2][2],
        1.0 - r[0][0] + r[1][1] - r[2][2],
        1.0 - r[0][0] - r[1][1] + r[2][2],
    ];
    let largest = (1..4).fold(0, |b, i| if squares[i] > squares[b] { i } else { b });
    let root = squares[largest].max(1e-12).sqrt();
    let f = 0.5 / root;
    let (yz, zx, xy) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    let (bc, bd, cd) = (r[0][1] + r[1][0], r[0][2] + r[2][0], r[1][2] + r[2][1]);
    let q = match largest {
        0 => [root / 2.0, yz * f, zx * f, xy * f],
        1 => [yz * f, root / 2.0, bc * f, bd * f],
        2 => [zx * f, bc * f, root / 2.0, cd * f],
        _ => [xy * f, bd * f, cd * f, root / 2.0],
    };
    let sign = if q[0] < 0.0 { -1.0 } else { 1.0 };
    [q[1] * sign, q[2] * sign, q[3] * sign]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::nifti::{
        InMemNiftiVolume, NiftiObject, NiftiVolume, RandomAccessNiftiVolume, ReaderOptions,
    };

    #[test]
    fn another_reader_sees_the_same_image() {
        let grid = Grid::new(
            [3, 4, 5],
            [[0.0, 0.0, -1.5, 9.0], [2.0, 0.0, 0.0, -7.5], [0.0, 1.25, 0.0, 3.0]],
        )
        .expect("grid");
        let data = (0..60).map(|v| v as f32 * 0.1 - 2.0).collect();
        let image = Volume::new(grid.clone(), data).expect("volume");
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("x.nii.gz");
        write_volume(&path, &image, None, "a map").expect("write");
        let object = ReaderOptions::new().read_file(&path).expect("read");
        let header = object.header();
        assert_eq!((header.sform_code, header.qform_code, header.xyzt_units), (1, 1, 2));
        assert_eq!(&header.descrip[..6], b"a map\0");
        assert_eq!(header.pixdim[..4], [-1.0, 2.0, 1.25, 1.5]);
        for (row, want) in [header.srow_x, header.srow_y, header.srow_z].iter().zip(grid.affine()) {
            assert_eq!(row.map(f64::from), *want);
        }
        let volume: &InMemNiftiVolume = object.volume();
        assert_eq!(volume.dim(), [3, 4, 5]);
        for at in 0..60u16 {
            let (i, j, k) = (at % 3, at / 3 % 4, at / 12);
            let seen = volume.get_f32(&[i, j, k]).expect("voxel");
            assert_eq!(seen, image.at(i.into(), j.into(), k.into()));
        }
    }
}
