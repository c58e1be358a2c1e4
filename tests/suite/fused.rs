//! Fused blocks against the same layers one by one, which other tests hold to candle and to
//! finite differences.

use heatproof::Result;
use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Precision, Workspace};
use heatproof::compute::{batch_norm, elementwise, fused, pool3d};
use heatproof::explain::methods::{Chosen, Question};
use heatproof::explain::{Composite, Start, explain_each};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Mode, Saved};
use heatproof::model::layers::{
    add::Add, batch_norm::BatchNorm, flatten::Flatten, max_pool::MaxPool, relu::Relu,
};
use heatproof::model::plan::{Block, Step, steps};
use heatproof::model::{ArchitectureSpec, build};
use heatproof::seed::Seed;

use super::nets::{array, conv, dense, gap, random, randomised};

/// Odd, and different along every axis.
const INPUT: [usize; 5] = [3, 1, 13, 12, 15];

fn tiles(kernel: [usize; 3]) -> PoolGeometry {
    PoolGeometry { kernel, stride: kernel, ..PoolGeometry::tiles(1) }
}

/// Every kind of block, and runs that look like one but are none.
fn network() -> Graph {
    let mut graph = Graph::default();
    let mut last = From::Input;
    let mut then = |name: &str, layer, extra: Option<usize>| {
        let inputs = std::iter::once(last).chain(extra.map(From::Node)).collect();
        let at = graph.push(name, layer, inputs);
        last = From::Node(at);
        at
    };
    let norm = || Box::new(BatchNorm::fresh(4).expect("norm"));
    let pool = |geometry| Box::new(MaxPool { geometry });
    then("c1", conv(1, 4, ConvGeometry::same(3)), None);
    then("n1", norm(), None);
    then("r1", Box::new(Relu), None);
    then("p1", pool(PoolGeometry::tiles(2)), None);
    then("c2", conv(4, 4, ConvGeometry::same(3)), None);
    then("n2", norm(), None);
    then("r2", Box::new(Relu), None);
    then("c3", conv(4, 4, ConvGeometry::same(1)), None);
    then("r3", Box::new(Relu), None);
    then("p3", pool(tiles([3, 1, 2])), None);
    then("c4", conv(4, 4, ConvGeometry::same(3)), None);
    let heard_twice = then("n4", norm(), None);
    then("r4", Box::new(Relu), None);
    then("sum", Box::new(Add), Some(heard_twice));
    then("n5", norm(), None);
    then("r5", Box::new(Relu), None);
    then("p5", pool(PoolGeometry { stride: [1, 2, 1], ..PoolGeometry::tiles(2) }), None);
    then("flat", Box::new(Flatten), None);
    then("d", dense(24, 3), None);
    graph
}

#[test]
fn runs_of_layers_become_blocks_where_nobody_else_listens() {
    let blocks: Vec<Block> = steps(network().nodes())
        .into_iter()
        .filter_map(|step| match step {
            Step::Block(block) => Some(block),
            Step::Layer(_) | Step::First(..) | Step::Rectified(_) => None,
        })
        .collect();
    let block = |source, norm, last, kernel, over| Block {
        source: From::Node(source),
        norm,
        last,
        kernel,
        over,
    };
    let want = [
        block(0, Some(1), 3, [2; 3], Some(0)),
        block(4, Some(5), 6, [1; 3], Some(4)),
        block(7, None, 9, [3, 1, 2], Some(7)),
        // its input is a sum, whose own way back may look at it; its pool overlaps
        block(13, Some(14), 15, [1; 3], None),
    ];
    assert_eq!(blocks, want);
}

