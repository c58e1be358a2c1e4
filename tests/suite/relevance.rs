//! Relevance against outside truth: maps that Zennit 0.5.1 computed for a small network, single
//! neurons, a padded convolution, a pool and residual sums; and closure of the ledger.

use super::nets::{looked, whole};
use heatproof::compute::{Array, ConvGeometry, Workspace};
use heatproof::explain::redistribute::redistribute;
use heatproof::explain::rules::{Applied, Convention};
use heatproof::explain::terms::{BiasPolicy, Bounds};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Layer, Role};
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, conv3d::Conv3d, dense::Dense, flatten::Flatten, relu::Relu,
};

fn array(data: &[f64], shape: &[usize]) -> Array {
    Array::from_vec(data.to_vec(), shape).expect("shape")
}

fn network() -> Graph {
    let filters = [
        1.0, -1.0, 0.5, 2.0, -0.5, 1.0, 0.0, -2.0, //
        -1.0, 0.5, 1.0, 1.0, 0.5, -0.5, 2.0, 0.0,
    ];
    let conv = Conv3d::new(
        array(&filters, &[2, 1, 2, 2, 2]),
        array(&[4.0, -0.5], &[2]),
        ConvGeometry::valid(2),
    );
    let dense = Dense::new(array(&[1.0, -2.0, -1.0, 1.0], &[2, 2]), array(&[0.5, -0.25], &[2]));
    let mut graph = Graph::default();
    let a = graph.push("conv", Box::new(conv.expect("conv")), vec![From::Input]);
    let b = graph.push("relu", Box::new(Relu), vec![From::Node(a)]);
    let c = graph.push("flat", Box::new(Flatten), vec![From::Node(b)]);
    let _ = graph.push("dense", Box::new(dense.expect("dense")), vec![From::Node(c)]);
    graph
}

