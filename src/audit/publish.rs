//! The maps of an audit as files, each on the grid of its own image.

use std::path::Path;

use super::bench::Bench;
use super::gather::{Gathered, Maker};
use super::record::Record;
use crate::Result;
use crate::files::sha256_hex;
use crate::image::nifti;
use crate::model::input::back;
use crate::progress::{Progress, check_stop};

/// Folder of the maps within the folder of an audit.
pub const MAPS: &str = "explanations";

/// Writes `explanations/ID_relevance.nii.gz` for every subject whose map was made here, on the
/// grid and the affine of its image, 0 where the network did not look, and names the files in the record. Unit:
/// that of the score, per voxel of the network's grid.
///
/// # Errors
/// [`crate::Error::Io`]; those of [`nifti::write_volume`]; [`crate::Error::Interrupted`].
pub fn write_maps(
    of: &Gathered,
    bench: &Bench<'_>,
    record: &mut Record,
    out: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let Maker::Rule(composite) = &of.maker else { return Ok(()) };
    progress.begin("writing maps", bench.cases.len() as u64);
    let all = of.cases.iter().zip(&of.origins).zip(&bench.maps);
    for (((case, origin), map), subject) in all.zip(&mut record.subjects) {
        check_stop()?;
        let map = back(map, &case.grid, &origin.grid)?;
        let name = format!("{MAPS}/{}", map_file(&case.id));
        let said = format!("heatproof relevance {}", composite.id);
        nifti::write_volume(&out.join(&name), &map, Some(&origin.header), &said)?;
        subject.map = Some(name);
        progress.advance(1, &case.id);
    }
    progress.end();
    Ok(())
}

/// An id as a file name; ids that are none get a hash, so that no two share a file.
/// File name of a subject's map.
pub(super) fn map_file(id: &str) -> String {
    format!("{}_relevance.nii.gz", file_stem(id))
}

fn file_stem(id: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let plain: String = id.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches('.');
    if plain == id && id.len() < 100 && !id.is_empty() {
        return plain.to_owned();
    }
    let short: String = plain.chars().take(60).collect();
    format!("{short}-{}", &sha256_hex(id.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::file_stem;

    #[test]
    fn ids_stay_in_their_folder_and_apart() {
        assert_eq!(file_stem("sub-001"), "sub-001");
        assert!(!file_stem("../../etc/passwd").contains('/'));
        assert!(!file_stem("..").starts_with('.'));
        assert_ne!(file_stem("a/b"), file_stem("a\\b"));
        assert!(file_stem(&"x".repeat(500)).len() < 100);
    }
}
