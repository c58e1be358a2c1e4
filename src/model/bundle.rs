//! A trained network as a folder: `model.json` and `weights.safetensors`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::architecture::{ArchitectureSpec, MOST_MEMBERS, build};
use super::graph::Graph;
use super::input::InputSpec;
use super::tensors;
use crate::compute::Precision;
use crate::files::{read_limited, sha256_hex, write_whole};
use crate::seed::Seed;
use crate::{Error, Result};

/// Version of the form of `model.json`.
pub const SCHEMA_VERSION: u32 = 1;
/// The description.
pub const DESCRIPTION: &str = "model.json";
/// The numbers.
pub const WEIGHTS: &str = "weights.safetensors";

const MOST_DESCRIPTION: u64 = 16 << 20;
const MOST_WEIGHTS: u64 = 2 << 30;
const MOST_CHANNELS: usize = 4096;
const MOST_BLOCKS: usize = 64;
const MOST_CLASSES: usize = 1024;
const MOST_VOXELS: usize = 1 << 28;

/// How a network was trained.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSummary {
    /// Fold, from 0.
    pub fold: usize,
    /// Number of folds; 1 is a single hold-out.
    pub folds: usize,
    /// Epochs run.
    pub epochs: usize,
    /// Epoch the kept weights are from, from 0.
    pub best_epoch: usize,
    /// Ids of the rows fitted.
    pub fitting: Vec<String>,
    /// Ids of the rows that chose the epoch.
    pub validation: Vec<String>,
    /// Ids of the rows the network never saw.
    pub held_out: Vec<String>,
    /// How exactly convolutions were made; missing where earlier versions, which knew f32 alone,
    /// wrote it.
    #[serde(default)]
    pub precision: Precision,
    /// SHA-256 of settings and data of the fit.
    pub key: String,
}

/// `model.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The network.
    pub architecture: ArchitectureSpec,
    /// What it sees.
    pub input: InputSpec,
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// What was told apart, for example `group=preterm`.
    pub target: String,
    /// Seed of the run.
    pub seed: u64,
    /// How it was trained.
    pub training: TrainingSummary,
    /// SHA-256 of `weights.safetensors`; filled in when saved.
    pub weights_sha256: String,
}

/// A network with everything needed to use it.
#[derive(Debug)]
pub struct Bundle {
    /// The description.
    pub spec: ModelSpec,
    /// The network.
    pub graph: Graph,
}

impl ModelSpec {
    /// Refuses descriptions that contradict themselves or ask for more memory than any
    /// model of this program has; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Refused`] `E-MODEL-011` (version), `E-MODEL-012` (a field).
    pub fn check(&self, path: &Path) -> Result<()> {
        let refuse = |code, field: &str, seen: String, allowed: String| {
            let fix = "Train the model again with this version of the program";
            Err(Error::refused(code, path, field, seen, allowed, fix))
        };
        if self.schema_version != SCHEMA_VERSION {
            let seen = self.schema_version.to_string();
            return refuse("E-MODEL-011", "schema_version", seen, SCHEMA_VERSION.to_string());
        }
        let a = &self.architecture;
        let field = |field: &str, seen: String, allowed: String| {
            refuse("E-MODEL-012", field, seen, allowed)
        };
        if self.input.check().is_err() || self.input.voxels() > MOST_VOXELS {
            let seen = format!("{:?} of {} mm", self.input.shape, self.input.spacing_mm);
            return field("input", seen, format!("a grid of at most {MOST_VOXELS} voxels"));
        }
        if a.input != self.input.tensor_shape() {
            let allowed = format!("{:?}, as \"input\" says", self.input.tensor_shape());
            return field("architecture.input", format!("{:?}", a.input), allowed);
        }
        if !(2..=MOST_CLASSES).contains(&a.classes) || a.classes != self.classes.len() {
            let allowed = format!("2 to {MOST_CLASSES}, one per class name");
            return field("architecture.classes", a.classes.to_string(), allowed);
        }
        if !(1..=MOST_MEMBERS).contains(&a.members) {
            let allowed = format!("1 to {MOST_MEMBERS}");
            return field("architecture.members", a.members.to_string(), allowed);
        }
        let wide = a.channels.iter().any(|c| !(1..=MOST_CHANNELS).contains(c));
        if wide || a.channels.len() > MOST_BLOCKS {
            let allowed = format!("at most {MOST_BLOCKS} numbers from 1 to {MOST_CHANNELS}");
            return field("architecture.channels", format!("{:?}", a.channels), allowed);
        }
        if !(0.0..1.0).contains(&a.dropout) {
            return field("architecture.dropout", a.dropout.to_string(), "0 to below 1".into());
        }
        Ok(())
    }

