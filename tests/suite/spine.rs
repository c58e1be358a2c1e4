//! The whole way as a user goes it: phantom, train, predict, explain, on the program itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use heatproof::image::{Grid, Mask, Volume, nifti};
use serde_json::Value;

/// Settings of every training here.
const FIT: &str = "--target group=preterm --folds 2 --spacing 8";

/// The program in a folder; the arguments are words without spaces.
fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("heatproof"));
    command.current_dir(folder).args(line.split_whitespace());
    command.env("NO_COLOR", "1").env("CI", "1");
    command
}

/// Runs; gives exit code, standard output, standard error.
pub fn run(folder: &Path, line: &str) -> (i32, String, String) {
    let output = command(folder, line).output().expect("run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs a command that has to succeed; gives standard output.
pub fn good(folder: &Path, line: &str) -> String {
    let (code, text, errors) = run(folder, line);
    assert_eq!(code, 0, "{line}\n{errors}");
    text
}

/// The folder that holds `data` (twelve subjects) and `model`, made once.
pub fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spine");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("the folder of an earlier run");
        }
        std::fs::create_dir_all(&folder).expect("folder");
        let _ = good(&folder, "phantom data --subjects 12 --arm volume --shape 24 --spacing 5.4");
        let _ = good(&folder, &format!("--threads 2 train data model {FIT} --epochs 2"));
        folder
    })
}

/// All files below a folder.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_path_buf();
                found.insert(name, std::fs::read(&path).expect("file"));
            }
        }
    }
    found
}

/// Asserts that two folders hold the same files with the same bytes.
pub fn same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{} differs", name.display());
    }
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("file")).expect("JSON")
}

/// Rows of a TSV file, the head first.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("file");
    text.lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect()
}

fn image(id: &str) -> String {
    format!("data/sub-{id}/anat/sub-{id}_T2w.nii.gz")
}

fn derivative(id: &str, what: &str) -> String {
    format!("data/derivatives/phantom/sub-{id}/anat/sub-{id}_space-T2w_{what}.nii.gz")
}

/// A table of the phantom's subjects that `keep` keeps, with the image of some replaced.
pub fn table(path: &str, keep: impl Fn(&str) -> bool, other: &[(&str, &str)]) {
    let people = rows(&made().join("data/participants.tsv"));
    let mut text = "participant_id\timage\tlabels\tmask\tgroup\n".to_owned();
    for person in people[1..].iter().filter(|p| keep(&p[0])) {
        let id = person[0].trim_start_matches("sub-");
        let own = image(id);
        let scan = other.iter().find(|o| o.0 == person[0]).map_or(own.as_str(), |o| o.1);
        let (labels, mask) = (derivative(id, "dseg"), derivative(id, "desc-brain_mask"));
        text.push_str(&format!("{}\t{scan}\t{labels}\t{mask}\t{}\n", person[0], person[1]));
    }
    std::fs::write(made().join(path), text).expect("table");
}

#[test]
fn a_training_writes_its_files_and_is_the_same_for_any_number_of_threads() {
    let folder = made();
    let names: Vec<String> =
        files(&folder.join("model")).keys().map(|p| p.display().to_string()).collect();
    let fold = |k: usize| {
        [
            "checkpoint.safetensors",
            "curves.tsv",
            "model.json",
            "settings.json",
            "weights.safetensors",
        ]
        .map(|name| format!("fold-{k}/{name}"))
    };
    let mut want = [fold(0), fold(1)].concat();
    want.extend(["metrics.json", "predictions.tsv", "splits.json"].map(str::to_owned));
    assert_eq!(names, want);
    let _ = good(folder, &format!("--threads 1 train data single {FIT} --epochs 2"));
    same(&folder.join("model"), &folder.join("single"));
    // the seed counts: the comparison above is not one of constants
    let _ = good(folder, &format!("train data seeded {FIT} --epochs 2 --seed 2"));
    let weights = |m: &str| std::fs::read(folder.join(m).join("fold-0/weights.safetensors"));
    assert!(weights("model").expect("weights") != weights("seeded").expect("weights"));
    // every subject is held out by one network and fitted by the other
    let splits = json(&folder.join("model/splits.json"));
    let ids = |k: usize, part: &str| splits["folds"][k][part].as_array().expect("ids").clone();
    for k in 0..2 {
        assert_eq!(ids(k, "held_out").len(), 6);
        let mut all = [ids(k, "held_out"), ids(k, "fitting")].concat();
        all.sort_by_key(Value::to_string);
        all.dedup();
        assert_eq!(all.len(), 12);
    }
    assert!(ids(0, "held_out").iter().all(|id| !ids(1, "held_out").contains(id)));
    let rows = rows(&folder.join("model/predictions.tsv"));
    assert_eq!(rows.len(), 13);
}

