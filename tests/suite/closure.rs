//! The ledger closes on every small network: residual sums, both pools, ties, windows of
//! zeros, strides and uneven padding, in f64 and f32; and the adjoint law of the layers.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Affine, Layer, Role};
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, flatten::Flatten, max_pool::MaxPool, relu::Relu,
};
use heatproof::seed::{Seed, Stream};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::nets::{array, conv, dense, draws, ids, random, randomised};

/// One step of a random network.
#[derive(Debug, Clone)]
enum Step {
    Conv {
        geometry: ConvGeometry,
        channels: usize,
    },
    Relu,
    MaxPool(PoolGeometry),
    AveragePool(PoolGeometry),
    /// `y + conv(relu(y)) [+ y]`.
    Residual {
        twice: bool,
    },
}

#[derive(Debug, Clone)]
struct Plan {
    extent: [usize; 3],
    channels: usize,
    steps: Vec<Step>,
    global: bool,
    rule: usize,
    seed: u64,
    wide: bool,
}

fn convolution() -> impl Strategy<Value = ConvGeometry> {
    let three = |low: usize, high: usize| proptest::array::uniform3(low..=high);
    (three(1, 3), three(1, 2), three(0, 2), three(0, 2), three(1, 2), 1..=2usize).prop_map(
        |(kernel, stride, pad_before, pad_after, dilation, groups)| ConvGeometry {
            kernel,
            stride,
            pad_before,
            pad_after,
            dilation,
            groups,
        },
    )
}

fn pool() -> impl Strategy<Value = PoolGeometry> {
    let three = |low: usize, high: usize| proptest::array::uniform3(low..=high);
    (three(1, 3), three(1, 3), three(0, 1), any::<bool>()).prop_map(
        |(kernel, stride, pad, count_padding)| {
            let pad = std::array::from_fn(|a: usize| pad[a].min(kernel[a] / 2));
            PoolGeometry { kernel, stride, pad_before: pad, pad_after: pad, count_padding }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (convolution(), 1..=4usize)
            .prop_map(|(geometry, channels)| Step::Conv { geometry, channels }),
        2 => Just(Step::Relu),
        2 => pool().prop_map(Step::MaxPool),
        2 => pool().prop_map(Step::AveragePool),
        2 => any::<bool>().prop_map(|twice| Step::Residual { twice }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        proptest::array::uniform3(1..=7usize),
        1..=3usize,
        proptest::collection::vec(step(), 1..=6),
        any::<bool>(),
        0..ids().len(),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(extent, channels, steps, global, rule, seed, wide)| Plan {
            extent,
            channels,
            steps,
            global,
            rule,
            seed,
            wide,
        })
}

impl Plan {
    fn composite(&self) -> Composite {
        Composite::named(ids()[self.rule]).expect("known")
    }

    fn input(&self) -> [usize; 4] {
        let [k, j, i] = self.extent;
        [self.channels, k, j, i]
    }

    /// The network; steps whose window does not fit are left out.
    fn graph(&self, s: &mut Stream) -> Graph {
        let mut graph = Graph::default();
        let (mut last, mut shape) = (From::Input, self.input().to_vec());
        for (n, step) in self.steps.iter().enumerate() {
            let layer: Box<dyn Layer> = match step {
                Step::Conv { geometry, channels } => {
                    let whole = shape[0].is_multiple_of(geometry.groups);
                    let g = ConvGeometry {
                        groups: if whole { geometry.groups } else { 1 },
                        ..*geometry
                    };
                    conv(shape[0], channels * g.groups, g)
                }
                Step::Relu => Box::new(Relu),
                Step::MaxPool(geometry) => Box::new(MaxPool { geometry: *geometry }),
                Step::AveragePool(geometry) => Box::new(AveragePool { geometry: Some(*geometry) }),
                Step::Residual { twice } => {
                    let r = graph.push(&format!("relu{n}"), Box::new(Relu), vec![last]);
                    let branch = conv(shape[0], shape[0], ConvGeometry::same(3));
                    let c = graph.push(&format!("branch{n}"), branch, vec![From::Node(r)]);
                    let mut inputs = vec![last, From::Node(c)];
                    inputs.extend(twice.then_some(last));
                    last = From::Node(graph.push(&format!("add{n}"), Box::new(Add), inputs));
                    continue;
                }
            };
            if let Ok(fits) = layer.out_shape(&[&shape]) {
                shape = fits;
                last = From::Node(graph.push(&format!("step{n}"), layer, vec![last]));
            }
        }
        if self.global {
            let mean = AveragePool { geometry: None };
            last = From::Node(graph.push("mean", Box::new(mean), vec![last]));
            shape[1..].fill(1);
        }
        last = From::Node(graph.push("flat", Box::new(Flatten), vec![last]));
        let _ = graph.push("dense", dense(shape.iter().product(), 2), vec![last]);
        randomised(&graph, s, self.wide)
    }

    /// Two samples in whole steps (ties), with a third of zeros, the second half empty.
    fn batch(&self, s: &mut Stream) -> Array {
        let [c, k, j, i] = self.input();
        let mut x: Vec<f64> = draws(s, 2 * c * k * j * i)
            .into_iter()
            .map(|v| if s.chance(0.3) { 0.0 } else { v.round() })
            .collect();
        let empty = c * k * j * i / 2;
        let from = x.len() - empty;
        x[from..].fill(0.0);
        array(x, &[2, c, k, j, i], self.wide)
    }
}

/// The same cases on every run.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(61),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn every_small_network_closes(plan in plan()) {
        let mut s = Seed(plan.seed).stream("test/closure");
        let (graph, x) = (plan.graph(&mut s), plan.batch(&mut s));
        let composite = plan.composite();
        let e = explain(&graph, &x, &composite, Start::Margin, &mut Workspace::new());
        let e = e.expect("explained");
        let tolerance = if plan.wide { 1e-13 } else { 1e-6 };
        let map = e.relevance.to_f64().expect("host");
        for (n, ledger) in e.ledgers.iter().enumerate() {
            prop_assert_eq!(ledger.len(), graph.nodes().len());
            for line in ledger {
                prop_assert!(line.residual() <= tolerance, "{:e} {:?}", line.residual(), line);
            }
            // what the layers hand over to each other is lost nowhere in between
            let taken: f64 =
                ledger.iter().map(|l| l.bias + l.stabiliser + l.degenerate).sum();
            let mass: f64 = ledger.iter().map(|l| l.mass.max(l.mass_handed_on)).sum();
            let reached: f64 = map.chunks(map.len() / 2).nth(n).expect("sample").iter().sum();
            let gap = (e.scores[n] - reached - taken).abs();
            prop_assert!(gap <= tolerance * mass, "{gap:e} of {mass:e}");
        }
    }
}

