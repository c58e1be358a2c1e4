//! What some arms put into a scene besides the label's effect on anatomy.

use super::plan::{Change, Plan};
use super::regions::{Region, Tissue};
use super::render::Scene;
use crate::Result;
use crate::image::{Grid, Mask};
use crate::seed::Stream;

/// Brightness of lesion and marker, in hundredths of white matter.
const BRIGHT: f32 = 155.0;

/// Brightens deep grey matter and cerebellum of the suppressor arm.
pub(crate) fn brighten(scene: &mut Scene, regions: &[Region], plan: &Plan, change: &Change) {
    if plan.nuisance == 0.0 && change.deep_light == 0.0 {
        return;
    }
    let labels = scene.labels.data().to_vec();
    for (value, label) in scene.light.data_mut().iter_mut().zip(labels) {
        *value *= match tissue_of(regions, label) {
            Some(Tissue::DeepGrey) => 1.0 + plan.nuisance + change.deep_light,
            Some(Tissue::Cerebellum) => 1.0 + plan.nuisance,
            _ => 1.0,
        };
    }
}

/// The tissue of a label.
pub(crate) fn tissue_of(regions: &[Region], label: i32) -> Option<Tissue> {
    regions.iter().find(|r| r.index == label).map(|r| r.tissue)
}

/// All voxels of a tissue.
pub(crate) fn mask_of(scene: &Scene, regions: &[Region], tissue: Tissue) -> Result<Mask> {
    let inside =
        scene.labels.data().iter().map(|l| tissue_of(regions, *l) == Some(tissue)).collect();
    Mask::new(scene.labels.grid().clone(), inside)
}

/// A round bright lesion somewhere inside the brain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesion {
    centre: [f64; 3],
    radius_mm: f64,
}

impl Lesion {
    /// A lesion well inside the brain, if a place is found.
    pub(crate) fn draw(brain: &Mask, mut stream: Stream) -> Option<Self> {
        let radius_mm = stream.range(4.5, 7.0);
        let grid = brain.grid();
        let inside: Vec<usize> = (0..grid.len()).filter(|at| brain.data()[*at]).collect();
        for _ in 0..200 {
            if inside.is_empty() {
                return None;
            }
            let centre = world(grid, inside[stream.below(inside.len())]);
            let held = (0..6).all(|side| {
                let mut p = centre;
                p[side / 2] += if side % 2 == 0 { 8.0 } else { -8.0 };
                let v = grid.to_voxel(p).map(f64::round);
                let fits = (0..3).all(|a| v[a] >= 0.0 && v[a] < grid.shape()[a] as f64);
                fits && brain.at(v[0] as usize, v[1] as usize, v[2] as usize)
            });
            if held {
                return Some(Self { centre, radius_mm });
            }
        }
        None
    }

    /// Paints the lesion.
    pub(crate) fn paint(&self, scene: &mut Scene) {
        let grid = scene.light.grid().clone();
        for (at, value) in scene.light.data_mut().iter_mut().enumerate() {
            let share = self.share(&grid, at);
            if share > 0.0 && *value > 0.0 {
                *value += share * (BRIGHT - *value);
            }
        }
    }

    /// Voxels at least half lesion.
    pub(crate) fn mask(&self, grid: &Grid) -> Result<Mask> {
        let inside = (0..grid.len()).map(|at| self.share(grid, at) >= 0.5).collect();
        Mask::new(grid.clone(), inside)
    }

    fn share(&self, grid: &Grid, at: usize) -> f32 {
        let p = world(grid, at);
        let away = (0..3).map(|a| (p[a] - self.centre[a]).powi(2)).sum::<f64>().sqrt();
        super::shape::ramp(1.5, -1.5, (away - self.radius_mm) as f32)
    }
}

fn world(grid: &Grid, at: usize) -> [f64; 3] {
    let s = grid.shape();
    grid.to_world([at % s[0], at / s[0] % s[1], at / s[0] / s[1]].map(|v| v as f64))
}

/// Where the shortcut's marker lies: a block in the left, anterior, inferior corner of the
/// field of view, two voxels from its faces, a tenth of its width, never in the brain.
pub(crate) fn marker(brain: &Mask) -> Result<Mask> {
    let grid = brain.grid();
    let s = grid.shape();
    let size = s.map(|n| (n / 10).max(2));
    let first = [2, s[1].saturating_sub(2 + size[1]), 2];
    let inside = (0..grid.len())
        .map(|at| {
            let v = [at % s[0], at / s[0] % s[1], at / s[0] / s[1]];
            !brain.data()[at] && (0..3).all(|a| v[a] >= first[a] && v[a] < first[a] + size[a])
        })
        .collect();
    Mask::new(grid.clone(), inside)
}

/// Lights the marker and says which voxels the scanner sees.
pub(crate) fn light_marker(scene: &mut Scene, marker: &Mask) -> Mask {
    let mut seen = scene.brain.clone();
    for (at, inside) in marker.data().iter().enumerate() {
        if *inside {
            scene.light.data_mut()[at] = BRIGHT;
            seen.data_mut()[at] = true;
        }
    }
    seen
}
