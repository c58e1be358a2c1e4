//! The command line as a user meets it.

use std::path::Path;

use assert_cmd::Command;
use heatproof::cli::exit::ExitCode;
use heatproof::image::nifti;
use serde_json::Value;

use crate::support::{header, marked};

fn heatproof() -> Command {
    let mut command = Command::cargo_bin("heatproof").expect("the program");
    command.env("NO_COLOR", "1").env("CI", "1");
    command
}

/// Runs; gives exit code, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = heatproof().args(args).output().expect("run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn word(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands: &[&[&str]] = &[
        &["demo"],
        &["phantom"],
        &["train"],
        &["predict"],
        &["explain"],
        &["audit"],
        &["metrics"],
        &["inspect"],
        &["doctor"],
        &["list"],
        &["report"],
        &["judge"],
        &["baseline"],
        &["baseline", "record"],
        &["baseline", "check"],
    ];
    for command in commands {
        let (code, help, _) = run(&[command, &["--help"][..]].concat());
        assert_eq!(code, 0, "{command:?}");
        let example = format!("Example:\n  heatproof {}", command[0]);
        assert!(help.contains(&example), "{command:?}\n{help}");
    }
    let (_, help, _) = run(&["--help"]);
    for command in commands {
        assert!(help.contains(&format!("\n  {} ", command[0])), "{command:?}\n{help}");
    }
}

#[test]
fn exit_codes_are_frozen_and_in_the_help() {
    let frozen = [
        (0, "all gates pass"),
        (1, "a gate failed"),
        (2, "wrong use"),
        (3, "some items could not be run"),
        (4, "an input is unreadable or was refused"),
        (5, "the model is not supported"),
        (6, "the baseline is missing or incompatible"),
        (7, "inconclusive"),
        (8, "values moved against the baseline"),
        (9, "a verdict flipped against the baseline"),
        (70, "internal fault"),
        (130, "interrupted by SIGINT"),
        (143, "interrupted by SIGTERM"),
    ];
    assert_eq!(ExitCode::TABLE, frozen);
    let (_, help, _) = run(&["--help"]);
    for (code, meaning) in frozen {
        assert!(help.contains(&format!("{code:>3}  {meaning}\n")), "{help}");
    }
}

#[test]
fn a_good_file_is_described() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("marked.nii.gz");
    nifti::write_volume(&path, &marked(), None, "test").expect("written");
    let (code, text, errors) = run(&["inspect", word(&path), "--json"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["shape"], serde_json::json!([5, 7, 9]));
    assert_eq!(found["spacing_mm"], serde_json::json!([1.0, 1.25, 2.5]));
    assert_eq!(found["axes"], "RAS");
    assert_eq!(found["sum"], 315.0 * 316.0 / 2.0);
    assert_eq!(found["refusal"], Value::Null);
    let (code, text, _) = run(&["inspect", word(&path)]);
    assert_eq!(code, 0);
    assert!(text.contains("5 x 7 x 9") && text.contains("RAS"), "{text}");
}

#[test]
fn garbage_is_refused_and_a_refused_image_is_still_described() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("garbage.nii");
    std::fs::write(&path, b"this is no image").expect("written");
    let (code, text, errors) = run(&["inspect", word(&path)]);
    assert_eq!((code, text.as_str()), (4, ""));
    assert!(errors.starts_with("error[E-IMAGE-"), "{errors}");
    let mut constant = header([2, 2, 2], 2, 8);
    constant.extend([7; 8]);
    std::fs::write(&path, constant).expect("written");
    let (code, text, errors) = run(&["inspect", word(&path), "--json"]);
    assert_eq!(code, 4);
    assert!(errors.starts_with("error[E-IMAGE-015]: "), "{errors}");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert!(found["refusal"].as_str().is_some_and(|r| r.starts_with("E-IMAGE-015")), "{text}");
}

#[test]
fn wrong_use_has_its_code() {
    let cases: &[&[&str]] = &[
        &[],
        &["inspect"],
        &["nonsense"],
        &["list", "nonsense"],
        &["list", "figures", "nonsense"],
        &["phantom", "unused", "--arm", "nonsense"],
        &["phantom", "unused", "--subjects", "0"],
        &["phantom", "unused", "--spacing", "nan"],
        &["phantom", "unused", "--template", "t.nii"],
        &["--threads", "0", "list", "figures"],
    ];
    for case in cases {
        let (code, _, errors) = run(case);
        assert_eq!(code, 2, "{case:?}\n{errors}");
        assert!(!errors.is_empty(), "{case:?}");
    }
    assert!(!Path::new("unused").exists());
}

#[test]
fn figures_are_listed_and_shown() {
    let (code, text, _) = run(&["list", "figures"]);
    assert_eq!(code, 0);
    let (code, full, _) = run(&["list", "figures", "roc"]);
    assert_eq!(code, 0);
    assert!(text.contains("\nroc ") && full.contains("misleads"), "{text}{full}");
}

#[test]
fn composites_are_listed_and_shown() {
    let (code, full, _) = run(&["list", "rules", "epsilon_plus"]);
    assert_eq!(code, 0);
    assert_eq!(full, "epsilon_plus: z_plus in convolutions, epsilon in dense layers\n");
    let (code, _, said) = run(&["list", "methods", "epsilon_plus"]);
    assert!(code == 2 && said.contains("E-CLI-003"), "{said}");
}

#[test]
fn a_phantom_is_written_and_never_mixed_with_other_files() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("heads");
    let make =
        |subjects: &str| run(&["--threads", "1", "phantom", word(&out), "--subjects", subjects]);
    let (code, text, errors) = make("2");
    assert_eq!(code, 0, "{errors}");
    assert!(text.contains("2 synthetic subjects") && errors.contains("phantom: done"), "{errors}");
    assert!(out.join("participants.tsv").is_file());
    assert_eq!(make("2").0, 0, "the same command again");
    let (code, _, errors) = make("1");
    assert_eq!(code, 2);
    assert!(errors.starts_with("error[E-CLI-002]"), "{errors}");
    std::fs::write(folder.path().join("thesis.txt"), "mine").expect("written");
    assert_eq!(run(&["phantom", word(folder.path()), "--subjects", "1"]).0, 2);
}

#[test]
fn missing_records_and_baselines_have_their_codes() {
    let folder = tempfile::tempdir().expect("folder");
    let out = word(folder.path());
    assert_eq!(run(&["report", out]).0, 4);
    assert_eq!(run(&["judge", out, "--policy", "missing.toml"]).0, 4);
    let (code, _, errors) = run(&["baseline", "check", out, "missing.json"]);
    assert_eq!(code, 6);
    assert!(errors.starts_with("error[E-BASELINE-008]"), "{errors}");
}

#[test]
fn the_doctor_finds_every_kernel_right_and_says_what_runs() {
    let (code, text, errors) = run(&["doctor", "--no-rates", "--json"]);
    assert_eq!(code, 0, "{text}{errors}");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["conforms"], true);
    let sets = ["avx512", "avx2", "portable"];
    let runs = found["machine"]["instruction_set"].as_str().expect("a name");
    assert!(sets.contains(&runs), "{runs}");
    let ops: std::collections::BTreeSet<&str> = found["kernels"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["op"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        ops.into_iter().collect::<Vec<_>>(),
        ["average_pool", "batch_norm", "conv3d", "dense", "max_pool"]
    );
}