fn dot(a: &Array, b: &Array) -> f64 {
    let (a, b) = (a.to_f64().expect("host"), b.to_f64().expect("host"));
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

fn affine(layer: &dyn Layer) -> &dyn Affine {
    match layer.role() {
        Role::Affine(affine) => affine,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// `⟨W x, y⟩ = ⟨x, Wᵀ y⟩` as the rules call it, for weights that are not the layer's own.
    #[test]
    fn the_transpose_is_the_adjoint(
        geometry in convolution(),
        extent in proptest::array::uniform3(1..=9usize),
        channels in (1..=3usize, 1..=3usize),
        (seed, wide) in (any::<u64>(), any::<bool>()),
    ) {
        let (cin, cout) = (channels.0 * geometry.groups, channels.1 * geometry.groups);
        let layer = conv(cin, cout, geometry);
        let [k, j, i] = extent;
        let Ok(out) = layer.out_shape(&[&[cin, k, j, i]]) else { return Ok(()) };
        let (mut s, mut ws) = (Seed(seed).stream("test/adjoint"), Workspace::new());
        let layer = affine(&*layer);
        let w = random(&mut s, layer.weight().shape(), wide);
        let x = random(&mut s, &[2, cin, k, j, i], wide);
        let y = random(&mut s, &[&[2], &out[..]].concat(), wide);
        let forward = layer.apply(&x, &w, None, &mut ws).expect("fits");
        let back = layer.transpose(&y, &w, &x, &mut ws).expect("fits");
        let (left, right) = (dot(&forward, &y), dot(&x, &back));
        let size = (dot(&forward, &forward) * dot(&y, &y)).sqrt();
        let tolerance = if wide { 1e-13 } else { 2e-6 };
        prop_assert!((left - right).abs() <= tolerance * (1.0 + size), "{left} {right}");
    }
}
