//! The second half of the way: audit, report, judge, baseline, on the program itself.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use heatproof::image::{Volume, nifti};
use serde_json::Value;

use super::spine::{files, good, json, made, run, table};

/// Settings of every audit here.
const SHORT: &str = "--subjects 4 --draws 19";

/// The audit of the shared model with one thread, and its exit code; made once.
fn audited() -> (&'static Path, i32) {
    static MADE: OnceLock<(PathBuf, i32)> = OnceLock::new();
    let (path, code) = MADE.get_or_init(|| {
        let (code, _, errors) = run(made(), &format!("--threads 1 audit model data audit {SHORT}"));
        assert!([0, 1, 7].contains(&code), "{code} {errors}");
        (made().join("audit"), code)
    });
    (path, *code)
}

/// A copy of the audit under another name.
fn copy(name: &str) -> PathBuf {
    let to = made().join(name);
    for (file, bytes) in files(audited().0) {
        let path = to.join(file);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, bytes).expect("copy");
    }
    to
}

fn code_of(record: &Value) -> i32 {
    match record["verdict"].as_str().expect("verdict") {
        "described" | "pass" | "waived" | "warn" => 0,
        "fail" => 1,
        "inconclusive" => 7,
        other => panic!("verdict {other}"),
    }
}

/// A policy of one limit.
fn policy(name: &str, check: &str, quantity: &str, level: &str) -> String {
    let text = format!(
        "name = \"{name}\"\n[[limits]]\ncheck = \"{check}\"\nquantity = \"{quantity}\"\n\
         better = \"lower\"\n{level}\nreason = \"a test\"\n"
    );
    std::fs::write(made().join(format!("{name}.toml")), text).expect("policy");
    format!("{name}.toml")
}

