//! From anatomy to voxels: each voxel is the mean of 2 × 2 × 2 samples, so that its
//! brightness is the sum of the fractions of what it holds.

use super::anatomy::{Anatomy, Tally};
use super::cortex;
use super::noise::Noise;
use super::placement::Placement;
use super::shape::Point;
use crate::Result;
use crate::image::{Grid, Labels, Mask, Volume};

/// A head on a grid, without noise, bias or gain.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// T2w brightness in hundredths of mean white matter; exactly 0 outside the brain.
    pub(crate) light: Volume,
    /// Regions.
    pub(crate) labels: Labels,
    /// Brain with its fluid: voxels at least half inside the skull.
    pub(crate) brain: Mask,
}

/// What lies in the middle of the field of view, in the anatomy's frame (mm).
const MIDDLE: Point = [0.0, -10.0, 4.0];
/// Samples along each axis of a voxel.
const PER_AXIS: usize = 2;
/// Relative strength of the texture of tissue.
const TEXTURE: f32 = 0.045;

/// Draws a head on a grid. `texture` belongs to the subject, not to the label.
pub(crate) fn render(
    grid: &Grid,
    placement: &Placement,
    anatomy: &Anatomy,
    texture: Noise,
) -> Result<Scene> {
    let shape = grid.shape();
    let half = shape.map(|n| (n as f64 - 1.0) / 2.0);
    let placed = placement.ready(grid.to_world(half).map(|v| v as f32), MIDDLE);
    let steps: [Point; 3] = std::array::from_fn(|c| {
        placed.rotated(std::array::from_fn(|r| grid.affine()[r][c] as f32))
    });
    let sizes = steps.map(super::shape::length);
    let reach = 0.5 * sizes.iter().map(|s| s * s).sum::<f32>().sqrt();
    let soft = sizes.iter().sum::<f32>() / 3.0 / PER_AXIS as f32;
    let mut light = vec![0.0; grid.len()];
    let mut labels = vec![0; grid.len()];
    let mut brain = vec![false; grid.len()];
    for k in 0..shape[2] {
        for j in 0..shape[1] {
            for i in 0..shape[0] {
                let world = grid.to_world([i as f64, j as f64, k as f64]).map(|v| v as f32);
                let p = placed.anatomy(world);
                if cortex::skull(p) > reach + 1.0 {
                    continue;
                }
                let tally = voxel(anatomy, p, &steps, soft);
                if tally.fraction[0] >= 0.5 {
                    continue;
                }
                let at = grid.index(i, j, k);
                let grain = texture.rough([p[0] / 7.0, p[1] / 7.0, p[2] / 7.0]);
                light[at] = tally.light * (1.0 + TEXTURE * grain);
                labels[at] = largest(&tally);
                brain[at] = true;
            }
        }
    }
    Ok(Scene {
        light: Volume::new(grid.clone(), light)?,
        labels: Labels::new(grid.clone(), labels)?,
        brain: Mask::new(grid.clone(), brain)?,
    })
}

fn voxel(anatomy: &Anatomy, p: Point, steps: &[Point; 3], soft: f32) -> Tally {
    let mut tally = Tally::default();
    let count = PER_AXIS.pow(3);
    for n in 0..count {
        let part = [n % PER_AXIS, n / PER_AXIS % PER_AXIS, n / PER_AXIS / PER_AXIS];
        let offset = part.map(|s| (s as f32 + 0.5) / PER_AXIS as f32 - 0.5);
        let q =
            std::array::from_fn(|a| p[a] + (0..3).map(|c| offset[c] * steps[c][a]).sum::<f32>());
        anatomy.sample(q, soft, 1.0 / count as f32, &mut tally);
    }
    tally
}

fn largest(tally: &Tally) -> i32 {
    let mut best = 1;
    for region in 2..tally.fraction.len() {
        if tally.fraction[region] > tally.fraction[best] {
            best = region;
        }
    }
    best as i32
}
