//! The device of a command: which program does the work, and that a card ends at the numbers of the
//! CPU. The card may be the emulated one (docs/gpu.md).

#[cfg(feature = "cuda")]
mod memory;
mod precision;
#[cfg(feature = "cuda")]
mod waits;

use super::spine::run;

#[test]
fn a_device_that_does_not_exist_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    for word in ["gpu", "cuda:", "cuda:x", "cpu:1"] {
        let (code, _, errors) = run(folder.path(), &format!("doctor --no-rates --device {word}"));
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("cuda:N"), "{errors}");
    }
}

#[cfg(all(unix, not(feature = "cuda")))]
mod without_cuda {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// Runs a copy of the program that lies alone in a folder, or beside a `heatproof-cuda` that is
    /// this script.
    fn beside(script: Option<&str>, line: &str) -> (i32, String, String) {
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join("heatproof");
        fs::copy(assert_cmd::cargo::cargo_bin!("heatproof"), &program).expect("copied");
        if let Some(script) = script {
            let other = folder.path().join("heatproof-cuda");
            fs::write(&other, script).expect("written");
            fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("set");
        }
        let mut command = Command::new(&program);
        command.args(line.split_whitespace()).env("LD_LIBRARY_PATH", "/nowhere/at/all");
        let output = command.output().expect("run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    #[test]
    fn the_program_with_cuda_is_looked_for_and_gets_the_same_words() {
        let (code, _, errors) = beside(None, "doctor --no-rates --device cuda");
        assert_eq!(code, 2, "{errors}");
        for word in ["E-DEVICE-004", "there is no heatproof-cuda at /", "--device cpu"] {
            assert!(errors.contains(word), "{word} in {errors}");
        }
        let takes = "#!/bin/sh\necho took \"$@\"\nexit 3\n";
        let script = takes.replace("echo", "[ \"$1\" = --version ] && exit 0\necho");
        let (code, text, _) = beside(Some(&script), "doctor --no-rates --device cuda:1");
        assert_eq!((code, text.trim()), (3, "took doctor --no-rates --device cuda:1"));
    }

    #[test]
    fn a_missing_library_is_named_and_auto_goes_on_without_a_card() {
        let script = "#!/bin/sh\necho \"$0: error while loading shared libraries: libcublas.so.13: \
                      cannot open shared object file: No such file or directory\" >&2\nexit 127\n";
        let (code, _, errors) = beside(Some(script), "doctor --no-rates --device cuda");
        assert_eq!(code, 2, "{errors}");
        for word in ["E-DEVICE-004", "libcublas.so.13 was not found", "/nowhere/at/all"] {
            assert!(errors.contains(word), "{word} in {errors}");
        }
        let (code, text, errors) = beside(Some(script), "doctor --no-rates --device auto");
        assert_eq!(code, 0, "{errors}");
        assert!(errors.contains("computing on the CPU") && errors.contains("libcublas.so.13"));
        assert!(text.contains("kernel"), "{text}");
        // Commands that compute nothing ask for no device.
        assert_eq!(beside(None, "list checks --device cuda").0, 0);
    }
}

#[cfg(feature = "cuda")]
mod with_cuda {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use heatproof::compute::{Array, Precision, Workspace, device};
    use heatproof::explain::{Composite, Start, explain};
    use heatproof::model::layer::{Mode, Pass};
    use heatproof::model::layers::LAYERS;
    use heatproof::model::network::Network;
    use heatproof::model::{Graph, tensors};
    use heatproof::seed::Seed;

    use super::super::gradients::{Case, cases};
    use super::super::nets::{gap, ids, random};
    use super::super::spine::{files, good, json, run, same};
    use super::super::support::golden;

    /// Arrays of a file.
    pub(super) fn arrays(path: &Path) -> Vec<(String, Vec<f64>)> {
        let bytes = std::fs::read(path).expect("file");
        let stored = tensors::from_bytes(path, &bytes).expect("safetensors");
        let numbers = |(n, a): (String, Array)| (n, a.to_f64().expect("numbers"));
        stored.arrays.into_iter().map(numbers).collect()
    }

    /// Asserts that arrays are within `limit` of the largest number of each.
    fn close(a: &Path, b: &Path, limit: f64) {
        let (a, b) = (arrays(a), arrays(b));
        assert_eq!(a.len(), b.len());
        for ((name, a), (_, b)) in a.iter().zip(&b) {
            let top = a.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
            let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs() / top).fold(0.0, f64::max);
            assert!(apart <= limit, "{name}: {apart:e}");
        }
    }

    /// The weights of a training's first network.
    pub(super) fn weights(model: &Path) -> PathBuf {
        let all = files(model);
        let first = all.keys().find(|path| path.ends_with("weights.safetensors"));
        model.join(first.expect("weights"))
    }

    /// Whether there is a card, which must be right; says that it skips where there is none.
    pub(super) fn carded(folder: &Path) -> bool {
        static ASKED: OnceLock<(i32, String)> = OnceLock::new();
        let (code, errors) = ASKED.get_or_init(|| {
            let (code, _, errors) = run(folder, "doctor --no-rates --device cuda");
            (code, errors)
        });
        assert!([0, 2].contains(code), "the doctor ends with {code}: {errors}");
        if *code == 2 {
            eprintln!("skipped: {errors}");
        }
        *code == 0
    }

    #[test]
    fn the_doctor_holds_the_card_to_the_truth_and_to_the_cpu() {
        let folder = tempfile::tempdir().expect("folder");
        if !carded(folder.path()) {
            return;
        }
        let text = good(folder.path(), "doctor --device cuda --json");
        let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["conforms"], true, "{text}");
        let card = &found["card"];
        assert_eq!(card["device"], "cuda:0");
        assert!(card["multiprocessors"].as_u64() > Some(0) && card["name"].is_string(), "{card}");
        let rows = found["kernels"].as_array().expect("rows");
        let of = |op: &str| rows.iter().filter(|row| row["op"] == op).count();
        assert!(of("conv3d") > 20 && of("max_pool") > 3 && of("batch_norm") > 1, "{text}");
        // Where cuDNN convolves, it does so in each precision, and our own kernels are held to the
        // same table.
        let more = if card["cudnn"] == true { of("conv3d") } else { 0 };
        for op in ["conv3d, cudnn", "conv3d, tf32", "conv3d, bf16", "conv3d, ours"] {
            assert_eq!(of(op), more, "{op}");
        }
        let in_f32 = |why: &str| {
            let case = |row: &serde_json::Value| row["case"].as_str().map(str::to_owned);
            let found = rows.iter().filter(|row| row["op"] == "conv3d, bf16").filter_map(case);
            found.filter(|case| case.starts_with(why)).any(|case| case.contains("in f32"))
        };
        if more > 0 && card["name"].as_str().is_some_and(|name| name.starts_with("emulated")) {
            assert!(in_f32("groups:") && !in_f32("stride 2:"), "{text}");
        }
        assert!(found["repetitions"].as_array().is_some_and(|all| all.len() > 6), "{text}");
        let trial = &found["trial"];
        assert!(trial["map_off_by"].as_f64() <= trial["map_limit"].as_f64(), "{trial}");
        assert_eq!(trial["losses_card"].as_array().map(Vec::len), Some(3));
        // Rates of the card take the place of those of one core.
        assert!(found["card_rates"].is_array() && found.get("rates").is_none(), "{text}");
    }

