//! BIDS file names: entities as a set, never by position.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A BIDS image file: `sub-01_desc-restore_T2w.nii.gz`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub path: PathBuf,
    /// Entity to value, for example `desc` to `restore`.
    pub entities: BTreeMap<String, String>,
    /// Last part, for example `T2w`.
    pub suffix: String,
}

impl Named {
    /// Parses a file name with one of the `endings`; none if it is not of BIDS form.
    pub fn parse(path: &Path, endings: &[&str]) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let stem = endings.iter().find_map(|e| name.strip_suffix(e))?;
        let (pairs, suffix) = stem.rsplit_once('_').unwrap_or(("", stem));
        let mut entities = BTreeMap::new();
        for pair in pairs.split('_').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('-')?;
            entities.insert(key.to_owned(), value.to_owned());
        }
        Some(Self { path: path.to_path_buf(), entities, suffix: suffix.to_owned() })
    }

    pub fn get(&self, entity: &str) -> Option<&str> {
        self.entities.get(entity).map(String::as_str)
    }

    /// True for the truth mask of a planted effect; a mask of something else that the same
    /// study planted (`label-distractor`) is none.
    pub fn is_truth(&self) -> bool {
        self.suffix == "mask"
            && match self.get("label") {
                Some(label) => label == "effect",
                None => self.get("desc").is_some_and(|d| d.starts_with("truth")),
            }
    }

    /// Fewest entities first, then by name: the plainest file of its kind.
    pub fn rank(&self) -> (usize, PathBuf) {
        (self.entities.len(), self.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_found_in_any_order() {
        let one = "sub-01_ses-2_desc-drawem9_space-T2w_dseg.nii.gz";
        let two = "sub-01_ses-2_space-T2w_desc-drawem9_dseg.nii.gz";
        let parse = |n: &str| Named::parse(Path::new(n), &[".nii.gz", ".nii"]).expect("BIDS");
        assert_eq!(parse(one).entities, parse(two).entities);
        assert_eq!(parse(one).suffix, "dseg");
        assert!(Named::parse(Path::new("notes.txt"), &[".nii"]).is_none());
        assert!(parse("sub-01_desc-truthEffect_mask.nii").is_truth());
        assert!(!parse("sub-01_desc-brain_mask.nii").is_truth());
        assert!(parse("sub-01_label-effect_desc-truth_mask.nii").is_truth());
        assert!(!parse("sub-01_label-distractor_desc-truth_mask.nii").is_truth());
    }
}
