//! Random arrays and networks that several test modules need.

use heatproof::compute::flow::Flow;
use heatproof::compute::{Array, ConvGeometry, Workspace, elementwise};
use heatproof::explain::composite::COMPOSITES;
use heatproof::explain::rules::{RULES, Rule};
use heatproof::model::layer::Layer;
use heatproof::model::layers::{conv3d::Conv3d, dense::Dense};
use heatproof::model::{ArchitectureSpec, Graph, build};
use heatproof::seed::{Seed, Stream};

/// The rules that any layer with weights can have: all but `pass`, which needs a layer that
/// keeps the shape.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().filter(|rule| rule.card.id != "pass")
}

/// Ids of all composites and of [`rules`].
pub fn ids() -> Vec<&'static str> {
    COMPOSITES.iter().map(|c| c.id).chain(rules().map(|r| r.card.id)).collect()
}

/// Standard normal draws.
pub fn draws(stream: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| stream.normal()).collect()
}

/// An array of f64 (`wide`) or f32.
pub fn array(data: Vec<f64>, shape: &[usize], wide: bool) -> Array {
    let array = Array::from_vec(data, shape).expect("shape");
    if wide { array } else { array.cast::<f32>().expect("cast") }
}

/// Standard normal draws in a shape.
pub fn random(stream: &mut Stream, shape: &[usize], wide: bool) -> Array {
    array(draws(stream, shape.iter().product()), shape, wide)
}

/// A convolution without weights yet, for [`randomised`].
pub fn conv(cin: usize, cout: usize, g: ConvGeometry) -> Box<dyn Layer> {
    let [kk, kj, ki] = g.kernel;
    let weight = Array::zeros::<f32>(&[cout, cin / g.groups, kk, kj, ki]);
    Box::new(Conv3d::new(weight, Array::zeros::<f32>(&[cout]), g).expect("conv"))
}

/// A dense layer without weights yet, for [`randomised`].
pub fn dense(i: usize, o: usize) -> Box<dyn Layer> {
    Box::new(Dense::new(Array::zeros::<f32>(&[o, i]), Array::zeros::<f32>(&[o])).expect("dense"))
}

/// The graph with every parameter and running statistic drawn: weights so that activations
/// keep their size, biases and shifts clearly not zero.
pub fn randomised(graph: &Graph, stream: &mut Stream, wide: bool) -> Graph {
    let mut state = std::collections::BTreeMap::new();
    for (name, old) in graph.state() {
        let fan_in: usize = old.shape()[1..].iter().product();
        let kind = name.rsplit('.').next().unwrap_or_default().to_owned();
        let value = |v: f64| match kind.as_str() {
            "weight" => v * (2.0 / fan_in as f64).sqrt(),
            "gamma" => 1.0 + 0.3 * v,
            "running_variance" => 0.5 + v * v,
            _ => 0.3 * v,
        };
        let data = draws(stream, old.len()).into_iter().map(value).collect();
        state.insert(name, array(data, old.shape(), wide));
    }
    graph.with_state(state).expect("state")
}

/// A canonical network of a named architecture with random weights, statistics and biases.
pub fn canonical(name: &str, input: [usize; 3], seed: u64) -> Graph {
    let spec = ArchitectureSpec::named(name, input, 2).expect("known");
    let graph = build(&spec, Seed(seed)).expect("built");
    let mut stream = Seed(seed).stream("test/canonical");
    let graph = randomised(&graph, &mut stream, false);
    let [k, j, i] = input;
    let probe = random(&mut stream, &[1, 1, k, j, i], false);
    let (graph, proof) = graph.canonical(&probe, &mut Workspace::new()).expect("canonical");
    assert!(proof.folded >= 1 && proof.drift < 1e-4, "{proof:?}");
    graph
}

/// Images `[n, 1, k, j, i]` as the program sees them: exactly 0 around an ellipsoid, of both
/// signs and smooth with noise within it.
pub fn heads(stream: &mut Stream, n: usize, [k, j, i]: [usize; 3]) -> Array {
    let mut data = Vec::with_capacity(n * k * j * i);
    for _ in 0..n {
        let phase = stream.range(0.0, 6.0);
        for v in 0..k * j * i {
            let at = [v / (j * i), v / i % j, v % i];
            let p: [f64; 3] =
                std::array::from_fn(|a| (at[a] as f64 + 0.5) / [k, j, i][a] as f64 * 2.0 - 1.0);
            let inside = p.iter().map(|p| p * p / 0.8).sum::<f64>() < 1.0;
            let wave = (5.0 * p[0] + phase).sin() + (4.0 * p[1] - 3.0 * p[2]).cos();
            data.push(if inside { wave + 0.3 * stream.normal() } else { 0.0 });
        }
    }
    array(data, &[n, 1, k, j, i], false)
}

/// Largest |a − b| over the largest |b|.
pub fn gap(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}

/// How far apart all but the furthest 5 % are: 95th percentile of |a − b| over the largest |b|.
pub fn gap_of_most(a: &[f64], b: &[f64]) -> f64 {
    let scale = b.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let mut gaps: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale).collect();
    gaps.sort_by(f64::total_cmp);
    gaps[(gaps.len() - 1) * 95 / 100]
}

/// Largest |difference| over largest |reference| of a map of integrated gradients in float32.
/// Where a rectifier or a maximum at one of the points lies within the rounding of float32 of its
/// kink, everything below it differs (docs/agreement.md): most voxels must agree to 1e-4, and all
/// to this.
pub const UNDECIDED: f64 = 1e-2;

/// An array with whether it has negative numbers, as an input that relevance is handed to.
pub fn looked(x: &Array) -> (&Array, bool) {
    (x, elementwise::any_negative(x).expect("host"))
}

/// An array as relevance of every output.
pub fn whole(r: &Array) -> Flow<'static> {
    Flow::Whole(r.duplicate().expect("host"))
}
