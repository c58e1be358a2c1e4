//! Maps that another program made: a NIfTI file per subject, on the grid of the subject's image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::image::{Grid, Volume, align, nifti};
use crate::{Error, Result};

/// Files and folders looked at.
const MOST: usize = 200_000;
/// Folders within folders.
const DEPTH: usize = 6;

/// Where the map of each subject lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Brought {
    /// Name of the folder, for people.
    pub name: String,
    /// File of each subject that has one.
    files: BTreeMap<String, PathBuf>,
}

impl Brought {
    /// Finds the maps of subjects below a folder: files `ID.nii`, `ID.nii.gz`, or with `_` or
    /// `.` and any words between, as `ID_relevance.nii.gz`. Links are not followed.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Refused`] `E-MAPS-001` when no subject has a map, `E-MAPS-002`
    /// when one has several.
    pub fn find(folder: &Path, ids: &[&str]) -> Result<Self> {
        let mut found = Vec::new();
        list(folder, DEPTH, &mut found)?;
        found.sort();
        let mut files = BTreeMap::new();
        for id in ids {
            let mut own = found.iter().filter(|(stem, _)| belongs(stem, id, ids));
            let Some((_, path)) = own.next() else { continue };
            if let Some((_, other)) = own.next() {
                return Err(Error::refused(
                    "E-MAPS-002",
                    folder,
                    format!("map of {id}"),
                    format!("{} and {}", path.display(), other.display()),
                    "one file per subject",
                    "Keep the maps of one method in one folder",
                ));
            }
            files.insert((*id).to_owned(), path.clone());
        }
        if files.is_empty() {
            return Err(Error::refused(
                "E-MAPS-001",
                folder,
                "maps",
                format!("{} NIfTI files, none named after a subject", found.len()),
                "files named ID.nii.gz or ID_anything.nii.gz, as sub-01_relevance.nii.gz",
                "Name the files after the ids of the table",
            ));
        }
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, files })
    }

    /// Whether a subject has a map.
    pub fn has(&self, id: &str) -> bool {
        self.files.contains_key(id)
    }

    /// The file of a subject's map.
    pub fn file(&self, id: &str) -> Option<&Path> {
        self.files.get(id).map(PathBuf::as_path)
    }

    /// The map of a subject in the order of the voxels of its image.
    ///
    /// # Errors
    /// Those of [`nifti::read_map`]; `E-IMAGE-024` for a map on another grid than the image.
    pub fn read(&self, id: &str, image: &Grid) -> Result<Volume> {
        let path =
            self.file(id).ok_or_else(|| Error::internal(format!("no map was found for {id}")))?;
        let map = nifti::read_map(path)?.image;
        align::aligned_volume(&map, image, path)
    }
}

/// Whether a file name without its ending is of a subject, and of no other whose id is longer.
fn belongs(stem: &str, id: &str, ids: &[&str]) -> bool {
    let of = |id: &str| {
        stem.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']))
    };
    of(id) && !ids.iter().any(|other| other.len() > id.len() && of(other))
}

/// NIfTI files below a folder, with their names without the ending.
fn list(folder: &Path, depth: usize, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let unreadable = |e| Error::io("reading", folder, e);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && depth > 0 {
            list(&entry.path(), depth - 1, found)?;
        } else if kind.is_file() && found.len() < MOST {
            let stem = name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii"));
            found.extend(stem.map(|stem| (stem.to_owned(), entry.path())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(value: impl Fn(usize) -> f32) -> Volume {
        let grid = Grid::centred([3, 4, 5], [1.0, 2.0, 3.0]).expect("grid");
        Volume::new(grid, (0..60).map(value).collect()).expect("volume")
    }

    fn write(path: &Path, map: &Volume) {
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        nifti::write_volume(path, map, None, "a test").expect("written");
    }

    #[test]
    fn each_subject_gets_its_own_file_and_doubts_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        let code = |ids: &[&str]| Brought::find(folder.path(), ids).expect_err("refused").code();
        assert_eq!(code(&["sub-1"]), "E-MAPS-001");
        write(&at("sub-1_relevance.nii.gz"), &volume(|v| v as f32));
        write(&at("deep/sub-10_ses-1.nii"), &volume(|v| if v == 3 { f32::NAN } else { 1.0 }));
        write(&at("other.nii.gz"), &volume(|_| 0.0));
        let ids = ["sub-1", "sub-10", "sub-10_ses-1", "sub-2"];
        let found = Brought::find(folder.path(), &ids).expect("found");
        assert!(found.has("sub-1") && !found.has("sub-10") && !found.has("sub-2"));
        let map = found.read("sub-1", volume(|_| 0.0).grid()).expect("map");
        assert_eq!(map.data()[7], 7.0);
        let bad = found.read("sub-10_ses-1", map.grid()).expect_err("not finite");
        assert_eq!(bad.code(), "E-IMAGE-025");
        let shifted = Grid::centred([3, 4, 5], [1.0, 2.0, 3.1]).expect("grid");
        assert_eq!(found.read("sub-1", &shifted).expect_err("grid").code(), "E-IMAGE-024");
        write(&at("sub-1.nii"), &volume(|v| v as f32));
        assert_eq!(code(&ids), "E-MAPS-002");
    }
}
