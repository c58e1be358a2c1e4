//! The same voxels in RAS order: permuted and flipped, never interpolated.

use super::{Grid, Labels, Volume};
use crate::{Error, Result};

/// The same voxels counted in RAS order: i to the right, j to anterior, k to superior (as
/// nearly as the axes allow). World positions do not change.
///
/// # Errors
/// As [`Grid::new`].
pub fn canonical_grid(grid: &Grid) -> Result<Grid> {
    let (shape, m) = (grid.shape(), grid.affine());
    let mut new_shape = [0; 3];
    let mut new = [[0.0; 4]; 3];
    for (r, row) in new.iter_mut().enumerate() {
        row[3] = m[r][3];
    }
    for (voxel, &(world, positive)) in grid.orientation().iter().enumerate() {
        new_shape[world] = shape[voxel];
        for r in 0..3 {
            new[r][world] = if positive { m[r][voxel] } else { -m[r][voxel] };
            if !positive {
                new[r][3] += m[r][voxel] * (shape[voxel] as f64 - 1.0);
            }
        }
    }
    Grid::new(new_shape, new)
}

/// Values in the order of [`canonical_grid`].
fn reordered<V: Copy>(grid: &Grid, data: &[V]) -> Result<(Grid, Vec<V>)> {
    if data.len() != grid.len() {
        return Err(Error::shape("reorient", grid.shape(), data.len()));
    }
    let new = canonical_grid(grid)?;
    let (order, shape, size) = (grid.orientation(), grid.shape(), new.shape());
    let mut out = Vec::with_capacity(data.len());
    for k in 0..size[2] {
        for j in 0..size[1] {
            for i in 0..size[0] {
                let world = [i, j, k];
                let v: [usize; 3] = std::array::from_fn(|a| {
                    let (w, positive) = order[a];
                    if positive { world[w] } else { shape[a] - 1 - world[w] }
                });
                out.push(data[grid.index(v[0], v[1], v[2])]);
            }
        }
    }
    Ok((new, out))
}

/// The image in RAS axis order: voxels are permuted and flipped, never interpolated.
///
/// # Errors
/// As [`Grid::new`].
pub fn reorient(volume: &Volume) -> Result<Volume> {
    let (grid, data) = reordered(volume.grid(), volume.data())?;
    Volume::new(grid, data)
}

/// [`reorient`] for label maps.
///
/// # Errors
/// As [`Grid::new`].
pub fn reorient_labels(labels: &Labels) -> Result<Labels> {
    let (grid, data) = reordered(labels.grid(), labels.data())?;
    Labels::new(grid, data)
}
