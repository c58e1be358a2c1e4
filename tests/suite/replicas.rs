//! Every rule against its textbook formula on the explicit matrix of the layer: slow, and
//! written without the engine's feeds, cut weights and transposes. The registry drives the
//! list: a rule without a formula here fails.

use heatproof::compute::{Array, ConvGeometry, Workspace, reference};
use heatproof::explain::ledger::LedgerLine;
use heatproof::explain::redistribute::redistribute;
use heatproof::explain::rules::{Applied, Convention};
use heatproof::explain::terms::{Bounds, Way};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Layer, Role};
use heatproof::model::layers::{flatten::Flatten, relu::Relu};
use heatproof::seed::Seed;

use super::nets::{array, conv, dense, draws, gap, ids, looked, randomised, rules, whole};

/// `z_k = Σ_j rows[k][j] x_j + bias[k]` of one sample.
pub struct Matrix {
    rows: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

impl Matrix {
    /// Column j is the reference convolution of the j-th unit vector.
    pub fn of_conv(w: &Array, b: &Array, g: &ConvGeometry, [c, k, j, i]: [usize; 4]) -> Self {
        let (w, channels) = (w.to_f64().expect("host"), b.len());
        let b = b.to_f64().expect("host");
        let columns: Vec<Vec<f64>> = (0..c * k * j * i)
            .map(|at| {
                let mut unit = vec![0.0; c * k * j * i];
                unit[at] = 1.0;
                reference::conv3d(&unit, [1, c, k, j, i], &w, channels, g).expect("fits")
            })
            .collect();
        let outputs = columns[0].len();
        let row = |o: usize| columns.iter().map(|column| column[o]).collect();
        let voxels = outputs / channels;
        Self {
            rows: (0..outputs).map(row).collect(),
            bias: (0..outputs).map(|o| b[o / voxels]).collect(),
        }
    }

    /// The weights are the matrix.
    pub fn of_dense(w: &Array, b: &Array) -> Self {
        let rows = w.to_f64().expect("host").chunks(w.shape()[1]).map(<[f64]>::to_vec).collect();
        Self { rows, bias: b.to_f64().expect("host") }
    }

    /// The other way round, with a bias per channel of what was the input.
    pub fn transposed(self, b: &Array) -> Self {
        let (b, size) = (b.to_f64().expect("host"), self.rows[0].len());
        let rows = (0..size).map(|o| self.rows.iter().map(|row| row[o]).collect()).collect();
        Self { rows, bias: (0..size).map(|o| b[o * b.len() / size]).collect() }
    }

    /// A scale and a shift per channel of `size` numbers.
    pub fn of_scales(w: &Array, b: &Array, size: usize) -> Self {
        let [w, b] = [w, b].map(|a| a.to_f64().expect("host"));
        let channel = |o: usize| o * w.len() / size;
        let row = |o: usize| (0..size).map(|j| if j == o { w[channel(o)] } else { 0.0 }).collect();
        Self {
            rows: (0..size).map(row).collect(),
            bias: (0..size).map(|o| b[channel(o)]).collect(),
        }
    }

    /// `W x + b`.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let dot = |row: &Vec<f64>| row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>();
        self.rows.iter().zip(&self.bias).map(|(row, b)| dot(row) + b).collect()
    }
}

/// What a formula says of one sample.
#[derive(Default)]
pub struct Told {
    /// Relevance of the input.
    pub input: Vec<f64>,
    /// Taken by the bias.
    pub bias: f64,
    /// Taken by the stabiliser.
    pub stabiliser: f64,
    /// Of outputs that cannot be served.
    pub degenerate: f64,
}

/// One formula at one output: contribution of (x, w), of the bias, and the gain.
struct Formula<'a> {
    gain: f64,
    part: &'a dyn Fn(f64, f64) -> f64,
    bias: &'a dyn Fn(f64) -> f64,
}

/// Matrix, input, relevance, ε of one sample.
pub type Sample<'a> = (&'a Matrix, &'a [f64], &'a [f64], f64);

