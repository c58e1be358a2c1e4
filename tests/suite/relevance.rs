//! Relevance against outside truth: the small network whose maps Zennit 0.5.1 computed
//! (padding-free 2³ convolution, ReLU, dense), and closure of the ledger.

use heatproof::compute::{Array, ConvGeometry, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::{conv3d::Conv3d, dense::Dense, flatten::Flatten, relu::Relu};

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
    let cases: [(&str, [f64; 8]); 5] = [
        ("epsilon", [3.0, 2.0, -3.0, 0.0, -4.5, -4.0, -2.0, -2.0]),
        ("z_plus", [-0.53571, -0.53571, -0.53571, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("alpha_beta", [-4.64285, -3.39285, 1.49351, 0.0, 4.77272, 4.54545, 1.81818, 2.72727]),
        ("epsilon_plus", [0.21429, 0.21429, -2.33117, 0.0, -1.90909, -1.27273, -1.27273, 0.0]),
        (
            "epsilon_alpha2_beta1",
            [3.92857, 2.17857, -4.66234, 0.0, -4.22727, -3.09091, -2.54545, -0.54545],
        ),
    ];
    for (rule, truth) in cases {
        let composite = Composite::named(rule).expect("known");
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
