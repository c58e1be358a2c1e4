//! Networks from state dicts against PyTorch's own answers (`fixtures/known`, made by
//! `fixtures/make/known.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use heatproof::compute::{Array, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::image::{Grid, Volume, nifti, normalise};
use heatproof::model::bundle::TrainingSummary;
use heatproof::model::known::{self, Built, Choice};
use heatproof::model::weights::{self, StateDict};
use heatproof::model::{ArchitectureSpec, Bundle, Graph, InputSpec, ModelSpec, build, tensors};
use heatproof::seed::Seed;
use safetensors::SafeTensors;
use serde::Deserialize;

use super::nets::gap;

#[derive(Deserialize)]
struct Fixture {
    architecture: String,
    choice: Choice,
    input: [usize; 5],
    logits: Vec<Vec<f64>>,
    shapes: BTreeMap<String, Vec<usize>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/known")
}

fn fixture(name: &str) -> Fixture {
    let text = std::fs::read(folder().join(format!("{name}.json"))).expect("fixture");
    serde_json::from_slice(&text).expect("fixture")
}

/// The formula of `fixtures/README.md`.
fn filled(name: &str, shape: &[usize]) -> Array {
    let bytes = name.bytes().enumerate();
    let seed = bytes.map(|(at, b)| (at as u64 + 1) * u64::from(b)).sum::<u64>() * 40503;
    let part = name.rsplit('.').next().unwrap_or_default();
    let fan_in: usize = shape[1..].iter().product();
    let value = |j: usize| {
        let u =
            ((j as u64 * 2_654_435_761 + seed) % (1 << 32)) as f64 / f64::from(1u32 << 31) / 2.0;
        let u = u - 0.5;
        (match (part, shape.len()) {
            ("input", _) => 4.0 * u,
            ("running_var", _) | ("weight", 1) => 1.0 + 0.5 * u,
            (_, 1) => 0.4 * u,
            _ => u * (5.0 / (fan_in as f64).sqrt()),
        }) as f32
    };
    Array::from_vec((0..shape.iter().product()).map(value).collect(), shape).expect("array")
}

fn state(of: &Fixture) -> BTreeMap<String, Array> {
    of.shapes.iter().map(|(name, shape)| (name.clone(), filled(name, shape))).collect()
}

fn built(of: &Fixture, arrays: BTreeMap<String, Array>, choice: &Choice) -> Built {
    let state = StateDict { arrays, ..StateDict::default() };
    known::build(Path::new("t.pt"), state, choice, of.input).expect("network")
}

/// Largest gap of the logits over the largest of them.
fn drift(of: &Fixture, network: &Built) -> f64 {
    let x = filled("input", &of.input);
    let logits = network.graph.forward(&x, &mut Workspace::new()).expect("logits");
    gap(&logits.to_f64().expect("host"), &of.logits.concat())
}

#[test]
fn every_architecture_answers_as_pytorch_does_and_its_ledger_closes() {
    let mut met = std::collections::BTreeSet::new();
    let names = [
        "monai_resnet_basic_a",
        "monai_resnet_basic_b",
        "monai_resnet_bottleneck",
        "medicalnet_basic_a",
        "medicalnet_bottleneck_b",
        "monai_densenet",
        "sfcn",
        "conv5_fc3",
        "compact",
        "boehle2019",
    ];
    for name in names {
        let of = fixture(name);
        let network = built(&of, state(&of), &of.choice);
        assert_eq!(network.architecture, of.architecture, "{name}");
        let _ = met.insert(network.architecture);
        let apart = drift(&of, &network);
        assert!(apart < 1e-5, "{name}: {apart:e}");
        let (x, mut ws) = (filled("input", &of.input), Workspace::new());
        let composite = Composite::named("epsilon_plus").expect("composite");
        let (graph, _) = composite.canonical(&network.graph, &x, &mut ws).expect("canonical");
        let found = explain(&graph, &x, &composite, Start::Class(0), &mut ws).expect("explained");
        let open = found.ledgers.iter().flatten().map(|l| l.residual()).fold(0.0, f64::max);
        assert!(open < 1e-5, "{name}: a layer leaves {open:e} unaccounted");
        let finite = found.relevance.to_f64().expect("host").iter().all(|v| v.is_finite());
        assert!(finite, "{name}");
    }
    assert!(known::KNOWN.iter().all(|k| met.contains(k.id)), "one has no fixture: {met:?}");
}

