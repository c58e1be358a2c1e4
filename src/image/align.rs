//! Bringing images of one world grid into one order of voxels: permuted and flipped, never
//! interpolated, so that left stays left whatever the files' axes are.

use std::path::Path;

use super::{Grid, Labels, Mask, Volume};
use crate::{Error, Result};

/// Distance, in voxels of the smaller spacing, within which two voxel centres are the same:
/// files hold their transform in float32.
const SAME: f64 = 1e-3;

/// For each axis of the target the axis of the source along it, whether both grow together;
/// none when a voxel of one grid is not a voxel of the other.
fn order(source: &Grid, target: &Grid) -> Option<[(usize, bool); 3]> {
    let inverse = source.inverse();
    let order: [(usize, bool); 3] = std::array::from_fn(|t| {
        let step = |s: usize| (0..3).map(|r| inverse[s][r] * target.affine()[r][t]).sum::<f64>();
        let along = (0..3).max_by(|&a, &b| step(a).abs().total_cmp(&step(b).abs())).unwrap_or(t);
        (along, step(along) > 0.0)
    });
    let (from, to) = (source.shape(), target.shape());
    let mut seen = order.map(|(s, _)| s);
    seen.sort_unstable();
    if seen != [0, 1, 2] || (0..3).any(|t| from[order[t].0] != to[t]) {
        return None;
    }
    // The source's own affine with its columns in the target's order: the same voxels.
    let (mut shape, mut affine) = ([0; 3], [[0.0; 4]; 3]);
    for (r, row) in affine.iter_mut().enumerate() {
        row[3] = source.affine()[r][3];
        for (t, &(s, rising)) in order.iter().enumerate() {
            let step = source.affine()[r][s];
            (shape[t], row[t]) = (from[s], if rising { step } else { -step });
            row[3] += if rising { 0.0 } else { step * (from[s] as f64 - 1.0) };
        }
    }
    let least = source.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    let same = Grid::new(shape, affine).is_ok_and(|g| g.matches(target, SAME * least));
    same.then_some(order)
}

/// The values of a source in the order of a target with the same voxels.
fn ordered<V: Copy>(source: &Grid, data: &[V], target: &Grid, path: &Path) -> Result<Vec<V>> {
    let Some(order) = order(source, target) else {
        let words = |g: &Grid| format!("{:?} voxels with affine {:?}", g.shape(), g.affine());
        return Err(Error::refused(
            "E-IMAGE-024",
            path,
            "grid",
            words(source),
            format!("the voxels of the first image in any order: {}", words(target)),
            "Resample it onto the first image's grid, label maps and masks with nearest neighbour",
        ));
    };
    let size = source.shape();
    let mut out = Vec::with_capacity(data.len());
    let [ni, nj, nk] = target.shape();
    for k in 0..nk {
        for j in 0..nj {
            for i in 0..ni {
                let mut at = [0; 3];
                for (&(s, rising), t) in order.iter().zip([i, j, k]) {
                    at[s] = if rising { t } else { size[s] - 1 - t };
                }
                out.push(data[source.index(at[0], at[1], at[2])]);
            }
        }
    }
    Ok(out)
}

/// A scalar image in the order of `target`; `path` is its file, for the error.
///
/// # Errors
/// [`Error::Refused`] `E-IMAGE-024` with both extents and affines when its voxels are not those
/// of the target (further off than a thousandth of a voxel).
pub fn aligned_volume(source: &Volume, target: &Grid, path: &Path) -> Result<Volume> {
    Volume::new(target.clone(), ordered(source.grid(), source.data(), target, path)?)
}

/// [`aligned_volume`] for label maps.
///
/// # Errors
/// As [`aligned_volume`].
pub fn aligned_labels(source: &Labels, target: &Grid, path: &Path) -> Result<Labels> {
    Labels::new(target.clone(), ordered(source.grid(), source.data(), target, path)?)
}