#[test]
fn maps_equal_those_of_zennit_and_every_layer_closes() {
    let x = array(&[1.0, -1.0, 2.0, 0.0, 3.0, -2.0, 0.5, 1.0], &[1, 1, 2, 2, 2]);
    let box_4 = |mut c: Composite| {
        c.bounds = Some((-4.0, 4.0));
        c
    };
    let cases: &[(&str, [f64; 8])] = &[
        ("norm", [1.04545, 0.25, -3.72727, 0.0, -1.56818, -0.5, -1.59091, 1.09091]),
        ("boehle:epsilon", [1.04545, 0.25, -3.72727, 0.0, -1.56818, -0.5, -1.59091, 1.09091]),
        ("gamma_0.25", [1.75688, 1.09212, -2.89649, 0.0, -3.0057, -2.34568, -1.66192, -0.68376]),
        ("alpha1_beta0", [-0.53571, -0.53571, -0.53571, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (
            "w_square",
            [-0.51082, -0.15368, -0.48485, -0.61472, -0.12771, -0.15368, -1.90476, -0.13853],
        ),
        ("flat", [-0.625; 8]),
        ("epsilon_plus_flat", [-0.6875; 8]),
        (
            "epsilon_gamma_box",
            [-0.44576, -0.09576, -1.24746, -0.52655, -0.79124, -0.5983, -2.1, 0.30508],
        ),
        ("excitation_backprop", [-0.53571, -0.53571, -0.53571, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("captum:epsilon", [3.0, 2.0, -3.0, 0.0, -4.5, -4.0, -2.0, -2.0]),
        (
            "captum:gamma_0.25",
            [3.37087, 2.4024, -2.51502, 0.0, -5.18018, -5.06006, -2.1021, -2.7027],
        ),
        ("captum:alpha1_beta0", [-0.9375, 0.0, -0.9375, 0.0, 0.0, 1.875, 0.0, 0.0]),
        ("boehle:alpha1_beta0", [-1.66667, -1.66667, -1.66667, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (
            "boehle:alpha1.5_beta0.5",
            [-4.58333, -4.16666, -2.38636, 0.0, 2.04545, 2.04545, 0.68182, 1.36364],
        ),
        (
            "boehle:alpha2_beta1",
            [-9.99999, -8.33333, -3.0303, 0.0, 5.45454, 5.45454, 1.81818, 3.63636],
        ),
        ("epsilon", [3.0, 2.0, -3.0, 0.0, -4.5, -4.0, -2.0, -2.0]),
        ("z_plus", [-0.53571, -0.53571, -0.53571, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("alpha_beta", [-4.64285, -3.39285, 1.49351, 0.0, 4.77272, 4.54545, 1.81818, 2.72727]),
        ("epsilon_plus", [0.21429, 0.21429, -2.33117, 0.0, -1.90909, -1.27273, -1.27273, 0.0]),
        (
            "epsilon_alpha2_beta1",
            [3.92857, 2.17857, -4.66234, 0.0, -4.22727, -3.09091, -2.54545, -0.54545],
        ),
    ];
    for &(rule, truth) in cases {
        let composite = box_4(Composite::named(rule).expect("known"));
        let mut ws = Workspace::new();
        let e = explain(&network(), &x, &composite, Start::Class(0), &mut ws).expect("explained");
        assert!((e.scores[0] + 5.0).abs() < 1e-12, "logit {}", e.scores[0]);
        let map = e.relevance.to_f64().expect("host");
        for (got, want) in map.iter().zip(truth) {
            assert!((got - want).abs() < 2e-5, "{rule}: {map:?}");
        }
        for line in &e.ledgers[0] {
            assert!(line.residual() < 1e-12, "{rule} {line:?}");
        }
    }
}

/// The map of one layer by a rule as the command line names it, for an input within `bounds`;
/// `+drop` leaves biases out.
fn one(layer: &dyn Layer, rule: &str, bounds: (f64, f64), x: &Array, r: &Array) -> Vec<f64> {
    let Role::Affine(affine) = layer.role() else { panic!("not affine") };
    let (rule, drop) = match rule.strip_suffix("+drop") {
        Some(rule) => (rule, true),
        None => (rule, false),
    };
    let mut applied = Applied::named(rule, Convention::Own).expect("known").expect("numbers");
    if drop {
        applied.bias = BiasPolicy::Drop;
    }
    let (groups, bounds) = (applied.groups(), [bounds]);
    let way = applied.way(&groups, Bounds::Each(&bounds));
    let mut ws = Workspace::new();
    let z = affine.apply(x, affine.weight(), affine.bias(), &mut ws).expect("fits");
    let share = redistribute(affine, looked(x), &z, &whole(r), &way, &mut ws);
    share.expect("shared").input.to_f64().expect("host")
}

fn same(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 2e-5 * w.abs().max(1.0), "{what}: {got:?} instead of {want:?}");
    }
}

#[test]
fn single_neurons_with_negative_input_and_with_output_zero_equal_zennit() {
    let (x, r) = (array(&[1.0, 1.0, -2.0], &[1, 3]), array(&[1.0], &[1, 1]));
    for (rule, bias, truth) in [
        ("epsilon", 0.5, [-3.999992, 1.999996, 3.999992]),
        ("epsilon", 2.0, [1.999998, -0.999999, -1.999998]),
        ("epsilon", 1.0, [2e6, -1e6, -2e6]),
        ("z_plus", 0.5, [0.8, 0.0, 0.0]),
        ("z_plus", 2.0, [0.5, 0.0, 0.0]),
        ("z_plus", 1.0, [0.666666, 0.0, 0.0]),
        ("alpha_beta", 0.5, [1.599999, -0.333333, -0.666666]),
        ("alpha_beta", 2.0, [1.0, -0.333333, -0.666666]),
        ("alpha_beta", 1.0, [1.333333, -0.333333, -0.666666]),
        ("epsilon+drop", 0.5, [-1.999998, 0.999999, 1.999998]),
        ("epsilon_0.25", 0.5, [-2.666667, 1.333333, 2.666667]),
        ("gamma_0.25", 0.5, [-1.599999, 0.999999, 1.999998]),
        ("gamma_0.25", 2.0, [1.249999, -0.5, -1.0]),
        ("gamma_0.25", 1.0, [0.0, 0.0, 0.0]),
        ("gamma_0.25+drop", 0.5, [-1.142856, 0.714285, 1.428571]),
        ("alpha_beta+drop", 0.5, [1.999999, -0.333333, -0.666666]),
        ("z_box", 0.5, [0.727273, 0.181818, 0.090909]),
        ("w_square", 0.5, [0.64, 0.16, 0.16]),
        ("w_square+drop", 0.5, [0.666667, 0.166667, 0.166667]),
        ("flat", 0.5, [1.0 / 3.0; 3]),
    ] {
        let layer = Dense::new(array(&[2.0, -1.0, 1.0], &[1, 3]), array(&[bias], &[1]));
        let got = one(&layer.expect("dense"), rule, (-3.0, 3.0), &x, &r);
        same(&got, &truth, &format!("{rule}, bias {bias}"));
    }
}

#[test]
fn a_negative_output_with_a_negative_bias_equals_zennit() {
    let (x, r) = (array(&[1.0, 1.0], &[1, 2]), array(&[-1.0], &[1, 1]));
    for (rule, truth) in [("alpha1_beta0", [-1.0, 0.0]), ("alpha2_beta1", [-2.0, 0.5])] {
        let layer = Dense::new(array(&[1.0, -1.0], &[1, 2]), array(&[-1.0], &[1]));
        same(&one(&layer.expect("dense"), rule, (-3.0, 3.0), &x, &r), &truth, rule);
    }
}

#[test]
fn other_programs_rules_for_one_neuron() {
    let (x, r) = (array(&[1.0, 1.0, -2.0], &[1, 3]), array(&[1.0], &[1, 1]));
    for (convention, rule, truth) in [
        (Convention::Captum, "gamma_0.25", [-5.0, 2.0, 5.0]),
        (Convention::Captum, "alpha1_beta0", [4.0, 0.0, -4.0]),
        // by hand: the bias of 0.5 in both sums, 2 · 2 / 2.5, −1 / 2.5, −2 / 2.5
        (Convention::Innvestigate, "alpha2_beta1", [1.6, -0.4, -0.8]),
    ] {
        let layer = Dense::new(array(&[2.0, -1.0, 1.0], &[1, 3]), array(&[0.5], &[1]));
        let applied = Applied::named(rule, convention).expect("known").expect("numbers");
        let mut graph = Graph::default();
        let _ = graph.push("neuron", Box::new(layer.expect("dense")), vec![From::Input]);
        let node = &graph.nodes()[0];
        let Role::Affine(affine) = node.layer.role() else { panic!("not affine") };
        let groups = applied.groups();
        let way = applied.way(&groups, Bounds::Each(&[]));
        let z = graph.forward(&x, &mut Workspace::new()).expect("z");
        let share = redistribute(affine, looked(&x), &z, &whole(&r), &way, &mut Workspace::new());
        same(&share.expect("shared").input.to_f64().expect("host"), &truth, rule);
    }
}

#[test]
fn a_padded_convolution_equals_zennit() {
    let weight: Vec<f64> = (0..27).map(|i| f64::from(i - 13) / 10.0).collect();
    let layer =
        Conv3d::new(array(&weight, &[1, 1, 3, 3, 3]), array(&[0.3], &[1]), ConvGeometry::same(3));
    let layer = layer.expect("conv");
    let shape = [1, 1, 2, 2, 2];
    let x = array(&[1.0, -1.0, 2.0, 0.0, 3.0, -2.0, 0.5, 1.0], &shape);
    for (rule, truth) in [
        ("epsilon", [2.99408, -2.83309, 5.02227, 0.0, 4.63575, -2.76854, 0.53115, 0.90133]),
        ("z_plus", [0.0, 2.33929, 0.19157, 0.0, 1.90693, 0.49624, 0.61355, 1.49771]),
        ("alpha_beta", [-1.8064, 4.63096, -1.66934, 0.0, 3.20824, -2.48442, 1.21611, 2.99543]),
        ("gamma_0.25", [2.29205, -1.64854, 3.85913, 0.0, 3.95351, -1.90731, 0.55323, 1.04911]),
        ("flat", [1.0; 8]),
        ("w_square", [1.434, 1.15057, 0.72543, 0.58372, 0.58372, 0.72543, 1.15057, 1.434]),
        ("z_box", [1.00159, 1.4646, 0.55833, 0.86837, 1.04839, 0.51735, 1.11431, 1.42706]),
    ] {
        let got = one(&layer, rule, (-4.0, 4.0), &x, &array(&[1.0; 8], &shape));
        same(&got, &truth, rule);
    }
}

/// The map of a graph by LRP-ε, started at its logit.
fn map(graph: &Graph, x: &Array) -> Vec<f64> {
    let composite = Composite::named("epsilon").expect("known");
    let e = explain(graph, x, &composite, Start::Margin, &mut Workspace::new());
    e.expect("explained").relevance.to_f64().expect("host")
}

#[test]
fn average_pools_and_residual_sums_equal_zennits_norm() {
    let mut pool = Graph::default();
    let a = pool.push("mean", Box::new(AveragePool { geometry: None }), vec![From::Input]);
    let _ = pool.push("flat", Box::new(Flatten), vec![From::Node(a)]);
    let x = array(&[1.0, -1.0, 2.0, 0.0, 0.0, 0.0, 3.0, -1.0], &[1, 1, 2, 2, 2]);
    // the table is for R = 1, the walk starts with the mean of 0.5
    let truth = [0.25, -0.25, 0.5, 0.0, 0.0, 0.0, 0.75, -0.25].map(|r: f64| 0.5 * r);
    same(&map(&pool, &x), &truth, "average pool");

    // y = x + branch(x); the last layer starts the sum with R = 1 at every output
    let residual = |branch: [&Array; 2], x: &Array, last: &[f64]| {
        let dense = |w: Array, b: Array| Box::new(Dense::new(w, b).expect("dense"));
        let [w, b] = branch.map(|a| a.duplicate().expect("copy"));
        let mut graph = Graph::default();
        let a = graph.push("branch", dense(w, b), vec![From::Input]);
        let s = graph.push("sum", Box::new(Add), vec![From::Input, From::Node(a)]);
        let last = dense(array(last, &[1, last.len()]), array(&[0.0], &[1]));
        let _ = graph.push("last", last, vec![From::Node(s)]);
        map(&graph, x)
    };
    let branch = [&array(&[1.0, 2.0, -1.0, 1.0], &[2, 2]), &array(&[0.0, 0.0], &[2])];
    let x = array(&[1.0, 2.0], &[1, 2]);
    same(&residual(branch, &x, &[1.0 / 6.0, 1.0 / 3.0]), &[0.0, 2.0], "sum");
    // branches that cancel to d: relevance grows as 2 / d, held back by ε alone
    for (d, truth) in [(1.0, 1.0), (1e-2, 199.98), (1e-4, 19802.0), (1e-6, 1e6)] {
        let branch = [&array(&[1.0], &[1, 1]), &array(&[d - 2.0], &[1])];
        let got = residual(branch, &array(&[1.0], &[1, 1]), &[1.0 / d]);
        same(&got, &[truth], &format!("cancelling to {d}"));
    }
}
