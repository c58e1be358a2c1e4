//! Trained networks read back: the folder of a cross-validation, or one network of it.

use std::path::{Component, Path, PathBuf};

use super::settings::Settings;
use super::write::{MetricLine, Splits};
use crate::files::{read_limited, sha256_file};
use crate::model::bundle::{Bundle, DESCRIPTION};
use crate::{Error, Result};

/// Largest table of a training that is read.
const MOST_TABLE: u64 = 64 << 20;

/// The networks of a training.
#[derive(Debug)]
pub struct Models {
    /// The folder given.
    pub folder: PathBuf,
    /// One network per fold, or the one network given.
    pub bundles: Vec<Bundle>,
    /// Held-out metrics of the training; empty for a network without its training's folder.
    pub metrics: Vec<MetricLine>,
}

impl Models {
    /// Reads the folder `train` wrote (`splits.json` and `fold-K/`), or one network
    /// (`model.json` and `weights.safetensors`).
    ///
    /// # Errors
    /// [`Error::Refused`] `E-MODEL-016` when the folder holds neither, `015` when
    /// `splits.json` is damaged, names a folder outside, or a network is not the one it was
    /// written with; those of [`Bundle::load`].
    pub fn load(folder: &Path) -> Result<Self> {
        let whole = folder.to_path_buf();
        if folder.join(DESCRIPTION).is_file() {
            let bundles = vec![Bundle::load(folder)?];
            return Ok(Self { folder: whole, bundles, metrics: Vec::new() });
        }
        let path = folder.join("splits.json");
        if !path.is_file() {
            let fix = "Name the folder a training wrote, or one fold-K folder in it";
            let allowed = format!("splits.json or {DESCRIPTION}");
            return Err(Error::refused("E-MODEL-016", folder, "files", "neither", allowed, fix));
        }
        let damaged = |seen: String| {
            let fix = "Train again, or name one fold-K folder";
            Error::refused("E-MODEL-015", &path, "content", seen, "the splits of a training", fix)
        };
        let splits: Splits = serde_json::from_slice(&read_limited(&path, MOST_TABLE)?)
            .map_err(|e| damaged(e.to_string()))?;
        let mut bundles = Vec::with_capacity(splits.folds.len());
        for fold in &splits.folds {
            let mut parts = Path::new(&fold.bundle).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(damaged(format!("the folder {:?}", fold.bundle)));
            }
            let own = folder.join(&fold.bundle);
            let bundle = Bundle::load(&own)?;
            // The bytes of the file: written anew, an older description would differ.
            if sha256_file(&own.join(DESCRIPTION))? != fold.sha256 {
                return Err(damaged(format!("{} is not the network written with it", fold.bundle)));
            }
            bundles.push(bundle);
        }
        let alike = |b: &Bundle| {
            let (a, b) = (&bundles[0].spec, &b.spec);
            a.input == b.input && a.classes == b.classes && a.target == b.target
        };
        if !bundles.iter().all(alike) {
            return Err(damaged("networks with different inputs or classes".to_owned()));
        }
        if bundles.is_empty() {
            return Err(damaged("no fold".to_owned()));
        }
        let path = folder.join("metrics.json");
        let metrics = serde_json::from_slice(&read_limited(&path, MOST_TABLE)?)
            .map_err(|e| damaged(format!("metrics.json: {e}")))?;
        Ok(Self { folder: whole, bundles, metrics })
    }

    /// The settings of the fit of a fold; none where they were not kept.
    ///
    /// # Errors
    /// Those of [`Settings::of_network`].
    pub fn settings(&self, fold: usize) -> Result<Option<Settings>> {
        let own = self.folder.join(format!("fold-{fold}"));
        Settings::of_network(if own.is_dir() { &own } else { &self.folder })
    }

    /// The network of a fold; a folder of one network has that one only.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-CLI-004` when there is no such fold.
    pub fn fold(self, fold: usize) -> Result<Bundle> {
        Ok(self.parted(fold)?.0)
    }

    /// The network of a fold, and those of all others in their order.
    ///
    /// # Errors
    /// As [`Models::fold`].
    pub fn parted(mut self, fold: usize) -> Result<(Bundle, Vec<Bundle>)> {
        let known: Vec<String> =
            self.bundles.iter().map(|b| b.spec.training.fold.to_string()).collect();
        let single = self.bundles.len() == 1;
        let wanted = |b: &Bundle| b.spec.training.fold == fold || (single && fold == 0);
        let Some(at) = self.bundles.iter().position(wanted) else {
            let what = format!("{} has no network of fold {fold}", self.folder.display());
            let fix = format!("Choose one of {}", known.join(", "));
            return Err(Error::usage("E-CLI-004", what, fix));
        };
        Ok((self.bundles.remove(at), self.bundles))
    }
}
