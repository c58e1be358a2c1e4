//! Who a subject is: group, ages, sex, head size, and the sizes of its parts.

use super::noise::Noise;
use super::placement::Placement;
use super::proportions::{Effects, Traits};
use super::settings::Settings;
use crate::seed::Stream;

/// The two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Born at 37 weeks or later.
    Term,
    /// Born between 24 and 34 weeks.
    Preterm,
}

impl Group {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Preterm => "preterm",
        }
    }
}

/// What is known of a subject besides the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latents {
    /// Gestational age at birth (weeks).
    pub gestational_age_weeks: f64,
    /// Postmenstrual age at the scan (weeks), equally distributed in both groups.
    pub age_at_scan_weeks: f64,
    /// True for a girl.
    pub female: bool,
    /// Volume inside the skull (ml), independent of the group.
    pub head_size_ml: f64,
    /// Gestational age the subject would have had as a preterm child (weeks): its own if
    /// it is one. The dose of the label's effects follows from it.
    pub preterm_age_weeks: f64,
}

/// Volume inside the skull of the procedural head at scale 1 (ml).
pub(crate) const SKULL_ML: f64 = 482.0;
/// Scale of the average head at 41 weeks.
const MEAN_SCALE: f64 = 0.96;

/// Name of a subject: `sub-001`.
pub fn subject_id(index: usize) -> String {
    format!("sub-{:03}", index + 1)
}

pub(crate) fn stream(settings: &Settings, index: usize, purpose: &str) -> Stream {
    settings.seed.stream(&format!("phantom/{}/{purpose}", subject_id(index)))
}

/// The group of a subject: a shuffle of the wanted counts.
pub(crate) fn group(settings: &Settings, index: usize) -> Group {
    let preterm = (settings.subjects as f64 * settings.preterm_fraction).round() as usize;
    let mut places: Vec<usize> = (0..settings.subjects).collect();
    settings.seed.stream("phantom/groups").shuffle(&mut places);
    let place = places.get(index).copied().unwrap_or(index);
    if place < preterm { Group::Preterm } else { Group::Term }
}

/// A normal draw, drawn again while it lies more than 2.2 standard deviations off.
fn tame(stream: &mut Stream) -> f64 {
    loop {
        let value = stream.normal();
        if value.abs() < 2.2 {
            return value;
        }
    }
}

impl Latents {
    /// Draws a subject. All draws are made in both groups, so that the label decides
    /// nothing but the gestational age.
    pub(crate) fn draw(settings: &Settings, index: usize) -> Self {
        let mut s = stream(settings, index, "latents");
        let age_at_scan_weeks = 41.0 + 1.6 * tame(&mut s);
        let term = s.range(37.0, age_at_scan_weeks.min(42.0));
        // More infants are born late preterm than extremely preterm.
        let preterm_age_weeks = 34.0 - 10.0 * s.uniform().powf(1.15);
        let female = s.chance(0.5);
        let sex = if female { 0.98 } else { 1.02 };
        let growth = 1.0 + 0.028 * (age_at_scan_weeks - 41.0);
        let ratio = (0.055 * tame(&mut s)).exp() * sex * growth;
        let head_size_ml = SKULL_ML * MEAN_SCALE.powi(3) * ratio;
        let gestational_age_weeks = match group(settings, index) {
            Group::Term => term,
            Group::Preterm => preterm_age_weeks,
        };
        Self { gestational_age_weeks, age_at_scan_weeks, female, head_size_ml, preterm_age_weeks }
    }

    /// Dose of prematurity: 0 at 37 weeks, 1 at 29, 1.6 at 24.
    pub fn dose(&self) -> f64 {
        ((37.0 - self.preterm_age_weeks) / 8.0).max(0.0)
    }

    /// Sizes of the parts that do not depend on the label.
    pub(crate) fn traits(&self, mut s: Stream) -> Traits {
        let base = Traits::default();
        let older = self.age_at_scan_weeks - 41.0;
        let mut about = |sd: f64| 1.0 + sd * tame(&mut s);
        let ventricle = about(0.09);
        Traits {
            ventricle: [1.02 * ventricle * about(0.04), ventricle * about(0.04)].map(|v| v as f32),
            fluid_mm: (0.3 * (about(1.0) - 1.0)) as f32,
            sulci_mm: base.sulci_mm * (about(0.05) * (1.0 + 0.03 * older)) as f32,
            cortex_mm: base.cortex_mm * about(0.04) as f32,
            deep_grey: (about(0.02) * (1.0 + 0.006 * older)) as f32,
            cerebellum: (about(0.022) * (1.0 + 0.012 * older)) as f32,
            callosum: about(0.07) as f32,
        }
    }

    /// Pose and individual shape.
    pub(crate) fn placement(&self, mut s: Stream) -> Placement {
        let turn = [0.05, 0.03, 0.03].map(|sd| (sd * tame(&mut s)) as f32);
        let shift = [0.7, 0.7, 0.7].map(|sd| (sd * tame(&mut s)) as f32);
        let scale = (self.head_size_ml / SKULL_ML).cbrt() as f32;
        let warp = [(); 3].map(|()| Noise::new(s.next_u64()));
        Placement { scale, turn, shift, warp_mm: 3.5, warp }
    }
}

/// One kind of effect in the mixture: how often it is there, and its mean over the group.
fn mix(s: &mut Stream, dose: f64, often: f64, mean: f64, limit: f64) -> f32 {
    let there = s.chance(often);
    let strength = s.range(0.5, 1.5) * dose * mean / often;
    if there { strength.min(limit) as f32 } else { 0.0 }
}

/// A mixture of all effects, each present or not, stronger with earlier birth. Means over
/// the group are those of the literature (Inder 2005; Nguyen The Tich 2009).
pub(crate) fn mixture(dose: f64, mut s: Stream) -> Effects {
    let ventricle = f64::from(mix(&mut s, dose, 0.8, 0.24, 0.9));
    // The left side is wider in most, not in all.
    let tilt = 0.06 + 0.12 * s.normal();
    Effects {
        ventricle: [ventricle * (1.0 + tilt), ventricle * (1.0 - tilt)].map(|v| v as f32),
        fluid_mm: mix(&mut s, dose, 0.75, 1.45, 3.2),
        unfolding: mix(&mut s, dose, 0.7, 0.23, 0.5),
        thinning: mix(&mut s, dose, 0.7, 0.18, 0.4),
        deep_grey: mix(&mut s, dose, 0.75, 0.22, 0.6),
        cerebellum: mix(&mut s, dose, 0.7, 0.087, 0.3),
        callosum: mix(&mut s, dose, 0.7, 0.25, 0.7),
        bright_white: mix(&mut s, dose, 0.75, 0.13, 0.4),
    }
}
