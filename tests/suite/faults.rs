//! The ledger closes for sound layers of realistic size, in f32, and does not where a fault
//! is planted on the way back. It closes because every bin is right, not because one of them
//! is the remainder: a fault moves what is handed on and leaves the bins as they were.

use heatproof::audit::selftest::faulty::{Fault, planted};
use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::ledger::LedgerLine;
use heatproof::explain::rules::Rule;
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::{average_pool::AveragePool, flatten::Flatten, relu::Relu};
use heatproof::seed::Seed;

use super::nets::{canonical, conv, dense, heads, ids, random, randomised, rules};

/// Largest residual of a sound layer, as a share of Σ|R|.
const SOUND: f64 = 1e-6;
/// Smallest residual of a layer with a fault.
const FAULTY: f64 = 1e-2;
/// The same where the fault touches one of 27 taps of a large layer with both signs.
const SLIGHTLY_FAULTY: f64 = 1e-3;

/// Sums over the whole map show a fault only where contributions depend on the input:
/// `flat` and `w_square` share out the same wherever it lands.
fn rules_that_read_the_input() -> impl Iterator<Item = &'static Rule> {
    rules().filter(|rule| !["flat", "w_square"].contains(&rule.card.id))
}

fn ledgers(graph: &Graph, x: &Array, id: &str) -> Vec<Vec<LedgerLine>> {
    let composite = Composite::named(id).expect("known");
    explain(graph, x, &composite, Start::Margin, &mut Workspace::new()).expect("explained").ledgers
}

#[test]
fn sound_networks_of_realistic_size_close_in_every_layer() {
    let ids = ids();
    for (name, input, layers, seed) in [
        ("compact", [48, 48, 48], 14, 40),
        ("compact", [48, 48, 48], 14, 41),
        ("compact", [49, 57, 51], 14, 42),
        ("boehle2019", [78, 79, 80], 16, 43),
    ] {
        let graph = canonical(name, input, seed);
        let x = heads(&mut Seed(42).stream("test/faults/heads"), 2, input);
        // the largest network once, the others with every rule
        let ids = if name == "compact" { &ids[..] } else { &ids[..1] };
        for id in ids {
            for ledger in ledgers(&graph, &x, id) {
                assert_eq!(ledger.len(), layers, "{name}");
                for line in ledger {
                    assert!(line.mass > 0.0, "{name} {id}: nothing reached {}", line.layer);
                    // thousands of equal numbers are added: their rounding does not cancel
                    let limit = if line.rule == "flat" { 4.0 * SOUND } else { SOUND };
                    assert!(
                        line.residual() <= limit,
                        "{name} {id}: {:e} {line:?}",
                        line.residual()
                    );
                }
            }
        }
    }
}

#[test]
fn a_fault_on_the_way_back_opens_its_layers_ledger_and_no_other() {
    let input = [32, 24, 32];
    let sound = canonical("compact", input, 43);
    let x = heads(&mut Seed(44).stream("test/faults/planted"), 1, input);
    let transposes = [Fault::Shifted, Fault::MissedTap, Fault::Mirrored];
    let convolutions = ["conv1", "conv2", "conv3"];
    let mut cases: Vec<(&str, Fault)> =
        convolutions.iter().flat_map(|c| transposes.map(|f| (*c, f))).collect();
    cases.extend(["pool1", "pool3"].map(|pool| (pool, Fault::Divided)));
    // The others amplify in a deep network until both signs dwarf what a fault moves.
    for id in ["epsilon", "z_plus", "alpha_beta"] {
        let truth = &ledgers(&sound, &x, id)[0];
        for &(layer, fault) in &cases {
            let got = &ledgers(&planted(&sound, layer, fault).expect("planted"), &x, id)[0];
            let at = truth.iter().position(|line| line.layer == layer).expect("layer");
            // above the fault nothing differs
            assert_eq!(got[..at], truth[..at], "{id} {layer} {fault:?}");
            let (bad, good) = (&got[at], &truth[at]);
            let limit = if fault == Fault::MissedTap { SLIGHTLY_FAULTY } else { FAULTY };
            assert!(bad.residual() > limit, "{id} {layer} {fault:?}: {:e}", bad.residual());
            assert!(good.residual() <= SOUND, "{id} {layer}: {:e}", good.residual());
            // each bin is summed on its own: the fault shows in what is handed on alone
            let bins = |l: &LedgerLine| [l.received, l.bias, l.stabiliser, l.degenerate, l.mass];
            assert_eq!(bins(bad), bins(good), "{id} {layer} {fault:?}");
            assert_ne!(bad.handed_on, good.handed_on, "{id} {layer} {fault:?}");
            // below it the books close again: each layer answers for itself alone
            for line in &got[at + 1..] {
                assert!(line.residual() <= SOUND, "{id} {layer} {fault:?}: {line:?}");
            }
        }
    }
}

#[test]
fn each_fault_in_a_strided_transpose_exceeds_one_percent() {
    let g = ConvGeometry {
        kernel: [3, 2, 2],
        stride: [2, 3, 2],
        pad_before: [1, 0, 1],
        pad_after: [0, 1, 1],
        ..ConvGeometry::valid(1)
    };
    let mut graph = Graph::default();
    let a = graph.push("conv", conv(2, 3, g), vec![From::Input]);
    let b = graph.push("relu", Box::new(Relu), vec![From::Node(a)]);
    let mean = AveragePool { geometry: Some(PoolGeometry::tiles(2)) };
    let b = graph.push("mean", Box::new(mean), vec![From::Node(b)]);
    let c = graph.push("flat", Box::new(Flatten), vec![From::Node(b)]);
    let features = graph.describe(&[2, 9, 10, 7]).expect("fits")[c].shape[0];
    let _ = graph.push("dense", dense(features, 2), vec![From::Node(c)]);
    let mut s = Seed(45).stream("test/faults/strided");
    let sound = randomised(&graph, &mut s, false);
    let x = random(&mut s, &[4, 2, 9, 10, 7], false);
    for rule in rules_that_read_the_input() {
        let id = rule.card.id;
        let residuals = |graph: &Graph, layer: &str| -> Vec<f64> {
            let all = ledgers(graph, &x, id);
            all.iter().flatten().filter(|l| l.layer == layer).map(LedgerLine::residual).collect()
        };
        for (layer, fault) in [
            ("conv", Fault::Shifted),
            ("conv", Fault::MissedTap),
            ("conv", Fault::ForgottenRow),
            ("conv", Fault::Mirrored),
            ("mean", Fault::Divided),
        ] {
            let closed = residuals(&sound, layer);
            assert!(closed.len() == 4 && closed.iter().all(|r| *r <= SOUND), "{id}: {closed:?}");
            // of a rule with both signs a sample may hide much of it by chance
            let faulty = residuals(&planted(&sound, layer, fault).expect("planted"), layer);
            let worst = faulty.iter().copied().fold(0.0, f64::max);
            assert!(worst > FAULTY, "{id} {fault:?}: {faulty:?}");
        }
    }
}