impl Told {
    /// Adds at every output k, for the formulas `of(z_k)` gives:
    /// `R_j = gain · part(x_j, w_jk) / (Z_k + ε sign(Z_k)) R_k`,
    /// `Z_k = Σ_j part(x_j, w_jk) + bias(b_k)`, sign(0) = +1, and what bias and ε take. With
    /// no formula the relevance is degenerate.
    fn at_outputs(
        &mut self,
        (m, x, r, epsilon): Sample<'_>,
        of: &dyn Fn(f64) -> Vec<usize>,
        formulas: &[Formula<'_>],
    ) {
        self.input.resize(x.len(), 0.0);
        let z = m.apply(x);
        for (k, (row, &b)) in m.rows.iter().zip(&m.bias).enumerate() {
            let used = of(z[k]);
            if used.is_empty() {
                self.degenerate += r[k];
            }
            for f in used.iter().map(|n| &formulas[*n]) {
                let contributions: Vec<f64> =
                    row.iter().zip(x).map(|(w, x)| (f.part)(*x, *w)).collect();
                let z = contributions.iter().sum::<f64>() + (f.bias)(b);
                let e = if z < 0.0 { -epsilon } else { epsilon };
                if z + e == 0.0 {
                    self.degenerate += f.gain * r[k];
                    continue;
                }
                let quotient = f.gain * r[k] / (z + e);
                self.input.iter_mut().zip(&contributions).for_each(|(i, c)| *i += c * quotient);
                self.bias += (f.bias)(b) * quotient;
                if z == 0.0 {
                    self.degenerate += e * quotient;
                } else {
                    self.stabiliser += e * quotient;
                }
            }
        }
    }
}

/// Bounds of every input in these tests.
pub const BOUNDS: (f64, f64) = (-6.0, 5.0);

/// The textbook formula of a rule for one sample; `flat` and `w_square` see the matrix of
/// the layer, whose entries are 0 where a neuron does not read a voxel.
pub fn told(rule: &str, of: Sample<'_>) -> Told {
    let mut told = Told::default();
    let (up, down) = (|v: f64| v.max(0.0), |v: f64| v.min(0.0));
    let all = |count: usize| move |_: f64| (0..count).collect::<Vec<usize>>();
    let f = |gain, part, bias| Formula { gain, part, bias };
    let (none, own) = (&|_: f64| 0.0, &|b: f64| b);
    match rule {
        "epsilon" | "lrp_0" => told.at_outputs(of, &all(1), &[f(1.0, &|x, w| x * w, own)]),
        "norm" => told.at_outputs(of, &all(1), &[f(1.0, &|x, w| x * w, none)]),
        "z_plus" => told.at_outputs(of, &all(1), &[f(1.0, &|x, w| up(x * w), &up)]),
        "alpha_beta" => {
            let (more, less) = (|x: f64, w: f64| up(x * w), |x: f64, w: f64| down(x * w));
            told.at_outputs(of, &all(2), &[f(2.0, &more, &up), f(-1.0, &less, &down)]);
        }
        "gamma" => {
            const G: f64 = 0.25;
            let more = (|x: f64, w: f64| x * w + G * up(x * w), |b: f64| b + G * up(b));
            let less = (|x: f64, w: f64| x * w + G * down(x * w), |b: f64| b + G * down(b));
            let favoured = [f(1.0, &more.0, &more.1), f(1.0, &less.0, &less.1)];
            let of_sign = |z: f64| match z.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Greater) => vec![0],
                Some(std::cmp::Ordering::Less) => vec![1],
                _ => vec![],
            };
            told.at_outputs(of, &of_sign, &favoured);
        }
        "z_box" => {
            let (low, high) = BOUNDS;
            let part = move |x: f64, w: f64| x * w - low * up(w) - high * down(w);
            told.at_outputs(of, &all(1), &[f(1.0, &part, none)]);
        }
        "w_square" => {
            told.at_outputs(of, &all(1), &[f(1.0, &|_, w| w * w, &|b| b * b)]);
        }
        "flat" => {
            let reads = |_: f64, w: f64| if w == 0.0 { 0.0 } else { 1.0 };
            told.at_outputs(of, &all(1), &[f(1.0, &reads, none)]);
        }
        other => panic!("rule '{other}' has no formula in this test"),
    }
    told
}

const SHAPE: [usize; 4] = [4, 5, 7, 3];

/// Stride 2, every side padded differently, two groups.
const WINDOW: ConvGeometry = ConvGeometry {
    kernel: [3, 2, 2],
    stride: [2, 2, 1],
    pad_before: [1, 0, 2],
    pad_after: [0, 2, 1],
    dilation: [1, 2, 1],
    groups: 2,
};