    #[test]
    fn maps_of_every_golden_network_and_rule_are_those_of_the_cpu() {
        let folder = tempfile::tempdir().expect("folder");
        let Some(golden) = golden().filter(|_| carded(folder.path())) else { return };
        let rules = ids().join(",");
        let mut seen = 0;
        for name in ["plain", "plain_nobias", "batchnorm", "residual", "strided", "concat"] {
            let model = golden.join(format!("{name}.onnx"));
            let shape = json(&golden.join(format!("{name}.json")))["input_shape"].clone();
            let shape: Vec<usize> = serde_json::from_value(shape).expect("shape");
            let mut s = Seed(3).stream(name);
            let data = (0..shape.iter().product()).map(|_| s.normal() as f32).collect();
            let x = Array::from_vec(data, &shape).expect("input");
            let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
            std::fs::write(folder.path().join("x.safetensors"), bytes).expect("written");
            for device in ["cpu", "cuda"] {
                let line = format!(
                    "explain {} x.safetensors {name}-{device}.safetensors --rule {rules} \
                     --target 0 --device {device}",
                    model.display()
                );
                let _ = good(folder.path(), &line);
            }
            let out = |device: &str| folder.path().join(format!("{name}-{device}.safetensors"));
            let [cpu, card] = ["cpu", "cuda"].map(|device| arrays(&out(device)));
            let graph = wide(&model, &shape);
            for rule in ids() {
                let of = |arrays: &[(String, Vec<f64>)]| {
                    let named = arrays.iter().find(|(n, _)| *n == format!("relevance.{rule}"));
                    named.map(|(_, map)| map.clone()).expect("map")
                };
                let truth = map(&graph, &x, rule);
                let (there, here) = (gap(&of(&card), &truth), gap(&of(&cpu), &truth));
                // A rule that divides by sums near zero (norm) magnifies rounding, whoever rounds.
                assert!(there <= f64::max(1e-4, 3.0 * here), "{name} {rule}: {there:e} {here:e}");
                seen += 1;
            }
        }
        assert_eq!(seen, 6 * ids().len());
    }