/// [`aligned_volume`] for masks.
///
/// # Errors
/// As [`aligned_volume`].
pub fn aligned_mask(source: &Mask, target: &Grid, path: &Path) -> Result<Mask> {
    Mask::new(target.clone(), ordered(source.grid(), source.data(), target, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 45° about z: no axis is nearest to a world axis.
    fn oblique() -> Grid {
        let h = 0.5f64.sqrt();
        Grid::new([2, 3, 4], [[h, -h, 0.0, 3.0], [h, h, 0.0, -7.0], [0.0, 0.0, 1.5, 0.5]])
            .expect("grid")
    }

    /// The same voxels with axes permuted and some counted backwards.
    fn other(grid: &Grid, axes: [usize; 3], rising: [bool; 3]) -> Grid {
        let shape = axes.map(|s| grid.shape()[s]);
        let corner: [f64; 3] = std::array::from_fn(|s| {
            let t = axes.iter().position(|a| *a == s).expect("axis");
            if rising[t] { 0.0 } else { grid.shape()[s] as f64 - 1.0 }
        });
        let origin = grid.to_world(corner);
        let affine = std::array::from_fn(|r| {
            let column = |t: usize| {
                let step = grid.affine()[r][axes[t]];
                // As a file would hold it.
                f64::from((if rising[t] { step } else { -step }) as f32)
            };
            [column(0), column(1), column(2), f64::from(origin[r] as f32)]
        });
        Grid::new(shape, affine).expect("grid")
    }

    #[test]
    fn every_order_of_the_same_voxels_is_brought_into_line() {
        let target = oblique();
        for axes in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for flips in 0..8 {
                let rising = [0, 1, 2].map(|t| flips >> t & 1 == 0);
                let source = other(&target, axes, rising);
                // Each voxel holds where it lies in the world.
                let place = |g: &Grid, v: [usize; 3]| {
                    let w = g.to_world(v.map(|x| x as f64));
                    (w[0] + 10.0 * w[1] + 100.0 * w[2]) as f32
                };
                let fill = |g: &Grid| {
                    let [ni, nj, _] = g.shape();
                    let at = |v: usize| [v % ni, v / ni % nj, v / ni / nj];
                    let data = (0..g.len()).map(|v| place(g, at(v))).collect();
                    Volume::new(g.clone(), data).expect("volume")
                };
                let got =
                    aligned_volume(&fill(&source), &target, Path::new("map")).expect("same voxels");
                let want = fill(&target);
                assert_eq!(got.grid(), &target);
                for (g, w) in got.data().iter().zip(want.data()) {
                    assert!((g - w).abs() < 0.01, "{axes:?} {rising:?}: {g} {w}");
                }
            }
        }
    }

    #[test]
    fn other_voxels_are_refused_with_both_grids() {
        let target = oblique();
        let moved = |by: f64| {
            let mut affine = *target.affine();
            affine[0][3] += by;
            Mask::new(Grid::new([2, 3, 4], affine).expect("grid"), vec![true; 24]).expect("mask")
        };
        assert!(
            aligned_mask(&moved(5e-4), &target, Path::new("the mask")).is_ok(),
            "float32 slack"
        );
        let error = aligned_mask(&moved(0.1), &target, Path::new("the mask")).expect_err("moved");
        assert_eq!(error.code(), "E-IMAGE-024");
        let text = error.to_string();
        assert!(
            text.contains("the mask") && text.contains("3.1") && text.contains("3.0"),
            "{text}"
        );
        let larger = Grid::new([2, 3, 5], *target.affine()).expect("grid");
        let labels = Labels::new(larger, vec![0; 30]).expect("labels");
        assert!(aligned_labels(&labels, &target, Path::new("labels")).is_err());
        let mirrored = other(&target, [0, 1, 2], [false, true, true]);
        let wrong = Grid::new([2, 3, 4], {
            let mut affine = *mirrored.affine();
            (0..3).for_each(|r| affine[r][3] = target.affine()[r][3]);
            affine
        });
        let wrong = Mask::new(wrong.expect("grid"), vec![true; 24]).expect("mask");
        assert!(aligned_mask(&wrong, &target, Path::new("mirror")).is_err());
    }
}
