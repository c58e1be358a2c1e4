//! Maps that other programs made: audited alone, and with the network that they explain.

use std::fs;
use std::path::Path;

use heatproof::image::{Grid, Volume, nifti};
use serde_json::Value;

use super::spine::{files, good, json, made, run};

/// The maps of one audit as if another program had made them, in a folder of its own.
fn brought(name: &str) -> std::path::PathBuf {
    let audit = format!("{name}-made-here");
    run(made(), &format!("audit model data {audit} --subjects 6 --draws 1 --arms none"));
    let (from, to) = (made().join(&audit).join("explanations"), made().join(name));
    fs::create_dir_all(&to).expect("folder");
    for (file, bytes) in files(&from) {
        fs::write(to.join(file), bytes).expect("copy");
    }
    to
}

fn outcome<'a>(record: &'a Value, check: &str, quantity: &str, subject: &str) -> &'a Value {
    let findings = record["findings"].as_array().expect("findings");
    let own =
        |f: &&Value| f["check"] == check && f["quantity"] == quantity && f["subject"] == subject;
    &findings.iter().find(own).unwrap_or_else(|| panic!("{check}/{quantity} of {subject}"))["outcome"]
}

fn judged<'a>(record: &'a Value, check: &str) -> Vec<&'a str> {
    let all = record["judgements"].as_array().expect("judgements").iter();
    all.filter(|j| j["check"] == check).map(|j| j["verdict"].as_str().expect("word")).collect()
}

#[test]
fn maps_alone_are_measured_and_can_never_pass_untested() {
    let maps = brought("maps-alone");
    let maps = maps.display();
    let (code, _, errors) = run(made(), &format!("audit --maps {maps} data alone"));
    assert!([1, 7].contains(&code), "{errors}");
    let record = json(&made().join("alone/report.json"));
    assert!(record.get("model").is_none() && record["subjects"][0].get("score").is_none());
    assert_eq!(record["subjects"].as_array().expect("subjects").len(), 6);
    assert_eq!(code, if record["verdict"] == "fail" { 1 } else { 7 });
    let gate = record["judgements"].as_array().expect("judgements");
    assert!(gate.iter().any(|j| j["quantity"] == "gate" && j["verdict"] == "inconclusive"));
    let id = record["subjects"][0]["id"].as_str().expect("id");
    let share = &outcome(&record, "region_mass", "background_share", id)["measured"]["value"];
    assert!(share.as_f64().is_some_and(|s| (0.0..0.5).contains(&s)), "{share}");
    let why = &outcome(&record, "weights_cascade", "similarity_full", "cohort")["not_applicable"];
    assert!(why["why"].as_str().expect("why").contains("without the network"), "{why}");
    assert_eq!(judged(&record, "ledger_closure"), ["described"]);
    let page = fs::read_to_string(made().join("alone/report.html")).expect("page");
    assert!(page.contains("came without the network"));
    assert!(!made().join("alone/explanations").exists());
    // A policy without the gate on performance may judge what can be measured.
    let policy = "name = \"maps\"\n[[limits]]\ncheck = \"region_mass\"\n\
        quantity = \"background_share\"\nbetter = \"lower\"\nfail = 1.0\nreason = \"a test\"\n";
    fs::write(made().join("maps.toml"), policy).expect("policy");
    good(made(), "judge alone --policy maps.toml");
    // Written again and recorded like any other audit.
    good(made(), "report alone");
    good(made(), "baseline record alone alone.json");
    assert_eq!(run(made(), "baseline check alone alone.json").0, 0);
}

#[test]
fn maps_with_their_network_are_asked_what_needs_its_answers_only() {
    let maps = brought("maps-with");
    let maps = maps.display();
    let command =
        format!("audit --maps {maps} --model model data with --subjects 4 --arms gradient");
    let (code, _, errors) = run(made(), &command);
    assert!([0, 1, 7].contains(&code), "{errors}");
    let record = json(&made().join("with/report.json"));
    assert!(record["model"]["parameters"].as_u64().is_some_and(|n| n > 0));
    assert!(record["subjects"][0]["score"].is_number());
    assert_eq!(record["explanation"]["rule"], "made elsewhere (maps-with)");
    outcome(&record, "model_performance", "auc_low", "cohort")["measured"]["value"]
        .as_f64()
        .expect("measured");
    let agreement = &outcome(&record, "arm_agreement", "agreement_gradient", "cohort")["measured"];
    assert!(agreement["value"].is_number(), "{agreement}");
    let why = &outcome(&record, "weights_cascade", "similarity_full", "cohort")["not_applicable"];
    assert!(why["why"].as_str().expect("why").contains("made elsewhere"), "{why}");
}

/// The first map of a folder read, changed by hand, and written in its place.
fn spoil(folder: &Path, change: impl Fn(Volume) -> Volume) {
    let first = files(folder).into_keys().next().expect("a map");
    let path = folder.join(first);
    let map = nifti::read_values(&path).expect("map").image;
    nifti::write_volume(&path, &change(map), None, "a test").expect("written");
}

#[test]
fn a_map_of_another_place_with_holes_or_cut_short_is_refused() {
    let refused = |name: &str, plant: &dyn Fn(&Path)| -> String {
        let maps = brought(name);
        plant(&maps);
        let (code, _, errors) =
            run(made(), &format!("audit --maps {} data {name}-out", maps.display()));
        assert_ne!(code, 0, "{name}");
        assert!(!made().join(format!("{name}-out")).exists(), "{name}");
        errors
    };
    let moved = |map: Volume| {
        let mut affine = *map.grid().affine();
        affine[0][3] += 2.0;
        let grid = Grid::new(map.grid().shape(), affine).expect("grid");
        Volume::new(grid, map.into_data()).expect("volume")
    };
    assert!(refused("maps-moved", &|f| spoil(f, moved)).contains("E-IMAGE-024"));
    let hole = |map: Volume| {
        let (grid, mut data) = (map.grid().clone(), map.into_data());
        data[11] = f32::NAN;
        Volume::new(grid, data).expect("volume")
    };
    assert!(refused("maps-hole", &|f| spoil(f, hole)).contains("E-IMAGE-025"));
    let cut = |folder: &Path| {
        let path = folder.join(files(folder).into_keys().next().expect("a map"));
        let bytes = fs::read(&path).expect("bytes");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("cut");
    };
    assert!(refused("maps-cut", &cut).contains("E-IMAGE"));
    let empty = refused("maps-none", &|f| {
        files(f).into_keys().for_each(|name| fs::remove_file(f.join(name)).expect("removed"));
    });
    assert!(empty.contains("E-MAPS-001"), "{empty}");
}
