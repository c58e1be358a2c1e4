//! The graph's backward pass against candle's autograd: the same network once as our layer
//! graph, once as candle operations (our kernels as custom operations, the rest candle's).

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use heatproof::Result;
use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Precision, Workspace, autograd};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Mode;
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, batch_norm::BatchNorm, flatten::Flatten,
    max_pool::MaxPool, relu::Relu,
};
use heatproof::seed::Seed;

use super::nets::{conv, dense, gap, random, randomised};

const INPUT: [usize; 5] = [3, 2, 9, 8, 11];
const TARGETS: [usize; 3] = [2, 0, 1];

/// Different along every axis and side.
const FIRST: ConvGeometry = ConvGeometry {
    kernel: [3, 2, 3],
    stride: [1, 2, 1],
    pad_before: [1, 0, 2],
    pad_after: [0, 1, 1],
    dilation: [1, 1, 2],
    groups: 2,
};
const SECOND: ConvGeometry = ConvGeometry {
    kernel: [3, 3, 1],
    stride: [1, 1, 1],
    pad_before: [1, 1, 0],
    pad_after: [1, 1, 0],
    dilation: [1, 1, 1],
    groups: 1,
};
const LARGEST: PoolGeometry = PoolGeometry {
    kernel: [2, 3, 2],
    stride: [2, 1, 2],
    pad_before: [1, 1, 0],
    pad_after: [0, 1, 1],
    dilation: [1; 3],
    count_padding: false,
};
const MEAN: PoolGeometry = PoolGeometry {
    kernel: [2, 2, 3],
    stride: [1, 2, 2],
    pad_before: [1, 0, 1],
    pad_after: [0, 0, 1],
    dilation: [1; 3],
    count_padding: false,
};

fn network() -> Graph {
    let mut graph = Graph::default();
    let mut last = From::Input;
    let mut then = |name: &str, layer, extra: Option<usize>| {
        let inputs = std::iter::once(last).chain(extra.map(From::Node)).collect();
        let at = graph.push(name, layer, inputs);
        last = From::Node(at);
        at
    };
    then("c1", conv(2, 4, FIRST), None);
    then("n1", Box::new(BatchNorm::fresh(4).expect("norm")), None);
    then("r1", Box::new(Relu), None);
    let pooled = then("p1", Box::new(MaxPool { geometry: LARGEST }), None);
    then("c2", conv(4, 4, SECOND), None);
    then("r2", Box::new(Relu), None);
    then("sum", Box::new(Add), Some(pooled));
    then("mean", Box::new(AveragePool { geometry: Some(MEAN) }), None);
    then("flat", Box::new(Flatten), None);
    then("d1", dense(96, 5), None);
    then("r3", Box::new(Relu), None);
    then("d2", dense(5, 3), None);
    graph
}

/// The same network and its cross-entropy, as candle says it.
fn loss(x: &Tensor, v: &BTreeMap<String, Var>) -> candle_core::Result<Tensor> {
    let ours = |t: Result<Tensor>| t.map_err(candle_core::Error::wrap);
    let per_channel = |name: &str| v[name].reshape((1, 4, 1, 1, 1));
    let x = ours(autograd::conv3d(x, &v["c1.weight"], &v["c1.bias"], FIRST))?;
    let axes = vec![0usize, 2, 3, 4];
    let centred = x.broadcast_sub(&x.mean_keepdim(axes.clone())?)?;
    let sd = (centred.sqr()?.mean_keepdim(axes)? + 1e-5)?.sqrt()?;
    let x = centred.broadcast_div(&sd)?.broadcast_mul(&per_channel("n1.gamma")?)?;
    let x = x.broadcast_add(&per_channel("n1.beta")?)?.relu()?;
    let pooled = ours(autograd::max_pool3d(&x, LARGEST))?;
    let x = ours(autograd::conv3d(&pooled, &v["c2.weight"], &v["c2.bias"], SECOND))?.relu()?;
    let x = ours(autograd::average_pool3d(&(x + pooled)?, MEAN))?.flatten_from(1)?;
    let x = x.matmul(&v["d1.weight"].t()?)?.broadcast_add(&v["d1.bias"])?.relu()?;
    let logits = x.matmul(&v["d2.weight"].t()?)?.broadcast_add(&v["d2.bias"])?;
    let targets = Tensor::from_iter(TARGETS.map(|t| t as u32), x.device())?;
    candle_nn::loss::cross_entropy(&logits, &targets)
}