    /// What a layer makes on the way there and back, all its arrays where the input was: output and
    /// gradients of the inputs, then gradients of the parameters.
    fn there_and_back(case: &Case, train: bool, card: bool) -> [Vec<f64>; 2] {
        let (mut dropout, ws) = (Seed(4).stream("dropout"), &mut Workspace::new());
        let copy = |x: &Array| match (x.duplicate().expect("copy"), card) {
            (x, true) => x.at_work().expect("card"),
            (x, false) => x,
        };
        let inputs: Vec<Array> = case.inputs.iter().map(copy).collect();
        let inputs: Vec<&Array> = inputs.iter().collect();
        let mut mode = if train { Mode::Train(&mut dropout, Precision::F32) } else { Mode::Infer };
        let (y, saved) = case.layer.forward(&inputs, &mut mode, ws).expect(&case.what);
        let grad = copy(&random(&mut Seed(4).stream("gradient"), y.shape(), true));
        let pass = Pass {
            inputs: &inputs,
            output: &y,
            saved: &saved,
            grad: &grad,
            precision: Precision::F32,
        };
        let back = case.layer.backward(&pass, true, ws).expect(&case.what);
        let made: Vec<&Array> = [&y].into_iter().chain(&back.inputs).collect();
        assert!(made.iter().all(|a| a.on_host() != card), "{}: where it is", case.what);
        let numbers = |a: &Array| a.to_f64().expect("numbers");
        let parameters = back.parameters.iter().flat_map(numbers).collect();
        [made.into_iter().flat_map(numbers).collect(), parameters]
    }

    #[test]
    fn every_layer_stays_on_the_card_and_makes_what_it_makes_on_the_host() {
        if !device::on_card().expect("device") {
            eprintln!("skipped: HEATPROOF_DEVICE chooses no card");
            return;
        }
        let mut s = Seed(22).stream("test/layers");
        for layer in LAYERS {
            for mut case in cases(layer.id, &mut s) {
                for (_, slot) in case.layer.parameters_mut() {
                    *slot = random(&mut s, slot.shape(), true);
                }
                for train in [true, false] {
                    let [host, there] =
                        [false, true].map(|card| there_and_back(&case, train, card));
                    for (host, there) in host.iter().zip(&there) {
                        let apart = gap(there, host);
                        assert!(apart < 1e-12, "{}: {apart:e}", case.what);
                    }
                }
            }
        }
    }

