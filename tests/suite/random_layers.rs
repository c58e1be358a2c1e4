//! Every rule on layers of any geometry against its formula on the explicit matrix of the layer
//! (`replicas.rs`): convolutions, transposed convolutions, dense layers, scales per channel.

use heatproof::compute::{Array, ConvGeometry, Workspace};
use heatproof::explain::redistribute::redistribute;
use heatproof::explain::rules::{Applied, Convention};
use heatproof::explain::terms::Bounds;
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Layer, Role};
use heatproof::model::layers::channel_affine::ChannelAffine;
use heatproof::seed::Seed;
use proptest::prelude::*;

use super::nets::{array, conv, dense, draws, gap, looked, random, randomised, rules, whole};
use super::random_graphs::{config, convolution, transposed};
use super::replicas::{BOUNDS, Matrix, told};

/// Most numbers of an input and of an output: the matrix is written out.
const MOST: usize = 400;

/// A layer of the kind, without weights yet.
fn layer(kind: usize, channels: [usize; 2], g: ConvGeometry, features: usize) -> Box<dyn Layer> {
    let [cin, cout] = channels.map(|c| c * g.groups);
    match kind {
        0 => conv(cin, cout, g),
        1 => transposed(cin, cout, g),
        2 => dense(features, cout),
        _ => {
            let none = || Array::zeros::<f32>(&[cin]);
            Box::new(ChannelAffine::new(none(), none()).expect("one per channel"))
        }
    }
}

/// The matrix of such a layer with weight `w` and bias `b`.
fn matrix(kind: usize, w: &Array, b: &Array, g: &ConvGeometry, ports: [[usize; 4]; 2]) -> Matrix {
    let [input, output] = ports;
    match kind {
        0 => Matrix::of_conv(w, b, g, input),
        // the transpose of the convolution that leads from its output to its input
        1 => Matrix::of_conv(w, &Array::zeros::<f64>(&[input[0]]), g, output).transposed(b),
        2 => Matrix::of_dense(w, b),
        _ => Matrix::of_scales(w, b, input.iter().product()),
    }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn rules_share_out_as_their_formulas_say_on_any_layer(
        kind in 0..4usize,
        g in convolution(),
        extent in proptest::array::uniform3(1..=5usize),
        channels in proptest::array::uniform2(1..=2usize),
        (seed, signed) in (any::<u64>(), any::<bool>()),
    ) {
        let (mut s, mut ws) = (Seed(seed).stream("test/random_layers"), Workspace::new());
        let [k, j, i] = extent;
        let volume = [channels[0] * g.groups, k, j, i];
        let features = volume.iter().product();
        let input = if kind == 2 { vec![features] } else { volume.to_vec() };
        let mut graph = Graph::default();
        let _ = graph.push("layer", layer(kind, channels, g, features), vec![From::Input]);
        let Ok(rows) = graph.describe(&input) else { return Ok(()) };
        let output = rows[0].shape.clone();
        let outputs: usize = output.iter().product();
        prop_assume!(features.max(outputs) <= MOST);
        let graph = randomised(&graph, &mut s, true);
        let (w, b) = (graph.parameters()[0].1, graph.parameters()[1].1);
        let ports = [volume, output.clone().try_into().unwrap_or_default()];
        let matrix = matrix(kind, w, b, &g, ports);
        let Role::Affine(affine) = graph.nodes()[0].layer.role() else { panic!("not affine") };
        let mut x = draws(&mut s, features);
        x.iter_mut().for_each(|v| *v = if signed { *v } else { v.abs() });
        let (xs, rs) = (array(x.clone(), &[&[1], &input[..]].concat(), true),
            random(&mut s, &[&[1], &output[..]].concat(), true));
        let r = rs.to_f64().expect("host");
        let z = affine.apply(&xs, w, Some(b), &mut ws).expect("fits");
        let apart = gap(&z.to_f64().expect("host"), &matrix.apply(&x));
        prop_assert!(apart < 1e-12, "the layer itself: {apart:e}");
        for rule in rules() {
            let numbers = rule.parameters.iter().map(|p| p.default).collect();
            let mut applied = Applied::new(rule, numbers, Convention::Own);
            applied.stabiliser = applied.stabiliser.with(1e-3);
            let groups = applied.groups();
            let way = applied.way(&groups, Bounds::Stated(BOUNDS.0, BOUNDS.1));
            let got = redistribute(affine, looked(&xs), &z, &whole(&rs), &way, &mut ws);
            let got = got.expect("shared");
            let taken = got.booked.fetched().expect("host");
            let id = rule.card.id;
            let want = told(id, (&matrix, &x, &r, 1e-3));
            let map = got.input.to_f64().expect("host");
            let scale = want.input.iter().chain(&r).map(|v| v.abs()).sum::<f64>();
            for (g, w) in map.iter().zip(&want.input) {
                prop_assert!((g - w).abs() < 1e-10 * scale, "{id}: {map:?}, not {:?}", want.input);
            }
            for (got, want) in [
                (taken.bias[0], want.bias),
                (taken.stabiliser[0], want.stabiliser),
                (taken.degenerate[0], want.degenerate),
            ] {
                prop_assert!((got - want).abs() < 1e-10 * scale, "{id}: {got}, not {want}");
            }
        }
    }
}
