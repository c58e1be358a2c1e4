//! Random small networks for laws that hold on all of them: chains, residual sums, layers side
//! by side, gates; odd and non-cubic extents, strides, dilation, groups, padding of every side.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry};
use heatproof::explain::Composite;
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, batch_norm::BatchNorm, clip, concat::Concat,
    dropout::Dropout, elu, flatten::Flatten, gate::Gate, gelu, group_norm::GroupNorm, hard_swish,
    leaky_relu, max_pool::MaxPool, pad::Pad, prelu::PRelu, relu::Relu, sigmoid, silu, tanh,
    transposed_conv3d::TransposedConv3d,
};
use heatproof::seed::{Seed, Stream};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::nets::{array, conv, dense, draws, ids, random, randomised};

/// Most numbers per sample a layer of a random network gives.
const MOST: usize = 2500;
/// Classes of a random network.
pub const CLASSES: usize = 4;
/// Rules of other programs that are tried beside all of this one's.
const OTHERS: [&str; 4] = [
    "captum:gamma_0.25",
    "boehle:alpha2_beta1",
    "innvestigate:alpha2_beta1",
    "zennit:epsilon_plus",
];

/// Which layers a network is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// All kinds.
    Any,
    /// Those that are linear in input and biases between their kinks.
    PiecewiseLinear,
    /// The same, every bias 0.
    WithoutBiases,
}

/// One step of a random network.
#[derive(Debug, Clone)]
enum Step {
    Conv {
        geometry: ConvGeometry,
        channels: usize,
    },
    Transposed {
        geometry: ConvGeometry,
        channels: usize,
    },
    Activation(usize),
    MaxPool(PoolGeometry),
    AveragePool(PoolGeometry),
    BatchNorm,
    GroupNorm,
    Border([usize; 6]),
    Gate,
    Dropout,
    /// `y + conv(relu(y)) [+ y]`.
    Residual {
        twice: bool,
    },
    /// `y` and `conv(relu(y))` side by side.
    Beside,
}

/// A random network, its images and a rule.
#[derive(Debug, Clone)]
pub struct Plan {
    extent: [usize; 3],
    channels: usize,
    steps: Vec<Step>,
    global: bool,
    rule: usize,
    seed: u64,
    /// Whether it is computed in f64.
    pub wide: bool,
}

fn three(low: usize, high: usize) -> impl Strategy<Value = [usize; 3]> {
    proptest::array::uniform3(low..=high)
}

