//! What several test modules need.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use heatproof::image::{Grid, Volume};

/// A folder of the shared test data, or none (said aloud) where it is missing.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HEATPROOF_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    // Not eprintln: the test harness would swallow it.
    let _ =
        writeln!(std::io::stderr(), "SKIPPED: {} is missing; set HEATPROOF_SHARED", path.display());
    None
}

/// Maps of other programs: the folder $HEATPROOF_GOLDEN, or `golden` of the shared test data.
pub fn golden() -> Option<PathBuf> {
    std::env::var_os("HEATPROOF_GOLDEN").map_or_else(|| shared("golden"), |f| Some(f.into()))
}

/// A NIfTI-1 header block (352 bytes, little-endian) of a 3D file with an sform, for the
/// tests to damage.
pub fn header(shape: [i16; 3], datatype: i16, bitpix: i16) -> Vec<u8> {
    let mut h = vec![0u8; 352];
    h[..4].copy_from_slice(&348i32.to_le_bytes());
    set(&mut h, 40, &3i16.to_le_bytes());
    for (a, extent) in shape.into_iter().enumerate() {
        set(&mut h, 42 + 2 * a, &extent.to_le_bytes());
        set(&mut h, 80 + 4 * a, &1f32.to_le_bytes());
        set(&mut h, 280 + 20 * a, &1f32.to_le_bytes());
    }
    set(&mut h, 70, &datatype.to_le_bytes());
    set(&mut h, 72, &bitpix.to_le_bytes());
    set(&mut h, 108, &352f32.to_le_bytes());
    set(&mut h, 112, &1f32.to_le_bytes());
    h[123] = 2;
    set(&mut h, 254, &1i16.to_le_bytes());
    set(&mut h, 344, b"n+1\0");
    h
}

/// Overwrites bytes.
pub fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).expect("compress");
    gz.finish().expect("compress")
}

/// An anisotropic, odd-sized RAS volume whose every voxel is different.
pub fn marked() -> Volume {
    let grid = Grid::new(
        [5, 7, 9],
        [[1.0, 0.0, 0.0, -11.5], [0.0, 1.25, 0.0, 3.0], [0.0, 0.0, 2.5, -40.25]],
    )
    .expect("grid");
    let data = (0..grid.len()).map(|v| v as f32 + 1.0).collect();
    Volume::new(grid, data).expect("volume")
}

/// Sum of all values.
pub fn sum(volume: &Volume) -> f64 {
    volume.data().iter().map(|&v| f64::from(v)).sum()
}
