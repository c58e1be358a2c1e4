//! Writes a synthetic cohort as a BIDS data set with its truth as a derivative.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use super::latents::{Latents, group, subject_id};
use super::settings::Settings;
use super::subject::{Subject, subject};
use super::words;
use crate::files::write_whole;
use crate::image::{Mask, nifti};
use crate::progress::{Progress, check_stop};
use crate::{Error, Result};

/// Writes the cohort into the folder `out`. Same settings, same bytes, for any number of
/// threads; subjects are made and written one per thread, so that memory does not grow
/// with their number.
///
/// # Errors
/// [`Error::Usage`] for settings that make no cohort, [`Error::Io`] when the system
/// refuses a file, [`Error::Interrupted`] after a request to stop.
pub fn write_bids(settings: &Settings, out: &Path, progress: &dyn Progress) -> Result<()> {
    settings.check()?;
    let truth = out.join("derivatives").join("phantom");
    json(&out.join("dataset_description.json"), &words::raw_description(settings))?;
    json(&truth.join("dataset_description.json"), &words::truth_description(settings))?;
    text(&out.join("README.md"), &words::readme(settings))?;
    text(&truth.join("README.md"), &words::readme(settings))?;
    text(&truth.join("dseg.tsv"), &words::region_table(&settings.regions()))?;
    json(&truth.join("dseg.json"), &words::region_columns())?;
    progress.begin("phantom", settings.subjects as u64);
    (0..settings.subjects).into_par_iter().try_for_each(|index| {
        check_stop()?;
        let made = subject(settings, index)?;
        write_scan(out, &made)?;
        write_truth(&truth, &made)?;
        progress.advance(1, &made.id);
        Ok::<(), Error>(())
    })?;
    progress.end();
    let rows: Vec<_> = (0..settings.subjects)
        .map(|i| (subject_id(i), group(settings, i), Latents::draw(settings, i)))
        .collect();
    json(&out.join("participants.json"), &words::columns())?;
    // Last, so that a folder without it is known to be unfinished.
    text(&out.join("participants.tsv"), &words::participants(&rows))
}

fn text(path: &Path, words: &str) -> Result<()> {
    write_whole(path, words.as_bytes())
}

fn json(path: &Path, value: &Value) -> Result<()> {
    let words = serde_json::to_string_pretty(value)
        .map_err(|e| Error::internal(format!("a side-car cannot be written: {e}")))?;
    text(path, &format!("{words}\n"))
}

/// Path of a file of a subject, without extension.
fn stem(root: &Path, id: &str, rest: &str) -> PathBuf {
    root.join(id).join("anat").join(format!("{id}_{rest}"))
}

/// A stem with its extension (stems may hold dots in their folders).
fn with(stem: &Path, extension: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}

fn write_scan(root: &Path, subject: &Subject) -> Result<()> {
    let stem = stem(root, &subject.id, "T2w");
    json(&with(&stem, ".json"), &words::scan())?;
    nifti::write_volume(&with(&stem, ".nii.gz"), &subject.image, None, "heatproof phantom")
}

fn write_truth(root: &Path, subject: &Subject) -> Result<()> {
    let id = &subject.id;
    let regions = stem(root, id, "space-T2w_dseg");
    json(&with(&regions, ".json"), &words::beside(id, "Regions; names in dseg.tsv."))?;
    let path = with(&regions, ".nii.gz");
    nifti::write_labels(&path, &subject.labels, None, "heatproof phantom regions")?;
    let mut brain = words::beside(id, "Brain with its fluid.");
    brain["Type"] = "Brain".into();
    write_mask(root, id, "space-T2w_desc-brain_mask", &subject.brain, &brain)?;
    let truth = words::truth(subject);
    write_mask(root, id, "space-T2w_label-effect_desc-truth_mask", &subject.truth, &truth)?;
    if let Some(distractor) = &subject.distractor {
        let mut value = words::beside(id, "Where relevance would be no anatomy of the label.");
        value["Type"] = "ROI".into();
        write_mask(root, id, "space-T2w_label-distractor_desc-truth_mask", distractor, &value)?;
    }
    if let Some(twin) = &subject.counterfactual {
        let stem = stem(root, id, "space-T2w_desc-counterfactual_T2w");
        let mut value = words::beside(id, "The same head with the other label.");
        value["SkullStripped"] = true.into();
        json(&with(&stem, ".json"), &value)?;
        nifti::write_volume(&with(&stem, ".nii.gz"), twin, None, "heatproof phantom twin")?;
    }
    Ok(())
}

fn write_mask(root: &Path, id: &str, rest: &str, mask: &Mask, side_car: &Value) -> Result<()> {
    let stem = stem(root, id, rest);
    json(&with(&stem, ".json"), side_car)?;
    nifti::write_mask(&with(&stem, ".nii.gz"), mask, None, "heatproof phantom mask")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::phantom::Arm;
    use crate::progress::Silent;

    fn digests(root: &Path) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut todo = vec![root.to_path_buf()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(&folder).expect("list") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    let name = path.strip_prefix(root).expect("inside").to_path_buf();
                    found.insert(name, crate::files::sha256_file(&path).expect("readable"));
                }
            }
        }
        found
    }

    #[test]
    fn one_and_three_threads_write_the_same_bytes() {
        let settings = Settings { subjects: 4, arm: Arm::Decoy, ..Settings::default() };
        let runs = [1, 3].map(|threads| {
            let folder = tempfile::tempdir().expect("folder");
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("pool")
                .install(|| write_bids(&settings, folder.path(), &Silent))
                .expect("written");
            digests(folder.path())
        });
        assert_eq!(runs[0], runs[1]);
        // 8 texts of the set, 2 + 10 files a subject.
        assert_eq!(runs[0].len(), 8 + 4 * 12, "{:?}", runs[0].keys());
    }
}
