//! Architectures that a state dict alone does not describe: recognised by the names of their
//! weights, built from the weights' extents, checked to the last tensor.

pub mod conv5_fc3;
pub mod densenet;
pub mod own;
pub mod parts;
pub mod resnet;
pub mod sfcn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::assembly::Signal;
use super::graph::Graph;
use super::weights::StateDict;
use crate::compute::Array;
use crate::{Error, Result};
use parts::Parts;

/// What weights do not say of an architecture; `[architecture]` in `model.toml`. What is left
/// out is as the architecture's authors have it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Id of the architecture; recognised by the names of the weights when left out.
    #[serde(default)]
    pub name: Option<String>,
    /// Residual networks: stride of the first convolution.
    #[serde(default)]
    pub first_stride: Option<usize>,
    /// Residual networks: whether a max pool follows the first convolution.
    #[serde(default)]
    pub max_pool: Option<bool>,
    /// SFCN: window of the average pool, in the order of the tensor's axes.
    #[serde(default)]
    pub average_pool: Option<[usize; 3]>,
}

/// An architecture.
pub struct Known {
    /// Its id.
    pub id: &'static str,
    /// What it is, and where it comes from.
    pub title: &'static str,
    /// Names that only its weights have together.
    pub marks: &'static [&'static str],
    /// Builds it; returns its last signal.
    pub build: fn(&mut Parts, Signal, &Choice) -> Result<Signal>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id)
    }
}

/// All of them. Of two with the same marks the first is taken unless the other is named.
pub static KNOWN: &[Known] = &[
    resnet::MONAI,
    resnet::MEDICALNET,
    densenet::MONAI,
    sfcn::SFCN,
    conv5_fc3::CONV5_FC3,
    own::COMPACT,
    own::BOEHLE2019,
];

/// Most components of a prefix (`module.model.net.`).
const DEEPEST: usize = 3;

