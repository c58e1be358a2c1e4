//! Every layer's backward pass against central differences of its forward pass, in f64. The
//! registry drives the list: a layer without a case fails.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Precision, Workspace};
use heatproof::model::layer::{Layer, Mode, Pass};
use heatproof::model::layers::{
    LAYERS, add::Add, average_pool::AveragePool, batch_norm::BatchNorm,
    channel_affine::ChannelAffine, clip, concat::Concat, dropout::Dropout, elu, flatten::Flatten,
    gate::Gate, gelu, gelu_tanh, group_norm::GroupNorm, hard_sigmoid, hard_swish, leaky_relu,
    max_pool::MaxPool, pad::Pad, prelu::PRelu, relu::Relu, reshape::Reshape,
    reverse_axes::ReverseAxes, sigmoid, silu, softmax::Softmax, tanh,
    transposed_conv3d::TransposedConv3d,
};
use heatproof::seed::{Seed, Stream};

use super::nets::{array, conv, dense, draws, random};

/// Step of the differences; the values are of size 1.
const STEP: f64 = 1e-5;

pub struct Case {
    pub what: String,
    pub layer: Box<dyn Layer>,
    pub inputs: Vec<Array>,
}

fn geometries() -> Vec<ConvGeometry> {
    let plain = ConvGeometry { kernel: [2, 3, 1], ..ConvGeometry::valid(1) };
    let mut all = vec![plain];
    for axis in 0..3 {
        // one property of one axis at a time, then all together
        let with = |change: &dyn Fn(&mut ConvGeometry)| {
            let mut g = ConvGeometry { kernel: [2, 3, 2], ..plain };
            change(&mut g);
            g
        };
        all.push(with(&|g| g.pad_before[axis] = 2));
        all.push(with(&|g| g.pad_after[axis] = 1));
        all.push(with(&|g| g.stride[axis] = 2));
        all.push(with(&|g| g.dilation[axis] = 2));
    }
    all.push(ConvGeometry { groups: 2, ..plain });
    all.push(ConvGeometry {
        kernel: [2, 3, 2],
        stride: [2, 1, 3],
        pad_before: [0, 2, 1],
        pad_after: [1, 0, 2],
        dilation: [2, 1, 2],
        groups: 2,
    });
    all
}

fn pools() -> Vec<PoolGeometry> {
    let rest = PoolGeometry::tiles(2);
    let overlapping = PoolGeometry {
        kernel: [3, 2, 2],
        stride: [2, 1, 1],
        pad_before: [1, 1, 0],
        pad_after: [1, 0, 1],
        dilation: [1; 3],
        count_padding: true,
    };
    let apart = PoolGeometry { dilation: [1, 3, 2], stride: [1, 2, 3], ..overlapping };
    vec![
        rest,
        overlapping,
        PoolGeometry { count_padding: false, ..overlapping },
        apart,
        PoolGeometry { count_padding: false, ..apart },
    ]
}

const VOLUME: [usize; 5] = [2, 4, 5, 6, 7];

/// Values far enough apart that no difference step changes an order or a sign.
fn apart(s: &mut Stream, shape: &[usize]) -> Array {
    let n: usize = shape.iter().product();
    let mut values: Vec<f64> = (0..n).map(|v| (v as f64 + 0.5 - n as f64 / 2.0) * 0.01).collect();
    s.shuffle(&mut values);
    array(values, shape, true)
}

/// Numbers for a parameter of one per channel; [`check`] draws others.
fn ones(n: usize) -> Array {
    array(vec![1.0; n], &[n], true)
}

/// A transposed convolution of 4 channels to 2, and voxels added at the end.
fn up(g: ConvGeometry, extra: [usize; 3]) -> Box<dyn Layer> {
    let [k, j, i] = g.kernel;
    let weight = Array::zeros::<f64>(&[4, 2 / g.groups, k, j, i]);
    let bias = Array::zeros::<f64>(&[2]);
    Box::new(TransposedConv3d::new(weight, bias, g, extra).expect("transposed"))
}