/// A convolution and a dense layer with their matrices and inputs of three samples: one
/// signed, one without negative numbers, one with zeros only in half. Channel 0 has no bias
/// (so that sums of exactly 0 occur), channel 1 positive weights only.
fn layers(wide: bool) -> Vec<(Box<dyn Layer>, Matrix, Array)> {
    let mut s = Seed(31).stream("test/replicas");
    let mut all = Vec::new();
    for dense_too in [false, true] {
        let mut graph = Graph::default();
        let features: usize = SHAPE.iter().product();
        let layer = if dense_too { dense(features, 6) } else { conv(4, 6, WINDOW) };
        let _ = graph.push("layer", layer, vec![From::Input]);
        let graph = randomised(&graph, &mut s, true);
        let mut state: std::collections::BTreeMap<String, Array> =
            graph.state().into_iter().map(|(n, a)| (n, a.duplicate().expect("copy"))).collect();
        let weight = state.get_mut("layer.weight").expect("weight");
        let row = weight.len() / 6;
        let weight = weight.host_mut::<f64>().expect("f64");
        weight[row..2 * row].iter_mut().for_each(|w| *w = w.abs());
        let bias = state.get_mut("layer.bias").expect("bias").host_mut::<f64>().expect("f64");
        (bias[0], bias[1]) = (0.0, bias[1].abs());
        if !wide {
            state.values_mut().for_each(|a| *a = a.cast::<f32>().expect("cast"));
        }
        let graph = graph.with_state(state).expect("state");
        let (w, b) = (graph.parameters()[0].1, graph.parameters()[1].1);
        let matrix =
            if dense_too { Matrix::of_dense(w, b) } else { Matrix::of_conv(w, b, &WINDOW, SHAPE) };
        let mut x = draws(&mut s, 3 * features);
        x[features..2 * features].iter_mut().for_each(|x| *x = x.abs());
        let half = if dense_too { features } else { features / 2 };
        x[2 * features..2 * features + half].fill(0.0);
        let shape =
            if dense_too { vec![3, features] } else { [&[3][..], &SHAPE[..]].concat().to_vec() };
        let layer = graph.nodes()[0].layer.duplicate().expect("copy");
        all.push((layer, matrix, array(x, &shape, wide)));
    }
    all
}

fn near(what: &str, got: f64, want: f64, scale: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * scale, "{what}: {got} instead of {want}");
}

#[test]
fn rules_share_out_as_their_formulas_say() {
    let mut s = Seed(32).stream("test/replicas/relevance");
    let mut ws = Workspace::new();
    let mut degenerate = 0;
    for wide in [true, false] {
        // f32 with a tiny ε has no digits left where z is near 0
        let epsilons: &[f64] = if wide { &[1e-6, 0.0, 0.25] } else { &[0.25] };
        let tolerance = if wide { 1e-9 } else { 1e-5 };
        for (layer, matrix, x) in layers(wide) {
            let Role::Affine(affine) = layer.role() else { panic!("not affine") };
            let outputs = matrix.bias.len();
            let shape = affine
                .apply(&x, affine.weight(), affine.bias(), &mut ws)
                .expect("fits")
                .shape()
                .to_vec();
            let r = array(draws(&mut s, 3 * outputs), &shape, wide);
            let (xs, rs) = (x.to_f64().expect("host"), r.to_f64().expect("host"));
            let z = affine.apply(&x, affine.weight(), affine.bias(), &mut ws).expect("fits");
            // bounds stated for all samples merge terms that those of each sample do not
            let stated = Bounds::Stated(BOUNDS.0, BOUNDS.1);
            let both = |rule| [stated, Bounds::Each(&[BOUNDS; 3])].map(|bounds| (rule, bounds));
            for ((rule, bounds), &epsilon) in
                rules().flat_map(both).flat_map(|r| epsilons.iter().map(move |e| (r, e)))
            {
                let id = rule.card.id;
                let numbers = rule.parameters.iter().map(|p| p.default).collect();
                let applied = Applied::new(rule, numbers, Convention::Own);
                let way = Way {
                    groups: &applied.groups(),
                    stabiliser: applied.stabiliser.with(epsilon),
                    bias: applied.bias,
                    rescue: applied.rescue,
                    bounds,
                    behind_relu: false,
                };
                let got = redistribute(affine, looked(&x), &z, &whole(&r), &way, &mut ws);
                let got = got.expect("shared");
                let taken = got.booked.fetched().expect("host");
                assert_eq!(got.input.shape(), x.shape());
                let map = got.input.to_f64().expect("host");
                let size = map.len() / 3;
                for n in 0..3 {
                    let (x, r) = (&xs[n * size..][..size], &rs[n * outputs..][..outputs]);
                    let want = told(id, (&matrix, x, r, epsilon));
                    let what = format!("{id}, ε {epsilon}, sample {n}, {:?}", x.len());
                    let apart = gap(&map[n * size..][..size], &want.input);
                    assert!(apart < tolerance, "{what}: {apart:e}");
                    let scale = want.input.iter().chain(r).map(|v| v.abs()).sum::<f64>();
                    near(&what, taken.bias[n], want.bias, scale, tolerance);
                    near(&what, taken.stabiliser[n], want.stabiliser, scale, tolerance);
                    near(&what, taken.degenerate[n], want.degenerate, scale, tolerance);
                    degenerate += usize::from(want.degenerate.abs() > 1e-3);
                }
            }
        }
    }
    // outputs the rules cannot serve were among the cases, for each rule and layer
    assert!(degenerate >= 15, "{degenerate}");
}

