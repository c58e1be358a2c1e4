//! Attributions of Zennit and Captum on small networks (shared/golden/README.md), from the
//! networks' own description.

use std::collections::BTreeMap;
use std::path::Path;

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::methods::Question;
use heatproof::explain::way::Way;
use heatproof::explain::{Composite, Start, explain_each};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, batch_norm::BatchNorm, concat::Concat, conv3d::Conv3d,
    dense::Dense, dropout::Dropout, flatten::Flatten, leaky_relu, max_pool::MaxPool, relu::Relu,
};
use heatproof::model::tensors;
use heatproof::seed::Seed;
use serde_json::Value;

use super::nets::{UNDECIDED, gap, gap_of_most};
use super::support::golden;

/// A whole number, or one per axis.
fn axes(attrs: &Value, name: &str, default: usize) -> [usize; 3] {
    let number = |v: &Value| v.as_u64().expect("a number") as usize;
    match &attrs[name] {
        Value::Null => [default; 3],
        Value::Array(all) => std::array::from_fn(|a| number(&all[a])),
        one => [number(one); 3],
    }
}

fn number(attrs: &Value, name: &str, default: usize) -> usize {
    attrs[name].as_u64().map_or(default, |v| v as usize)
}

fn zeros(shape: &[usize]) -> Array {
    Array::zeros::<f32>(shape)
}

/// The layer of a node; none for kinds this program does not have.
fn layer(op: &str, a: &Value) -> Option<Box<dyn Layer>> {
    Some(match op {
        "conv3d" => {
            let (cin, cout) = (number(a, "in_channels", 0), number(a, "out_channels", 0));
            let (kernel, padding) = (axes(a, "kernel_size", 1), axes(a, "padding", 0));
            let geometry = ConvGeometry {
                kernel,
                stride: axes(a, "stride", 1),
                pad_before: padding,
                pad_after: padding,
                dilation: axes(a, "dilation", 1),
                groups: number(a, "groups", 1),
            };
            let shape = [&[cout, cin / geometry.groups][..], &kernel].concat();
            Box::new(Conv3d::new(zeros(&shape), zeros(&[cout]), geometry).expect("conv"))
        }
        "linear" => {
            let (i, o) = (number(a, "in_features", 0), number(a, "out_features", 0));
            Box::new(Dense::new(zeros(&[o, i]), zeros(&[o])).expect("dense"))
        }
        "batch_norm3d" => Box::new(BatchNorm::fresh(number(a, "num_features", 0)).expect("norm")),
        "relu" => Box::new(Relu),
        "max_pool3d" => {
            Box::new(MaxPool { geometry: PoolGeometry::tiles(number(a, "kernel_size", 2)) })
        }
        "avg_pool3d" => Box::new(AveragePool {
            geometry: Some(PoolGeometry::tiles(number(a, "kernel_size", 2))),
        }),
        "global_avg_pool3d" => Box::new(AveragePool { geometry: None }),
        "flatten" => Box::new(Flatten),
        "dropout" => Box::new(Dropout { rate: a["p"].as_f64().expect("p") }),
        "add" => Box::new(Add),
        "concat" => Box::new(Concat),
        "leaky_relu" => Box::new(leaky_relu::layer(a["negative_slope"].as_f64().expect("slope"))),
        _ => return None,
    })
}

/// A network of the folder with its weights; none when it has a kind of layer this program
/// does not have.
fn network(text: &Value, path: &Path, bytes: &[u8]) -> Option<Graph> {
    let mut graph = Graph::default();
    let mut place = BTreeMap::from([("input".to_owned(), From::Input)]);
    for node in text["nodes"].as_array().expect("nodes") {
        let name = node["name"].as_str().expect("name");
        let inputs = node["inputs"].as_array().expect("inputs").iter();
        let inputs = inputs.map(|i| place[i.as_str().expect("input")]).collect();
        let layer = layer(node["op"].as_str().expect("op"), &node["attrs"])?;
        let at = graph.push(name, layer, inputs);
        let _ = place.insert(name.to_owned(), From::Node(at));
    }
    let mut state = BTreeMap::new();
    for (name, old) in graph.state() {
        let (node, kind) = name.rsplit_once('.').expect("node.kind");
        let torch = match kind {
            "gamma" => "weight",
            "beta" => "bias",
            "running_variance" => "running_var",
            other => other,
        };
        let stored = tensors::one(path, bytes, &format!("param.{node}.{torch}"));
        // layers without a bias have none in the file
        let array = if kind == "bias" && stored.is_err() {
            zeros(old.shape())
        } else {
            stored.expect("weight")
        };
        let _ = state.insert(name, array);
    }
    Some(graph.with_state(state).expect("state"))
}