/// Every kind of layer with inputs it takes.
pub fn cases(id: &str, s: &mut Stream) -> Vec<Case> {
    let case = |what: String, layer: Box<dyn Layer>, inputs: Vec<Array>| Case {
        what: format!("{id} {what}"),
        layer,
        inputs,
    };
    let one = |layer: Box<dyn Layer>, x: Array| vec![case(String::new(), layer, vec![x])];
    match id {
        "conv3d" => geometries()
            .into_iter()
            .map(|g| case(format!("{g:?}"), conv(4, 2, g), vec![random(s, &VOLUME, true)]))
            .collect(),
        "max_pool" => pools()
            .into_iter()
            .map(|g| {
                let layer = Box::new(MaxPool { geometry: g });
                case(format!("{g:?}"), layer, vec![apart(s, &VOLUME)])
            })
            .collect(),
        "average_pool" => pools()
            .into_iter()
            .map(Some)
            .chain([None])
            .map(|geometry| {
                let layer = Box::new(AveragePool { geometry });
                case(format!("{geometry:?}"), layer, vec![random(s, &VOLUME, true)])
            })
            .collect(),
        "batch_norm" => one(Box::new(BatchNorm::fresh(4).expect("norm")), random(s, &VOLUME, true)),
        "dense" => one(dense(7, 3), random(s, &[4, 7], true)),
        "relu" => one(Box::new(Relu), apart(s, &VOLUME)),
        "dropout" => one(Box::new(Dropout { rate: 0.4 }), random(s, &VOLUME, true)),
        "flatten" => one(Box::new(Flatten), random(s, &VOLUME, true)),
        "add" => {
            let inputs = (0..3).map(|_| random(s, &VOLUME, true)).collect();
            vec![case(String::new(), Box::new(Add), inputs)]
        }
        "concat" => {
            let narrow = random(s, &[2, 1, 5, 6, 7], true);
            let inputs = vec![random(s, &VOLUME, true), narrow, random(s, &VOLUME, true)];
            vec![case(String::new(), Box::new(Concat), inputs)]
        }
        "gate" => [VOLUME, [2, 4, 1, 1, 1], [2, 1, 5, 6, 7]]
            .into_iter()
            .map(|gate| {
                let inputs = vec![random(s, &VOLUME, true), random(s, &gate, true)];
                case(format!("{gate:?}"), Box::new(Gate), inputs)
            })
            .collect(),
        "pad" => {
            let layer = Pad { before: [1, 0, 2, 1], after: [0, 3, 1, 0], value: 0.5 };
            one(Box::new(layer), random(s, &VOLUME, true))
        }
        "reverse_axes" => one(Box::new(ReverseAxes), random(s, &VOLUME, true)),
        "reshape" => one(Box::new(Reshape { shape: vec![2, 420] }), random(s, &VOLUME, true)),
        "channel_affine" => {
            let layer = ChannelAffine::new(ones(4), ones(4)).expect("affine");
            one(Box::new(layer), random(s, &VOLUME, true))
        }
        "group_norm" => [1, 2, 4]
            .into_iter()
            .map(|groups| {
                let layer = GroupNorm::new(ones(4), ones(4), groups, 1e-5).expect("norm");
                case(format!("{groups}"), Box::new(layer), vec![random(s, &VOLUME, true)])
            })
            .collect(),
        "softmax" => [false, true]
            .into_iter()
            .flat_map(|logarithm| {
                let shapes = [vec![3, 5], vec![2, 3, 2, 1, 2]];
                shapes.map(|shape| (logarithm, shape))
            })
            .map(|(logarithm, shape)| {
                let layer = Box::new(Softmax { logarithm });
                case(format!("{logarithm} {shape:?}"), layer, vec![random(s, &shape, true)])
            })
            .collect(),
        "transposed_conv3d" => geometries()
            .into_iter()
            .map(|g| (g, [0; 3]))
            .chain([(ConvGeometry { stride: [2, 3, 2], ..geometries()[4] }, [1, 2, 0])])
            .map(|(g, extra)| {
                case(format!("{g:?} {extra:?}"), up(g, extra), vec![random(s, &VOLUME, true)])
            })
            .collect(),
        "prelu" => one(Box::new(PRelu::new(ones(4)).expect("slopes")), apart(s, &VOLUME)),
        "leaky_relu" => one(Box::new(leaky_relu::layer(0.1)), apart(s, &VOLUME)),
        "clip" => one(Box::new(clip::layer(-1.0, 2.0)), apart(s, &VOLUME)),
        "elu" => one(Box::new(elu::layer(0.7)), apart(s, &VOLUME)),
        "hard_swish" => one(Box::new(hard_swish::layer()), apart(s, &VOLUME)),
        "hard_sigmoid" => one(Box::new(hard_sigmoid::layer(0.2, 0.5)), apart(s, &VOLUME)),
        "gelu_tanh" => one(Box::new(gelu_tanh::layer()), random(s, &VOLUME, true)),
        "gelu" => one(Box::new(gelu::layer()), random(s, &VOLUME, true)),
        "silu" => one(Box::new(silu::layer()), random(s, &VOLUME, true)),
        "sigmoid" => one(Box::new(sigmoid::layer()), random(s, &VOLUME, true)),
        "tanh" => one(Box::new(tanh::layer()), random(s, &VOLUME, true)),
        other => panic!("layer '{other}' has no case of finite differences"),
    }
}