#[test]
fn a_fused_step_is_the_step_layer_by_layer() {
    for (seed, wide, tolerance) in [(1, true, 1e-10), (2, true, 1e-10), (3, false, 2e-4)] {
        let mut s = Seed(seed).stream("test/fused");
        let mut graph = randomised(&network(), &mut s, wide);
        for (name, gamma) in graph.parameters_mut() {
            // channels whose pooled values do not tell what they were normalised from
            if name == "n1.gamma" {
                let special = array(vec![0.0, 1e-4, -0.8, 1.1], &[4], wide);
                *gamma = special;
            }
        }
        let x = random(&mut s, &INPUT, wide);
        let slope = random(&mut s, &[INPUT[0], 3], wide);
        let ws = &mut Workspace::new();
        let names: Vec<String> = graph.parameters().into_iter().map(|(n, _)| n).collect();
        let before: Vec<f64> = running(&graph, "n1.running_mean");

        let still = graph.trace(x.duplicate().expect("x"), &mut Mode::Infer, ws).expect("trace");
        let want = still.outputs.last().expect("logits").to_f64().expect("host");
        let got = graph.forward(&x, ws).expect("forward").to_f64().expect("host");
        assert!(gap(&got, &want) < tolerance, "inference: {:e}", gap(&got, &want));

        let mut stream = s.clone();
        let trace = graph
            .trace(x.duplicate().expect("x"), &mut Mode::Train(&mut stream, Precision::F32), ws)
            .expect("trace");
        let start = slope.duplicate().expect("slope");
        let (_, want) = graph.backward(&trace, start, false, ws).expect("backward");
        let logits = trace.outputs.last().expect("logits").to_f64().expect("host");
        let mut loss = |z: &Array| -> Result<(f64, Array)> {
            let apart = gap(&z.to_f64()?, &logits);
            assert!(apart < tolerance, "logits: {apart:e}");
            Ok((0.0, slope.duplicate()?))
        };
        let (_, got) = graph.train_step(&x, &mut loss, &mut stream, ws).expect("step");
        assert_eq!((got.len(), names.len()), (want.len(), want.len()));
        for ((name, got), want) in names.iter().zip(&got).zip(&want) {
            let (got, want) = (got.to_f64().expect("host"), want.to_f64().expect("host"));
            let size = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            // a batch norm takes the mean away: such a bias has no gradient but rounding
            let centred = ["c1.bias", "c2.bias", "c4.bias"].contains(&name.as_str());
            let apart = if centred { size } else { gap(&got, &want) };
            assert!(apart < tolerance, "{name}, wide {wide}: {apart:e}");
        }
        let Saved::Statistics(of) = &trace.saved[1] else { panic!("no statistics") };
        let mean = of.mean.to_f64().expect("means");
        let moved: Vec<f64> = before.iter().zip(&mean).map(|(b, m)| 0.9 * b + 0.1 * m).collect();
        assert!(gap(&running(&graph, "n1.running_mean"), &moved) < tolerance);
    }
}

/// The first block of a batch too large to be done at once, and maps of it: as one sample after
/// another, or as the layers one by one.
#[test]
fn a_batch_done_in_pieces_is_the_batch() {
    let mut s = Seed(9).stream("test/fused/pieces");
    let mut graph = Graph::default();
    let mut last = From::Input;
    let mut then = |name: &str, layer| last = From::Node(graph.push(name, layer, vec![last]));
    then("c", conv(1, 16, ConvGeometry::same(3)));
    then("n", Box::new(BatchNorm::fresh(16).expect("norm")));
    then("r", Box::new(Relu));
    then("p", Box::new(MaxPool { geometry: PoolGeometry::tiles(8) }));
    then("flat", Box::new(Flatten));
    then("d", dense(16 * 4 * 8 * 8, 2));
    let graph = randomised(&graph, &mut s, false);
    let ws = &mut Workspace::new();
    // Three samples of 16 channels at once, then one.
    let shape = [4, 1, 32, 64, 64];
    let x = random(&mut s, &shape, false);
    for gamma in [0.9, 1e-4] {
        let mut graph = graph.duplicate().expect("copy");
        for (name, numbers) in graph.parameters_mut() {
            if name == "n.gamma" {
                numbers.host_mut::<f32>().expect("host")[3] = gamma;
            }
        }
        let slope = random(&mut s, &[4, 2], false);
        let mut stream = s.clone();
        let copy = x.duplicate().expect("x");
        let trace =
            graph.trace(copy, &mut Mode::Train(&mut stream, Precision::F32), ws).expect("trace");
        let start = slope.duplicate().expect("slope");
        let (_, want) = graph.backward(&trace, start, false, ws).expect("backward");
        let mut loss = |_: &Array| Ok((0.0, slope.duplicate()?));
        let (_, got) = graph.train_step(&x, &mut loss, &mut stream, ws).expect("step");
        // The first bias is centred: it has no gradient but rounding.
        for (at, (got, want)) in got.iter().zip(&want).enumerate().filter(|(at, _)| *at != 1) {
            let (got, want) = (got.to_f64().expect("host"), want.to_f64().expect("host"));
            assert!(gap(&got, &want) < 2e-4, "parameter {at}: {:e}", gap(&got, &want));
        }
    }
    let graph = graph.folded().expect("folded");
    let composite = Composite::named("epsilon_plus").expect("known");
    let starts = [Start::Class(0), Start::Class(1), Start::Margin, Start::Class(0)];
    let all = explain_each(&graph, &x, &composite, &starts, ws).expect("map");
    let map = all.relevance.to_f64().expect("host");
    for (n, start) in starts.iter().enumerate() {
        let one = x.rows(n, n + 1).expect("sample");
        let alone = explain_each(&graph, &one, &composite, &[*start], ws).expect("map");
        let size = map.len() / 4;
        assert_eq!(alone.relevance.to_f64().expect("host"), map[n * size..(n + 1) * size]);
        assert_eq!((alone.scores[0], &alone.ledgers[0]), (all.scores[n], &all.ledgers[n]));
    }
}

