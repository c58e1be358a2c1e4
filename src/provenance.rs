//! What made a file, from what: written into every output.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The device of this process, once it is chosen.
static DEVICE: OnceLock<String> = OnceLock::new();

/// Says what this process works on; the first word stays.
pub fn works_on(device: &str) {
    let _ = DEVICE.set(device.to_owned());
}

/// Reproducible part: equal runs have equal provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// `heatproof`.
    pub program: String,
    /// Program version.
    pub version: String,
    /// The command and its settings after defaults, name and value.
    pub settings: Vec<(String, String)>,
    /// Seed of the run.
    pub seed: u64,
    /// Inputs: what, and SHA-256.
    pub inputs: Vec<(String, String)>,
    /// Device and number type, for example `cpu f32`.
    pub engine: String,
}

/// What may differ between identical runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volatile {
    /// Start of the run, UTC, RFC 3339.
    pub started: String,
    /// Seconds the run took, by stage.
    pub seconds: Vec<(String, f64)>,
    /// Threads used.
    pub threads: usize,
    /// Operating system and processor family.
    pub platform: String,
}

impl Provenance {
    /// Provenance of this program with nothing filled in yet.
    pub fn new(seed: u64) -> Self {
        Self {
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: Vec::new(),
            seed,
            inputs: Vec::new(),
            engine: format!("{} f32", DEVICE.get().map_or("cpu", String::as_str)),
        }
    }
}
