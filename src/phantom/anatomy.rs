//! What is where in a newborn's head: regions and T2w brightness at any point.

use super::cortex;
use super::deep;
use super::folds::Folds;
use super::noise::Noise;
use super::proportions::Traits;
use super::regions::{at, lobe};
use super::shape::{Point, ramp};

/// Mean T2w brightness, in hundredths of that of unmyelinated white matter.
pub(crate) mod light {
    /// Fluid.
    pub(crate) const FLUID: f32 = 150.0;
    /// White matter: the reference of all thresholds.
    pub(crate) const WHITE: f32 = 100.0;
    /// Cortex.
    pub(crate) const CORTEX: f32 = 66.0;
    /// Thalamus.
    pub(crate) const THALAMUS: f32 = 67.0;
    /// Caudate and lentiform nuclei.
    pub(crate) const GANGLIA: f32 = 69.0;
    /// Cerebellar cortex.
    pub(crate) const CEREBELLUM: f32 = 73.0;
    /// Brainstem.
    pub(crate) const BRAINSTEM: f32 = 70.0;
    /// Callosum.
    pub(crate) const CALLOSUM: f32 = 87.0;
    /// Internal capsule's posterior limb.
    pub(crate) const CAPSULE: f32 = 78.0;
}

/// The inner make-up of one head, in the anatomy's frame (RAS+ mm, anterior commissure at
/// the origin).
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    /// Sizes after the label's effects.
    pub(crate) traits: Traits,
    /// Brightening of the white matter (relative, in the middle of patches).
    pub(crate) bright_white: f32,
    /// Sulci of the left and the right hemisphere.
    pub(crate) folds: std::sync::Arc<[Folds; 2]>,
    /// Where the patches of bright white matter lie.
    pub(crate) patches: Noise,
}

/// What several samples of one voxel add up to.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Fraction by region number; 0 is outside the head.
    pub(crate) fraction: [f32; at::COUNT],
    /// Sum of fraction times brightness.
    pub(crate) light: f32,
}

impl Default for Tally {
    fn default() -> Self {
        Self { fraction: [0.0; at::COUNT], light: 0.0 }
    }
}

/// Shares of one sample still to be given away.
struct Share<'a> {
    left: f32,
    soft: f32,
    tally: &'a mut Tally,
}

impl Share<'_> {
    /// Gives what lies inside a surface at signed `distance` to a region.
    fn give(&mut self, region: usize, distance: f32, light: f32) {
        let inside = (0.5 - distance / self.soft).clamp(0.0, 1.0) * self.left;
        if inside > 0.0 {
            self.tally.fraction[region] += inside;
            self.tally.light += inside * light;
            self.left -= inside;
        }
    }
}

impl Anatomy {
    /// Adds the sample at `p`, softened over `soft` mm, with weight `weight`.
    pub(crate) fn sample(&self, p: Point, soft: f32, weight: f32, tally: &mut Tally) {
        let skull = cortex::skull(p);
        let head = (0.5 - skull / soft).clamp(0.0, 1.0) * weight;
        tally.fraction[0] += weight - head;
        if head <= 0.0 {
            return;
        }
        let side = usize::from(p[0] >= 0.0);
        let q = [p[0].abs(), p[1], p[2]];
        let mut share = Share { left: head, soft, tally };
        self.inner(q, side, &mut share);
        if share.left > 1e-4 * weight {
            self.hindbrain(q, side, &mut share);
            self.mantle(q, side, &mut share);
        }
        let rest = share.left;
        share.give(at::FLUID + side, -soft, light::FLUID);
        debug_assert!(rest >= -1e-3);
    }

