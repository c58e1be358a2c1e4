//! GELU written out, as exporters do it before operator set 20.

use heatproof::compute::Workspace;

use super::nets::array;
use super::onnx_operators::imported;
use super::onnx_writer::{File, With, floats};

/// Values, and their GELU in float64 by PyTorch 2.15.0 (`torch.nn.functional.gelu`): exact, and
/// with `approximate="tanh"`.
const X: [f64; 6] = [1.0, -2.0, 0.5, 3.0, -3.5, -0.125];
const EXACT: [f64; 6] = [
    0.841344746068543,
    -0.0455002638963584,
    0.345731230637007,
    2.99595030590511,
    -0.00081420177662439,
    -0.0562827218962359,
];
const TANH: [f64; 6] = [
    0.841191990608277,
    -0.0454023059122249,
    0.345714009825144,
    2.99636260791823,
    -0.00061619765537374,
    -0.0562828013757766,
];

fn file(nodes: &[(&str, [&str; 2], &str)]) -> File {
    let constants: [(&str, f32); 9] = [
        ("root", std::f32::consts::SQRT_2),
        ("inverse", std::f32::consts::FRAC_1_SQRT_2),
        ("one", 1.0),
        ("half", 0.5),
        ("two", 2.0),
        ("three", 3.0),
        ("cubic", 0.044715),
        ("scale", 0.797_884_6),
        ("wrong", 0.71),
    ];
    let mut file = File::new(&[1, 1, 1, 2, 3]);
    for (name, value) in constants {
        file = file.stored(floats(name, &[], &[value]));
    }
    for (operator, inputs, output) in nodes {
        let inputs: Vec<&str> = inputs.iter().copied().filter(|i| !i.is_empty()).collect();
        file = file.node(operator, &inputs, output, &[]);
    }
    file.node("Flatten", &["g"], "y", &[])
}

/// Kinds of the layers, and the output for `X`.
fn run(file: &File) -> (Vec<&'static str>, Vec<f64>) {
    let graph = imported(file, None).expect("imported").graph;
    let x = array(X.to_vec(), &[1, 1, 1, 2, 3], false);
    let y = graph.forward(&x, &mut Workspace::new()).expect("forward");
    let kinds = graph.nodes().iter().map(|n| n.layer.card().id).collect();
    (kinds, y.to_f64().expect("host"))
}

fn agree(file: &File, kind: &str, want: &[f64]) {
    let (kinds, y) = run(file);
    assert_eq!(kinds, [kind, "flatten"]);
    assert!(y.iter().zip(want).all(|(y, want)| (y - want).abs() < 2e-7), "{y:?}");
}

/// As `torch.onnx.export(…, dynamo=False)` of PyTorch 2.15.0 writes it for operator sets 11 to 19.
const BY_ERF: [(&str, [&str; 2], &str); 5] = [
    ("Div", ["x", "root"], "d"),
    ("Erf", ["d", ""], "e"),
    ("Add", ["e", "one"], "a"),
    ("Mul", ["x", "a"], "m"),
    ("Mul", ["m", "half"], "g"),
];

const BY_TANH: [(&str, [&str; 2], &str); 8] = [
    ("Mul", ["x", "x"], "q"),
    ("Mul", ["x", "q"], "c"),
    ("Mul", ["cubic", "c"], "k"),
    ("Add", ["x", "k"], "s"),
    ("Mul", ["scale", "s"], "u"),
    ("Tanh", ["u", ""], "t"),
    ("Add", ["one", "t"], "a"),
    ("Mul", ["x", "a"], "m"),
];

fn by_tanh() -> Vec<(&'static str, [&'static str; 2], &'static str)> {
    [&BY_TANH[..], &[("Mul", ["half", "m"], "g")]].concat()
}

#[test]
fn what_exporters_write_becomes_one_layer() {
    for opset in [11, 12, 13, 14, 17, 19] {
        let with = |mut file: File| {
            file.opset = opset;
            file
        };
        agree(&with(file(&BY_ERF)), "gelu", &EXACT);
        agree(&with(file(&by_tanh())), "gelu_tanh", &TANH);
    }
    let mut whole = File::new(&[1, 1, 1, 2, 3])
        .node("Gelu", &["x"], "g", &[("approximate", With::Text("tanh"))])
        .node("Flatten", &["g"], "y", &[]);
    whole.opset = 20;
    agree(&whole, "gelu_tanh", &TANH);
}

#[test]
fn operands_may_stand_in_any_order() {
    agree(
        &file(&[
            ("Mul", ["inverse", "x"], "d"),
            ("Mul", ["half", "x"], "h"),
            ("Erf", ["d", ""], "e"),
            ("Add", ["one", "e"], "a"),
            ("Mul", ["a", "h"], "g"),
        ]),
        "gelu",
        &EXACT,
    );
    agree(
        &file(&[
            ("Div", ["x", "root"], "d"),
            ("Erf", ["d", ""], "e"),
            ("Add", ["e", "one"], "a"),
            ("Div", ["a", "two"], "h"),
            ("Mul", ["h", "x"], "g"),
        ]),
        "gelu",
        &EXACT,
    );
    agree(
        &file(&[
            ("Pow", ["x", "three"], "c"),
            ("Mul", ["c", "cubic"], "k"),
            ("Add", ["k", "x"], "s"),
            ("Mul", ["s", "scale"], "u"),
            ("Tanh", ["u", ""], "t"),
            ("Add", ["t", "one"], "a"),
            ("Mul", ["a", "half"], "h"),
            ("Mul", ["h", "x"], "g"),
        ]),
        "gelu_tanh",
        &TANH,
    );
}

#[test]
fn only_the_whole_pattern_is_taken_and_the_rest_refused_by_name() {
    let refused = |nodes: &[(&str, [&str; 2], &str)], operator: &str| {
        let error = imported(&file(nodes), None).expect_err("refused");
        assert_eq!(error.code(), "E-ONNX-020");
        let seen = error.to_string();
        assert!(seen.contains(&format!("{operator} (node")), "{operator} in {seen}");
    };
    // every single node of the pattern changed
    let changes = [
        (0, ("Mul", ["x", "wrong"], "d")),
        (1, ("Erf", ["x", ""], "e")),
        (2, ("Add", ["e", "half"], "a")),
        (2, ("Sub", ["one", "e"], "a")),
        (3, ("Mul", ["d", "a"], "m")),
        (4, ("Mul", ["m", "wrong"], "g")),
    ];
    for (at, node) in changes {
        let mut nodes = BY_ERF;
        nodes[at] = node;
        refused(&nodes, "Erf");
    }
    for constant in 0..3 {
        let mut nodes = by_tanh();
        nodes[[2, 4, 6][constant]].1[0] = "wrong";
        refused(&nodes, "Mul");
    }
    // a value within that another node reads
    let mut nodes = BY_ERF.to_vec();
    nodes[4].2 = "n";
    nodes.push(("Add", ["n", "e"], "g"));
    refused(&nodes, "Erf");
}
