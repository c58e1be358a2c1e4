//! The network an audit is about: trained by this program, or brought by a user.

use std::path::Path;

use super::finding::Interval;
use super::performance::of_training;
use super::record::Performance;
use crate::model::bundle::Bundle;
use crate::model::network::{Network, Origin};
use crate::train::models::Models;
use crate::train::settings::Settings;
use crate::{Error, Result};

/// Said of every network whose training left no record.
pub const UNKNOWN: &str = "The network came without a record of its training: no subject is \
    known to be held out. A network may know by heart what it was trained on, and every number \
    here may be of such subjects.";

/// A network with what it tells apart.
#[derive(Debug)]
pub struct Audited {
    /// The network.
    pub network: Network,
    /// What it tells apart, for example `group=preterm`; class 1 where it holds.
    pub condition: String,
    /// How well it classifies held-out subjects, where its training measured it.
    pub measured: Option<(Option<Interval>, Performance)>,
    /// How it was fitted, where its training kept that.
    pub settings: Option<Settings>,
    /// The other networks of the same training.
    pub others: Vec<Bundle>,
}

impl Audited {
    /// The network of a fold of a training.
    ///
    /// # Errors
    /// Those of [`of_training`] and [`Models::fold`].
    pub fn trained(models: Models, fold: usize) -> Result<Self> {
        let measured = match of_training(&models)? {
            (interval, Some(performance)) => Some((interval, performance)),
            _ => None,
        };
        let settings = models.settings(fold)?;
        let (bundle, others) = models.parted(fold)?;
        let condition = bundle.spec.target.clone();
        Ok(Self { network: bundle.into(), condition, measured, settings, others })
    }

    /// An ONNX file or a state dict, with the companion beside it.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-AUDIT-003` without a condition, `E-AUDIT-004` for a network of other
    /// than two classes; those of [`Network::of_images`].
    pub fn brought(path: &Path, condition: Option<&str>) -> Result<Self> {
        let mut network = Network::of_images(path)?;
        network.notes.push(UNKNOWN.to_owned());
        let condition = condition.ok_or_else(|| {
            Error::usage(
                "E-AUDIT-003",
                format!("{} does not say which subjects are of which class", path.display()),
                format!(
                    "Add --condition COLUMN=VALUE, which holds for the class '{}'",
                    network.classes.last().map_or("", String::as_str)
                ),
            )
        })?;
        if network.classes.len() != 2 {
            return Err(Error::usage(
                "E-AUDIT-004",
                format!("a network of {} classes", network.classes.len()),
                "Audit a network of two classes; heatproof explain takes any",
            ));
        }
        let (condition, others) = (condition.to_owned(), Vec::new());
        Ok(Self { network, condition, measured: None, settings: None, others })
    }

    /// Fold of the training; none for a network a user brought.
    pub fn fold(&self) -> Option<usize> {
        self.network.training().map(|t| t.fold)
    }

    /// SHA-256 of the description of a network this program trained.
    ///
    /// # Errors
    /// Those of [`crate::model::ModelSpec::sha256`].
    pub fn description_sha256(&self) -> Result<Option<String>> {
        match &self.network.origin {
            Origin::Trained(spec) => spec.sha256().map(Some),
            _ => Ok(None),
        }
    }
}