#[test]
fn an_audit_writes_its_folder_and_its_exit_code_is_its_verdict() {
    let (folder, code) = audited();
    let record = json(&folder.join("report.json"));
    assert_eq!(code, code_of(&record));
    let names: Vec<String> = files(folder).keys().map(|p| p.display().to_string()).collect();
    for name in ["report.json", "report.html", "SHA256SUMS", "figures/verdict_table.png"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
    let held = json(&made().join("model/splits.json"))["folds"][0]["held_out"].clone();
    let held = held.as_array().expect("ids");
    let subjects = record["subjects"].as_array().expect("subjects");
    assert_eq!(subjects.len(), 4);
    for subject in subjects {
        let id = subject["id"].as_str().expect("id");
        assert!(held.contains(&subject["id"]) && subject["held_out"] == true, "{id}");
        let map = folder.join(subject["map"].as_str().expect("map"));
        let map = nifti::read_values(&map).expect("map").image;
        let scan = made().join(format!("data/{id}/anat/{id}_T2w.nii.gz"));
        let scan = nifti::read_volume(&scan).expect("scan").image;
        assert!(map.grid().matches(scan.grid(), 1e-4), "{id}");
        assert!(map.data().iter().any(|v| *v != 0.0), "{id}");
    }
    let classes: Vec<&Value> = subjects.iter().map(|s| &s["truth"]).collect();
    assert_eq!(classes.iter().filter(|c| **c == "preterm").count(), 2, "{classes:?}");
    // no check is forgotten, and every subject has a map in the folder
    let checks = good(made(), "list checks");
    let ids: Vec<&str> = checks.lines().filter_map(|l| l.split(' ').next()).collect();
    let findings = record["findings"].as_array().expect("findings");
    for id in ids {
        assert!(findings.iter().any(|f| f["check"] == id), "{id}");
    }
    assert_eq!(names.iter().filter(|n| n.ends_with("_relevance.nii.gz")).count(), 4);
}

/// Weights of the shared model alone, with what they do not say beside them.
fn brought(name: &str, classes: [&str; 2]) {
    let fold = made().join("model/fold-0");
    let description = std::fs::read(fold.join("model.json")).expect("description");
    let spec = heatproof::model::bundle::parse(Path::new("t"), &description).expect("spec");
    let weights = fold.join("weights.safetensors");
    let _ = std::fs::copy(weights, made().join(format!("{name}.safetensors"))).expect("copy");
    let input = toml::Value::try_from(spec.input).expect("input").to_string();
    let text = format!("classes = {classes:?}\naxes = \"kji\"\ninput = {input}\n");
    std::fs::write(made().join(format!("{name}.toml")), text).expect("companion");
}

#[test]
fn a_network_of_no_training_is_audited_and_nothing_is_called_held_out() {
    brought("net", ["term", "preterm"]);
    let short = format!("--condition group=preterm {SHORT}");
    let (code, _, errors) = run(made(), &format!("audit net.safetensors data audit-net {short}"));
    assert!([0, 1, 7].contains(&code), "{code} {errors}");
    let record = json(&made().join("audit-net/report.json"));
    assert_eq!(code, code_of(&record));
    let subjects = record["subjects"].as_array().expect("subjects");
    assert!(subjects.len() == 4 && subjects.iter().all(|s| s["held_out"] == false));
    let notes = record["data"]["notes"].to_string();
    assert!(notes.contains("no subject is known to be held out"), "{notes}");
    assert!(notes.contains("'preterm' is where group=preterm holds"), "{notes}");
    let page = std::fs::read_to_string(made().join("audit-net/report.html")).expect("page");
    for words in ["not known to be held out", "Performance on the audited data"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("Held-out performance"));
    let auc = |record: &Value| record["performance"]["metrics"]["rows"][0][1].clone();
    let first = auc(&record)["number"].as_f64().expect("AUC");
    // classes the other way round: the same subjects are told apart the other way
    brought("turned", ["preterm", "term"]);
    let (code, _, errors) =
        run(made(), &format!("audit turned.safetensors data audit-turned {short}"));
    assert!([0, 1, 7].contains(&code), "{code} {errors}");
    let record = json(&made().join("audit-turned/report.json"));
    let notes = record["data"]["notes"].to_string();
    assert!(notes.contains("'preterm' is where group=preterm holds"), "{notes}");
    let second = auc(&record)["number"].as_f64().expect("AUC");
    assert!((first + second - 1.0).abs() < 1e-12, "{first} {second}");
    let (code, _, errors) = run(made(), "audit net.safetensors data never");
    assert!(code == 2 && errors.starts_with("error[E-AUDIT-003]"), "{errors}");
    let (code, _, errors) = run(made(), "audit model data never --condition group=preterm");
    assert!(code == 2 && errors.starts_with("error[E-AUDIT-009]"), "{errors}");
}

#[test]
fn subjects_seen_in_training_are_not_audited() {
    let splits = json(&made().join("model/splits.json"));
    let fitted = splits["folds"][0]["fitting"].clone();
    table("fitted.tsv", |id| fitted.as_array().is_some_and(|f| f.iter().any(|s| s == id)), &[]);
    let (code, _, errors) = run(made(), "audit model fitted.tsv never");
    assert_eq!(code, 2);
    assert!(errors.starts_with("error[E-AUDIT-002]"), "{errors}");
    assert!(!made().join("never").exists());
}

#[test]
fn an_audit_is_the_same_for_any_number_of_threads() {
    let (one, code) = audited();
    let again = run(made(), &format!("--threads 2 audit model data audit-2 {SHORT}")).0;
    assert_eq!(code, again);
    let two = made().join("audit-2");
    let (mut a, mut b) = (json(&one.join("report.json")), json(&two.join("report.json")));
    assert_eq!((&a["volatile"]["threads"], &b["volatile"]["threads"]), (&1.into(), &2.into()));
    for record in [&mut a, &mut b] {
        record["volatile"] = Value::Null;
    }
    assert!(a == b, "report.json differs beyond its volatile block");
    let (a, b) = (files(one), files(&two));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let fixed = |name: &Path| name.starts_with("figures") || name.starts_with("explanations");
    for (name, bytes) in a.iter().filter(|f| fixed(f.0)) {
        assert!(*bytes == b[name], "{} differs", name.display());
    }
}

#[test]
fn a_page_is_drawn_again_to_the_same_bytes() {
    let folder = copy("redrawn");
    let before = files(&folder);
    std::fs::remove_file(folder.join("report.html")).expect("removed");
    std::fs::write(folder.join("figures/roc.png"), b"torn").expect("written");
    let _ = good(made(), "report redrawn");
    for (name, bytes) in files(&folder) {
        assert!(bytes == before[&name], "{} differs", name.display());
    }
}

#[test]
fn another_policy_changes_the_verdict_and_nothing_that_was_measured() {
    let folder = copy("judged");
    let record = || json(&folder.join("report.json"));
    let before = record();
    let residual = ["ledger_closure", "residual"];
    let lenient = policy("lenient", residual[0], residual[1], "fail = 1.0");
    let strict = policy("strict", residual[0], residual[1], "fail = -1.0");
    let open = policy("open", "model_performance", "auc_low", "inconclusive = -1.0");
    for (file, code, verdict) in
        [(lenient, 0, "pass"), (strict, 1, "fail"), (open, 7, "inconclusive")]
    {
        let (got, text, errors) = run(made(), &format!("judge judged --policy {file}"));
        assert_eq!(got, code, "{file} {text} {errors}");
        let now = record();
        assert_eq!(now["verdict"], verdict, "{file}");
        assert!(now["findings"] == before["findings"] && now["subjects"] == before["subjects"]);
        assert!(now["judgements"] != before["judgements"], "{file}");
        let page = std::fs::read_to_string(folder.join("report.html")).expect("page");
        assert!(page.contains(file.trim_end_matches(".toml")), "{file}");
    }
    assert_eq!(code_of(&before), audited().1);
}

/// Adds a number to the first measured value of a check in a record.
fn shift(folder: &Path, check: &str, by: f64) {
    let path = folder.join("report.json");
    let mut record = json(&path);
    let findings = record["findings"].as_array_mut().expect("findings");
    let found = findings.iter_mut().find(|f| f["check"] == check).expect("finding");
    let value = &mut found["outcome"]["measured"]["value"];
    *value = (value.as_f64().expect("number") + by).into();
    std::fs::write(&path, record.to_string()).expect("written");
}

#[test]
fn a_baseline_tells_same_moved_flipped_and_missing_apart() {
    let _ = audited();
    let _ = good(made(), "baseline record audit kept.json");
    let check = |folder: &str| run(made(), &format!("baseline check {folder} kept.json"));
    assert_eq!(check("audit").0, 0);
    let noise = copy("noise");
    shift(&noise, "ledger_leakage", 1e-8);
    assert_eq!(check("noise").0, 0);
    let moved = copy("moved");
    shift(&moved, "ledger_leakage", 0.25);
    let (code, text, _) = check("moved");
    assert_eq!(code, 8);
    assert!(text.contains("ledger_leakage/leak_share"), "{text}");
    // a map that moved is seen although no number did
    let mapped = copy("mapped");
    let name = json(&mapped.join("report.json"))["subjects"][0]["map"].clone();
    let path = mapped.join(name.as_str().expect("map"));
    let map = nifti::read_values(&path).expect("map").image;
    let louder = map.data().iter().map(|v| v * 1.5).collect();
    let louder = Volume::new(map.grid().clone(), louder).expect("map");
    nifti::write_volume(&path, &louder, None, "").expect("written");
    assert_eq!(check("mapped").0, 8);
    let _ = copy("flipped");
    let stern = policy("stern", "ledger_closure", "residual", "fail = -1.0");
    assert_eq!(run(made(), &format!("judge flipped --policy {stern}")).0, 1);
    let (code, text, _) = check("flipped");
    assert_eq!(code, 9, "{text}");
    assert!(text.contains("ledger_closure/residual"), "{text}");
    let (code, text, _) = run(made(), "baseline check flipped kept.json --json");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, found["worst"].as_str()), (9, Some("verdict_flipped")));
    assert_eq!(run(made(), "baseline check audit missing.json").0, 6);
}

