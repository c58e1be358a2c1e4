//! The checks of conservation: sound networks pass, planted faults are seen.

use heatproof::audit::bench::Bench;
use heatproof::audit::checks::Check;
use heatproof::audit::checks::conservation::engine_oracles::EngineOracles;
use heatproof::audit::checks::conservation::fold_exactness::FoldExactness;
use heatproof::audit::checks::conservation::padding_share::PaddingShare;
use heatproof::audit::checks::conservation::zero_input::ZeroInput;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::audit::selftest::faulty::{Fault, planted};
use heatproof::compute::PoolGeometry;
use heatproof::explain::{Composite, Start};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::{average_pool::AveragePool, flatten::Flatten, pad::Pad};
use heatproof::seed::Seed;

use super::audit_bench::*;

/// What a check says where the explained network need not be the trained one.
fn explained(check: &dyn Check, graph: &Graph, trained: &Graph) -> Vec<Finding> {
    let (cases, seed) = (&HEADS[..], Seed(72));
    let bench = Bench::new(graph, trained, cases, &CLASSES, &COMPOSITE, Start::Margin, seed);
    check.measure(&bench.expect("bench")).expect("measured")
}

fn worst(found: &[Finding], quantity: &str) -> f64 {
    values(found, quantity, false).into_iter().fold(0.0, f64::max)
}

#[test]
fn folding_keeps_the_answers_and_another_network_does_not() {
    let (net, other) = (untrained(31), untrained(32));
    let sound = cohort(&measured(&FoldExactness, &net, |_| {}), "drift");
    assert!(sound < 1e-5, "{sound}");
    // One layer folded with a wrong scale.
    let folded = net.folded().expect("folded");
    let name = folded.parameters().iter().map(|p| p.0.clone()).find(|n| n.ends_with("weight"));
    let scaled =
        changed(&folded, &name.expect("a weight"), |w| w.iter_mut().for_each(|v| *v *= 1.1));
    let drift = cohort(&explained(&FoldExactness, &scaled, &net), "drift");
    assert!(drift > 1e-3, "{drift}");
    let drift = cohort(&explained(&FoldExactness, &other.folded().expect("folded"), &net), "drift");
    assert!(drift > 1e-2, "{drift}");
}

#[test]
fn the_identities_hold_and_a_wrong_transpose_breaks_them() {
    let net = untrained(33);
    let sound = measured(&EngineOracles, &net, |_| {});
    assert!(worst(&sound, "lrp_0_gap") < 1e-3, "{sound:?}");
    assert!(worst(&sound, "full_gradient_gap") < 1e-4, "{sound:?}");
    let folded = net.folded().expect("folded");
    let names = folded.nodes().iter().filter(|n| n.layer.card().id == "conv3d");
    let second = names.map(|n| n.name.clone()).nth(1).expect("two convolutions");
    for fault in [Fault::Mirrored, Fault::MissedTap, Fault::Shifted] {
        let faulty = planted(&folded, &second, fault).expect("planted");
        let found = explained(&EngineOracles, &faulty, &net);
        let gap = worst(&found, "lrp_0_gap");
        assert!(gap > 1e-2, "{fault:?} {gap}");
    }
}

#[test]
fn only_rules_that_ignore_the_input_put_relevance_on_empty_voxels() {
    let net = untrained(34);
    // Half of the first head is empty.
    let mut cases = HEADS.clone();
    let voxels = cases[0].data.len();
    cases[0].data[voxels / 2..].fill(0.0);
    let share = |rule: &str| {
        let (composite, folded) =
            (Composite::named(rule).expect("known"), net.folded().expect("folded"));
        let (start, seed) = (Start::Margin, Seed(73));
        let bench =
            Bench::new(&folded, &net, &cases, &CLASSES, &composite, start, seed).expect("bench");
        let found = ZeroInput.measure(&bench).expect("measured");
        values(&found, "zero_share", false)[0]
    };
    assert_eq!(share("epsilon_plus"), 0.0);
    let flat = share("epsilon_plus_flat");
    assert!(flat > 0.2, "{flat}");
}

#[test]
fn a_network_of_other_layers_is_not_held_to_the_identities() {
    use heatproof::model::layers::sigmoid;
    let net = untrained(35);
    let mut smooth = Graph::default();
    for node in net.folded().expect("folded").nodes() {
        let layer = match node.layer.card().id {
            "relu" => Box::new(sigmoid::layer()),
            _ => node.layer.duplicate().expect("copy"),
        };
        let _ = smooth.push(&node.name, layer, node.inputs.clone());
    }
    let found = explained(&EngineOracles, &smooth, &smooth);
    assert!(found.iter().all(|f| matches!(f.outcome, Outcome::NotApplicable { .. })), "{found:?}");
}

#[test]
fn padding_gets_relevance_from_rules_that_do_not_look_at_it_and_from_borders_that_hold_something() {
    let net = untrained(35);
    let share = |graph: &Graph, rule: &str| {
        let composite = Composite::named(rule).expect("known");
        let (cases, start, seed) = (&HEADS[..], Start::Margin, Seed(74));
        let bench = Bench::new(graph, &net, cases, &CLASSES, &composite, start, seed);
        PaddingShare.measure(&bench.expect("bench")).expect("measured")
    };
    let folded = net.folded().expect("folded");
    let none = worst(&share(&folded, "epsilon_plus"), "padding_share");
    assert!(none < 1e-12, "{none}");
    let flat = share(&folded, "epsilon_plus_flat");
    assert!(worst(&flat, "padding_share") > 0.01, "{flat:?}");
    // Only the first layer is flat: all of it lies in its padding.
    let rows = &flat.iter().find_map(|f| f.tables.first()).expect("table").rows;
    let number = |row: &Vec<Cell>| match row[1] {
        Cell::Number(v) => v,
        ref other => panic!("{other:?}"),
    };
    let (first, others) = rows.split_last().expect("rows");
    assert!(number(first) > 0.01 && others.iter().all(|r| number(r) < 1e-12), "{rows:?}");
    // Two logits: the mean of the head, and that of a border of 1.5 behind it.
    let mut bordered = Graph::default();
    let pad = Pad { before: [0; 4], after: [0, INPUT[0], 0, 0], value: 1.5 };
    let border = bordered.push("border", Box::new(pad), vec![From::Input]);
    let tiles = PoolGeometry { kernel: INPUT, stride: INPUT, ..PoolGeometry::tiles(1) };
    let pool = AveragePool { geometry: Some(tiles) };
    let mean = bordered.push("mean", Box::new(pool), vec![From::Node(border)]);
    let _ = bordered.push("flat", Box::new(Flatten), vec![From::Node(mean)]);
    let found = share(&bordered, "epsilon_plus");
    for (case, share) in HEADS.iter().zip(values(&found, "padding_share", false)) {
        let sum: f64 = case.data.iter().map(|v| f64::from(*v)).sum();
        let mean = (sum / case.data.len() as f64).abs();
        assert!((share - 1.5 / (1.5 + mean)).abs() < 1e-5, "{share} {mean}");
    }
}

#[test]
fn a_network_without_padding_has_no_share_on_it() {
    let found = measured(&PaddingShare, &halves(), |_| {});
    assert!(matches!(found[0].outcome, Outcome::NotApplicable { .. }), "{found:?}");
}