    fn description(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::internal(format!("model.json: {e}")))?;
        text.push(b'\n');
        Ok(text)
    }

    /// SHA-256 of `model.json` as saved; it contains the hash of the weights.
    ///
    /// # Errors
    /// [`Error::Internal`] when the description cannot be written as JSON.
    pub fn sha256(&self) -> Result<String> {
        Ok(sha256_hex(&self.description()?))
    }
}

impl Bundle {
    /// Writes the folder: the weights first, then the description that names their hash, so
    /// that an interrupted write never reads as a whole bundle. Returns the SHA-256 of
    /// `model.json`, the identity of the bundle.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Refused`] as [`ModelSpec::check`].
    pub fn save(&mut self, folder: &Path) -> Result<String> {
        self.spec.check(folder)?;
        let weights = tensors::to_bytes(&self.graph.state(), None)?;
        self.spec.weights_sha256 = sha256_hex(&weights);
        write_whole(&folder.join(WEIGHTS), &weights)?;
        let text = self.spec.description()?;
        write_whole(&folder.join(DESCRIPTION), &text)?;
        Ok(sha256_hex(&text))
    }

    /// Reads a folder written by [`Bundle::save`].
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Refused`] `E-FILE-001` (too large), `E-MODEL-010` (damaged
    /// weights), `011`, `012` ([`ModelSpec::check`]), `013` (not the JSON expected), `014`
    /// (weights of another model); `E-MODEL-003` when names or shapes do not fit.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let spec = parse(&path, &read_limited(&path, MOST_DESCRIPTION)?)?;
        let path = folder.join(WEIGHTS);
        let bytes = read_limited(&path, MOST_WEIGHTS)?;
        let seen = sha256_hex(&bytes);
        if seen != spec.weights_sha256 {
            let allowed = format!("{}, as model.json says", spec.weights_sha256);
            let fix = "Copy the whole folder again; its files are of different models";
            return Err(Error::refused("E-MODEL-014", &path, "SHA-256", seen, allowed, fix));
        }
        let stored = tensors::from_bytes(&path, &bytes)?;
        let graph = build(&spec.architecture, Seed(0))?.with_state(stored.arrays)?;
        Ok(Self { spec, graph })
    }
}

/// `model.json` parsed and checked; unknown fields are refused.
///
/// # Errors
/// [`Error::Refused`] `E-MODEL-013` and those of [`ModelSpec::check`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<ModelSpec> {
    let spec: ModelSpec = serde_json::from_slice(bytes).map_err(|e| {
        let fix = "Train the model again with this version of the program";
        Error::refused("E-MODEL-013", path, "content", e.to_string(), "a model description", fix)
    })?;
    spec.check(path)?;
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::normalise;

    fn spec() -> ModelSpec {
        ModelSpec {
            schema_version: SCHEMA_VERSION,
            architecture: ArchitectureSpec {
                name: "compact".into(),
                input: [20, 16, 12],
                classes: 2,
                channels: vec![4, 8],
                dropout: 0.2,
                members: 1,
            },
            input: InputSpec {
                shape: [12, 16, 20],
                spacing_mm: 2.0,
                normalise: normalise::Options::default(),
            },
            classes: vec!["term".into(), "preterm".into()],
            target: "group=preterm".into(),
            seed: 7,
            training: TrainingSummary::default(),
            weights_sha256: String::new(),
        }
    }

    #[test]
    fn the_description_reads_back_and_surprises_are_refused() {
        let path = Path::new("model.json");
        let text = serde_json::to_string(&spec()).expect("json");
        assert_eq!(parse(path, text.as_bytes()).expect("spec"), spec());
        for (from, to, code) in [
            ("\"seed\":7", "\"seed\":7,\"sed\":8", "E-MODEL-013"),
            ("\"schema_version\":1", "\"schema_version\":2", "E-MODEL-011"),
            ("[20,16,12]", "[20,16,13]", "E-MODEL-012"),
            ("[12,16,20]", "[12,16,2000000]", "E-MODEL-012"),
            ("\"classes\":2", "\"classes\":3", "E-MODEL-012"),
            ("[4,8]", "[4,800000]", "E-MODEL-012"),
            ("\"dropout\":0.2", "\"dropout\":1.0", "E-MODEL-012"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert_eq!(parse(path, changed.as_bytes()).expect_err(to).code(), code);
        }
    }
}