    /// Ventricles, nuclei, callosum.
    fn inner(&self, q: Point, side: usize, share: &mut Share) {
        if q[0] > 32.0 || q[1] < -56.0 || q[1] > 32.0 || q[2] > 28.0 {
            return;
        }
        let m = deep::middle(q, side, &self.traits);
        // The septum keeps the two sides apart.
        share.give(at::VENTRICLE + side, m.ventricle.max(0.7 - q[0]), light::FLUID);
        share.give(at::THIRD, m.third, light::FLUID);
        share.give(at::FOURTH, m.fourth, light::FLUID);
        share.give(at::CAUDATE + side, m.caudate, light::GANGLIA);
        share.give(at::THALAMUS + side, m.thalamus, light::THALAMUS);
        let shell = 1.0 + 0.10 * ramp(-5.0, -1.0, m.lentiform);
        share.give(at::LENTIFORM + side, m.lentiform, light::GANGLIA * 0.94 * shell);
        share.give(at::CALLOSUM, m.callosum, light::CALLOSUM);
        share.give(at::BRAINSTEM, m.brainstem, brainstem_light(q));
    }

    fn hindbrain(&self, q: Point, side: usize, share: &mut Share) {
        if q[2] > 4.0 || q[1] > -5.0 {
            return;
        }
        if q[2] < -25.0 {
            share.give(at::BRAINSTEM, deep::brainstem(q), brainstem_light(q));
        }
        let c = deep::cerebellum(q, self.traits.cerebellum);
        share.give(at::VERMIS, c.vermis, light::CEREBELLUM * c.light * 0.95);
        share.give(at::CEREBELLUM + side, c.hemisphere, light::CEREBELLUM * c.light);
    }

    /// Cortex and white matter of the hemispheres.
    fn mantle(&self, q: Point, side: usize, share: &mut Share) {
        let hull = cortex::outline(q);
        if hull > share.soft {
            return;
        }
        let depth = cortex::depth(q, hull, &self.folds[side], &self.traits);
        let region = 2 * lobe(q) + side;
        let white = self.white(q);
        share.give(at::WHITE + region, self.traits.cortex_mm - depth, white);
        share.give(at::CORTEX + region, -depth, light::CORTEX * rolandic(q, 0.07));
    }

    /// Brightness of white matter at a point.
    fn white(&self, q: Point) -> f32 {
        let wall = deep::lateral_ventricle(q, 1.0);
        let near = ramp(17.0, 3.0, wall);
        // The crossroads before and behind the ventricles are watery in all newborns.
        let crossroads = ramp(6.0, 26.0, q[1]).max(ramp(-22.0, -36.0, q[1]));
        let watery = 1.0 + 0.06 * near * crossroads;
        let capsule = ramp(2.2, 0.0, deep::internal_capsule(q));
        let plain = light::WHITE * rolandic(q, 0.05) * watery;
        let patch = if self.bright_white > 0.0 { self.patch(q, near) } else { 0.0 };
        (plain * (1.0 - capsule) + light::CAPSULE * capsule) * (1.0 + self.bright_white * patch)
    }

    /// How much of the brightening falls on a point, 0 to 1: patches near the ventricles,
    /// before and behind them more than beside.
    fn patch(&self, q: Point, near: f32) -> f32 {
        let ends = 0.45 + 0.55 * ramp(4.0, 18.0, q[1]).max(ramp(-14.0, -28.0, q[1]));
        let blot = self.patches.at([q[0] / 13.0, q[1] / 13.0, q[2] / 13.0]);
        near * ends * ramp(-0.25, 0.2, blot)
    }
}

/// The central region matures first and is darker; `much` at its middle.
fn rolandic(q: Point, much: f32) -> f32 {
    1.0 - much * ramp(26.0, 6.0, (q[1] + 10.0 + 0.2 * q[2]).abs()) * ramp(0.0, 14.0, q[2])
}

fn brainstem_light(q: Point) -> f32 {
    // The back of the brainstem is myelinated at term, the front of the pons is not.
    light::BRAINSTEM * (1.0 + 0.13 * ramp(-17.0, -9.0, q[1]))
}