/// Starts a long training and waits for its first checkpoint.
fn started(folder: &Path, line: &str, out: &str) -> Child {
    let mut command = command(folder, line);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    let checkpoint = folder.join(out).join("fold-0/checkpoint.safetensors");
    let begun = Instant::now();
    while !checkpoint.is_file() {
        let early = child.try_wait().expect("child");
        assert!(early.is_none(), "it ended before the first checkpoint");
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn an_interrupted_training_goes_on_and_ends_at_the_same_bytes() {
    let folder = made();
    let line = |out: &str| format!("--threads 1 train data {out} {FIT} --epochs 60");
    let _ = good(folder, &line("whole"));
    for (out, signal, code) in [("termed", "-TERM", Some(143)), ("killed", "-KILL", None)] {
        // on a busy machine the signal can come when all is done: then once more
        let caught = (0..5).any(|_| {
            let mut child = started(folder, &line(out), out);
            let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
            assert!(sent.expect("kill").success());
            let ended = child.wait().expect("ended").code();
            let early = !folder.join(out).join("splits.json").exists();
            if early {
                assert_eq!(ended, code);
            } else {
                std::fs::remove_dir_all(folder.join(out)).expect("whole run removed");
            }
            early
        });
        assert!(caught, "{out}: always too late to tell");
        // a kill may fall into a write or between two: here it always left something
        let left = folder.join(out).join("fold-0/.checkpoint.safetensors.1.part");
        std::fs::write(left, b"half").expect("file");
        let (code, _, errors) = run(folder, &line(out));
        assert_eq!(code, 0, "{errors}");
        assert!(!errors.contains("ignored"), "{errors}");
        same(&folder.join("whole"), &folder.join(out));
    }
}

#[test]
fn predictions_are_those_of_the_networks_that_never_saw_the_subject() {
    let folder = made();
    let _ = good(folder, "predict model data predicted");
    let of = |path: &str| rows(&folder.join(path));
    let (all, trained) = (of("predicted/predictions.tsv"), of("model/predictions.tsv"));
    assert_eq!(all[0][6..], ["networks", "seen_in_training"]);
    assert_eq!(all.len(), 13);
    let known: BTreeMap<&str, f64> =
        trained[1..].iter().map(|r| (r[0].as_str(), r[4].parse().expect("number"))).collect();
    for row in &all[1..] {
        assert_eq!(row[6..], ["1", "false"], "{row:?}");
        let odds: f64 = row[3].parse().expect("number");
        assert!((odds - known[row[0].as_str()]).abs() < 1e-4, "{row:?}");
    }
    let metrics = json(&folder.join("predicted/metrics.json"));
    assert!(metrics.as_array().is_some_and(|m| m.iter().any(|l| l["metric"] == "roc_auc")));
    // one network alone has seen half of them, and says so
    let _ = good(folder, "predict model/fold-0 data alone");
    let seen = of("alone/predictions.tsv").iter().filter(|r| r[7] == "true").count();
    assert_eq!(seen, 6);
}

#[test]
fn one_image_that_is_garbage_does_not_stop_the_others() {
    let folder = made();
    std::fs::write(folder.join("garbage.nii.gz"), b"this is no image").expect("written");
    table("sound.tsv", |_| true, &[]);
    table("partly.tsv", |_| true, &[("sub-005", "garbage.nii.gz")]);
    let _ = good(folder, "predict model sound.tsv sound");
    let (code, text, errors) = run(folder, "predict model partly.tsv partly");
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("sub-005 could not be used"), "{errors}");
    assert!(text.starts_with("11 subjects predicted"), "{text}");
    let mut want = rows(&folder.join("sound/predictions.tsv"));
    want.retain(|r| r[0] != "sub-005");
    assert_eq!(rows(&folder.join("partly/predictions.tsv")), want);
    assert!(folder.join("partly/metrics.json").is_file());
}

#[test]
fn a_folder_that_is_no_model_is_refused() {
    let folder = made();
    let scan = image("001");
    for line in [
        "predict data data nowhere".to_owned(),
        "audit data data nowhere".to_owned(),
        "inspect data".to_owned(),
        format!("explain missing {scan} nowhere/map.nii.gz"),
    ] {
        let (code, _, errors) = run(folder, &line);
        assert_eq!(code, 4, "{line}\n{errors}");
        assert!(errors.starts_with("error[E-"), "{errors}");
    }
    assert!(!folder.join("nowhere").exists());
}

/// A grid that runs the other way along its first axis, and the data turned with it.
fn flipped<T: Copy>(grid: &Grid, data: &[T]) -> (Grid, Vec<T>) {
    let [ni, nj, nk] = grid.shape();
    let mut affine = *grid.affine();
    for row in &mut affine {
        row[3] += row[0] * (ni - 1) as f64;
        row[0] = -row[0];
    }
    let cells = (0..nk).flat_map(|k| (0..nj).map(move |j| (j, k)));
    let all = cells.flat_map(|(j, k)| (0..ni).map(move |i| (ni - 1 - i, j, k)));
    let data = all.map(|(i, j, k)| data[grid.index(i, j, k)]).collect();
    (Grid::new(grid.shape(), affine).expect("grid"), data)
}

#[test]
fn a_map_lies_on_the_grid_of_its_image_and_its_ledger_closes() {
    let folder = made();
    let _ = good(folder, "predict model data odds");
    let row = rows(&folder.join("model/predictions.tsv"))[1].clone();
    let (id, fold) = (row[0].trim_start_matches("sub-"), row[2].as_str());
    let (scan, brain) = (image(id), derivative(id, "desc-brain_mask"));
    let options = format!("--fold {fold} --ledger ledger.json");
    let text = good(folder, &format!("explain model {scan} map.nii.gz --mask {brain} {options}"));
    assert!(!text.contains("used to train"), "{text}");
    let read = |path: &str| nifti::read_values(&folder.join(path)).expect("image").image;
    let (input, map) = (read(&scan), read("map.nii.gz"));
    assert!(map.grid().matches(input.grid(), 1e-4) && map.data().iter().any(|v| *v != 0.0));
    let ledger = json(&folder.join("ledger.json"));
    let ledger = ledger["epsilon_plus"].as_array().expect("lines");
    let number = |line: &Value, key: &str| line[key].as_f64().expect("number");
    let leak = |l: &Value| -> f64 {
        ["bias", "stabiliser", "degenerate"].map(|k| number(l, k)).iter().sum()
    };
    for line in ledger {
        let gap: f64 = number(line, "received") - number(line, "handed_on") - leak(line);
        let scale = number(line, "mass").max(number(line, "mass_handed_on"));
        assert!(scale > 0.0 && gap.abs() <= 1e-6 * scale, "{line}");
    }
    // every line says how it was made, and the text says it of every layer
    for line in ledger.iter().filter(|l| l["kind"] == "conv3d" || l["kind"] == "dense") {
        let told = |key: &str| line[key].as_str().expect("words");
        assert_eq!((told("stabiliser_mode"), told("bias_policy")), ("absolute", "absorb"));
        assert_eq!((number(line, "stabiliser_value"), told("convention")), (1e-6, "own"));
        assert!(told("start").contains("log-odds of preterm"), "{line}");
        assert!(text.contains(told("layer")) && text.contains(told("rule")), "{text}");
    }
    let odds = rows(&folder.join("odds/predictions.tsv"));
    let odds: f64 = odds.iter().find(|r| r[0] == row[0]).expect("row")[3].parse().expect("number");
    let score = number(&ledger[0], "received");
    assert!((score - odds).abs() < 1e-4 * f64::max(1.0, odds.abs()), "{text}");
    let leaks: f64 = ledger.iter().map(leak).sum();
    let left = number(&ledger[ledger.len() - 1], "handed_on");
    assert!((score - leaks - left).abs() < 1e-5 * score.abs().max(1.0), "{score} {leaks} {left}");
    // the same head stored from right to left gets the same map, stored that way
    let mask = nifti::read_mask(&folder.join(&brain)).expect("mask").image;
    let (grid, data) = flipped(input.grid(), input.data());
    let turned = Volume::new(grid.clone(), data).expect("image");
    nifti::write_volume(&folder.join("turned.nii.gz"), &turned, None, "").expect("written");
    let turned = Mask::new(grid.clone(), flipped(mask.grid(), mask.data()).1).expect("mask");
    nifti::write_mask(&folder.join("turned_mask.nii.gz"), &turned, None, "").expect("written");
    let masked = format!("--mask turned_mask.nii.gz --fold {fold}");
    let _ = good(folder, &format!("explain model turned.nii.gz other.nii.gz {masked}"));
    let other = read("other.nii.gz");
    assert!(other.grid().matches(&grid, 1e-4) && !grid.matches(input.grid(), 1.0));
    let want = flipped(map.grid(), map.data()).1;
    let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let gap = want.iter().zip(other.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(gap < 1e-3 * largest, "{gap} of {largest}");
}

#[test]
fn occlusion_by_region_tells_the_fall_of_every_region() {
    let folder = made();
    let labels = derivative("001", "dseg");
    let line = format!("explain model {} falls.nii.gz --labels {labels}", image("001"));
    let _ = good(folder, &format!("{line} --rule occlusion_region --ledger falls.json"));
    let told = json(&folder.join("falls.json"));
    let regions = told["occlusion_region"]["regions"].as_array().expect("regions");
    assert!(regions.len() > 10, "{told}");
    // outside all regions nothing is told, and some region counts
    assert!(regions[0]["label"] == 0 && regions[0]["sum"] == 0.0, "{told}");
    assert!(regions.iter().any(|r| r["sum"].as_f64().expect("number") != 0.0), "{told}");
    let line = line.replace(&format!("--labels {labels}"), "");
    let (code, _, errors) = run(folder, &format!("{line} --rule occlusion_region"));
    assert!(code == 2 && errors.contains("error[E-METHOD-002]"), "{code} {errors}");
}

#[test]
fn wrong_rules_targets_and_folds_are_wrong_use() {
    let folder = made();
    let scan = image("001");
    for option in ["--rule nonsense", "--target nobody", "--fold 7"] {
        let (code, _, errors) = run(folder, &format!("explain model {scan} no.nii.gz {option}"));
        assert_eq!(code, 2, "{option}\n{errors}");
    }
    assert!(!folder.join("no.nii.gz").exists());
}

#[test]
fn a_model_is_described_and_the_parts_are_listed() {
    let folder = made();
    let text = good(folder, "inspect model");
    assert!(text.contains("2 network(s), compact") && text.contains("z_plus"), "{text}");
    let found: Value = serde_json::from_str(&good(folder, "inspect model --json")).expect("JSON");
    assert_eq!(found["models"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["models"][1]["target"], "group=preterm");
    assert!(found["layers"]["rows"].as_array().is_some_and(|rows| rows.len() > 5));
    for (kind, id) in [("rules", "z_plus"), ("layers", "conv3d"), ("checks", "region_mass")] {
        assert!(good(folder, &format!("list {kind}")).contains(id), "{kind}");
        assert!(good(folder, &format!("list {kind} {id}")).starts_with(id), "{kind}");
    }
    assert!(good(folder, "list rules").contains("epsilon_plus"));
}
