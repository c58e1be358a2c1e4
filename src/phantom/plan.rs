//! What an arm does to one subject and to its counterfactual twin.

use super::arm::Arm;
use super::latents::{Group, Latents, mixture, stream};
use super::proportions::Effects;
use super::settings::Settings;

/// Everything in which a subject may differ from its twin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Change {
    /// Effects on the anatomy.
    pub(crate) effects: Effects,
    /// Relative brightening of the deep grey matter.
    pub(crate) deep_light: f32,
    /// Whether the marker is in the corner.
    pub(crate) marker: bool,
}

/// A subject, its twin, and what both share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// The subject as it is.
    pub(crate) actual: Change,
    /// The subject with the other label.
    pub(crate) twin: Change,
    /// Relative brightness shared by deep grey matter and cerebellum.
    pub(crate) nuisance: f32,
    /// Whether a lesion that says nothing is put in.
    pub(crate) lesion: bool,
}

/// Standard deviation of the nuisance of the suppressor arm: twice the mean effect, so
/// that the signal region alone says little.
const NUISANCE: f64 = 0.22;

impl Plan {
    /// The plan of a subject.
    pub(crate) fn draw(settings: &Settings, index: usize, latents: &Latents) -> Self {
        let mut s = stream(settings, index, "plan");
        let strength = s.range(0.6, 1.4) * latents.dose();
        let nuisance = NUISANCE * s.normal().clamp(-2.5, 2.5);
        let coin = s.uniform();
        let effects = mixture(latents.dose(), stream(settings, index, "mixture"));
        let arm = settings.arm;
        let (mut preterm, mut term) = (Change::default(), Change::default());
        match arm {
            Arm::Realistic | Arm::Decoy => preterm.effects = effects,
            Arm::Volume => preterm.effects.ventricle = [(0.30 * strength) as f32; 2],
            Arm::Intensity => preterm.effects.bright_white = (0.17 * strength) as f32,
            Arm::Suppressor => preterm.deep_light = (0.06 + 0.06 * strength) as f32,
            Arm::Shortcut => {
                preterm.marker = coin < 0.95;
                term.marker = coin < 0.05;
            }
            Arm::Null => {}
        }
        let (actual, twin) = match super::latents::group(settings, index) {
            Group::Preterm => (preterm, term),
            Group::Term => (term, preterm),
        };
        Self {
            actual,
            twin,
            nuisance: if arm == Arm::Suppressor { nuisance as f32 } else { 0.0 },
            lesion: arm == Arm::Decoy,
        }
    }
}
