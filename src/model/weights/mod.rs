//! Named tensors of files users bring: PyTorch state dicts and safetensors.

mod machine;
pub mod pickle;
pub mod torch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::tensors;
use crate::compute::Array;
use crate::files::read_limited;
use crate::{Error, Result};

/// Largest file that is read.
const MOST_BYTES: u64 = 4 << 30;

/// Endings of the names of such files.
const ENDINGS: [&str; 4] = ["pt", "pth", "ckpt", "safetensors"];

/// Named tensors of one network, as f32.
#[derive(Debug, Default)]
pub struct StateDict {
    /// The tensors.
    pub arrays: BTreeMap<String, Array>,
    /// Tensors of whole numbers, which no layer needs (counters of batches).
    pub left_out: Vec<String>,
    /// Key they were under, where the file holds more than the weights.
    pub from: Option<String>,
}

/// Reads `.pt`, `.pth` and other files of `torch.save` (of any version), or safetensors,
/// whatever the file is called. `key` names the weights where a checkpoint holds several
/// dictionaries of tensors.
///
/// # Errors
/// [`Error::Io`]; [`Error::Refused`] `E-FILE-001` (too large), `E-MODEL-010` (neither, or
/// damaged safetensors), `E-TORCH-001` to `004` ([`torch::read`]), `E-TORCH-005` for weights
/// that are not finite.
pub fn read(path: &Path, key: Option<&str>) -> Result<StateDict> {
    let bytes = read_limited(path, MOST_BYTES)?;
    let found = if torch::is(&bytes) {
        torch::read(path, &bytes, key)?
    } else {
        StateDict { arrays: tensors::all(path, &bytes)?, ..StateDict::default() }
    };
    for (name, array) in &found.arrays {
        let bad = array.host::<f32>()?.iter().position(|v| !v.is_finite());
        if let Some(at) = bad {
            let seen = format!("a number at place {at} that is not finite");
            let fix = "Train again; a network with such weights gives no answer";
            return Err(Error::refused("E-TORCH-005", path, name, seen, "finite weights", fix));
        }
    }
    Ok(found)
}

/// Whether a file is one of tensors, by its name or its first bytes.
pub fn holds(path: &Path) -> bool {
    let named = |e: &std::ffi::OsStr| ENDINGS.iter().any(|own| e.eq_ignore_ascii_case(own));
    path.extension().is_some_and(named) || {
        let mut head = [0; 4];
        File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && torch::is(&head)
    }
}

/// An array, or why there is none, in words.
fn narrowed(array: Result<Array>) -> std::result::Result<Array, String> {
    array.map_err(|e| e.to_string())
}