fn running(graph: &Graph, name: &str) -> Vec<f64> {
    let state = graph.state();
    let found = state.iter().find(|(n, _)| n == name).expect("state");
    found.1.to_f64().expect("host")
}

#[test]
fn winners_are_the_first_maxima_and_nothing_passes_a_zero() {
    let mut s = Seed(5).stream("test/fused/winners");
    let ws = &mut Workspace::new();
    let kernels = [[2; 3], [3; 3], [1, 2, 3], [2, 1, 1], [2, 2, 5], [1, 3, 4]];
    for (kernel, extent) in kernels.iter().flat_map(|k| [(k, [5, 7, 41]), (k, [6, 6, 10])]) {
        let shape = [2, 3, extent[0], extent[1], extent[2]];
        // few different numbers, so that many windows tie, some without a number
        let draw = |_| match s.below(6) {
            0 => f64::NAN,
            n => n as f64 - 3.0,
        };
        let z = array((0..shape.iter().product()).map(draw).collect(), &shape, false);
        let rectified = elementwise::relu(&z, ws).expect("relu");
        let maxima = pool3d::max_forward(&rectified, &tiles(*kernel), ws).expect("pool");
        let got = fused::forward(&z, None, *kernel, ws).expect("fused");
        let numbers = |a: &Array| a.to_f64().expect("host");
        assert_eq!(numbers(&got.output), numbers(&maxima.output), "{kernel:?} {extent:?}");
        let dy = random(&mut s, got.output.shape(), false);
        let dx = pool3d::max_backward(&dy, &maxima.places, &tiles(*kernel), extent, ws)
            .expect("backward");
        let want = elementwise::relu_backward(&rectified, &dx, ws).expect("backward");
        let (dz, none) = fused::backward(z, &got, &dy, None, *kernel).expect("backward");
        assert_eq!(numbers(&dz), numbers(&want), "{kernel:?} {extent:?}");
        assert!(none.is_empty());
    }
    let wide = PoolGeometry::tiles(7);
    assert_eq!(fused::window(&wide), None, "more voxels than a byte counts");
    let padded = PoolGeometry { pad_before: [0, 0, 1], ..PoolGeometry::tiles(2) };
    assert_eq!(fused::window(&padded), None);
    assert_eq!(fused::window(&PoolGeometry::tiles(3)), Some([3; 3]));
}

