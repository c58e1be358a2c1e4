//! Heads made from a real template: a T2w image with a label map is deformed (individual
//! shape, head size, and the label's effects on volumes) and repainted (bright white
//! matter). Folding cannot be undone by a smooth deformation: unfolding and thinning of
//! the cortex become a withdrawal of the brain's surface.

use std::path::Path;

use super::field::Field;
use super::noise::Noise;
use super::placement::Placement;
use super::proportions::{Effects, Traits};
use super::regions::{Region, Tissue};
use super::render::Scene;
use super::shape::{Point, ramp};
use crate::image::{Grid, Labels, Mask, Volume, nifti};
use crate::{Error, Result};

/// Samples along each axis of a voxel.
const PER_AXIS: usize = 2;

/// A real head, ready to be deformed.
#[derive(Debug, Clone)]
pub struct Template {
    /// Brightness in hundredths of mean white matter.
    light: Volume,
    labels: Labels,
    regions: Vec<Region>,
    tissue: Vec<Option<Tissue>>,
    ventricles: Option<Field>,
    deep_grey: Option<Field>,
    cerebellum: Option<Field>,
    callosum: Option<Field>,
    cerebrum: Option<Field>,
    head: Option<Field>,
    middle: Point,
    volume_ml: f64,
}

/// A surface that moves.
#[derive(Clone, Copy)]
struct Move<'a> {
    field: &'a Field,
    /// Outwards (mm).
    mm: f32,
    /// Distance over which the surroundings are carried along (mm).
    carry_mm: f32,
}

impl Template {
    /// A template from its T2w image, label map (same grid) and region table.
    ///
    /// # Errors
    /// [`Error::Shape`] when the grids differ, [`Error::Usage`] `E-PHANTOM-011` when the
    /// table names no white matter or the map holds none.
    pub fn new(image: Volume, labels: Labels, regions: Vec<Region>) -> Result<Self> {
        let grid = image.grid().clone();
        if !grid.matches(labels.grid(), 0.1) {
            return Err(Error::shape("template labels", grid.shape(), labels.grid().shape()));
        }
        let most = regions.iter().map(|r| r.index).max().unwrap_or(0).clamp(0, 1 << 20);
        let mut tissue = vec![None; most as usize + 1];
        for region in &regions {
            if let Some(slot) = usize::try_from(region.index).ok().and_then(|i| tissue.get_mut(i)) {
                *slot = Some(region.tissue);
            }
        }
        let of = |at: usize| tissue_at(&tissue, labels.data()[at]);
        let field = |wanted: &dyn Fn(Tissue) -> bool| {
            let inside: Vec<bool> = (0..grid.len()).map(|at| of(at).is_some_and(wanted)).collect();
            Field::new(&grid, &inside)
        };
        let ventricles = field(&|t| t == Tissue::Ventricle);
        let deep_grey = field(&|t| t == Tissue::DeepGrey);
        let cerebellum = field(&|t| t == Tissue::Cerebellum);
        let callosum = field(&|t| t == Tissue::Callosum);
        let cerebrum =
            field(&|t| !matches!(t, Tissue::OuterFluid | Tissue::Cerebellum | Tissue::Brainstem));
        let labelled: Vec<bool> = labels.data().iter().map(|l| *l > 0).collect();
        let head = Field::new(&grid, &labelled);
        let light = in_units_of_white(&image, |at| of(at) == Some(Tissue::White))?;
        let (middle, count) = middle(&labels);
        let volume_ml = count as f64 * grid.voxel_mm3() / 1000.0;
        Ok(Self {
            light,
            labels,
            regions,
            tissue,
            ventricles,
            deep_grey,
            cerebellum,
            callosum,
            cerebrum,
            head,
            middle,
            volume_ml,
        })
    }

    /// Reads the three files of a template.
    ///
    /// # Errors
    /// Those of the readers and of [`Template::new`].
    pub fn read(image: &Path, labels: &Path, table: &Path) -> Result<Self> {
        let image = nifti::read_volume(image)?.image;
        let labels = nifti::read_labels(labels)?.image;
        Self::new(image, labels, super::guess::read_table(table)?)
    }

