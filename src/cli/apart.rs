//! That what a command writes lies apart from what it reads.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Refuses to write `out`, the argument `name`, into the folder of a training that is read: it would
/// mix with the training, or replace files of it. A model that is one file has no such folder.
///
/// # Errors
/// [`Error::Usage`] `E-CLI-013` naming both.
pub fn outside_model(model: &Path, name: &str, out: &Path) -> Result<()> {
    if !model.is_dir() || !place(out).starts_with(place(model)) {
        return Ok(());
    }
    let (at, model) = (out.display(), model.display());
    Err(Error::usage(
        "E-CLI-013",
        format!("{name} would write {at}, in {model}, the folder of MODEL"),
        format!("Give {name} a place outside {model}"),
    ))
}

/// The one name of a file, through links; of one that is not there yet, within its folder.
pub fn place(path: &Path) -> PathBuf {
    let own = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    own.canonicalize().unwrap_or_else(|_| match (own.parent(), own.file_name()) {
        (Some(folder), Some(name)) => place(folder).join(name),
        // A folder that writing would make, and leave again by `..`.
        (Some(folder), None) => place(folder).parent().map_or(own, Path::to_path_buf),
        _ => own,
    })
}
