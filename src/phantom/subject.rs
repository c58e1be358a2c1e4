//! One synthetic subject with its counterfactual twin and the truth between them.

use std::sync::Arc;

use super::acquire::Scanner;
use super::anatomy::Anatomy;
use super::arm::Arm;
use super::extras::{self, Lesion};
use super::folds::Folds;
use super::latents::{self, Group, Latents, stream, subject_id};
use super::noise::Noise;
use super::plan::{Change, Plan};
use super::proportions::Effects;
use super::regions::{Region, Tissue, regions};
use super::render::{self, Scene};
use super::settings::{Settings, Source};
use crate::image::{Labels, Mask, Volume};
use crate::{Error, Result};

/// Least noise-free difference between a subject and its twin that counts as truth,
/// relative to mean white matter: 1.7 times the middle standard deviation of the noise.
pub const TRUTH_THRESHOLD: f32 = 0.05;

/// A synthetic subject. All images lie on the grid of the settings.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `sub-001`.
    pub id: String,
    /// Label.
    pub group: Group,
    /// Ages, sex, head size.
    pub latents: Latents,
    /// What the label did to the anatomy; none in the term group.
    pub effects: Effects,
    /// The scan, in scanner units; exactly 0 outside the brain (and the shortcut's marker).
    pub image: Volume,
    /// Regions of [`Settings::regions`].
    pub labels: Labels,
    /// Brain with its fluid.
    pub brain: Mask,
    /// Brain voxels whose noise-free brightness the label changes by more than
    /// [`TRUTH_THRESHOLD`] of mean white matter. In the term group these are the voxels
    /// that would change if the child had been born preterm.
    pub truth: Mask,
    /// What must not carry relevance, or only as an artefact: the decoy's lesion, the
    /// suppressor's cerebellum, the shortcut's marker (where it is or would be).
    pub distractor: Option<Mask>,
    /// The same scan with the other label: same head, pose, gain, bias and noise. `None`
    /// when the label changes nothing.
    pub counterfactual: Option<Volume>,
}

impl Settings {
    /// The region table of the label maps.
    pub fn regions(&self) -> Vec<Region> {
        match &self.source {
            Source::Procedural => regions(),
            Source::Template(template) => template.regions().to_vec(),
        }
    }
}

/// What a subject and its twin share.
struct Head<'a> {
    settings: &'a Settings,
    index: usize,
    latents: Latents,
    folds: Option<Arc<[Folds; 2]>>,
}

impl Head<'_> {
    fn noise(&self, purpose: &str) -> Noise {
        Noise::new(stream(self.settings, self.index, purpose).next_u64())
    }

    /// The noise-free head with a change.
    fn scene(&self, change: &Change) -> Result<Scene> {
        let of = |purpose| stream(self.settings, self.index, purpose);
        let grid = self.settings.grid()?;
        let placement = self.latents.placement(of("placement"));
        let traits = self.latents.traits(of("traits"));
        let (texture, patches) = (self.noise("texture"), self.noise("patches"));
        match (&self.settings.source, &self.folds) {
            (Source::Template(template), _) => {
                template.render(&grid, &placement, &traits, &change.effects, patches)
            }
            (Source::Procedural, Some(folds)) => {
                let anatomy = Anatomy {
                    traits: traits.with(&change.effects),
                    bright_white: change.effects.bright_white,
                    folds: folds.clone(),
                    patches,
                };
                render::render(&grid, &placement, &anatomy, texture)
            }
            (Source::Procedural, None) => Err(Error::internal("a head without folds")),
        }
    }
}

/// Makes subject number `index` (from 0). Depends on nothing but the arguments.
///
/// # Errors
/// [`Error::Usage`] when the settings make no cohort or have no such subject.
pub fn subject(settings: &Settings, index: usize) -> Result<Subject> {
    settings.check()?;
    if index >= settings.subjects {
        return Err(Error::usage(
            "E-PHANTOM-004",
            format!("subject {index} of {}", settings.subjects),
            "Count subjects from 0",
        ));
    }
    let latents = Latents::draw(settings, index);
    let plan = Plan::draw(settings, index, &latents);
    let folds = matches!(settings.source, Source::Procedural).then(|| {
        let side = |s| Folds::new(stream(settings, index, s).next_u64());
        Arc::new([side("folds/left"), side("folds/right")])
    });
    let head = Head { settings, index, latents, folds };
    let mut scene = head.scene(&plan.actual)?;
    let mut twin = if plan.actual == plan.twin {
        None
    } else if plan.actual.effects == plan.twin.effects {
        Some(scene.clone())
    } else {
        Some(head.scene(&plan.twin)?)
    };
    let table = settings.regions();
    let lesion = plan
        .lesion
        .then(|| Lesion::draw(&scene.brain, stream(settings, index, "lesion")))
        .flatten();
    for (image, change) in [(Some(&mut scene), &plan.actual), (twin.as_mut(), &plan.twin)] {
        if let Some(image) = image {
            extras::brighten(image, &table, &plan, change);
            if let Some(lesion) = &lesion {
                lesion.paint(image);
            }
        }
    }
    finish(&head, &plan, scene, twin, lesion, &table)
}

/// Compares and scans.
fn finish(
    head: &Head<'_>,
    plan: &Plan,
    mut scene: Scene,
    twin: Option<Scene>,
    lesion: Option<Lesion>,
    table: &[Region],
) -> Result<Subject> {
    let (settings, index) = (head.settings, head.index);
    let truth = truth(&scene, twin.as_ref())?;
    let distractor = match settings.arm {
        Arm::Decoy => lesion.map(|l| l.mask(scene.brain.grid())).transpose()?,
        Arm::Suppressor => Some(extras::mask_of(&scene, table, Tissue::Cerebellum)?),
        Arm::Shortcut => Some(extras::marker(&scene.brain)?),
        _ => None,
    };
    let scanner = Scanner::draw(stream(settings, index, "scanner"));
    let scan = |scene: &mut Scene, change: &Change| {
        let seen = match (&distractor, change.marker) {
            (Some(marker), true) => extras::light_marker(scene, marker),
            _ => scene.brain.clone(),
        };
        scanner.scan(&scene.light, &seen)
    };
    let counterfactual = twin.map(|mut twin| scan(&mut twin, &plan.twin)).transpose()?;
    let image = scan(&mut scene, &plan.actual)?;
    Ok(Subject {
        id: subject_id(index),
        group: latents::group(settings, index),
        latents: head.latents,
        effects: plan.actual.effects,
        image,
        labels: scene.labels,
        brain: scene.brain,
        truth,
        distractor,
        counterfactual,
    })
}

/// Brain voxels that differ, noise-free and without the marker.
fn truth(scene: &Scene, twin: Option<&Scene>) -> Result<Mask> {
    let least = 100.0 * TRUTH_THRESHOLD;
    let data = match twin {
        None => vec![false; scene.light.data().len()],
        Some(twin) => scene
            .light
            .data()
            .iter()
            .zip(twin.light.data())
            .map(|(a, b)| (a - b).abs() > least)
            .collect(),
    };
    Mask::new(scene.light.grid().clone(), data)
}