    /// The region table.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Volume of all labelled voxels (ml).
    pub fn volume_ml(&self) -> f64 {
        self.volume_ml
    }

    /// The head on a grid, without noise.
    pub(crate) fn render(
        &self,
        grid: &Grid,
        placement: &Placement,
        traits: &Traits,
        effects: &Effects,
        patches: Noise,
    ) -> Result<Scene> {
        let mut placement = placement.clone();
        placement.scale *= (super::latents::SKULL_ML / self.volume_ml).cbrt() as f32;
        let half = grid.shape().map(|n| (n as f64 - 1.0) / 2.0);
        let centre = grid.to_world(half).map(|v| v as f32);
        let placed = placement.ready(centre, self.middle);
        let moves = self.moves(traits, effects);
        let inverse = self.light.grid().inverse();
        let to_voxel = |p: Point| affine(&inverse, p);
        let steps: [Point; 3] = std::array::from_fn(|c| {
            placed.rotated(std::array::from_fn(|r| grid.affine()[r][c] as f32))
        });
        let mut light = vec![0.0; grid.len()];
        let mut labels = vec![0; grid.len()];
        let mut brain = vec![false; grid.len()];
        let s = grid.shape();
        for at in 0..grid.len() {
            let voxel = [at % s[0], at / s[0] % s[1], at / s[0] / s[1]].map(|v| v as f64);
            let p = placed.anatomy(grid.to_world(voxel).map(|v| v as f32));
            let here = self.label(to_voxel(p));
            if here == 0 {
                continue;
            }
            let shift = self.shift(&moves, to_voxel(p), &inverse);
            let q: Point = std::array::from_fn(|a| p[a] + shift[a]);
            let there = self.label(to_voxel(q));
            brain[at] = true;
            labels[at] = if there == 0 { here } else { there };
            let from = if there == 0 { p } else { q };
            let mut value = self.mean_light(from, &steps, &inverse);
            if effects.bright_white > 0.0 && tissue_at(&self.tissue, there) == Some(Tissue::White) {
                value *= 1.0 + effects.bright_white * self.patch(q, to_voxel(q), patches);
            }
            light[at] = value.max(1e-3);
        }
        Ok(Scene {
            light: Volume::new(grid.clone(), light)?,
            labels: Labels::new(grid.clone(), labels)?,
            brain: Mask::new(grid.clone(), brain)?,
        })
    }

