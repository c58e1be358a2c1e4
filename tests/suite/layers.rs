//! Every layer in a network: the ledger closes over it by every rule. The registry drives the
//! list. And what single layers do with relevance, by hand.

use heatproof::compute::{Array, ConvGeometry, Workspace};
use heatproof::explain::ledger::LedgerLine;
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    LAYERS, average_pool::AveragePool, batch_norm::BatchNorm, flatten::Flatten, gate::Gate,
    group_norm::GroupNorm, pad::Pad, relu::Relu, softmax::Softmax,
};
use heatproof::seed::{Seed, Stream};

use super::gradients::{Case, cases};
use super::nets::{array, conv, dense, gap, ids, random, randomised};

/// The layer between a network's input and a dense layer; further inputs are branches of the
/// network of the extents that the case has.
fn around(case: &Case, s: &mut Stream, wide: bool) -> Graph {
    let mut graph = Graph::default();
    let mut inputs = vec![From::Input];
    let channels = case.inputs[0].shape()[1];
    for (n, extra) in case.inputs.iter().enumerate().skip(1) {
        let branch = conv(channels, extra.shape()[1], ConvGeometry::same(3));
        let mut last = graph.push(&format!("branch{n}"), branch, vec![From::Input]);
        if extra.shape()[2..] == [1, 1, 1] {
            let mean = Box::new(AveragePool { geometry: None });
            last = graph.push(&format!("mean{n}"), mean, vec![From::Node(last)]);
        }
        inputs.push(From::Node(last));
    }
    let layer = graph.push("layer", case.layer.duplicate().expect("copy"), inputs);
    let flat = graph.push("flat", Box::new(Flatten), vec![From::Node(layer)]);
    let rows = graph.describe(&case.inputs[0].shape()[1..]).expect("fits");
    let features = rows[flat].shape[0];
    let _ = graph.push("dense", dense(features, 2), vec![From::Node(flat)]);
    randomised(&graph, s, wide)
}

#[test]
fn the_ledger_closes_over_every_layer_by_every_rule() {
    let mut s = Seed(71).stream("test/layers");
    let ids = ids();
    for card in LAYERS {
        for case in cases(card.id, &mut s) {
            for wide in [true, false] {
                let graph = around(&case, &mut s, wide).folded().expect("folded");
                let x = &case.inputs[0];
                let x = if wide { x.duplicate() } else { x.cast::<f32>() }.expect("copy");
                for id in &ids {
                    let composite = Composite::named(id).expect("known");
                    let ws = &mut Workspace::new();
                    let e = explain(&graph, &x, &composite, Start::Margin, ws).expect("explained");
                    let tolerance = match (wide, *id) {
                        (true, _) => 1e-12,
                        // thousands of equal numbers are added: their rounding does not cancel
                        (false, "flat") => 4e-6,
                        (false, _) => 1e-6,
                    };
                    for line in e.ledgers.iter().flatten() {
                        let residual = line.residual();
                        assert!(residual <= tolerance, "{} {id}: {residual:e} {line:?}", case.what);
                    }
                    assert!(e.ledgers.iter().all(|l| l.len() == graph.nodes().len()));
                }
            }
        }
    }
}

/// Map, ledger of the first sample and scores of a graph by LRP-ε from its second output, or
/// its only one.
fn told(graph: &Graph, x: &Array) -> (Vec<f64>, Vec<LedgerLine>, Vec<f64>) {
    let composite = Composite::named("epsilon").expect("known");
    let e = explain(graph, x, &composite, Start::Class(1), &mut Workspace::new()).expect("told");
    (e.relevance.to_f64().expect("host"), e.ledgers[0].clone(), e.scores)
}

fn line<'a>(ledger: &'a [LedgerLine], layer: &str) -> &'a LedgerLine {
    ledger.iter().find(|l| l.layer == layer).expect("a line")
}