/// A network built from a state dict.
#[derive(Debug)]
pub struct Built {
    /// The network; batch norm is not folded yet.
    pub graph: Graph,
    /// Id of the architecture.
    pub architecture: &'static str,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Builds the network of a state dict for an input `[n, c, …]`; `path` is for messages.
///
/// # Errors
/// [`Error::Model`] `E-MODEL-020` (no architecture has these names), `E-MODEL-021` (a weight is
/// missing, left over or of other extents), `E-MODEL-022` (the input does not fit).
pub fn build(path: &Path, state: StateDict, choice: &Choice, input: [usize; 5]) -> Result<Built> {
    let StateDict { arrays, from, .. } = state;
    let (known, prefix) = recognise(path, &arrays, choice)?;
    let mut notes = Vec::new();
    if let Some(key) = from {
        notes.push(format!("the weights under '{key}' are used"));
    }
    let (mine, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        arrays.into_iter().partition(|(name, _)| name.starts_with(&prefix));
    if let Some(first) = others.keys().next() {
        notes.push(format!(
            "{} tensors outside '{prefix}' are left out, the first is '{first}'",
            others.len()
        ));
    }
    let strip = |(name, array): (String, Array)| (name[prefix.len()..].to_owned(), array);
    let mut parts = Parts::new(path, mine.into_iter().map(strip).collect());
    let start = Signal { from: super::graph::From::Input, dims: input.to_vec() };
    let end = (known.build)(&mut parts, start, choice)?;
    notes.append(&mut parts.notes);
    let graph = parts.finish(&end)?;
    notes.insert(0, format!("taken for {}: {}", known.id, known.title));
    Ok(Built { graph, architecture: known.id, notes })
}

/// The architecture, and what stands before all its names.
fn recognise(
    path: &Path,
    arrays: &BTreeMap<String, Array>,
    choice: &Choice,
) -> Result<(&'static Known, String)> {
    let ids: Vec<&str> = KNOWN.iter().map(|k| k.id).collect();
    let fix =
        format!("Known are {}; export another network as ONNX (torch.onnx.export)", ids.join(", "));
    let refuse = |what: String| {
        Error::model("E-MODEL-020", format!("{}: {what}", path.display()), fix.clone())
    };
    let wanted = match &choice.name {
        None => None,
        Some(name) => Some(
            KNOWN
                .iter()
                .find(|k| k.id == name)
                .ok_or_else(|| refuse(format!("there is no architecture {name:?}")))?,
        ),
    };
    let mut prefixes: BTreeSet<String> = BTreeSet::from([String::new()]);
    for name in arrays.keys() {
        let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).take(DEEPEST).collect();
        prefixes.extend(dots.into_iter().map(|at| name[..=at].to_owned()));
    }
    let mut prefixes: Vec<String> = prefixes.into_iter().collect();
    prefixes.sort_by_key(|p| p.len());
    for prefix in prefixes {
        let fits =
            |k: &&Known| k.marks.iter().all(|m| arrays.contains_key(&format!("{prefix}{m}")));
        let found = match wanted {
            Some(known) => Some(known).filter(|k| fits(k)),
            None => KNOWN.iter().find(fits),
        };
        if let Some(known) = found {
            return Ok((known, prefix));
        }
    }
    let some: Vec<&str> = arrays.keys().take(5).map(String::as_str).collect();
    Err(refuse(match wanted {
        Some(k) => {
            format!("its {} tensors lack those of {}: {}", arrays.len(), k.id, k.marks.join(", "))
        }
        None => format!(
            "its {} tensors ({}, …) are of no architecture this program knows",
            arrays.len(),
            some.join(", ")
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of a Conv5_FC3 for 32³ voxels, one place left after five pools.
    fn conv5() -> BTreeMap<String, Array> {
        let mut all = BTreeMap::new();
        let mut put = |name: String, shape: &[usize]| {
            let numbers = (0..shape.iter().product()).map(|v: usize| (v % 7) as f32 * 0.01 + 0.1);
            let array = Array::from_vec(numbers.collect(), shape).expect("array");
            let _ = all.insert(name, array);
        };
        let widths = [1, 8, 16, 32, 64, 128];
        for n in 0..5 {
            put(format!("convolutions.{}.weight", 4 * n), &[widths[n + 1], widths[n], 3, 3, 3]);
            for part in ["weight", "bias", "running_mean", "running_var"] {
                put(format!("convolutions.{}.{part}", 4 * n + 1), &[widths[n + 1]]);
            }
        }
        for (n, out, inner) in [(2, 10, 128), (4, 5, 10), (6, 2, 5)] {
            put(format!("fc.{n}.weight"), &[out, inner]);
            put(format!("fc.{n}.bias"), &[out]);
        }
        all
    }

    fn built(arrays: BTreeMap<String, Array>, extent: usize) -> Result<Built> {
        let state = StateDict { arrays, ..StateDict::default() };
        build(Path::new("t.pt"), state, &Choice::default(), [1, 1, extent, extent, extent])
    }

    #[test]
    fn weights_are_recognised_behind_any_prefix_and_checked_to_the_last() {
        let found = built(conv5(), 32).expect("network");
        assert_eq!(found.architecture, "conv5_fc3");
        let behind = |(name, array): (String, Array)| (format!("module.net.{name}"), array);
        assert!(built(conv5().into_iter().map(behind).collect(), 32).is_ok());
        let code = |change: &dyn Fn(&mut BTreeMap<String, Array>), extent| {
            let mut arrays = conv5();
            change(&mut arrays);
            built(arrays, extent).expect_err("refused").code()
        };
        let one = || Array::zeros::<f32>(&[1]);
        assert_eq!(code(&|a| drop(a.remove("convolutions.5.bias")), 32), "E-MODEL-021");
        assert_eq!(code(&|a| drop(a.insert("fc.8.bias".into(), one())), 32), "E-MODEL-021");
        assert_eq!(
            code(&|a| drop(a.insert("convolutions.1.bias".into(), one())), 32),
            "E-MODEL-021"
        );
        assert_eq!(code(&|a| drop(a.remove("fc.6.weight")), 32), "E-MODEL-020");
        assert_eq!(code(&|_| (), 64), "E-MODEL-021", "another size of the input");
    }
}
