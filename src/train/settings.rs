//! Settings of a fit.

use serde::{Deserialize, Serialize};

use std::path::Path;

use super::augment::Augmentation;
use crate::compute::Precision;
use crate::files::read_limited;
use crate::{Error, Result};

/// Name of the file with the settings of a fit, in the folder of its network.
pub const SETTINGS: &str = "settings.json";
/// Largest such file that is read.
const MOST: u64 = 1 << 16;

/// Settings of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Most epochs.
    pub epochs: usize,
    /// Fewest epochs before stopping early.
    pub min_epochs: usize,
    /// Epochs without a better validation loss after which the fit stops.
    pub patience: usize,
    /// Images per step.
    pub batch: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// Epochs of the warm-up; the best epoch is sought after it.
    pub warmup_epochs: usize,
    /// Last learning rate as a share of the highest.
    pub lr_floor: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Label smoothing.
    pub smoothing: f64,
    /// Where the classes are ranges of a number: how soft the border between them is, in root
    /// mean squares of the distance to it; 0 is a sharp border.
    pub softness: f64,
    /// Memory of the moving average of the weights, per step.
    pub ema: f64,
    /// Memory of the moving average of the validation loss, per epoch.
    pub loss_memory: f64,
    /// How exactly convolutions are made on a card; missing in files of earlier versions, which
    /// knew f32 alone.
    pub precision: Precision,
    /// Variation of the training images.
    pub augment: Augmentation,
    /// Seed of the run.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 100,
            min_epochs: 20,
            patience: 15,
            batch: 4,
            lr: 5e-3,
            warmup_epochs: 3,
            lr_floor: 0.02,
            weight_decay: 0.01,
            smoothing: 0.0,
            softness: 0.5,
            ema: 0.99,
            loss_memory: 0.6,
            precision: Precision::F32,
            augment: Augmentation::default(),
            seed: 1,
        }
    }
}

impl Settings {
    /// Reads settings from TOML; what the text leaves out keeps its default.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-TRAIN-004` naming the line; those of [`Settings::check`].
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let settings: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().map_or("", |s| &text[..s.start]);
            let line = before.matches('\n').count() + 1;
            Error::usage(
                "E-TRAIN-004",
                format!("{source}, line {line}: {}", e.message()),
                "Known settings are the fields of train::settings::Settings; `augment` is a table",
            )
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// The settings a network was fitted with, from its folder; none where they were not kept.
    ///
    /// # Errors
    /// [`Error::Refused`] `E-TRAIN-005` for a damaged file; those of [`Settings::check`].
    pub fn of_network(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(SETTINGS);
        if !path.is_file() {
            return Ok(None);
        }
        let settings: Self = serde_json::from_slice(&read_limited(&path, MOST)?).map_err(|e| {
            let (seen, allowed) = (e.to_string(), "the settings a training wrote");
            Error::refused("E-TRAIN-005", &path, "content", seen, allowed, "Train again")
        })?;
        settings.check()?;
        Ok(Some(settings))
    }

    /// Refuses settings nothing can be fitted with.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-TRAIN-002` naming the setting.
    pub fn check(&self) -> Result<()> {
        let share = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v.is_finite() && v >= 0.0;
        let a = &self.augment;
        let wrong = [
            ("epochs", self.epochs == 0),
            ("batch", self.batch < 2),
            ("lr", !(positive(self.lr) && self.lr > 0.0)),
            ("lr_floor", !(0.0..=1.0).contains(&self.lr_floor)),
            ("weight_decay", !positive(self.weight_decay)),
            ("smoothing", !share(self.smoothing)),
            ("softness", !positive(self.softness)),
            ("ema", !share(self.ema)),
            ("loss_memory", !share(self.loss_memory)),
            ("augment.flip", !(0.0..=1.0).contains(&a.flip)),
            ("augment.scaling", !share(a.scaling)),
            ("augment.gain", !share(a.gain)),
            ("augment", ![a.rotation_deg, a.gamma, a.noise].into_iter().all(positive)),
        ];
        match wrong.iter().find(|(_, bad)| *bad) {
            None => Ok(()),
            Some((name, _)) => Err(Error::usage(
                "E-TRAIN-002",
                format!("the training setting {name} is out of range"),
                "epochs ≥ 1, batch ≥ 2, lr > 0, shares from 0 to below 1, nothing negative",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_keep_their_defaults_and_unknown_ones_are_refused() {
        let read = Settings::parse("lr = 0.001\n[augment]\nflip = 0.5\n", "t.toml").expect("read");
        assert_eq!((read.lr, read.augment.flip), (0.001, 0.5));
        assert_eq!(read.augment.shift, Augmentation::default().shift);
        assert_eq!(Settings::parse("", "t.toml").expect("defaults"), Settings::default());
        let read = Settings::parse("precision = \"tf32\"", "t.toml").expect("read");
        assert_eq!(
            (read.precision, Settings::default().precision),
            (Precision::Tf32, Precision::F32)
        );
        assert!(Settings::parse("precision = \"f16\"", "t.toml").is_err());
        let wrong = Settings::parse("lr = 0.1\nlearning = 2\n", "t.toml").expect_err("unknown");
        assert!(wrong.to_string().contains("line 2"), "{wrong}");
        assert!(Settings::parse("batch = 1", "t.toml").is_err());
    }
}