#[test]
fn relevance_starts_below_a_softmax() {
    let mut s = Seed(72).stream("test/layers");
    let x = random(&mut s, &[3, 6], true);
    let build = |softmax: bool| {
        let mut graph = Graph::default();
        let a = graph.push("dense", dense(6, 4), vec![From::Input]);
        if softmax {
            let layer = Box::new(Softmax { logarithm: false });
            let _ = graph.push("softmax", layer, vec![From::Node(a)]);
        }
        randomised(&graph, &mut Seed(73).stream("test/layers"), true)
    };
    let ((with, _, score), (without, _, logit)) = (told(&build(true), &x), told(&build(false), &x));
    assert_eq!((with, score), (without, logit));
    let y = build(true).forward(&x, &mut Workspace::new()).expect("forward");
    for row in y.to_f64().expect("host").chunks(4) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_gate_gets_nothing_and_a_border_is_degenerate() {
    let mut s = Seed(74).stream("test/layers");
    let mut graph = Graph::default();
    let a = graph.push("signal", conv(2, 2, ConvGeometry::same(3)), vec![From::Input]);
    let b = graph.push("gate_conv", conv(2, 2, ConvGeometry::same(1)), vec![From::Input]);
    let c = graph.push("product", Box::new(Gate), vec![From::Node(a), From::Node(b)]);
    let border = Pad { before: [0, 1, 0, 2], after: [1, 0, 0, 0], value: 1.5 };
    let d = graph.push("border", Box::new(border), vec![From::Node(c)]);
    let e = graph.push("flat", Box::new(Flatten), vec![From::Node(d)]);
    let _ = graph.push("dense", dense(3 * 4 * 3 * 5, 1), vec![From::Node(e)]);
    let graph = randomised(&graph, &mut s, true);
    let x = random(&mut s, &[1, 2, 3, 3, 3], true);
    let (_, ledger, scores) = told(&graph, &x);
    assert_eq!(line(&ledger, "gate_conv").mass, 0.0);
    assert_eq!(line(&ledger, "signal").received, line(&ledger, "product").received);
    // ε aside, what a border voxel adds to the score is its value times its weight
    let weight = graph.parameters().iter().find(|(n, _)| n == "dense.weight").expect("w").1;
    let weight = weight.to_f64().expect("host");
    let inside = |v: usize| {
        let at = [v / 60, v / 15 % 4, v / 5 % 3, v % 5];
        at[0] < 2 && at[1] >= 1 && at[3] >= 2
    };
    let outside: f64 = (0..180).filter(|v| !inside(*v)).map(|v| 1.5 * weight[v]).sum();
    let got = line(&ledger, "border").degenerate;
    assert!((got - outside).abs() < 1e-5 * scores[0].abs().max(1.0), "{got} {outside}");
}

/// `Σ_i x_i w_ij` of an affine map is what LRP-0 hands on; here for statistics held fixed, by
/// the formula of instance normalisation.
#[test]
fn a_group_norm_is_explained_as_the_affine_map_of_its_sample() {
    let mut s = Seed(75).stream("test/layers");
    let (gamma, beta) = ([1.5, -0.5], [0.25, 1.0]);
    let norm =
        GroupNorm::new(array(gamma.to_vec(), &[2], true), array(beta.to_vec(), &[2], true), 2, 0.1);
    let mut graph = Graph::default();
    let a = graph.push("norm", Box::new(norm.expect("norm")), vec![From::Input]);
    let b = graph.push("flat", Box::new(Flatten), vec![From::Node(a)]);
    let _ = graph.push("dense", dense(16, 1), vec![From::Node(b)]);
    let mut state: std::collections::BTreeMap<String, Array> =
        graph.state().into_iter().map(|(n, a)| (n, a.cast::<f64>().expect("copy"))).collect();
    let weight = random(&mut s, &[1, 16], true);
    let w = weight.to_f64().expect("host");
    let _ = state.insert("dense.weight".to_owned(), weight);
    let graph = graph.with_state(state).expect("state");
    let x = random(&mut s, &[1, 2, 2, 2, 2], true);
    let values = x.to_f64().expect("host");
    let mut want = Vec::new();
    for c in 0..2 {
        let own = &values[8 * c..8 * c + 8];
        let mean = own.iter().sum::<f64>() / 8.0;
        let variance = own.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 8.0;
        let scale = gamma[c] / (variance + 0.1).sqrt();
        want.extend(own.iter().enumerate().map(|(v, x)| x * scale * w[8 * c + v]));
    }
    let (map, ledger, _) = told(&graph, &x);
    assert!(gap(&map, &want) < 1e-4, "{map:?} {want:?}");
    assert!(line(&ledger, "norm").bias != 0.0);
}

#[test]
fn a_batch_norm_that_cannot_be_folded_keeps_the_function_and_is_explained() {
    let mut s = Seed(76).stream("test/layers");
    let mut graph = Graph::default();
    let norm = || Box::new(BatchNorm::fresh(3).expect("norm"));
    // before a padded convolution, after a layer read twice, after a rectifier: none folds; the
    // last does
    let a = graph.push("n1", norm(), vec![From::Input]);
    let b = graph.push("c1", conv(3, 3, ConvGeometry::same(3)), vec![From::Node(a)]);
    let c = graph.push("n2", norm(), vec![From::Node(b)]);
    let d = graph.push(
        "sum",
        Box::new(heatproof::model::layers::add::Add),
        vec![From::Node(b), From::Node(c)],
    );
    let e = graph.push("relu", Box::new(Relu), vec![From::Node(d)]);
    let f = graph.push("n3", norm(), vec![From::Node(e)]);
    let g = graph.push("c2", conv(3, 3, ConvGeometry::same(3)), vec![From::Node(f)]);
    let h = graph.push("n4", norm(), vec![From::Node(g)]);
    let i = graph.push("flat", Box::new(Flatten), vec![From::Node(h)]);
    let _ = graph.push("dense", dense(81, 2), vec![From::Node(i)]);
    let graph = randomised(&graph, &mut s, true);
    let x = random(&mut s, &[2, 3, 3, 3, 3], true);
    let (folded, proof) = graph.canonical(&x, &mut Workspace::new()).expect("canonical");
    assert!(proof.drift < 1e-12 && proof.folded == 1, "{proof:?}");
    let kinds: Vec<&str> = folded.nodes().iter().map(|n| n.layer.card().id).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "channel_affine").count(), 3, "{kinds:?}");
    let (_, ledger, _) = told(&folded, &x);
    assert!(ledger.iter().all(|l| l.residual() < 1e-12));
    assert!(line(&ledger, "n3").bias != 0.0);
}

