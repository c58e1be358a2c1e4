//! Data sets as users have them: tables and BIDS folders.

use std::path::Path;

use heatproof::cohort::{Cohort, Target};
use heatproof::image::atlas::Atlas;

use super::support::shared;

fn put(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    std::fs::write(path, text).expect("write");
}

fn name(path: Option<&Path>) -> String {
    path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

#[test]
fn a_bids_folder_with_sessions_and_derivatives_is_read() {
    let folder = tempfile::tempdir().expect("temp folder");
    let root = folder.path();
    put(
        root,
        "dataset_description.json",
        r#"{"Name":"heads","BIDSVersion":"1.11.1","GeneratedBy":[{"Name":"heatproof phantom"}]}"#,
    );
    put(
        root,
        "participants.tsv",
        "participant_id\tgroup\tage\r\nsub-02\tterm\t1\r\n01\tpreterm\tn/a\r\nsub-09\tterm\t3\r\n",
    );
    put(root, "sub-01/sub-01_sessions.tsv", "session_id\tage\nses-a\t40\nses-b\t44\n");
    for session in ["a", "b"] {
        let anat = format!("sub-01/ses-{session}/anat/sub-01_ses-{session}");
        put(root, &format!("{anat}_desc-restore_T2w.nii.gz"), "");
        put(root, &format!("{anat}_T1w.nii.gz"), "");
        put(root, &format!("{anat}_desc-drawem9_space-T2w_dseg.nii.gz"), "");
        put(root, &format!("{anat}_space-MNI_desc-brain_mask.nii.gz"), "");
        put(root, &format!("{anat}_space-T2w_desc-brain_mask.nii.gz"), "");
    }
    put(root, "sub-02/anat/sub-02_T2w.nii", "");
    put(root, "sub-02/anat/sub-02_label-effect_mask.nii.gz", "");
    put(root, "derivatives/seg/sub-02/anat/sub-02_dseg.nii.gz", "");
    put(root, "desc-drawem87_dseg.tsv", "index\tname\n");
    put(root, "desc-drawem9_dseg.tsv", "index\tname\n");
    let cohort = Cohort::read(root).expect("read");
    let ids: Vec<&str> = cohort.participants.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(ids, ["sub-02", "sub-01_ses-a", "sub-01_ses-b"]);
    assert_eq!((cohort.name.as_str(), cohort.synthetic), ("heads", true));
    let [two, a, b] = &cohort.participants[..] else { panic!("three rows") };
    assert_eq!((a.subject.as_str(), b.subject.as_str()), ("sub-01", "sub-01"));
    assert_eq!((a.covariates["age"].as_str(), b.covariates["age"].as_str()), ("40", "44"));
    assert_eq!(name(Some(&a.image)), "sub-01_ses-a_desc-restore_T2w.nii.gz");
    assert_eq!(name(a.mask.as_deref()), "sub-01_ses-a_space-T2w_desc-brain_mask.nii.gz");
    assert_eq!(name(two.labels.as_deref()), "sub-02_dseg.nii.gz");
    assert_eq!(name(two.truth.as_deref()), "sub-02_label-effect_mask.nii.gz");
    assert_eq!(two.mask, None);
    assert_eq!(name(cohort.regions.as_deref()), "desc-drawem9_dseg.tsv");
    assert!(cohort.notes.iter().any(|n| n.starts_with("sub-09")), "{:?}", cohort.notes);
    let labelled = Target::parse("group=preterm").expect("target").label(&cohort).expect("label");
    assert_eq!(labelled.values, [Some(0), Some(1), Some(1)]);
    assert_eq!(labelled.classes, ["term", "preterm"]);
}

#[test]
fn a_folder_without_images_and_a_broken_description_are_refused() {
    let folder = tempfile::tempdir().expect("temp folder");
    assert_eq!(Cohort::read(folder.path()).expect_err("empty").code(), "E-COHORT-001");
    put(folder.path(), "dataset_description.json", "{");
    assert_eq!(Cohort::read(folder.path()).expect_err("broken").code(), "E-COHORT-004");
    assert_eq!(Cohort::read(&folder.path().join("no")).expect_err("none").code(), "E-IO-001");
}

#[test]
fn tables_are_read_with_paths_relative_to_them() {
    let folder = tempfile::tempdir().expect("temp folder");
    let root = folder.path();
    for file in ["img/a.nii.gz", "img/b.nii.gz", "lab.nii.gz", "my_regions.csv"] {
        put(root, file, "");
    }
    put(
        root,
        "t/cohort.csv",
        "\u{feff}id,image,labels,subject,sex\r\na,../img/a.nii.gz,n/a,s1,F\r\nb,../img/b.nii.gz,../lab.nii.gz,s1,M\r\n",
    );
    let cohort = Cohort::read(&root.join("t/cohort.csv")).expect("read");
    let [a, b] = &cohort.participants[..] else { panic!("two rows") };
    assert_eq!((a.labels.clone(), a.subject.as_str()), (None, "s1"));
    assert!(b.labels.is_some());
    assert_eq!(cohort.columns(), ["sex"]);
    assert_eq!((cohort.name.as_str(), cohort.synthetic, cohort.regions), ("cohort", false, None));
}

#[test]
fn mistakes_in_tables_are_refused_with_their_line() {
    let folder = tempfile::tempdir().expect("temp folder");
    let root = folder.path();
    put(root, "a.nii", "");
    for (text, code, word) in [
        ("id,image\na,a.nii\na,a.nii\n", "E-COHORT-002", "line 3"),
        ("id,image\nn/a,a.nii\n", "E-COHORT-002", "missing"),
        ("id,image\na,b.nii\n", "E-COHORT-003", "b.nii"),
        ("id,image\na,n/a\n", "E-COHORT-003", "line 2"),
        ("id,image\na,/no/such/b.nii\n", "E-COHORT-003", "absolute"),
        ("id,image\na,../../no/b.nii\n", "E-COHORT-003", "leaves the folder"),
        ("id,image\n", "E-COHORT-001", "no rows"),
        ("id,picture\na,a.nii\n", "E-TABLE-004", "image"),
        ("id,image\n\na,a.nii,3\n", "E-TABLE-003", "line 3"),
    ] {
        put(root, "t.csv", text);
        let error = Cohort::read(&root.join("t.csv")).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
}

#[test]
fn real_tables_and_region_names_are_read() {
    let Some(data) = shared("data") else { return };
    let cohort = Cohort::read(&data.join("ixi_adult")).expect("adults");
    assert_eq!(cohort.participants.len(), 120);
    assert!(cohort.participants.iter().all(|p| p.labels.is_some()));
    let old = Target::parse("age_years>=45").expect("target").label(&cohort).expect("label");
    assert_eq!(old.counts[0] + old.counts[1] + old.missing, 120);
    let muse = Atlas::read(&cohort.regions.expect("regions")).expect("atlas");
    assert!(muse.regions().filter(|r| r.pair.is_some()).count() > 60);
    let neonate = Atlas::read(&data.join("neonate/paired_1mm/regions.csv")).expect("atlas");
    assert_eq!(neonate.get(1).and_then(|r| r.pair), Some(2));
    let dk = Atlas::read(&data.join("mni_adult/atlas-desikankilliany.csv")).expect("atlas");
    assert!(dk.regions().filter(|r| r.pair.is_some()).count() >= 80);
}
