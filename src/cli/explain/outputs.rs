//! Which files an explanation writes, and that none of them is one that it reads.

use std::path::{Path, PathBuf};

use super::{Args, ends_with};
use crate::cli::apart::{outside_model, place};
use crate::explain::way::Way;
use crate::{Error, Result};

/// The files of maps: one for all tensors, or one per rule or method of an image.
pub(super) fn maps(args: &Args, ways: &[(String, Way)]) -> Vec<PathBuf> {
    match ways.len() {
        2.. if !ends_with(&args.input, "safetensors") => {
            ways.iter().map(|(name, _)| beside(&args.out, name)).collect()
        }
        _ => vec![args.out.clone()],
    }
}

/// Refuses to write over a file that is read, two results into one file, or into a folder that is
/// read.
///
/// # Errors
/// [`Error::Usage`] `E-CLI-010` naming both arguments, `E-CLI-013` for the folder of the model.
pub(super) fn apart(args: &Args, maps: &[PathBuf]) -> Result<()> {
    let files = [("INPUT", Some(&args.input)), ("MODEL", Some(&args.model))];
    let options = [("--mask", args.mask.as_ref()), ("--labels", args.labels.as_ref())];
    let given = files.into_iter().chain(options);
    let given = given.filter_map(|(name, path)| Some((name, path?.as_path())));
    let rules = args.rule.split(',').map(|word| Path::new(word.trim()));
    let rules = rules.filter(|path| ends_with(path, "toml")).map(|path| ("--rule", path));
    let mut taken: Vec<(&str, PathBuf)> =
        given.chain(rules).map(|(name, path)| (name, place(path))).collect();
    let written = maps.iter().map(|map| ("OUT", map));
    for (name, path) in written.chain(args.ledger.iter().map(|ledger| ("--ledger", ledger))) {
        outside_model(&args.model, name, path)?;
        let own = place(path);
        if let Some((other, _)) = taken.iter().find(|(_, there)| *there == own) {
            return Err(Error::usage(
                "E-CLI-010",
                format!("{name} would write {}, the file of {other}", path.display()),
                format!("Give {name} a file of its own"),
            ));
        }
        taken.push((name, own));
    }
    Ok(())
}

/// `map.nii.gz` and `epsilon` give `map.epsilon.nii.gz`.
fn beside(out: &Path, name: &str) -> PathBuf {
    let file = out.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let cut = file.find(".nii").unwrap_or(file.len());
    let name: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    out.with_file_name(format!("{}.{name}{}", &file[..cut], &file[cut..]))
}
