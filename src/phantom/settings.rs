//! What to make.

use std::sync::Arc;

use super::arm::Arm;
use super::template::Template;
use crate::image::Grid;
use crate::seed::Seed;
use crate::{Error, Result};

/// Where heads come from.
#[derive(Debug, Clone, Default)]
pub enum Source {
    /// Drawn in code.
    #[default]
    Procedural,
    /// A real template image, deformed and repainted.
    Template(Arc<Template>),
}

/// A cohort to be made. Two cohorts that differ only in the arm have the same subjects.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Number of subjects.
    pub subjects: usize,
    /// What the label does.
    pub arm: Arm,
    /// Voxels along x, y, z.
    pub shape: [usize; 3],
    /// Voxel size along x, y, z (mm); axes are RAS, the middle at the world's origin.
    pub spacing_mm: [f64; 3],
    /// Seed of everything.
    pub seed: Seed,
    /// Part of the subjects born preterm, 0 to 1.
    pub preterm_fraction: f64,
    /// Where heads come from.
    pub source: Source,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            subjects: 48,
            arm: Arm::Realistic,
            shape: [48; 3],
            spacing_mm: [2.7; 3],
            seed: Seed(1),
            preterm_fraction: 0.5,
            source: Source::Procedural,
        }
    }
}

impl Settings {
    /// Smallest field of view that holds every head (mm).
    pub const FIELD_MM: f64 = 120.0;

    /// The grid of all images.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-PHANTOM-002` when the field of view is too small for a head or
    /// too large for memory, `E-GRID-001` when there is no such grid.
    pub fn grid(&self) -> Result<Grid> {
        let grid = Grid::centred(self.shape, self.spacing_mm)?;
        let small = (0..3).any(|a| self.shape[a] as f64 * self.spacing_mm[a] < Self::FIELD_MM);
        if small || self.shape.iter().any(|n| *n > 512) {
            return Err(Error::usage(
                "E-PHANTOM-002",
                format!("{:?} voxels of {:?} mm cannot hold a head", self.shape, self.spacing_mm),
                format!(
                    "Give at least {} mm and at most 512 voxels along each axis",
                    Self::FIELD_MM
                ),
            ));
        }
        Ok(grid)
    }

    /// Refuses numbers that make no cohort.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-PHANTOM-002` or `E-PHANTOM-003`.
    pub fn check(&self) -> Result<()> {
        self.grid()?;
        if self.subjects == 0 || !(0.0..=1.0).contains(&self.preterm_fraction) {
            return Err(Error::usage(
                "E-PHANTOM-003",
                format!(
                    "{} subjects with a preterm fraction of {}",
                    self.subjects, self.preterm_fraction
                ),
                "Give at least one subject and a fraction between 0 and 1",
            ));
        }
        Ok(())
    }
}
