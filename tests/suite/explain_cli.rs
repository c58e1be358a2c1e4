//! `heatproof explain` as a user meets it: what it refuses, and sinks of an image in closed form.

use std::path::Path;

use heatproof::compute::Array;
use heatproof::image::{Grid, Volume, nifti};
use heatproof::model::tensors;

use super::onnx_writer::{File, With, floats};
use super::spine::{files, good, json, run};

/// Extents of the image; the tensor has them the other way round.
const SHAPE: [usize; 3] = [12, 14, 10];
const VOXELS: usize = 12 * 14 * 10;

fn value(v: usize) -> f32 {
    1.0 + 0.25 * (v % 7) as f32
}

/// The mean of all values.
fn mean() -> f64 {
    (0..VOXELS).map(|v| f64::from(value(v))).sum::<f64>() / VOXELS as f64
}

/// `x.safetensors` of so many samples.
fn tensor(folder: &Path, samples: usize, value: impl Fn(usize) -> f32) {
    let [i, j, k] = SHAPE;
    let data: Vec<f32> = (0..samples * VOXELS).map(value).collect();
    let x = Array::from_vec(data, &[samples, 1, k, j, i]).expect("tensor");
    let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
    std::fs::write(folder.join("x.safetensors"), bytes).expect("written");
}

/// A folder with an image, its tensor and `model.onnx`, whose one logit for classes a and b is
/// 3 · mean(relu(2x + 1)) + 0.5.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let [i, j, k] = SHAPE;
    let affine = [[1.0, 0.0, 0.0, -4.0], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 7.0]];
    let grid = Grid::new(SHAPE, affine).expect("grid");
    let volume = Volume::new(grid, (0..VOXELS).map(value).collect()).expect("volume");
    for name in ["image.nii.gz", "map.epsilon.nii.gz"] {
        nifti::write_volume(&folder.path().join(name), &volume, None, "").expect("written");
    }
    tensor(folder.path(), 1, value);
    let _ = File::new(&[-1, 1, k as i64, j as i64, i as i64])
        .stored(floats("w", &[1, 1, 1, 1, 1], &[2.0]))
        .stored(floats("b", &[1], &[1.0]))
        .stored(floats("v", &[1, 1], &[3.0]))
        .stored(floats("c", &[1], &[0.5]))
        .node("Conv", &["x", "w", "b"], "z", &[])
        .node("Relu", &["z"], "r", &[])
        .node("GlobalAveragePool", &["r"], "p", &[])
        .node("Flatten", &["p"], "f", &[])
        .node("Gemm", &["f", "v", "c"], "y", &[("transB", With::Int(1))])
        .write(folder.path());
    let text = format!(
        "classes = ['a', 'b']\naxes = 'kji'\n[input]\nshape = {SHAPE:?}\nspacing_mm = 1.0\n\
         [input.normalise]\nmethod = 'none'\n"
    );
    std::fs::write(folder.path().join("model.toml"), text).expect("written");
    folder
}

/// Runs a command that has to fail with these and leave every file as it was.
fn refused(folder: &Path, line: &str, code: i32, words: &[&str]) {
    let before = files(folder);
    let (seen, text, errors) = run(folder, line);
    assert_eq!((seen, text.as_str()), (code, ""), "{line}\n{errors}");
    for word in words {
        assert!(errors.contains(word), "{line}: no {word:?} in\n{errors}");
    }
    assert!(files(folder) == before, "{line} changed files");
}

#[test]
fn no_result_replaces_a_file_of_the_command() {
    let folder = place();
    #[cfg(unix)]
    std::os::unix::fs::symlink("image.nii.gz", folder.path().join("link.nii.gz")).expect("link");
    let mut cases = vec![
        ("image.nii.gz image.nii.gz", "OUT", "INPUT"),
        ("image.nii.gz new/../image.nii.gz", "OUT", "INPUT"),
        ("map.epsilon.nii.gz ./map.nii.gz --rule z_plus,epsilon", "OUT", "INPUT"),
        ("x.safetensors x.safetensors", "OUT", "INPUT"),
        ("image.nii.gz model.onnx", "OUT", "MODEL"),
        ("image.nii.gz brain.nii.gz --mask ./brain.nii.gz", "OUT", "--mask"),
        ("image.nii.gz brain.nii.gz --labels brain.nii.gz", "OUT", "--labels"),
        ("image.nii.gz map.nii.gz --ledger map.nii.gz", "--ledger", "OUT"),
        (
            "image.nii.gz map.nii.gz --rule epsilon,z_plus --ledger map.z_plus.nii.gz",
            "--ledger",
            "OUT",
        ),
        ("image.nii.gz map.nii.gz --ledger image.nii.gz", "--ledger", "INPUT"),
        ("x.safetensors map.safetensors --ledger map.safetensors", "--ledger", "OUT"),
    ];
    if cfg!(unix) {
        cases.push(("image.nii.gz link.nii.gz", "OUT", "INPUT"));
        cases.push(("link.nii.gz image.nii.gz", "OUT", "INPUT"));
    }
    for (line, writes, reads) in cases {
        let words = ["error[E-CLI-010]", &format!("{writes} would"), &format!("file of {reads}")];
        refused(folder.path(), &format!("explain model.onnx {line}"), 2, &words);
    }
}