    /// How far each surface moves outwards (mm), with its field.
    fn moves(&self, traits: &Traits, effects: &Effects) -> Vec<Move<'_>> {
        let base = Traits::default();
        let both = traits.with(effects);
        let wide = 0.5 * (both.ventricle[0] + both.ventricle[1]);
        let fluid = both.fluid_mm
            + 2.0 * (base.cortex_mm - both.cortex_mm)
            + 0.1 * (base.sulci_mm - both.sulci_mm);
        let by_volume =
            |f: &Option<Field>, factor: f32| f.as_ref().map_or(0.0, |f| f.move_for(factor));
        [
            (&self.ventricles, by_volume(&self.ventricles, wide.powi(2)), 6.0),
            (&self.deep_grey, by_volume(&self.deep_grey, both.deep_grey.powi(3)), 5.0),
            (&self.cerebellum, by_volume(&self.cerebellum, both.cerebellum.powi(3)), 6.0),
            (&self.callosum, by_volume(&self.callosum, both.callosum), 3.0),
            (&self.cerebrum, -fluid, 5.0),
        ]
        .into_iter()
        .filter_map(|(field, mm, carry_mm)| {
            // A longer move than this would fold space over itself.
            let mm = mm.clamp(-0.45 * carry_mm, 0.45 * carry_mm);
            field.as_ref().map(|field| Move { field, mm, carry_mm })
        })
        .collect()
    }

    /// Where the material at voxel position `v` comes from, relative to it (mm).
    fn shift(&self, moves: &[Move<'_>], v: Point, inv: &[[f64; 4]; 3]) -> Point {
        let mut shift = [0.0; 3];
        let under = self.head.as_ref().map_or(0.0, |f| -f.at(v).0).max(0.0);
        for &Move { field, mm, carry_mm } in moves {
            let (distance, slope) = field.at(v);
            // Nothing is drawn in from outside the head: the fluid below is stretched.
            let held = (under / (2.0 * mm.abs() + 0.5)).min(1.0);
            let carry = held * (-(distance / carry_mm).powi(2)).exp();
            if mm.abs() * carry < 1e-3 {
                continue;
            }
            // Slope per voxel to slope per mm: the transpose of the inverse matrix.
            let normal: Point =
                std::array::from_fn(|a| (0..3).map(|b| inv[b][a] as f32 * slope[b]).sum());
            let size = super::shape::length(normal).max(0.3);
            for a in 0..3 {
                shift[a] -= mm * carry * normal[a] / size;
            }
        }
        shift
    }

    fn mean_light(&self, p: Point, steps: &[Point; 3], inverse: &[[f64; 4]; 3]) -> f32 {
        let count = PER_AXIS.pow(3);
        let mut sum = 0.0;
        for n in 0..count {
            let part = [n % PER_AXIS, n / PER_AXIS % PER_AXIS, n / PER_AXIS / PER_AXIS];
            let o = part.map(|s| (s as f32 + 0.5) / PER_AXIS as f32 - 0.5);
            let q = std::array::from_fn(|a| p[a] + (0..3).map(|c| o[c] * steps[c][a]).sum::<f32>());
            sum += self.light_at(affine(inverse, q));
        }
        sum / count as f32
    }

    /// Brightness between voxels, by linear interpolation; 0 outside.
    fn light_at(&self, v: Point) -> f32 {
        let s = self.light.grid().shape();
        let base = v.map(f32::floor);
        let mut sum = 0.0;
        for corner in 0..8usize {
            let bit = [corner & 1, corner >> 1 & 1, corner >> 2];
            let at: [f32; 3] = std::array::from_fn(|a| base[a] + bit[a] as f32);
            if (0..3).any(|a| at[a] < 0.0 || at[a] >= s[a] as f32) {
                continue;
            }
            let weight: f32 = (0..3)
                .map(|a| if bit[a] == 1 { v[a] - base[a] } else { 1.0 - v[a] + base[a] })
                .product();
            sum += weight * self.light.at(at[0] as usize, at[1] as usize, at[2] as usize);
        }
        sum
    }

    fn label(&self, v: Point) -> i32 {
        let s = self.labels.grid().shape();
        let near = v.map(f32::round);
        if (0..3).any(|a| near[a] < 0.0 || near[a] >= s[a] as f32) {
            return 0;
        }
        self.labels.at(near[0] as usize, near[1] as usize, near[2] as usize)
    }

    fn patch(&self, p: Point, v: Point, patches: Noise) -> f32 {
        let wall = self.ventricles.as_ref().map_or(f32::INFINITY, |f| f.at(v).0);
        ramp(17.0, 3.0, wall) * ramp(-0.25, 0.2, patches.at(p.map(|c| c / 13.0)))
    }
}

fn affine(m: &[[f64; 4]; 3], p: Point) -> Point {
    std::array::from_fn(|r| (0..3).map(|c| m[r][c] as f32 * p[c]).sum::<f32>() + m[r][3] as f32)
}

fn tissue_at(tissue: &[Option<Tissue>], label: i32) -> Option<Tissue> {
    usize::try_from(label).ok().and_then(|i| tissue.get(i).copied().flatten())
}