fn line_is(line: &LedgerLine, told: &Told, received: &[f64]) {
    let mass = received.iter().chain(&told.input).map(|v| v.abs()).sum::<f64>();
    let what = format!("{} {}", line.layer, line.rule);
    let sum = |v: &[f64]| v.iter().sum::<f64>();
    for (got, want) in [
        (line.received, sum(received)),
        (line.handed_on, sum(&told.input)),
        (line.bias, told.bias),
        (line.stabiliser, told.stabiliser),
        (line.degenerate, told.degenerate),
        (line.mass, received.iter().map(|v| v.abs()).sum()),
        (line.mass_handed_on, told.input.iter().map(|v| v.abs()).sum()),
    ] {
        near(&what, got, want, mass, 1e-9);
    }
}

#[test]
fn a_network_is_explained_as_the_formulas_say_layer_by_layer() {
    let mut s = Seed(33).stream("test/replicas/network");
    let mut graph = Graph::default();
    let second = ConvGeometry { kernel: [2, 3, 1], groups: 3, ..ConvGeometry::valid(1) };
    let a = graph.push("c1", conv(4, 6, WINDOW), vec![From::Input]);
    let b = graph.push("r1", Box::new(Relu), vec![From::Node(a)]);
    let c = graph.push("c2", conv(6, 3, second), vec![From::Node(b)]);
    let d = graph.push("flat", Box::new(Flatten), vec![From::Node(c)]);
    let shape = graph.describe(&SHAPE).expect("fits");
    let features = shape[d].shape[0];
    let _ = graph.push("d1", dense(features, 2), vec![From::Node(d)]);
    let graph = randomised(&graph, &mut s, true);
    let p: std::collections::BTreeMap<String, &Array> = graph.parameters().into_iter().collect();
    let middle: [usize; 4] = shape[b].shape.clone().try_into().expect("rank");
    let matrices = [
        Matrix::of_conv(p["c1.weight"], p["c1.bias"], &WINDOW, SHAPE),
        Matrix::of_conv(p["c2.weight"], p["c2.bias"], &second, middle),
        Matrix::of_dense(p["d1.weight"], p["d1.bias"]),
    ];
    let size: usize = SHAPE.iter().product();
    let x = draws(&mut s, 3 * size);
    let batch = array(x.clone(), &[&[3][..], &SHAPE].concat(), true);

    for id in ids() {
        let mut composite = Composite::named(id).expect("known");
        composite.bounds = Some(BOUNDS);
        let rules: Vec<Applied> = composite.assign(&graph).into_iter().flatten().collect();
        let got = explain(&graph, &batch, &composite, Start::Margin, &mut Workspace::new());
        let got = got.expect("explained");
        let map = got.relevance.to_f64().expect("host");
        for n in 0..3 {
            let x = &x[n * size..][..size];
            let first: Vec<f64> = matrices[0].apply(x).iter().map(|z| z.max(0.0)).collect();
            let second = matrices[1].apply(&first);
            let z = matrices[2].apply(&second);
            assert!((got.scores[n] - (z[1] - z[0])).abs() < 1e-12, "{id}");
            let start = [-z[0], z[1]];
            let [c1, c2, d1] = rules.as_slice() else { panic!("three layers") };
            let of = |applied: &Applied, sample: (&Matrix, &[f64], &[f64])| {
                let (matrix, x, r) = sample;
                told(applied.rule.card.id, (matrix, x, r, applied.stabiliser.epsilon))
            };
            let top = of(d1, (&matrices[2], &second, &start));
            let inner = of(c2, (&matrices[1], &first, &top.input));
            let outer = of(c1, (&matrices[0], x, &inner.input));
            let apart = gap(&map[n * size..][..size], &outer.input);
            assert!(apart < 1e-9, "{id}, sample {n}: {apart:e}");
            let lines = &got.ledgers[n];
            let names: Vec<&str> = lines.iter().map(|l| l.layer.as_str()).collect();
            assert_eq!(names, ["d1", "flat", "c2", "r1", "c1"]);
            let words = [d1, c2, c1].map(Applied::words);
            assert_eq!([0, 2, 4].map(|at| lines[at].rule.clone()), words);
            line_is(&lines[0], &top, &start);
            line_is(&lines[2], &inner, &top.input);
            line_is(&lines[4], &outer, &inner.input);
        }
    }
}