#[test]
fn no_result_goes_into_the_folder_of_the_model_that_is_read() {
    let folder = place();
    std::fs::create_dir(folder.path().join("trained")).expect("folder");
    for line in [
        "explain trained image.nii.gz trained",
        "explain trained image.nii.gz trained/new/map.nii.gz",
        "explain trained image.nii.gz map.nii.gz --ledger trained/ledger.json",
        "predict trained data trained",
        "audit trained data new/../trained/audit",
        "audit --maps maps --model trained data trained/audit",
    ] {
        refused(folder.path(), line, 2, &["error[E-CLI-013]", "in trained, the folder of MODEL"]);
    }
    let (_, _, errors) = run(folder.path(), "predict trained data trained-on");
    assert!(errors.starts_with("error[E-") && !errors.contains("E-CLI-013"), "{errors}");
}

#[test]
fn an_input_without_voxels_or_with_a_number_that_is_none_is_refused() {
    let folder = place();
    let line = "explain model.onnx x.safetensors map.safetensors";
    let [i, j, _] = SHAPE;
    // sample 1, the voxel k 2, j 3, i 5
    let bad = VOXELS + (2 * j + 3) * i + 5;
    for (number, word) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        tensor(folder.path(), 2, |v| if v == bad { number } else { 1.0 });
        let words = ["error[E-INPUT-003]", "sample 1 at [0, 2, 3, 5]", word];
        refused(folder.path(), line, 4, &words);
    }
    tensor(folder.path(), 0, value);
    refused(folder.path(), line, 4, &["error[E-INPUT-002]", "[0, 1, 10, 14, 12]"]);
    // finite, but twice of it is not
    tensor(folder.path(), 1, |_| 3e38);
    for rule in ["epsilon", "gradient"] {
        let words = ["error[E-RULE-011]", "logits", "inf"];
        refused(folder.path(), &format!("{line} --rule {rule}"), 5, &words);
    }
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let folder = place();
    for (line, option) in [
        ("x.safetensors map.safetensors --mask brain.nii.gz", "--mask"),
        ("x.safetensors map.safetensors --labels brain.nii.gz", "--labels"),
        ("x.safetensors map.safetensors --fold 0", "--fold"),
        ("image.nii.gz map.nii.gz --fold 1", "--fold"),
    ] {
        let line = format!("explain model.onnx {line}");
        refused(folder.path(), &line, 2, &["error[E-CLI-011]", option]);
    }
}

#[test]
fn an_entry_for_no_layer_is_refused_wherever_rules_are_given() {
    let folder = place();
    let write = |name: &str| {
        let text = format!("name = 'mine'\n[[layers]]\nrule = 'z_plus'\nname = '{name}'\n");
        std::fs::write(folder.path().join("mine.toml"), text).expect("written");
    };
    write("conv_9");
    for line in ["explain model.onnx x.safetensors map.safetensors", "inspect model.onnx"] {
        let words = ["error[E-RULE-010]", "no layer has name \"conv_9\"", "(dense)"];
        refused(folder.path(), &format!("{line} --rule mine.toml"), 2, &words);
    }
    write("*");
    assert!(good(folder.path(), "inspect model.onnx --rule mine.toml").contains("z_plus"));
}

#[test]
fn map_and_sinks_of_an_image_hold_the_score() {
    let folder = place();
    let folder = folder.path();
    let line = "explain model.onnx image.nii.gz map.nii.gz --rule epsilon --bias sink";
    refused(folder, line, 2, &["error[E-CLI-012]", "--ledger"]);
    for (target, words, sign) in
        [("margin", "log-odds of b over a", 1.0), ("margin:0", "log-odds of a over b", -1.0)]
    {
        let text = good(folder, &format!("{line} --ledger ledger.json --target {target}"));
        let score = sign * (3.0 * (2.0 * mean() + 1.0) + 0.5);
        let told = text.split(&format!("{words} = ")).nth(1).and_then(|t| t.split(';').next());
        let told: f64 = told.and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("{text}"));
        assert!((told - score).abs() < 1e-5, "{told} {score}");
        let map = nifti::read_values(&folder.join("map.nii.gz")).expect("map").image;
        let map: f64 = map.data().iter().map(|v| f64::from(*v)).sum();
        let ledger = json(&folder.join("ledger.json"));
        let ledger = ledger["epsilon"].as_array().expect("lines");
        let sinks: Vec<f64> = ledger
            .iter()
            .filter_map(|line| line["sink"].as_array())
            .map(|sink| sink.iter().map(|v| v.as_f64().expect("number")).sum())
            .collect();
        // output first: 0.5 of the dense layer, 3 · 1 of the convolution, 6 · mean of the voxels
        assert_eq!(sinks.len(), 2, "{ledger:?}");
        for (got, want) in [(sinks[0], 0.5), (sinks[1], 3.0), (map, 6.0 * mean())] {
            assert!((got - sign * want).abs() < 1e-4, "{got} {want}");
        }
        // stabilisers of 1e-6 under sums of 2 and more take no more than that share
        let apart = (map + sinks.iter().sum::<f64>() - score).abs();
        assert!(apart < 5e-6 * score.abs(), "{apart:e}");
    }
}