#[test]
fn names_alone_tell_the_architecture_and_the_note_says_what_they_do_not() {
    for name in ["monai_resnet_basic_b", "monai_densenet", "conv5_fc3", "compact", "boehle2019"] {
        let of = fixture(name);
        let network = built(&of, state(&of), &Choice::default());
        assert_eq!((network.architecture, drift(&of, &network) < 1e-5), (&*of.architecture, true));
    }
    let of = fixture("medicalnet_basic_a");
    let network = built(&of, state(&of), &Choice::default());
    assert_eq!(network.architecture, "monai_resnet", "the weights are alike");
    assert!(drift(&of, &network) > 1e-3, "stride and dilation matter");
    assert!(network.notes.iter().any(|n| n.contains("first_stride")), "{:?}", network.notes);
}

#[test]
fn files_of_training_programs_hold_the_same_network() {
    let of = fixture("conv5_fc3");
    let exact = state(&of);
    for (file, said, tolerance) in [
        ("conv5_legacy.pth", None, 1e-5),
        ("conv5_checkpoint.pth.tar", Some("the weights under 'model'"), 1e-5),
        ("conv5_parallel.pt", None, 1e-5),
        ("conv5.safetensors", None, 1e-5),
        ("conv5_half.pt", None, 1e-2),
        ("conv5_bfloat16.safetensors", None, 0.1),
    ] {
        let path = folder().join(file);
        assert!(file.ends_with(".tar") || weights::holds(&path), "{file}");
        let read = weights::read(&path, None).expect(file);
        let narrow = file.contains("half") || file.contains("bfloat16");
        let weights = read.arrays.iter().filter(|(n, _)| !n.ends_with("num_batches_tracked"));
        for (name, array) in weights {
            let exact = &exact[name.trim_start_matches("module.")];
            let exact = exact.host::<f32>().expect("f32");
            let rounded: Vec<f32> = match file {
                "conv5_half.pt" => exact.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect(),
                "conv5_bfloat16.safetensors" => {
                    exact.iter().map(|v| half::bf16::from_f32(*v).to_f32()).collect()
                }
                _ => exact.to_vec(),
            };
            assert!(array.host::<f32>().expect("f32") == rounded, "{file} {name}");
        }
        let network = known::build(&path, read, &Choice::default(), of.input).expect(file);
        let apart = drift(&of, &network);
        assert!(apart < tolerance && (apart > 1e-6 || !narrow), "{file}: {apart:e}");
        let said = said.is_none_or(|s| network.notes.iter().any(|n| n.contains(s)));
        assert!(said, "{file}: {:?}", network.notes);
    }
    assert!(weights::holds(&folder().join("conv5_checkpoint.pth.tar")), "told by its bytes");
}

fn heatproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_heatproof"))
}