/// The image with mean white matter at 100.
fn in_units_of_white(image: &Volume, white: impl Fn(usize) -> bool) -> Result<Volume> {
    let values = || image.data().iter().enumerate().filter(|(at, _)| white(*at));
    let mean = values().map(|(_, v)| f64::from(*v)).sum::<f64>() / values().count().max(1) as f64;
    if !mean.is_finite() || mean <= 0.0 {
        return Err(Error::usage(
            "E-PHANTOM-011",
            format!("the mean brightness of the template's white matter is {mean}"),
            "Give a region table whose names say which labels are white matter",
        ));
    }
    let data = image.data().iter().map(|v| (f64::from(*v) * 100.0 / mean) as f32).collect();
    Volume::new(image.grid().clone(), data)
}

/// Middle of the box around all labelled voxels (world mm), and their number.
fn middle(labels: &Labels) -> (Point, usize) {
    let s = labels.grid().shape();
    let (mut low, mut high, mut count) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3], 0);
    for at in (0..labels.data().len()).filter(|at| labels.data()[*at] > 0) {
        let v = [at % s[0], at / s[0] % s[1], at / s[0] / s[1]];
        for a in 0..3 {
            low[a] = low[a].min(v[a] as f64);
            high[a] = high[a].max(v[a] as f64);
        }
        count += 1;
    }
    if count == 0 {
        return ([0.0; 3], 0);
    }
    let voxel = std::array::from_fn(|a| (low[a] + high[a]) / 2.0);
    (labels.grid().to_world(voxel).map(|v| v as f32), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Arm, Settings, regions, subject};

    const PARTS: [Tissue; 5] = [
        Tissue::Ventricle,
        Tissue::DeepGrey,
        Tissue::Cerebellum,
        Tissue::OuterFluid,
        Tissue::Cortex,
    ];

    /// Volumes of the parts under some effects, relative to none.
    fn ratios(template: &Template, effects: &Effects) -> [f64; 5] {
        let grid = Grid::centred([96; 3], [1.3; 3]).expect("grid");
        let warp = [1, 2, 3].map(Noise::new);
        let (turn, shift) = ([0.0; 3], [0.0; 3]);
        let placement = Placement { scale: 0.96, turn, shift, warp_mm: 0.0, warp };
        let volumes = |effects: &Effects| {
            let scene = template
                .render(&grid, &placement, &Traits::default(), effects, Noise::new(4))
                .expect("rendered");
            PARTS.map(|part| {
                let of = |l: &&i32| tissue_at(&template.tissue, **l) == Some(part);
                scene.labels.data().iter().filter(of).count() as f64
            })
        };
        let (with, without) = (volumes(effects), volumes(&Effects::default()));
        std::array::from_fn(|i| with[i] / without[i])
    }

    #[test]
    fn surfaces_move_by_the_stated_sizes() {
        let settings = Settings {
            arm: Arm::Null,
            shape: [96; 3],
            spacing_mm: [1.3; 3],
            ..Settings::default()
        };
        let model = subject(&settings, 0).expect("made");
        let template = Template::new(model.image, model.labels, regions()).expect("a template");
        let none = Effects::default();
        let wide = ratios(&template, &Effects { ventricle: [0.22; 2], ..none });
        let deep = ratios(&template, &Effects { deep_grey: 0.22, ..none });
        let hind = ratios(&template, &Effects { cerebellum: 0.087, ..none });
        let fluid = ratios(&template, &Effects { fluid_mm: 1.0, ..none });
        eprintln!("wide {wide:.2?}\ndeep {deep:.2?}\nhind {hind:.2?}\nfluid {fluid:.2?}");
        assert!((1.3..1.6).contains(&wide[0]), "{wide:?}");
        assert!((0.70..0.86).contains(&deep[1]), "{deep:?}");
        assert!((0.70..0.84).contains(&hind[2]), "{hind:?}");
        assert!(fluid[3] > 1.1 && fluid[4] < 0.97 && fluid[1] > 0.85, "{fluid:?}");
        // Each move leaves the other parts nearly alone.
        assert!((0.93..1.07).contains(&wide[2]) && (0.93..1.07).contains(&deep[2]));
    }
}