#[test]
fn labels_are_dealt_anew_when_asked_for_and_only_for_networks_trained_here() {
    let finding = |folder: &Path| -> Value {
        let record = json(&folder.join("report.json"));
        let all = record["findings"].as_array().expect("findings").iter();
        let mut own = all.filter(|f| f["check"] == "label_randomisation");
        own.find(|f| f["quantity"] == "similarity").expect("finding")["outcome"].clone()
    };
    assert!(finding(audited().0)["not_applicable"]["why"].as_str().expect("why").contains("asked"));
    let asked = "--label-draws 1 --subjects 4 --draws 1 --arms none";
    let once = |out: &str, threads: usize| {
        let line = format!("--threads {threads} audit model data {out} {asked}");
        let (code, _, errors) = run(made(), &line);
        assert!([0, 1, 7].contains(&code), "{code} {errors}");
        finding(&made().join(out))
    };
    let first = once("labels-1", 1);
    let value = first["measured"]["value"].as_f64().expect("value");
    assert!((0.0..1.0).contains(&value), "{value}");
    assert_eq!(first, once("labels-2", 2));
    // Other data than that of the training, and a network that came without settings.
    let held = json(&made().join("model/splits.json"))["folds"][0]["held_out"].clone();
    table("held.tsv", |id| held.as_array().expect("ids").contains(&id.into()), &[]);
    let (code, _, errors) = run(made(), &format!("audit model held.tsv never {asked}"));
    assert!(code == 2 && errors.contains("E-TRAIN-006"), "{code} {errors}");
    brought("unlabelled", ["term", "preterm"]);
    let line = format!("audit unlabelled.safetensors data never --condition group=preterm {asked}");
    let (code, _, errors) = run(made(), &line);
    assert!(code == 2 && errors.contains("E-AUDIT-021"), "{code} {errors}");
}

#[test]
fn an_audit_of_two_subjects_has_no_pictures_of_groups_and_ends() {
    let line = "audit model data two --subjects 2 --draws 1 --arms gradient";
    let (code, _, errors) = run(made(), line);
    assert!([0, 1, 7].contains(&code), "{code} {errors}");
    let record = json(&made().join("two/report.json"));
    assert_eq!(
        (code, record["group_pictures"].as_array().map(Vec::len)),
        (code_of(&record), Some(0))
    );
}
