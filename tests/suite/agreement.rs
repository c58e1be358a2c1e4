//! The table of `docs/agreement.md`: maps that the program makes of ONNX files, as a user
//! would, against those of Zennit and Captum.

use std::collections::BTreeMap;

use assert_cmd::Command;
use heatproof::model::tensors;
use serde_json::Value;

use super::nets::{UNDECIDED, gap, gap_of_most};
use super::support::golden;

const NETWORKS: [&str; 7] =
    ["plain", "plain_nobias", "batchnorm", "strided", "residual", "concat", "seed_like"];

/// Largest difference allowed (see the README of the golden files). Grad-CAM of a layer that
/// the exporter folded away has nothing to be compared with.
fn limit(method: &str, norms: bool, folded_by_exporter: bool, undecided: bool) -> Option<f64> {
    match method {
        "gradcam_last_conv" if norms && folded_by_exporter => None,
        m if m.starts_with("integrated") && undecided => Some(UNDECIDED),
        m if m.starts_with("integrated") => Some(1e-4),
        _ => Some(if norms { 1e-3 } else { 1e-4 }),
    }
}

#[test]
fn maps_of_onnx_files_equal_those_of_zennit_and_captum() {
    let Some(folder) = golden() else { return };
    let out = tempfile::tempdir().expect("folder");
    let mut worst: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut faults = Vec::new();
    for name in NETWORKS {
        let truth_file = folder.join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&truth_file).expect("truth");
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("json");
        let text: Value = serde_json::from_str(&text).expect("json");
        let norms = text["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .any(|node| node["op"] == "batch_norm3d");
        let targets: Vec<String> =
            text["target"].as_array().expect("target").iter().map(Value::to_string).collect();
        let known = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        let names = known.names();
        let mut methods: Vec<&str> =
            names.iter().filter_map(|n| n.strip_prefix("relevance.")).collect();
        methods.sort_unstable();
        for exporter in ["", "_torchscript"] {
            let maps = out.path().join(format!("{name}{exporter}.safetensors"));
            Command::new(env!("CARGO_BIN_EXE_heatproof"))
                .arg("explain")
                .arg(folder.join(format!("{name}{exporter}.onnx")))
                .args([&truth_file, &maps])
                .args(["--rule", &methods.join(","), "--target", &targets.join(",")])
                .assert()
                .success();
            let made = std::fs::read(&maps).expect("maps");
            let apart = |key: &str| {
                let of = |bytes: &[u8]| tensors::one(&maps, bytes, key).expect(key);
                let (got, want) = (of(&made), of(&bytes));
                assert_eq!(got.shape(), want.shape(), "{name}{exporter} {key}");
                let [got, want] = [got, want].map(|a| a.to_f64().expect("host"));
                [gap(&got, &want), gap_of_most(&got, &want)]
            };
            let [logits, _] = apart("logits");
            assert!(logits <= 1e-5, "{name}{exporter}: {logits:e}");
            for method in &methods {
                // of the files at hand one has a rectifier at its kink; of others any may
                let undecided = name == "concat" || std::env::var_os("HEATPROOF_GOLDEN").is_some();
                let Some(limit) = limit(method, norms, exporter.is_empty(), undecided) else {
                    continue;
                };
                let [apart, most] = apart(&format!("relevance.{method}"));
                if method.starts_with("integrated") && most > 1e-4 {
                    faults.push(format!("{name}{exporter} {method}: most voxels {most:.1e}"));
                }
                if apart > limit {
                    faults.push(format!("{name}{exporter} {method}: {apart:.1e} over {limit:.0e}"));
                }
                let row = worst.entry((*method).to_owned()).or_default();
                row[usize::from(norms)] = row[usize::from(norms)].max(apart);
            }
        }
    }
    println!("| method | without batch norm | with batch norm |\n| --- | --- | --- |");
    for (method, [without, with]) in worst {
        println!("| `{method}` | {without:.0e} | {with:.0e} |");
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
