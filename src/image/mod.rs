//! Images: voxels that never part from their grid. World frame: RAS+ millimetres.

pub mod align;
pub mod atlas;
pub mod blobs;
pub mod crop;
pub mod grid;
pub mod header;
pub mod nifti;
pub mod normalise;
pub mod reorient;
pub mod resample;
pub mod volume;

pub use grid::Grid;
pub use volume::{Labels, Mask, Volume};