/// What the program prints; its errors where it does not end well.
fn said(words: &[&str], path: &Path, code: i32) -> String {
    let mut command = heatproof();
    let done = command.arg(words[0]).arg(path).args(&words[1..]).assert().code(code);
    let output = done.get_output();
    let bytes = if code == 0 { &output.stdout } else { &output.stderr };
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn inspect_draws_a_state_dict_once_it_knows_the_input() {
    let path = folder().join("conv5_checkpoint.pth.tar");
    let open = said(&["inspect"], &path, 5);
    assert!(open.contains("E-MODEL-023") && open.contains("--input 1,1,"), "{open}");
    let sized = ["inspect", "--input", "1,1,9,18,11"];
    let text = said(&[&sized[..], &["--rule", "gamma_0.25"]].concat(), &path, 0);
    for word in ["conv5_fc3", "convolutions.0", "weights", "gamma", "maximum", "2 logit(s)"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let told = said(&[&sized[..], &["--json"]].concat(), &path, 0);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["architecture"], "conv5_fc3");
    // convolutions with a norm of 3, 4, 5, 4, 3 channels, then three dense layers
    let conv = |i: u64, o: u64| i * o * 27 + o + 2 * o;
    let convs = conv(1, 3) + conv(3, 4) + conv(4, 5) + conv(5, 4) + conv(4, 3);
    assert_eq!(told["parameters"], convs + (3 * 7 + 7) + (7 * 5 + 5) + (5 * 2 + 2));
    assert!(said(&["inspect", "--input", "1,1,64,64,64"], &path, 5).contains("E-MODEL-021"));
    let method = [&sized[..], &["--rule", "gradient"]].concat();
    assert!(said(&method, &path, 2).contains("E-RULE-009"));
}

#[test]
fn a_companion_says_the_input_and_the_architecture_of_a_state_dict() {
    let temporary = tempfile::tempdir().expect("folder");
    let at = |name: &str| temporary.path().join(name);
    let _ = std::fs::copy(folder().join("conv5_parallel.pt"), at("net.pt")).expect("copy");
    let write = |classes: &str, more: &str| {
        let text = format!(
            "classes = {classes}\naxes = 'kji'\n[input]\nshape = [11, 18, 9]\nspacing_mm = 1.0\n\
             [input.normalise]\nmethod = 'none'\n{more}"
        );
        std::fs::write(at("net.toml"), text).expect("written");
    };
    write("['term', 'preterm']", "[architecture]\nname = 'conv5_fc3'\n");
    let text = said(&["inspect"], &at("net.pt"), 0);
    assert!(text.contains("1 x 1 x 9 x 18 x 11, classes term, preterm"), "{text}");
    write("['term', 'preterm']", "[architecture]\nname = 'sfcn'\n");
    assert!(said(&["inspect"], &at("net.pt"), 5).contains("E-MODEL-020"));
    write("['a', 'b', 'c']", "");
    let text = said(&["inspect"], &at("net.pt"), 5);
    assert!(text.contains("E-MODEL-019") && text.contains("3 classes"), "{text}");
    write("['term', 'preterm']", "");
    // the map of the image is the map of the same numbers as a tensor
    let x = filled("input", &[1, 1, 9, 18, 11]);
    let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
    std::fs::write(at("x.safetensors"), bytes).expect("written");
    let diagonal = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let grid = Grid::new([11, 18, 9], diagonal).expect("grid");
    let image = Volume::new(grid, x.host::<f32>().expect("f32").to_vec()).expect("volume");
    nifti::write_volume(&at("x.nii.gz"), &image, None, "test").expect("written");
    for (input, out) in [("x.safetensors", "map.safetensors"), ("x.nii.gz", "map.nii.gz")] {
        let [input, out] = [at(input), at(out)].map(|p| p.display().to_string());
        let _ = said(&["explain", &input, &out, "--target", "preterm"], &at("net.pt"), 0);
    }
    let bytes = std::fs::read(at("map.safetensors")).expect("map");
    let tensor = tensors::one(&at("map.safetensors"), &bytes, "relevance").expect("map");
    let image = nifti::read_volume(&at("map.nii.gz")).expect("map").image;
    let image: Vec<f64> = image.data().iter().map(|v| f64::from(*v)).collect();
    assert!(gap(&image, &tensor.to_f64().expect("host")) < 1e-5);
}

/// A folder as training writes it.
fn bundle(architecture: ArchitectureSpec, graph: Graph) -> Bundle {
    let [k, j, i] = architecture.input;
    let input =
        InputSpec { shape: [i, j, k], spacing_mm: 2.0, normalise: normalise::Options::default() };
    let spec = ModelSpec {
        schema_version: heatproof::model::bundle::SCHEMA_VERSION,
        architecture,
        input,
        classes: vec!["a".to_owned(), "b".to_owned()],
        target: "group=b".to_owned(),
        seed: 3,
        training: TrainingSummary::default(),
        weights_sha256: String::new(),
    };
    Bundle { spec, graph }
}

#[test]
fn the_weights_of_a_training_alone_give_the_same_maps_as_its_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    for (name, members, input) in [("compact", 3, [12, 14, 13]), ("boehle2019", 1, [78, 78, 79])] {
        let spec = ArchitectureSpec::named(name, input, 2).expect("known");
        let spec = ArchitectureSpec { members, channels: spec.channels, ..spec };
        let [k, j, i] = input;
        let graph = build(&spec, Seed(3)).expect("built");
        let _ = bundle(spec, graph).save(&at(name)).expect("saved");
        let x = filled("input", &[1, 1, k, j, i]);
        let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
        std::fs::write(at("x.safetensors"), bytes).expect("written");
        let map = |model: PathBuf, out: &str| {
            let [x, out] = [at("x.safetensors"), at(out)].map(|p| p.display().to_string());
            let _ = said(&["explain", &x, &out, "--target", "1"], &model, 0);
            let bytes = std::fs::read(out).expect("map");
            // Names of classes, in the metadata, are the folder's alone.
            let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
            ["relevance", "logits"].map(|name| tensors.tensor(name).expect(name).data().to_vec())
        };
        let whole = map(at(name), "whole.safetensors");
        let alone = map(at(name).join("weights.safetensors"), "alone.safetensors");
        assert!(whole == alone, "{name}");
    }
}
