//! Each ONNX operator against values computed here from the format's own formulas.

use heatproof::compute::{Array, Workspace};
use heatproof::model::onnx::{Imported, read};
use heatproof::seed::Seed;

use super::nets::{array, draws, gap};
use super::onnx_writer::{File, With, floats, whole};

/// A file read from a folder of its own.
pub fn imported(file: &File, shape: Option<[usize; 5]>) -> heatproof::Result<Imported> {
    let folder = tempfile::tempdir().expect("temp folder");
    read(&file.write(folder.path()), shape)
}

fn wave(n: usize) -> Vec<f64> {
    draws(&mut Seed(81).stream("test/onnx"), n).iter().map(|v| f64::from(*v as f32)).collect()
}

const SHAPE: [usize; 5] = [2, 3, 2, 3, 2];
const VOXELS: usize = 12;

fn run(file: &File, x: &[f64]) -> Vec<f64> {
    let imported = imported(file, None).expect("imported");
    let x = array(x.to_vec(), &imported.input_shape, false);
    let y = imported.graph.forward(&x, &mut Workspace::new()).expect("forward");
    y.to_f64().expect("host")
}

fn start() -> File {
    File::new(&SHAPE.map(|d| d as i64))
}

/// The operator between the input and a flattening.
fn one(operator: &str, more: &[&str], attributes: &[(&str, With<'_>)]) -> File {
    let inputs = [&["x"], more].concat();
    start().node(operator, &inputs, "a", attributes).node("Flatten", &["a"], "y", &[])
}

/// Operator, attributes and formula.
type Activation = (&'static str, Vec<(&'static str, With<'static>)>, Box<dyn Fn(f64) -> f64>);

#[test]
fn activations_are_their_formulas() {
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    let x = wave(2 * 3 * VOXELS);
    let cases: Vec<Activation> = vec![
        ("Relu", vec![], Box::new(|v| v.max(0.0))),
        (
            "LeakyRelu",
            vec![("alpha", With::Float(0.2))],
            Box::new(|v| if v < 0.0 { 0.2 * v } else { v }),
        ),
        ("LeakyRelu", vec![], Box::new(|v| if v < 0.0 { 0.01 * v } else { v })),
        (
            "Elu",
            vec![("alpha", With::Float(0.5))],
            Box::new(|v| if v < 0.0 { 0.5 * (v.exp() - 1.0) } else { v }),
        ),
        ("Sigmoid", vec![], Box::new(sigmoid)),
        ("HardSigmoid", vec![], Box::new(|v| (0.2 * v + 0.5).clamp(0.0, 1.0))),
        ("HardSwish", vec![], Box::new(|v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0))),
        ("Tanh", vec![], Box::new(f64::tanh)),
        ("Identity", vec![], Box::new(|v| v)),
        ("Dropout", vec![], Box::new(|v| v)),
    ];
    for (operator, attributes, f) in cases {
        let want: Vec<f64> = x.iter().map(|v| f(*v)).collect();
        let apart = gap(&run(&one(operator, &[], &attributes), &x), &want);
        assert!(apart < 1e-6, "{operator}: {apart:e}");
    }
    // erf from tables: Φ(1) = 0.841344746068543, Φ(−2) = 0.022750131948179
    let mut file = one("Gelu", &[], &[]);
    file.opset = 20;
    let mut x = x;
    (x[0], x[1]) = (1.0, -2.0);
    let y = run(&file, &x);
    assert!((y[0] - 0.841344746068543).abs() < 1e-6 && (y[1] + 0.045500263896358).abs() < 1e-6);
    let bounds = one("Clip", &["low", "high"], &[])
        .stored(floats("low", &[], &[-0.5]))
        .stored(floats("high", &[], &[1.0]));
    let want: Vec<f64> = x.iter().map(|v| v.clamp(-0.5, 1.0)).collect();
    assert!(gap(&run(&bounds, &x), &want) < 1e-6);
    let slopes = one("PRelu", &["s"], &[]).stored(floats("s", &[3, 1, 1, 1], &[0.1, -0.2, 0.3]));
    let slope = |at: usize| [0.1, -0.2, 0.3][at / VOXELS % 3];
    let bent = |(at, v): (usize, &f64)| if *v < 0.0 { slope(at) * v } else { *v };
    let want: Vec<f64> = x.iter().enumerate().map(bent).collect();
    assert!(gap(&run(&slopes, &x), &want) < 1e-6);
}

#[test]
fn sums_products_and_channels_side_by_side_are_as_written() {
    let x = wave(2 * 3 * VOXELS);
    let flat = |file: File| file.node("Flatten", &["a"], "y", &[]);
    let sum = flat(start().node("Relu", &["x"], "r", &[]).node("Add", &["x", "r"], "a", &[]));
    let want: Vec<f64> = x.iter().map(|v| v + v.max(0.0)).collect();
    assert!(gap(&run(&sum, &x), &want) < 1e-6);
    // per channel: (2 − x) · c / d
    let constants = |file: File| {
        file.stored(floats("two", &[], &[2.0]))
            .stored(floats("c", &[1, 3, 1, 1, 1], &[1.0, -2.0, 0.5]))
            .stored(floats("d", &[3, 1, 1, 1], &[4.0, 2.0, -1.0]))
    };
    let maps = start()
        .node("Sub", &["two", "x"], "s", &[])
        .node("Mul", &["c", "s"], "m", &[])
        .node("Div", &["m", "d"], "a", &[]);
    let want: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(at, v)| {
            (2.0 - v) * [1.0, -2.0, 0.5][at / VOXELS % 3] / [4.0, 2.0, -1.0][at / VOXELS % 3]
        })
        .collect();
    assert!(gap(&run(&flat(constants(maps)), &x), &want) < 1e-6);
    // x · σ(x) becomes one layer; a gate of one number per channel
    let silu = flat(start().node("Sigmoid", &["x"], "s", &[]).node("Mul", &["s", "x"], "a", &[]));
    let kinds: Vec<&str> = imported(&silu, None)
        .expect("imported")
        .graph
        .nodes()
        .iter()
        .map(|n| n.layer.card().id)
        .collect();
    assert_eq!(kinds, ["silu", "flatten"]);
    let want: Vec<f64> = x.iter().map(|v| v / (1.0 + (-v).exp())).collect();
    assert!(gap(&run(&silu, &x), &want) < 1e-6);
    let gate = start()
        .node("GlobalAveragePool", &["x"], "p", &[])
        .node("Sigmoid", &["p"], "g", &[])
        .node("Mul", &["g", "x"], "a", &[]);
    let gated = |(at, v): (usize, &f64)| {
        let channel = &x[at / VOXELS * VOXELS..][..VOXELS];
        v / (1.0 + (-channel.iter().sum::<f64>() / VOXELS as f64).exp())
    };
    let want: Vec<f64> = x.iter().enumerate().map(gated).collect();
    assert!(gap(&run(&flat(gate), &x), &want) < 1e-6);
    // the same with a volume of one voxel: what came from the sigmoid is the gate
    let single = File::new(&[2, 3, 1, 1, 1])
        .node("Flatten", &["x"], "f", &[])
        .node("Sigmoid", &["f"], "s", &[])
        .node("Reshape", &["s", "volume"], "g", &[])
        .node("Relu", &["x"], "r", &[])
        .node("Mul", &["g", "r"], "a", &[])
        .stored(whole("volume", &[2, 3, 1, 1, 1]));
    let want: Vec<f64> = x[..6].iter().map(|v| v.max(0.0) / (1.0 + (-v).exp())).collect();
    assert!(gap(&run(&flat(single), &x[..6]), &want) < 1e-6);
    // channels, and zeros beside them
    let side = start()
        .node("Relu", &["x"], "r", &[])
        .node("Concat", &["r", "x"], "c", &[("axis", With::Int(1))])
        .node("Concat", &["c", "zeros"], "a", &[("axis", With::Int(1))])
        .stored(floats("zeros", &[2, 1, 2, 3, 2], &[0.0; 2 * VOXELS]));
    let mut want = Vec::new();
    for sample in x.chunks(3 * VOXELS) {
        want.extend(sample.iter().map(|v| v.max(0.0)));
        want.extend(sample);
        want.extend([0.0; VOXELS]);
    }
    assert!(gap(&run(&flat(side), &x), &want) < 1e-6);
}

#[test]
fn normalisations_pools_and_borders_are_their_formulas() {
    let x = wave(2 * 3 * VOXELS);
    let (gamma, beta) = ([1.5f32, -0.5, 2.0], [0.1f32, 0.2, -0.3]);
    let both = |file: File| file.stored(floats("g", &[3], &gamma)).stored(floats("b", &[3], &beta));
    let scaled = |at: usize, v: f64, mean: f64, variance: f64, epsilon: f64| {
        let c = at / VOXELS % 3;
        f64::from(gamma[c]) * (v - mean) / (variance + epsilon).sqrt() + f64::from(beta[c])
    };
    let moments = |from: usize, len: usize| {
        let own = &x[from..from + len];
        let mean = own.iter().sum::<f64>() / len as f64;
        (mean, own.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / len as f64)
    };
    let file = one("InstanceNormalization", &["g", "b"], &[("epsilon", With::Float(0.01))]);
    let want: Vec<f64> = (0..x.len())
        .map(|at| {
            let (mean, variance) = moments(at / VOXELS * VOXELS, VOXELS);
            scaled(at, x[at], mean, variance, 0.01)
        })
        .collect();
    assert!(gap(&run(&both(file), &x), &want) < 1e-5);
    let (mean, variance) = ([0.5f32, -1.0, 0.0], [2.0f32, 0.5, 1.0]);
    let file = one("BatchNormalization", &["g", "b", "m", "v"], &[("epsilon", With::Float(0.001))])
        .stored(floats("m", &[3], &mean))
        .stored(floats("v", &[3], &variance));
    let want: Vec<f64> = (0..x.len())
        .map(|at| {
            let c = at / VOXELS % 3;
            scaled(at, x[at], f64::from(mean[c]), f64::from(variance[c]), 0.001)
        })
        .collect();
    assert!(gap(&run(&both(file), &x), &want) < 1e-5);
    // group normalisation as PyTorch's older exporter writes it: one instance per group
    let file = start()
        .node("Reshape", &["x", "rows"], "r", &[])
        .node("InstanceNormalization", &["r", "ones", "zeros"], "i", &[])
        .node("Shape", &["x"], "shape", &[])
        .node("Reshape", &["i", "shape"], "v", &[])
        .node("Mul", &["v", "gc"], "m", &[])
        .node("Add", &["m", "bc"], "a", &[])
        .node("Flatten", &["a"], "y", &[])
        .stored(whole("rows", &[0, 1, -1]))
        .stored(floats("ones", &[1], &[1.0]))
        .stored(floats("zeros", &[1], &[0.0]))
        .stored(floats("gc", &[3, 1, 1, 1], &gamma))
        .stored(floats("bc", &[3, 1, 1, 1], &beta));
    let want: Vec<f64> = (0..x.len())
        .map(|at| {
            let (mean, variance) = moments(at / (3 * VOXELS) * 3 * VOXELS, 3 * VOXELS);
            scaled(at, x[at], mean, variance, 1e-5)
        })
        .collect();
    assert!(gap(&run(&file, &x), &want) < 1e-5);
    let axes = [("axes", With::Ints(&[2, -2, -1])), ("keepdims", With::Int(0))];
    let mean = |c: &[f64]| c.iter().sum::<f64>() / VOXELS as f64;
    let means: Vec<f64> = x.chunks(VOXELS).map(mean).collect();
    let tops: Vec<f64> =
        x.chunks(VOXELS).map(|c| c.iter().copied().fold(f64::MIN, f64::max)).collect();
    for (file, want) in [
        (start().node("ReduceMean", &["x"], "y", &axes), &means),
        (start().node("ReduceMax", &["x"], "y", &axes), &tops),
        (one("GlobalMaxPool", &[], &[]), &tops),
        (one("GlobalAveragePool", &[], &[]), &means),
    ] {
        assert!(gap(&run(&file, &x), want) < 1e-6);
    }
    // a border of 7 before the first and after the last voxel along the innermost axis
    let file = one("Pad", &["pads", "seven"], &[])
        .stored(whole("pads", &[0, 0, 0, 0, 1, 0, 0, 0, 0, 2]))
        .stored(floats("seven", &[], &[7.0]));
    let want: Vec<f64> = x.chunks(2).flat_map(|line| [7.0, line[0], line[1], 7.0, 7.0]).collect();
    assert!(gap(&run(&file, &x), &want) < 1e-6);
    // rounded up: 3 voxels along j in windows of 2, the last cut
    let window = [
        ("kernel_shape", With::Ints(&[1, 2, 1])),
        ("strides", With::Ints(&[1, 2, 1])),
        ("ceil_mode", With::Int(1)),
    ];
    let want: Vec<f64> =
        x.chunks(6).flat_map(|p| [p[0].max(p[2]), p[1].max(p[3]), p[4], p[5]]).collect();
    assert!(gap(&run(&one("MaxPool", &[], &window), &x), &want) < 1e-6);
}

#[test]
fn matrix_products_and_softmax_are_their_formulas() {
    let x = wave(2 * 3 * VOXELS);
    let features = 3 * VOXELS;
    let w = wave(features * 2);
    let dot = |row: &[f64], o: usize, turned: bool| -> f64 {
        let at = |i: usize| if turned { o * features + i } else { i * 2 + o };
        row.iter().enumerate().map(|(i, v)| v * w[at(i)]).sum()
    };
    let narrow: Vec<f32> = w.iter().map(|v| *v as f32).collect();
    let flat = || start().node("Flatten", &["x"], "f", &[]);
    let gemm = |turned: bool| {
        let shape = if turned { [2, features as i64] } else { [features as i64, 2] };
        flat()
            .node(
                "Gemm",
                &["f", "w", "c"],
                "y",
                &[
                    ("transB", With::Int(i64::from(turned))),
                    ("alpha", With::Float(0.5)),
                    ("beta", With::Float(2.0)),
                ],
            )
            .stored(floats("w", &shape, &narrow))
            .stored(floats("c", &[2], &[1.0, -1.0]))
    };
    for turned in [true, false] {
        let logits: Vec<f64> = x
            .chunks(features)
            .flat_map(|r| [0.5 * dot(r, 0, turned) + 2.0, 0.5 * dot(r, 1, turned) - 2.0])
            .collect();
        assert!(gap(&run(&gemm(turned), &x), &logits) < 1e-6);
    }
    let product = |end: &str| {
        flat()
            .node("MatMul", &["f", "w"], "m", &[])
            .node("Add", &["c", "m"], "l", &[])
            .node(end, &["l"], "y", &[])
            .stored(floats("w", &[features as i64, 2], &narrow))
            .stored(floats("c", &[2], &[1.0, -1.0]))
    };
    let logits: Vec<[f64; 2]> =
        x.chunks(features).map(|r| [dot(r, 0, false) + 1.0, dot(r, 1, false) - 1.0]).collect();
    let share = |[a, b]: [f64; 2]| 1.0 / (1.0 + (b - a).exp());
    let want: Vec<f64> = logits.iter().flat_map(|l| [share(*l), share([l[1], l[0]])]).collect();
    assert!(gap(&run(&product("Softmax"), &x), &want) < 1e-5);
    let want: Vec<f64> = want.iter().map(|p| p.ln()).collect();
    assert!(gap(&run(&product("LogSoftmax"), &x), &want) < 1e-5);
    // the bias has become the dense layer's own
    let graph = imported(&product("Identity"), None).expect("imported").graph;
    assert_eq!(graph.nodes().len(), 2);
}

/// Transposed convolution by its definition: every input voxel adds its window.
#[test]
fn transposed_convolutions_add_windows() {
    let x = wave(2 * 3 * VOXELS);
    let (cin, cout, kernel, stride) = (3, 2, [2, 3, 2], [2, 1, 3]);
    let taps = 12;
    let w = wave(cin * cout * taps);
    let narrow: Vec<f32> = w.iter().map(|v| *v as f32).collect();
    let attributes = [
        ("strides", With::Ints(&[2, 1, 3])),
        ("pads", With::Ints(&[1, 0, 0, 0, 1, 1])),
        ("output_padding", With::Ints(&[1, 0, 2])),
    ];
    let file = one("ConvTranspose", &["w", "b"], &attributes)
        .stored(floats("w", &[3, 2, 2, 3, 2], &narrow))
        .stored(floats("b", &[2], &[0.5, -0.5]));
    let (input, before, after, extra) = ([2, 3, 2], [1, 0, 0], [0, 1, 1], [1, 0, 2]);
    let full: [usize; 3] =
        std::array::from_fn(|a| (input[a] - 1) * stride[a] + kernel[a] + extra[a]);
    let out: [usize; 3] = std::array::from_fn(|a| full[a] - before[a] - after[a]);
    let size = out.iter().product::<usize>();
    let mut want = vec![0.0; 2 * cout * size];
    for (at, v) in x.iter().enumerate() {
        let (n, c, p) = (at / (cin * VOXELS), at / VOXELS % cin, at % VOXELS);
        let place = [p / 6, p / 2 % 3, p % 2];
        for o in 0..cout {
            for t in 0..taps {
                let tap = [t / 6, t / 2 % 3, t % 2];
                let to: [usize; 3] = std::array::from_fn(|a| place[a] * stride[a] + tap[a]);
                if (0..3).all(|a| to[a] >= before[a] && to[a] - before[a] < out[a]) {
                    let to: [usize; 3] = std::array::from_fn(|a| to[a] - before[a]);
                    let index = (to[0] * out[1] + to[1]) * out[2] + to[2];
                    want[(n * cout + o) * size + index] += v * w[(c * cout + o) * taps + t];
                }
            }
        }
    }
    want.iter_mut().enumerate().for_each(|(at, v)| *v += [0.5, -0.5][at / size % cout]);
    assert!(gap(&run(&file, &x), &want) < 1e-6);
}

#[test]
fn padding_words_and_uneven_borders_place_the_window() {
    let x = wave(2 * 3 * VOXELS);
    // one tap of 1 per channel in a window of 2 along j: the padding decides which voxel it meets
    let weight: Vec<f32> = (0..9).flat_map(|at| [f32::from(at % 4 == 0), 0.0]).collect();
    let conv = |attributes: &[(&str, With<'_>)]| {
        one("Conv", &["w"], attributes).stored(floats("w", &[3, 3, 1, 2, 1], &weight))
    };
    let shifted: Vec<f64> = x.chunks(6).flat_map(|p| [0.0, 0.0, p[0], p[1], p[2], p[3]]).collect();
    let wide: Vec<f64> =
        x.chunks(6).flat_map(|p| [0.0, 0.0, p[0], p[1], p[2], p[3], p[4], p[5]]).collect();
    for (attributes, want) in [
        (vec![("auto_pad", With::Text("SAME_UPPER"))], x.clone()),
        (vec![("auto_pad", With::Text("SAME_LOWER"))], shifted.clone()),
        (vec![("pads", With::Ints(&[0, 1, 0, 0, 0, 0]))], shifted),
        (vec![("pads", With::Ints(&[0, 1, 0, 0, 1, 0]))], wide),
    ] {
        assert!(gap(&run(&conv(&attributes), &x), &want) < 1e-6, "{attributes:?}");
    }
}

/// The shape subgraph of `view(x.size(0), -1)` with an open batch, and the open input shape.
#[test]
fn shapes_are_computed_at_the_input_shape() {
    let mut file = File::new(&[-1, 1, -1, 4, 4])
        .node("Shape", &["x"], "s", &[])
        .node("Gather", &["s", "zero"], "g", &[("axis", With::Int(0))])
        .node("Unsqueeze", &["g", "first"], "u", &[])
        .node("Concat", &["u", "rest"], "c", &[("axis", With::Int(0))])
        .node("Reshape", &["x", "c"], "y", &[])
        .stored(whole("first", &[0]))
        .stored(whole("rest", &[-1]));
    let zero = [
        super::onnx_writer::int(2, 7),
        super::onnx_writer::field(8, b"zero"),
        super::onnx_writer::int(7, 0),
    ];
    file = file.stored(zero.concat());
    let error = imported(&file, None).expect_err("open");
    assert_eq!(error.code(), "E-ONNX-011");
    let net = imported(&file, Some([3, 1, 2, 4, 4])).expect("imported");
    assert_eq!((net.input_shape, net.input_name.as_str()), ([3, 1, 2, 4, 4], "x"));
    let x = Array::zeros::<f32>(&[5, 1, 2, 4, 4]);
    let y = net.graph.forward(&x, &mut Workspace::new()).expect("any batch");
    assert_eq!(y.shape(), [5, 32]);
    let error = imported(&file, Some([1, 2, 2, 4, 4])).expect_err("another shape");
    assert_eq!(error.code(), "E-ONNX-011");
}

#[test]
fn inspect_draws_the_network_and_refuses_what_cannot_be_explained() {
    let folder = tempfile::tempdir().expect("temp folder");
    let run = |file: &File, more: &[&str]| {
        let path = file.write(folder.path());
        let mut command = assert_cmd::Command::cargo_bin("heatproof").expect("the program");
        let output = command.arg("inspect").arg(&path).args(more).output().expect("run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let file = one("Tanh", &[], &[]);
    let (code, out, _) = run(&file, &[]);
    assert_eq!(code, Some(0), "{out}");
    for word in ["operator set 17", "'x' 2 x 3 x 2 x 3 x 2", "net.a", "tanh", "3×2×3×2", "pass"]
    {
        assert!(out.contains(word), "{word} in {out}");
    }
    let (code, out, _) = run(&file, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).expect("json");
    assert_eq!((code, told["input"]["shape"][1].as_u64()), (Some(0), Some(3)));
    let (code, _, error) = run(&one("Einsum", &["x"], &[]), &[]);
    assert_eq!(code, Some(5), "{error}");
    assert!(error.contains("error[E-ONNX-020]") && error.contains("Einsum"), "{error}");
    let open = File::new(&[-1, 1, -1, -1, -1]).node("Flatten", &["x"], "y", &[]);
    assert_eq!(run(&open, &[]).0, Some(5));
    assert_eq!(run(&open, &["--input-shape", "1,1,4,5,6"]).0, Some(0));
    assert_eq!(run(&open, &["--input-shape", "1,1,4"]).0, Some(2));
    std::fs::write(folder.path().join("bad.onnx"), b"no").expect("write");
    let bad = folder.path().join("bad.onnx");
    let mut command = assert_cmd::Command::cargo_bin("heatproof").expect("the program");
    assert_eq!(command.arg("inspect").arg(bad).output().expect("run").status.code(), Some(4));
}