#[test]
fn batch_statistics_are_exact_far_from_zero() {
    let mut s = Seed(6).stream("test/fused/statistics");
    for shape in [[3, 2, 17, 19, 23], [2, 3, 1, 1, 5], [1, 1, 32, 16, 16]] {
        let x = random(&mut s, &shape, true).to_f64().expect("host");
        let x = array(x.iter().map(|v| 1e3 + v).collect(), &shape, false);
        let of = batch_norm::statistics(&x).expect("statistics");
        let [mean, variance] = [&of.mean, &of.variance].map(|a| a.to_f64().expect("numbers"));
        let data = x.to_f64().expect("host");
        let voxels: usize = shape[2..].iter().product();
        for c in 0..shape[1] {
            let values = || {
                let lines = data.chunks(voxels).skip(c).step_by(shape[1]);
                lines.flatten().copied()
            };
            let count = (shape[0] * voxels) as f64;
            let want = values().sum::<f64>() / count;
            let square = values().map(|v| (v - want) * (v - want)).sum::<f64>() / count;
            assert!((mean[c] - want).abs() < 1e-10, "{} {want}", mean[c]);
            assert!((variance[c] - square).abs() < 1e-10, "{} {square}", variance[c]);
        }
    }
}

#[test]
fn work_that_repeats_itself_takes_no_new_buffer() {
    let spec = ArchitectureSpec::named("compact", [24, 20, 28], 2).expect("known");
    let mut graph = build(&spec, Seed(7)).expect("built");
    let mut s = Seed(7).stream("test/fused/buffers");
    let image = random(&mut s, &[4, 1, 24, 20, 28], false);
    let mut ws = Workspace::new();
    let mut made = Vec::new();
    for _ in 0..4 {
        let mut loss = |z: &Array| Ok((0.0, z.duplicate()?));
        let (_, gradients) = graph.train_step(&image, &mut loss, &mut s, &mut ws).expect("step");
        gradients.into_iter().for_each(|g| ws.give(g));
        let logits = graph.forward(&image, &mut ws).expect("forward");
        ws.give(logits);
        made.push(ws.made());
    }
    assert!(made[0] > 0 && made.iter().all(|m| *m == made[0]), "{made:?}");
}

/// Relevance that stays with the winners of a pool, or passes a ReLU within its convolution, goes
/// where the gradient does.
#[test]
fn lrp_0_is_gradient_times_input_behind_pools_of_every_window() {
    let mut s = Seed(8).stream("test/fused/relevance");
    let mut ws = Workspace::new();
    for (extent, window, pool) in [
        // One voxel, one window.
        ([3, 3, 3], ConvGeometry::valid(3), Some(PoolGeometry::tiles(1))),
        ([5, 4, 6], ConvGeometry::valid(3), Some(PoolGeometry::tiles(1))),
        // A rest that no window covers.
        ([7, 5, 6], ConvGeometry::same(3), Some(PoolGeometry::tiles(2))),
        ([7, 5, 6], ConvGeometry::same(3), Some(tiles([3, 1, 2]))),
        // Windows that overlap.
        ([7, 5, 6], ConvGeometry::same(3), Some(PoolGeometry { stride: [1; 3], ..tiles([2; 3]) })),
        ([7, 5, 6], ConvGeometry::same(3), None),
    ] {
        let mut graph = Graph::default();
        let conv = graph.push("conv", conv(1, 4, window), vec![From::Input]);
        let mut last = graph.push("relu", Box::new(Relu), vec![From::Node(conv)]);
        if let Some(geometry) = pool {
            last = graph.push("pool", Box::new(MaxPool { geometry }), vec![From::Node(last)]);
        }
        let input = [1, extent[0], extent[1], extent[2]];
        let features = graph.describe(&input).expect("fits")[last].shape.iter().product();
        let flat = graph.push("flat", Box::new(Flatten), vec![From::Node(last)]);
        let _ = graph.push("dense", dense(features, 3), vec![From::Node(flat)]);
        let graph = randomised(&graph, &mut s, false);
        let x = random(&mut s, &[2, 1, extent[0], extent[1], extent[2]], false);
        let starts = [Start::Class(1); 2];
        let composite = Composite::named("lrp_0").expect("known");
        let map = explain_each(&graph, &x, &composite, &starts, &mut ws).expect("map");
        let question = Question::new(&graph, &x, &starts, Seed(1));
        let method = Chosen::named("gradient_x_input").expect("known");
        let truth = method.map(&question, &mut ws).expect("map").to_f64().expect("host");
        let apart = gap(&map.relevance.to_f64().expect("host"), &truth);
        assert!(apart < 1e-5, "{extent:?} {pool:?}: {apart:e}");
    }
}