#[test]
fn a_batch_norm_folds_into_a_transposed_convolution_with_groups() {
    use heatproof::model::layers::transposed_conv3d::TransposedConv3d;
    let mut s = Seed(77).stream("test/layers");
    let g = ConvGeometry { stride: [2, 1, 2], groups: 2, ..ConvGeometry::same(3) };
    let up = TransposedConv3d::new(
        Array::zeros::<f64>(&[4, 3, 3, 3, 3]),
        Array::zeros::<f64>(&[6]),
        g,
        [1, 0, 1],
    );
    let mut graph = Graph::default();
    let a = graph.push("up", Box::new(up.expect("up")) as Box<dyn Layer>, vec![From::Input]);
    let b = graph.push("norm", Box::new(BatchNorm::fresh(6).expect("norm")), vec![From::Node(a)]);
    let c = graph.push("mean", Box::new(AveragePool { geometry: None }), vec![From::Node(b)]);
    let _ = graph.push("flat", Box::new(Flatten), vec![From::Node(c)]);
    let graph = randomised(&graph, &mut s, true);
    let x = random(&mut s, &[2, 4, 3, 4, 2], true);
    let (_, proof) = graph.canonical(&x, &mut Workspace::new()).expect("canonical");
    assert!(proof.drift < 1e-12 && proof.folded == 1, "{proof:?}");
}
