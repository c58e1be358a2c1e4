//! Voxel data, never without its grid.

use super::Grid;
use crate::{Error, Result};

/// A scalar image: one `f32` per voxel, i fastest (as NIfTI stores it).
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    grid: Grid,
    data: Vec<f32>,
}

/// A label map: one integer per voxel, 0 is background, i fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    grid: Grid,
    data: Vec<i32>,
}

/// A mask: one bool per voxel, i fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    grid: Grid,
    data: Vec<bool>,
}

macro_rules! voxels {
    ($name:ident, $value:ty, $what:literal) => {
        impl $name {
            /// Data of a grid.
            ///
            /// # Errors
            /// [`Error::Shape`] when there is not exactly one value per voxel.
            pub fn new(grid: Grid, data: Vec<$value>) -> Result<Self> {
                if data.len() != grid.len() {
                    return Err(Error::shape($what, grid.shape(), data.len()));
                }
                Ok(Self { grid, data })
            }

            /// The grid.
            pub fn grid(&self) -> &Grid {
                &self.grid
            }

            /// Values, i fastest.
            pub fn data(&self) -> &[$value] {
                &self.data
            }

            /// Values, i fastest, for writing.
            pub fn data_mut(&mut self) -> &mut [$value] {
                &mut self.data
            }

            /// The values alone.
            pub fn into_data(self) -> Vec<$value> {
                self.data
            }

            /// The value of voxel `(i, j, k)`.
            pub fn at(&self, i: usize, j: usize, k: usize) -> $value {
                self.data[self.grid.index(i, j, k)]
            }
        }
    };
}

voxels!(Volume, f32, "volume");
voxels!(Labels, i32, "label map");
voxels!(Mask, bool, "mask");

impl Mask {
    /// Voxels inside.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&inside| inside).count()
    }

    /// Voxels of an image that are not exactly zero.
    pub fn nonzero(volume: &Volume) -> Self {
        Self {
            grid: volume.grid().clone(),
            data: volume.data().iter().map(|&v| v != 0.0).collect(),
        }
    }
}