    /// Activations at the card's own exp, tanh and erfc, where they are hardest, against their values
    /// and slopes in f64: an f32 result is off by its rounding and no more.
    #[test]
    fn activations_of_the_card_are_those_of_the_host_everywhere() {
        if !device::on_card().expect("device") {
            eprintln!("skipped: HEATPROOF_DEVICE chooses no card");
            return;
        }
        let values: Vec<f64> = (-4000..=4000).map(|v| f64::from(v) * 0.01).collect();
        let mut seen = 0;
        for layer in LAYERS {
            for case in cases(layer.id, &mut Seed(23).stream("test/curves")) {
                if case.layer.parameters().is_empty() && case.layer.out_shape(&[&[1]]).is_ok() {
                    let x = Array::from_vec(values.clone(), &[values.len(), 1]).expect("array");
                    let what = format!("{} far and near", case.what);
                    let case = Case { what, layer: case.layer, inputs: vec![x] };
                    let [host, there] =
                        [false, true].map(|card| there_and_back(&case, false, card));
                    for (host, there) in host[0].iter().zip(&there[0]) {
                        let limit = 1e-14 + 1e-12 * host.abs();
                        assert!((host - there).abs() <= limit, "{}: {host} {there}", case.what);
                    }
                    seen += 1;
                }
            }
        }
        assert!(seen >= 12, "{seen}");
    }

    /// The network in f64, in this process.
    fn wide(model: &Path, shape: &[usize]) -> Graph {
        let shape = shape.try_into().expect("five extents");
        let network = Network::read(model, Some(shape)).expect("network");
        network.graph.before_links().and_then(|graph| graph.wide()).expect("graph")
    }

    /// A map in f64.
    fn map(graph: &Graph, x: &Array, rule: &str) -> Vec<f64> {
        let (x, ws) = (x.cast::<f64>().expect("cast"), &mut Workspace::new());
        let composite = Composite::named(rule).expect("rule");
        let (graph, _) = composite.canonical(graph, &x, ws).expect("canonical");
        let found = explain(&graph, &x, &composite, Start::Class(0), ws).expect("explained");
        found.relevance.to_f64().expect("numbers")
    }

    #[test]
    fn training_explaining_and_auditing_end_at_the_cpus_numbers_and_repeat_themselves() {
        let temporary = tempfile::tempdir().expect("folder");
        let folder = temporary.path();
        if !carded(folder) {
            return;
        }
        let _ = good(folder, "phantom data --subjects 12 --arm volume --shape 24 --spacing 5.4");
        let fit = "--target group=preterm --folds 2 --spacing 9 --epochs 2";
        for (model, device) in [("host", "cpu"), ("there", "cuda"), ("again", "cuda")] {
            let _ = good(folder, &format!("train data {model} {fit} --device {device}"));
        }
        let weights = |model: &str| weights(&folder.join(model));
        // Rounding grows from step to step.
        close(&weights("host"), &weights("there"), 1e-3);
        assert!(std::fs::read(weights("there")).ok() == std::fs::read(weights("again")).ok());
        let audits = [("a", "cpu"), ("b", "cuda"), ("c", "cuda")];
        for (out, device) in audits {
            let line = format!("audit host data {out} --subjects 2 --draws 1 --device {device}");
            let (code, _, errors) = run(folder, &line);
            assert!([0, 1, 7].contains(&code), "{errors}");
        }
        same(&folder.join("b/explanations"), &folder.join("c/explanations"));
        let findings = |out: &str| json(&folder.join(out).join("report.json"))["findings"].clone();
        assert_eq!(findings("b"), findings("c"));
        let (a, b) = (findings("a"), findings("b"));
        let (a, b) = (a.as_array().expect("findings"), b.as_array().expect("findings"));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            let value = |f: &serde_json::Value| f["outcome"]["measured"]["value"].as_f64();
            assert_eq!((&a["check"], &a["subject"]), (&b["check"], &b["subject"]));
            if let (Some(x), Some(y)) = (value(a), value(b)) {
                assert!((x - y).abs() <= 0.02 * (1.0 + x.abs()), "{a}\n{b}");
            }
        }
    }
}
