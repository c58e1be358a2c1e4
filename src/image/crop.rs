//! Where the brain lies, and the model's grid around it.

use super::{Grid, Mask};
use crate::{Error, Result};

/// A box of voxels, lowest included, highest excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoxelBox {
    /// Lowest index along i, j, k.
    pub low: [usize; 3],
    /// One past the highest index.
    pub high: [usize; 3],
}

fn empty() -> Error {
    Error::usage(
        "E-IMAGE-020",
        "the mask is empty, so the brain has no place",
        "Give a mask that covers the brain, on the grid of its image",
    )
}

fn inside(mask: &Mask) -> impl Iterator<Item = [usize; 3]> + '_ {
    let [ni, nj, _] = mask.grid().shape();
    let voxels = mask.data().iter().enumerate().filter(|&(_, &inside)| inside);
    voxels.map(move |(at, _)| [at % ni, at / ni % nj, at / (ni * nj)])
}

/// The smallest box of voxels around a mask.
///
/// # Errors
/// [`Error::Usage`] `E-IMAGE-020` for an empty mask.
pub fn voxel_box(mask: &Mask) -> Result<VoxelBox> {
    let mut found: Option<VoxelBox> = None;
    for v in inside(mask) {
        let b = found.get_or_insert(VoxelBox { low: v, high: v.map(|x| x + 1) });
        for (a, &x) in v.iter().enumerate() {
            b.low[a] = b.low[a].min(x);
            b.high[a] = b.high[a].max(x + 1);
        }
    }
    found.ok_or_else(empty)
}

/// Lowest and highest world coordinate (RAS+ mm) of the voxel centres of a mask.
///
/// # Errors
/// As [`voxel_box`].
pub fn world_box(mask: &Mask) -> Result<[[f64; 3]; 2]> {
    let mut found = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
    for v in inside(mask) {
        let w = mask.grid().to_world(v.map(|x| x as f64));
        for a in 0..3 {
            found[0][a] = found[0][a].min(w[a]);
            found[1][a] = found[1][a].max(w[a]);
        }
    }
    if found[0][0].is_finite() { Ok(found) } else { Err(empty()) }
}

/// Centre of mass of a mask, world RAS+ mm: the mean of its voxel centres.
///
/// # Errors
/// As [`voxel_box`].
pub fn centre_of_mass(mask: &Mask) -> Result<[f64; 3]> {
    // Whole numbers: exact, whatever the order.
    let (mut sum, mut count) = ([0u64; 3], 0u64);
    for v in inside(mask) {
        for a in 0..3 {
            sum[a] += v[a] as u64;
        }
        count += 1;
    }
    if count == 0 {
        return Err(empty());
    }
    Ok(mask.grid().to_world(sum.map(|s| s as f64 / count as f64)))
}

/// The model's grid: axis-aligned RAS, cubic voxels of `spacing_mm`, its centre on the
/// brain's centre of mass. An image resampled onto it is cropped or padded as needed.
///
/// # Errors
/// As [`voxel_box`]; [`Grid::new`]'s for an impossible shape or spacing.
pub fn model_grid(mask: &Mask, shape: [usize; 3], spacing_mm: f64) -> Result<Grid> {
    let centre = centre_of_mass(mask)?;
    let mut affine = *Grid::centred(shape, [spacing_mm; 3])?.affine();
    for (row, c) in affine.iter_mut().zip(centre) {
        row[3] += c;
    }
    Grid::new(shape, affine)
}

/// Share of a mask's voxel centres that lie within `grid` (to the faces of its outermost
/// voxels): 1 when nothing of the brain is cut off.
///
/// # Errors
/// As [`voxel_box`].
pub fn coverage(mask: &Mask, grid: &Grid) -> Result<f64> {
    let (mut within, mut count) = (0u64, 0u64);
    let inverse = grid.inverse();
    let limit = grid.shape().map(|n| n as f64 - 0.5);
    for v in inside(mask) {
        let w = mask.grid().to_world(v.map(|x| x as f64));
        let p: [f64; 3] = std::array::from_fn(|r| {
            (0..3).map(|c| inverse[r][c] * w[c]).sum::<f64>() + inverse[r][3]
        });
        count += 1;
        // a centre on a face is within; files hold their transform in float32 only
        let hair = 1e-4;
        within += u64::from((0..3).all(|a| p[a] >= -0.5 - hair && p[a] <= limit[a] + hair));
    }
    if count == 0 { Err(empty()) } else { Ok(within as f64 / count as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Mask {
        let grid = Grid::new(
            [10, 12, 8],
            [[-2.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, -3.0], [0.0, 0.0, 1.5, 1.0]],
        )
        .expect("grid");
        let mut mask = Mask::new(grid.clone(), vec![false; grid.len()]).expect("mask");
        for (i, j, k) in [(2, 3, 1), (4, 3, 1), (2, 7, 5), (4, 7, 5)] {
            mask.data_mut()[grid.index(i, j, k)] = true;
        }
        mask
    }

    #[test]
    fn boxes_and_centre_are_in_the_world_frame() {
        let mask = block();
        let b = voxel_box(&mask).expect("box");
        assert_eq!((b.low, b.high), ([2, 3, 1], [5, 8, 6]));
        assert_eq!(world_box(&mask).expect("box"), [[-3.0, 0.0, 2.5], [1.0, 4.0, 8.5]]);
        assert_eq!(centre_of_mass(&mask).expect("centre"), [-1.0, 2.0, 5.5]);
    }

    #[test]
    fn the_model_grid_is_ras_and_centred_on_the_brain() {
        let mask = block();
        let grid = model_grid(&mask, [5, 7, 9], 1.0).expect("grid");
        assert_eq!(grid.axes(), "RAS");
        assert_eq!(grid.to_world([2.0, 3.0, 4.0]), [-1.0, 2.0, 5.5]);
        assert_eq!(coverage(&mask, &grid).expect("share"), 1.0);
        let small = model_grid(&mask, [3, 3, 3], 1.0).expect("grid");
        assert_eq!(coverage(&mask, &small).expect("share"), 0.0);
    }

    #[test]
    fn an_empty_mask_is_refused() {
        let grid = Grid::centred([2, 2, 2], [1.0; 3]).expect("grid");
        let mask = Mask::new(grid, vec![false; 8]).expect("mask");
        assert_eq!(model_grid(&mask, [2; 3], 1.0).expect_err("empty").code(), "E-IMAGE-020");
    }
}