/// Windows of up to three taps, everything else mixed.
pub fn convolution() -> impl Strategy<Value = ConvGeometry> {
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
    (three(1, 3), three(1, 3), three(0, 1), three(0, 1), any::<bool>()).prop_map(
        |(kernel, stride, before, after, count_padding)| {
            let half = |pad: [usize; 3]| std::array::from_fn(|a| pad[a].min(kernel[a] / 2));
            let (pad_before, pad_after) = (half(before), half(after));
            PoolGeometry { kernel, stride, pad_before, pad_after, dilation: [1; 3], count_padding }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let window = || (convolution(), 1..=3usize);
    prop_oneof![
        4 => window().prop_map(|(geometry, channels)| Step::Conv { geometry, channels }),
        1 => window().prop_map(|(geometry, channels)| Step::Transposed { geometry, channels }),
        4 => (0..ACTIVATIONS.len()).prop_map(Step::Activation),
        2 => pool().prop_map(Step::MaxPool),
        2 => pool().prop_map(Step::AveragePool),
        2 => Just(Step::BatchNorm),
        1 => Just(Step::GroupNorm),
        1 => proptest::array::uniform6(0..=1usize).prop_map(Step::Border),
        1 => Just(Step::Gate),
        1 => Just(Step::Dropout),
        2 => any::<bool>().prop_map(|twice| Step::Residual { twice }),
        2 => Just(Step::Beside),
    ]
}

/// Random networks.
pub fn plan() -> impl Strategy<Value = Plan> {
    (
        three(1, 7),
        1..=3usize,
        proptest::collection::vec(step(), 1..=6),
        any::<bool>(),
        0..ids().len() + OTHERS.len(),
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

/// The same cases on every run.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(61),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

type Activation = fn(usize) -> Box<dyn Layer>;

/// Activations for so many channels; the first three are linear but for a kink at 0.
const ACTIVATIONS: [Activation; 10] = [
    |_| Box::new(Relu),
    |_| Box::new(leaky_relu::layer(0.1)),
    |channels| Box::new(PRelu::new(Array::zeros::<f32>(&[channels])).expect("prelu")),
    |_| Box::new(elu::layer(1.0)),
    |_| Box::new(gelu::layer()),
    |_| Box::new(silu::layer()),
    |_| Box::new(sigmoid::layer()),
    |_| Box::new(tanh::layer()),
    |_| Box::new(hard_swish::layer()),
    |_| Box::new(clip::layer(-0.5, 1.0)),
];

/// A network in the making.
struct Growing {
    graph: Graph,
    last: From,
    shape: Vec<usize>,
}

impl Growing {
    /// Appends a layer if its window fits and its output is small.
    fn push(&mut self, name: &str, layer: Box<dyn Layer>) {
        let fits = layer.out_shape(&[&self.shape]).ok();
        if let Some(shape) = fits.filter(|s| s.iter().product::<usize>() <= MOST) {
            self.last = From::Node(self.graph.push(name, layer, vec![self.last]));
            self.shape = shape;
        }
    }

    /// `conv(relu(y))`, shaped like `y`.
    fn branch(&mut self, n: usize) -> From {
        let channels = self.shape[0];
        let r = self.graph.push(&format!("relu{n}"), Box::new(Relu), vec![self.last]);
        let layer = conv(channels, channels, ConvGeometry::same(3));
        From::Node(self.graph.push(&format!("branch{n}"), layer, vec![From::Node(r)]))
    }

    /// The squeeze and excitation of `y`: a factor of every channel.
    fn gate(&mut self, n: usize) {
        let channels = self.shape[0];
        let mut from = self.last;
        let layers: [(&str, Box<dyn Layer>); 3] = [
            ("squeeze", Box::new(AveragePool { geometry: None })),
            ("excite", conv(channels, channels, ConvGeometry::valid(1))),
            ("factor", Box::new(sigmoid::layer())),
        ];
        for (name, layer) in layers {
            from = From::Node(self.graph.push(&format!("{name}{n}"), layer, vec![from]));
        }
        let inputs = vec![self.last, from];
        self.last = From::Node(self.graph.push(&format!("gate{n}"), Box::new(Gate), inputs));
    }

    fn step(&mut self, n: usize, step: &Step, family: Family) {
        let (name, channels) = (format!("step{n}"), self.shape[0]);
        let groups = |g: &ConvGeometry| match channels.is_multiple_of(g.groups) {
            true => *g,
            false => ConvGeometry { groups: 1, ..*g },
        };
        match step {
            Step::Conv { geometry, channels: out } => {
                let g = groups(geometry);
                self.push(&name, conv(channels, out * g.groups, g));
            }
            Step::Transposed { geometry, channels: out } => {
                self.push(
                    &name,
                    transposed(channels, out * groups(geometry).groups, groups(geometry)),
                );
            }
            Step::Activation(kind) => {
                let known = if family == Family::Any { ACTIVATIONS.len() } else { 3 };
                self.push(&name, ACTIVATIONS[kind % known](channels));
            }
            Step::MaxPool(geometry) => self.push(&name, Box::new(MaxPool { geometry: *geometry })),
            Step::AveragePool(geometry) => {
                self.push(&name, Box::new(AveragePool { geometry: Some(*geometry) }));
            }
            Step::Border([a, b, c, d, e, f]) => {
                let value = if family == Family::Any { 0.5 } else { 0.0 };
                let (before, after) = ([0, *a, *b, *c], [0, *d, *e, *f]);
                self.push(&name, Box::new(Pad { before, after, value }));
            }
            Step::Dropout => self.push(&name, Box::new(Dropout { rate: 0.3 })),
            Step::BatchNorm if family != Family::WithoutBiases => {
                self.push(&name, Box::new(BatchNorm::fresh(channels).expect("norm")));
            }
            Step::GroupNorm if family == Family::Any => {
                let (gamma, beta) =
                    (Array::zeros::<f32>(&[channels]), Array::zeros::<f32>(&[channels]));
                self.push(&name, Box::new(GroupNorm::new(gamma, beta, 1, 1e-2).expect("norm")));
            }
            Step::Gate if family == Family::Any => self.gate(n),
            Step::Residual { twice } => {
                let mut inputs = vec![self.last, self.branch(n)];
                inputs.extend(twice.then_some(self.last));
                self.last = From::Node(self.graph.push(&name, Box::new(Add), inputs));
            }
            Step::Beside => {
                let inputs = vec![self.last, self.branch(n)];
                self.last = From::Node(self.graph.push(&name, Box::new(Concat), inputs));
                self.shape[0] *= 2;
            }
            Step::BatchNorm | Step::GroupNorm | Step::Gate => {}
        }
    }
}

/// A transposed convolution without weights yet; one voxel more at the end where the stride
/// leaves room.
pub fn transposed(cin: usize, cout: usize, g: ConvGeometry) -> Box<dyn Layer> {
    let [kk, kj, ki] = g.kernel;
    let weight = Array::zeros::<f32>(&[cin, cout / g.groups, kk, kj, ki]);
    let extra = g.stride.map(|s| s - 1);
    Box::new(TransposedConv3d::new(weight, Array::zeros::<f32>(&[cout]), g, extra).expect("conv"))
}

impl Plan {
    /// Its rule or composite.
    pub fn composite(&self) -> Composite {
        let all: Vec<&str> = ids().into_iter().chain(OTHERS).collect();
        Composite::named(all[self.rule]).expect("known")
    }

    /// The network and three images: one in whole steps (ties) with a third of zeros, one half
    /// empty, one without negative numbers. Laws of gradients, which do not hold where a sum of
    /// contributions is exactly 0, get images of any numbers.
    pub fn grown(&self, family: Family) -> (Graph, Array) {
        let mut s = Seed(self.seed).stream("test/random_graphs");
        let graph = self.graph(family, &mut s);
        let [k, j, i] = self.extent;
        let shape = [3, self.channels, k, j, i];
        let x = match family {
            Family::Any => self.batch(&mut s),
            _ => random(&mut s, &shape, self.wide),
        };
        (graph, x)
    }

    /// The network in the form that is explained; steps whose window does not fit are left out.
    fn graph(&self, family: Family, s: &mut Stream) -> Graph {
        let [k, j, i] = self.extent;
        let shape = vec![self.channels, k, j, i];
        let mut growing = Growing { graph: Graph::default(), last: From::Input, shape };
        for (n, step) in self.steps.iter().enumerate() {
            growing.step(n, step, family);
        }
        if self.global {
            growing.push("mean", Box::new(AveragePool { geometry: None }));
        }
        growing.push("flat", Box::new(Flatten));
        let features = growing.shape[0];
        growing.push("dense", dense(features, CLASSES));
        let graph = randomised(&growing.graph, s, self.wide);
        let state = graph.state().into_iter().map(|(name, array)| {
            let empty = family == Family::WithoutBiases && name.ends_with(".bias");
            let array =
                if empty { array.zeros_like_type(array.shape()) } else { array.duplicate() };
            (name, array.expect("copy"))
        });
        graph.with_state(state.collect()).expect("state").folded().expect("folded")
    }

    fn batch(&self, s: &mut Stream) -> Array {
        let [k, j, i] = self.extent;
        let size = self.channels * k * j * i;
        let mut x: Vec<f64> = draws(s, 3 * size)
            .into_iter()
            .map(|v| if s.chance(0.3) { 0.0 } else { v.round() })
            .collect();
        x[size + size / 2..2 * size].fill(0.0);
        x[2 * size..].iter_mut().for_each(|v| *v = v.abs());
        array(x, &[3, self.channels, k, j, i], self.wide)
    }
}