/// Mean cross-entropy and its gradient, written out.
fn cross_entropy(logits: &Array) -> Result<(f64, Array)> {
    let (z, classes) = (logits.to_f64()?, logits.shape()[1]);
    let (mut total, mut grad) = (0.0, Vec::new());
    for (row, target) in z.chunks(classes).zip(TARGETS) {
        let sum: f64 = row.iter().map(|z| z.exp()).sum();
        total += sum.ln() - row[target];
        for (c, z) in row.iter().enumerate() {
            let hit = if c == target { 1.0 } else { 0.0 };
            grad.push((z.exp() / sum - hit) / TARGETS.len() as f64);
        }
    }
    let grad = super::nets::array(grad, logits.shape(), logits.dtype().size_in_bytes() == 8);
    Ok((total / TARGETS.len() as f64, grad))
}

fn flat(t: &Tensor) -> Vec<f64> {
    Array::from_tensor(t).and_then(|a| a.to_f64()).expect("host")
}

#[test]
fn gradients_are_those_of_candles_autograd() {
    for (seed, wide, tolerance) in [(1, true, 1e-12), (2, false, 1e-5), (3, false, 1e-5)] {
        let mut s = Seed(seed).stream("test/autograd");
        let mut ws = Workspace::new();
        let mut graph = randomised(&network(), &mut s, wide);
        let x = random(&mut s, &INPUT, wide);

        let tensor = |a: &Array| a.duplicate().expect("copy").into_tensor();
        let vars: BTreeMap<String, Var> = graph
            .parameters()
            .into_iter()
            .map(|(name, a)| (name, Var::from_tensor(&tensor(a)).expect("var")))
            .collect();
        let xv = Var::from_tensor(&tensor(&x)).expect("var");
        let truth = loss(&xv, &vars).expect("candle forward");
        let store = truth.backward().expect("candle backward");

        let mut stream = s.clone();
        let trace = graph.trace(
            x.duplicate().expect("copy"),
            &mut Mode::Train(&mut stream, Precision::F32),
            &mut ws,
        );
        let trace = trace.expect("trace");
        let (_, start) = cross_entropy(trace.outputs.last().expect("logits")).expect("loss");
        let (dx, _) = graph.backward(&trace, start, true, &mut ws).expect("backward");
        let dx = dx.expect("asked for").to_f64().expect("host");
        let want = flat(store.get(&xv).expect("input gradient"));
        assert!(gap(&dx, &want) < tolerance, "input, wide {wide}: {:e}", gap(&dx, &want));

        let names: Vec<String> = graph.parameters().into_iter().map(|(name, _)| name).collect();
        let (value, gradients) =
            graph.train_step(&x, &mut cross_entropy, &mut stream, &mut ws).expect("step");
        assert!((value - flat(&truth)[0]).abs() < tolerance, "loss {value}");
        assert_eq!(names.len(), 10);
        for (name, gradient) in names.iter().zip(&gradients) {
            let want = flat(store.get(&vars[name]).unwrap_or_else(|| panic!("{name}")));
            // a batch norm takes the mean away, so the bias before it has no gradient
            if name == "c1.bias" {
                let size = |v: &[f64]| v.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                let got = gradient.to_f64().expect("host");
                assert!(size(&got) < tolerance && size(&want) < tolerance, "{got:?} {want:?}");
                continue;
            }
            let apart = gap(&gradient.to_f64().expect("host"), &want);
            assert!(apart < tolerance, "{name}, wide {wide}: {apart:e}");
        }
    }
}

#[test]
fn operations_take_views_and_refuse_what_does_not_fit() {
    let mut s = Seed(4).stream("test/autograd/views");
    let x = random(&mut s, &[2, 2, 5, 4, 3], false).into_tensor();
    let w = random(&mut s, &[4, 1, 2, 1, 3], false).into_tensor();
    let b = random(&mut s, &[4], false).into_tensor();
    let g = ConvGeometry { kernel: [2, 1, 3], groups: 2, ..ConvGeometry::valid(1) };
    let pool = PoolGeometry::tiles(2);
    // another order of axes, and memory that begins further on
    for view in [x.transpose(2, 4).expect("view"), x.narrow(0, 1, 1).expect("view")] {
        let copy = view.force_contiguous().expect("copy");
        let of = |x: &Tensor| {
            let conv = autograd::conv3d(x, &w, &b, g);
            let max = autograd::max_pool3d(x, pool);
            [conv, max, autograd::average_pool3d(x, pool)].map(|y| flat(&y.expect("fits")))
        };
        assert_eq!(of(&view), of(&copy));
    }

    let short = b.narrow(0, 0, 3).expect("view");
    for refused in [
        autograd::conv3d(&x, &w, &short, g),
        autograd::conv3d(&x, &w, &b, ConvGeometry { groups: 1, ..g }),
        autograd::conv3d(&x, &w.to_dtype(candle_core::DType::F64).expect("cast"), &b, g),
        autograd::max_pool3d(&x, PoolGeometry::tiles(6)),
        autograd::average_pool3d(&b, pool),
    ] {
        assert_eq!(refused.expect_err("refused").code(), "E-TENSOR-001");
    }
}