fn refs(inputs: &[Array]) -> Vec<&Array> {
    inputs.iter().collect()
}

/// `Σ cotangent · output`, with the same dropout every time.
fn objective(case: &Case, cotangent: &[f64], dropout: &Stream) -> f64 {
    let mut stream = dropout.clone();
    let (y, _) = case
        .layer
        .forward(
            &refs(&case.inputs),
            &mut Mode::Train(&mut stream, Precision::F32),
            &mut Workspace::new(),
        )
        .expect("forward");
    y.to_f64().expect("host").iter().zip(cotangent).map(|(a, b)| a * b).sum()
}

/// Central differences of the objective in every number of one array of the case.
fn differences(
    case: &mut Case,
    slot: &dyn Fn(&mut Case) -> &mut [f64],
    objective: &dyn Fn(&Case) -> f64,
) -> Vec<f64> {
    (0..slot(case).len())
        .map(|at| {
            let old = slot(case)[at];
            let mut along = |by: f64| {
                slot(case)[at] = old + by;
                let value = objective(case);
                slot(case)[at] = old;
                value
            };
            (along(STEP) - along(-STEP)) / (2.0 * STEP)
        })
        .collect()
}

fn agree(what: &str, got: &Array, want: &[f64]) {
    let got = got.to_f64().expect("host");
    let apart = super::nets::gap(&got, want);
    assert!(apart < 1e-7, "{what}: {apart:e}");
}

fn check(mut case: Case, s: &mut Stream) {
    for (_, slot) in case.layer.parameters_mut() {
        *slot = random(s, slot.shape(), true);
    }
    let dropout = s.clone();
    let ws = &mut Workspace::new();
    let (y, saved) = case
        .layer
        .forward(&refs(&case.inputs), &mut Mode::Train(&mut dropout.clone(), Precision::F32), ws)
        .expect("forward");
    let shapes: Vec<&[usize]> = case.inputs.iter().map(|x| &x.shape()[1..]).collect();
    assert_eq!(case.layer.out_shape(&shapes).expect("shape"), y.shape()[1..], "{}", case.what);

    let cotangent = draws(s, y.len());
    let grad = array(cotangent.clone(), y.shape(), true);
    let inputs = refs(&case.inputs);
    let pass =
        Pass { inputs: &inputs, output: &y, saved: &saved, grad: &grad, precision: Precision::F32 };
    let full = case.layer.backward(&pass, true, ws).expect("backward");
    let lean = case.layer.backward(&pass, false, ws).expect("backward");
    for (a, b) in full.parameters.iter().zip(&lean.parameters) {
        assert_eq!(a.to_f64().expect("host"), b.to_f64().expect("host"), "{}", case.what);
    }
    assert_eq!(full.inputs.len(), case.inputs.len(), "{}", case.what);
    assert_eq!(full.parameters.len(), case.layer.parameters().len(), "{}", case.what);

    let objective = |case: &Case| objective(case, &cotangent, &dropout);
    for (n, got) in full.inputs.iter().enumerate() {
        let want = differences(
            &mut case,
            &|case| case.inputs[n].host_mut::<f64>().expect("f64"),
            &objective,
        );
        agree(&format!("{} input {n}", case.what), got, &want);
    }
    for (n, got) in full.parameters.iter().enumerate() {
        let want = differences(&mut case, &|case| parameter(case, n), &objective);
        agree(&format!("{} parameter {n}", case.what), got, &want);
    }
}

fn parameter(case: &mut Case, n: usize) -> &mut [f64] {
    let (_, array) = case.layer.parameters_mut().swap_remove(n);
    array.host_mut::<f64>().expect("f64")
}

#[test]
fn every_layers_gradients_are_its_finite_differences() {
    let mut s = Seed(21).stream("test/gradients");
    for card in LAYERS {
        for case in cases(card.id, &mut s) {
            assert_eq!(case.layer.card().id, card.id);
            check(case, &mut s);
        }
    }
}
