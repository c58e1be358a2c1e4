//! The phantoms and networks of the trials, made once each.

use std::path::{Path, PathBuf};

use super::super::audited::Audited;
use super::super::gather::{Request, gather};
use super::super::publish::map_file;
use crate::Result;
use crate::cohort::{Cohort, Target};
use crate::image::nifti;
use crate::image::normalise::{self, Outside};
use crate::model::input::back;
use crate::phantom::{self, Arm, write_bids};
use crate::progress::Silent;
use crate::seed::Seed;
use crate::train::models::Models;
use crate::train::prepare::InputChoice;
use crate::train::run::{RunSettings, cross_validate};
use crate::train::settings::Settings;

/// Subjects of a phantom cohort.
const SUBJECTS: usize = 120;
/// Voxels along each axis, and their size in mm.
const SHAPE: (usize, f64) = (32, 4.0);
/// Epochs of a training, and of one that is stopped far too early.
const EPOCHS: (usize, usize) = (40, 1);
/// Bootstrap draws of a training's metrics.
const DRAWS: usize = 500;

/// A cohort and a training on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// A training to its end on an arm of the phantoms.
    Trained(Arm),
    /// A training stopped after its first epoch.
    HalfTrained(Arm),
}

/// Where the worlds lie.
pub(super) struct Worlds {
    folder: PathBuf,
}

impl Worlds {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// The network of a world and its cohort, made where they are missing.
    pub(super) fn audited(&mut self, world: World) -> Result<(Audited, Cohort)> {
        let (arm, epochs, word) = match world {
            World::Trained(arm) => (arm, EPOCHS.0, "trained"),
            World::HalfTrained(arm) => (arm, EPOCHS.1, "half-trained"),
        };
        let data = self.folder.join(arm.id());
        let (n, spacing) = SHAPE;
        let phantoms = phantom::Settings {
            subjects: SUBJECTS,
            arm,
            shape: [n; 3],
            spacing_mm: [spacing; 3],
            seed: Seed(11),
            ..phantom::Settings::default()
        };
        if !data.is_dir() {
            write_bids(&phantoms, &data, &Silent)?;
        }
        let cohort = Cohort::read(&data)?;
        let model = self.folder.join(format!("{}-{word}", arm.id()));
        if !model.is_dir() {
            let target = Target::parse("group=preterm")?;
            cross_validate(&cohort, &target, &settings(&phantoms, epochs), &model, &Silent)?;
        }
        Ok((Audited::trained(Models::load(&model)?, 0)?, cohort))
    }

    /// A folder with sound maps of a world, as another program would leave them.
    pub(super) fn maps(&mut self, world: World) -> Result<PathBuf> {
        let (audited, cohort) = self.audited(world)?;
        let request = Request { draws: 1, arms: "none".to_owned(), ..Request::default() };
        let gathered = gather(Some(audited), &cohort, &request, &Silent)?;
        let bench = gathered.bench()?;
        let folder = self.folder.join("maps");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|e| crate::Error::io("removing", &folder, e))?;
        }
        for ((case, origin), map) in gathered.cases.iter().zip(&gathered.origins).zip(&bench.maps) {
            let map = back(map, &case.grid, &origin.grid)?;
            let file = folder.join(map_file(&case.id));
            nifti::write_volume(&file, &map, Some(&origin.header), "self-test")?;
        }
        Ok(folder)
    }
}

/// As the demo trains: the model grid is the field of view, the background stays as it is.
fn settings(phantoms: &phantom::Settings, epochs: usize) -> RunSettings {
    RunSettings {
        architecture: "compact".to_owned(),
        members: 1,
        input: InputChoice {
            spacing_mm: phantoms.spacing_mm[0],
            margin_mm: 0.0,
            shape: Some(phantoms.shape),
            normalise: normalise::Options { outside: Outside::Keep, ..Default::default() },
        },
        folds: 3,
        hold_out: 0.25,
        validation: 0.0,
        draws: DRAWS,
        fit: Settings { seed: 11, epochs, ..Settings::default() },
    }
}