/// With Zennit's way of folding its own maps are met closer than with the exact fold.
fn as_zennit(graph: &Graph, x: &Array, method: &str, starts: &[Start], truth: &Array) {
    let composite = Composite::named(&format!("zennit:{method}")).expect("known");
    let mut ws = Workspace::new();
    let (canonical, proof) = composite.canonical(graph, x, &mut ws).expect("canonical");
    assert!((1e-7..1e-4).contains(&proof.drift), "{proof:?}");
    let e = explain_each(&canonical, x, &composite, starts, &mut ws).expect("explained");
    let apart = gap(&e.relevance.to_f64().expect("host"), &truth.to_f64().expect("host"));
    // undamped in every layer, float32 itself is worth 1e-4
    let limit = if method == "epsilon_1e-6" { 2e-4 } else { 1e-4 };
    assert!(apart <= limit, "zennit:{method}: {apart:e}");
}

/// Largest |difference| over largest |reference| allowed.
fn tolerance(norms: bool, method: &str) -> f64 {
    let lrp = !["gradient", "integrated", "occlusion", "gradcam", "guided", "deconvnet"]
        .iter()
        .any(|m| method.starts_with(m));
    if method.starts_with("integrated") {
        return UNDECIDED;
    }
    // Zennit 0.5.1 leaves the ε of a folded batch norm behind.
    if norms && lrp { 1e-3 } else { 1e-4 }
}

#[test]
fn maps_equal_those_of_zennit_and_captum() {
    let Some(folder) = golden() else { return };
    let mut networks = 0;
    for entry in std::fs::read_dir(&folder).expect("folder") {
        let path = entry.expect("entry").path();
        let stem = path.file_stem().expect("name").to_string_lossy().into_owned();
        if path.extension().is_none_or(|e| e != "json") || stem == "metrics" {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let text: Value = serde_json::from_str(&text).expect("json");
        let file = folder.join(format!("{stem}.safetensors"));
        let bytes = std::fs::read(&file).expect("tensors");
        let Some(graph) = network(&text, &file, &bytes) else { continue };
        networks += 1;
        let x = tensors::one(&file, &bytes, "input").expect("input");
        let starts: Vec<Start> = text["target"]
            .as_array()
            .expect("target")
            .iter()
            .map(|t| Start::Class(t.as_u64().expect("class") as usize))
            .collect();
        let mut ws = Workspace::new();
        let (canonical, proof) = graph.canonical(&x, &mut ws).expect("canonical");
        let known = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        let mut names: Vec<&str> = known.names();
        names.sort_unstable();
        for method in names.iter().filter_map(|n| n.strip_prefix("relevance.")) {
            let truth = tensors::one(&file, &bytes, &format!("relevance.{method}")).expect("map");
            let got = match Way::named(method).expect("known") {
                Way::Rules(composite) => {
                    if proof.folded > 0 {
                        as_zennit(&graph, &x, method, &starts, &truth);
                    }
                    let e = explain_each(&canonical, &x, &composite, &starts, &mut ws);
                    let e = e.expect("explained");
                    for line in e.ledgers.iter().flatten() {
                        assert!(line.residual() < 4e-6, "{stem} {method}: {line:?}");
                    }
                    e.relevance
                }
                Way::Method(chosen) => {
                    // the network as it is: a layer that Grad-CAM looks at must not be folded
                    let q = Question::new(&graph, &x, &starts, Seed(1));
                    chosen.map(&q, &mut ws).expect("map")
                }
            };
            assert_eq!(got.shape(), truth.shape(), "{stem} {method}");
            let [got, truth] = [got, truth].map(|a| a.to_f64().expect("host"));
            let apart = gap(&got, &truth);
            if method.starts_with("integrated") {
                assert!(gap_of_most(&got, &truth) <= 1e-4, "{stem} {method}");
            }
            println!("{stem} {method} {apart:.1e}");
            let limit = tolerance(proof.folded > 0, method);
            assert!(apart <= limit, "{stem} {method}: {apart:e} over {limit:e}");
        }
    }
    assert!(networks >= 7, "{networks}");
}
