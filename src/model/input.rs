//! What a network sees: one image on the model's grid, intensities on one scale.

use serde::{Deserialize, Serialize};

use crate::compute::Array;
use crate::image::{Grid, Mask, Volume, crop, normalise, resample};
use crate::{Error, Result};

/// Coarsest and finest spacing of a model grid, mm.
const SPACING_MM: [f64; 2] = [0.1, 50.0];
/// Most voxels of a model grid along one axis.
const MOST_EXTENT: usize = 1024;

/// How images are brought into the form the network was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Voxels of the model grid along i (right), j (anterior), k (superior).
    pub shape: [usize; 3],
    /// Edge of the cubic voxels, mm.
    pub spacing_mm: f64,
    /// How intensities are put on one scale.
    pub normalise: normalise::Options,
}

impl InputSpec {
    /// Extents in tensor order `[k, j, i]`.
    pub fn tensor_shape(&self) -> [usize; 3] {
        let [i, j, k] = self.shape;
        [k, j, i]
    }

    /// Voxels of the grid.
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Refuses extents and spacings no image can have.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-INPUT-001` with the value seen.
    pub fn check(&self) -> Result<()> {
        let [fine, coarse] = SPACING_MM;
        if self.shape.iter().any(|n| !(1..=MOST_EXTENT).contains(n)) {
            return Err(Error::usage(
                "E-INPUT-001",
                format!("a model grid of {:?} voxels", self.shape),
                format!("Each extent may be 1 to {MOST_EXTENT}; choose a coarser spacing"),
            ));
        }
        if !(fine..=coarse).contains(&self.spacing_mm) {
            return Err(Error::usage(
                "E-INPUT-001",
                format!("a model grid with voxels of {} mm", self.spacing_mm),
                format!("Voxels may be {fine} to {coarse} mm"),
            ));
        }
        Ok(())
    }
}

/// An image in the form the network sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Normalised intensities on the model grid (RAS+ mm); outside the mask as the
    /// options say. Its data, i fastest, are the tensor `[k, j, i]`.
    pub volume: Volume,
    /// The brain on the same grid.
    pub mask: Mask,
    /// Share of the brain's voxels that lie within the model grid; 1 when nothing is cut off.
    pub coverage: f64,
    /// What intensity 0 of the image became.
    pub zero: f64,
}

impl Prepared {
    /// The model grid, world RAS+ mm.
    pub fn grid(&self) -> &Grid {
        self.volume.grid()
    }

    /// Normalised intensities in tensor order `[k, j, i]`.
    pub fn data(&self) -> &[f32] {
        self.volume.data()
    }
}

/// Brings an image onto the model grid around its brain and its intensities on one scale.
/// Image and mask may lie on different grids; they are matched through world coordinates.
///
/// # Errors
/// Those of [`InputSpec::check`], [`crop::model_grid`] (empty mask) and
/// [`normalise::normalise`] (mask beside the image, constant image).
pub fn prepare(volume: &Volume, mask: &Mask, spec: &InputSpec) -> Result<Prepared> {
    spec.check()?;
    let grid = crop::model_grid(mask, spec.shape, spec.spacing_mm)?;
    let coverage = crop::coverage(mask, &grid)?;
    let mask = resample::resample_mask(mask, &grid)?;
    let volume = resample::resample(volume, &grid, 0.0)?;
    let done = normalise::normalise(&volume, &mask, &spec.normalise)?;
    let zero = -done.centre / done.scale;
    Ok(Prepared { volume: done.volume, mask, coverage, zero })
}

/// How far a brain reaches from its centre of mass along world x, y, z, in mm: the larger
/// of both directions, to the voxel centres.
///
/// # Errors
/// As [`crop::voxel_box`].
pub fn reach_mm(mask: &Mask) -> Result<[f64; 3]> {
    let ([low, high], centre) = (crop::world_box(mask)?, crop::centre_of_mass(mask)?);
    Ok(std::array::from_fn(|a| (high[a] - centre[a]).max(centre[a] - low[a])))
}

/// The smallest even grid that covers brains of these reaches ([`reach_mm`]) and a margin on
/// either side.
///
/// # Errors
/// As [`InputSpec::check`].
pub fn spec_for(
    reaches_mm: &[[f64; 3]],
    spacing_mm: f64,
    margin_mm: f64,
    options: normalise::Options,
) -> Result<InputSpec> {
    let shape = std::array::from_fn(|a| {
        let reach = reaches_mm.iter().fold(0.0f64, |most, r| most.max(r[a]));
        // A hair less, so that a reach of whole voxels does not round up.
        2 * (((reach + margin_mm) / spacing_mm - 1e-9).ceil().clamp(1.0, 1e6) as usize)
    });
    let spec = InputSpec { shape, spacing_mm, normalise: options };
    spec.check()?;
    Ok(spec)
}

/// A batch `[n, 1, k, j, i]` of f32.
///
/// # Errors
/// [`Error::Shape`] for no image or images of different extents.
pub fn to_array(batch: &[&Prepared]) -> Result<Array> {
    let first = batch.first().ok_or_else(|| Error::shape("input batch", "one or more", 0))?;
    let [i, j, k] = first.grid().shape();
    let mut data = Vec::with_capacity(batch.len() * first.data().len());
    for one in batch {
        if one.grid().shape() != [i, j, k] {
            return Err(Error::shape("input batch", [i, j, k], one.grid().shape()));
        }
        data.extend_from_slice(one.data());
    }
    Array::from_vec(data, &[batch.len(), 1, k, j, i])
}

/// Carries a map in tensor order `[k, j, i]` from the model grid to the grid of the input
/// file; 0 where the model did not look.
///
/// # Errors
/// [`Error::Shape`] when the map does not fit the model grid.
pub fn back(map: &[f32], model: &Grid, input: &Grid) -> Result<Volume> {
    resample::resample_back(&Volume::new(model.clone(), map.to_vec())?, input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> (Volume, Mask) {
        // Left-handed storage, off-centre brain.
        let grid = Grid::new(
            [20, 24, 18],
            [[-1.0, 0.0, 0.0, 30.0], [0.0, 1.0, 0.0, -3.0], [0.0, 0.0, 1.0, 1.0]],
        )
        .expect("grid");
        let inside = |v: [usize; 3]| {
            (4..14).contains(&v[0]) && (5..21).contains(&v[1]) && (3..15).contains(&v[2])
        };
        let (mut data, mut mask) = (Vec::new(), Vec::new());
        for k in 0..18 {
            for j in 0..24 {
                for i in 0..20 {
                    data.push((100 + i * 3 + j * 2 + k) as f32);
                    mask.push(inside([i, j, k]));
                }
            }
        }
        (Volume::new(grid.clone(), data).expect("v"), Mask::new(grid, mask).expect("m"))
    }

    #[test]
    fn the_smallest_even_grid_covers_the_brain_and_the_outside_is_0() {
        let (volume, mask) = head();
        let reach = reach_mm(&mask).expect("reach");
        assert_eq!(reach, [4.5, 7.5, 5.5]);
        let options = normalise::Options {
            method: normalise::Method::ZScore,
            clip: None,
            ..normalise::Options::default()
        };
        let spec = spec_for(&[[1.0; 3], reach], 1.0, 0.0, options).expect("spec");
        assert_eq!((spec.shape, spec.tensor_shape()), ([10, 16, 12], [12, 16, 10]));
        let wide = spec_for(&[reach], 1.0, 2.0, options).expect("spec");
        assert_eq!(wide.shape, [14, 20, 16]);
        let p = prepare(&volume, &mask, &wide).expect("prepared");
        assert_eq!((p.coverage, p.grid().axes().as_str()), (1.0, "RAS"));
        assert_eq!(p.mask.count(), mask.count());
        let outside = p.data().iter().zip(p.mask.data()).filter(|(_, m)| !**m);
        assert!(outside.map(|(v, _)| v.to_bits()).all(|b| b == 0));
        // Storage i runs to the left, so values fall to the right.
        assert!(p.volume.at(4, 10, 8) > p.volume.at(8, 10, 8));
        let batch = to_array(&[&p, &p]).expect("batch");
        assert_eq!(batch.shape(), [2, 1, 16, 20, 14]);
    }

    #[test]
    fn a_map_returns_to_the_place_it_came_from() {
        let (volume, mask) = head();
        let options = normalise::Options {
            method: normalise::Method::None,
            clip: None,
            ..normalise::Options::default()
        };
        let spec = InputSpec { shape: [14, 20, 16], spacing_mm: 1.0, normalise: options };
        let p = prepare(&volume, &mask, &spec).expect("prepared");
        let there = back(p.data(), p.grid(), volume.grid()).expect("back");
        for ((v, m), w) in volume.data().iter().zip(mask.data()).zip(there.data()) {
            assert!((if *m { *v } else { 0.0 } - w).abs() < 1e-3, "{v} {m} {w}");
        }
        assert!(back(&[0.0], p.grid(), volume.grid()).is_err());
    }

    #[test]
    fn impossible_grids_are_refused() {
        let options = normalise::Options::default();
        for (reach, spacing) in [([1e6; 3], 1.0), ([5.0; 3], 0.0), ([5.0; 3], f64::NAN)] {
            let error = spec_for(&[reach], spacing, 1.0, options).expect_err("refused");
            assert_eq!(error.code(), "E-INPUT-001");
        }
    }
}
