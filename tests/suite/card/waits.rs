//! How often the host waits for the card: as often for a deep network as for a flat one.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace, device};
use heatproof::explain::composite::{Choice, Position};
use heatproof::explain::rules::{Applied, Convention};
use heatproof::explain::terms::BiasPolicy;
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    add::Add, average_pool::AveragePool, batch_norm::BatchNorm, conv3d::Conv3d, dense::Dense,
    flatten::Flatten, group_norm::GroupNorm, leaky_relu, max_pool::MaxPool, pad::Pad, relu::Relu,
};
use heatproof::seed::{Seed, Stream};

use super::super::nets::{conv, dense, ids, random, randomised};

/// Whether work is done on a card; says that it skips where it is not.
pub(super) fn carded() -> bool {
    let card = device::on_card().expect("device");
    if !card {
        eprintln!("skipped: HEATPROOF_DEVICE chooses no card");
    }
    card
}

/// Blocks of a convolution, a norm of each kind in turn, ReLU and pool, and a dense layer.
fn network(blocks: usize, s: &mut Stream) -> Graph {
    let (mut graph, mut last) = (Graph::default(), From::Input);
    let mut then = |layer: Box<dyn Layer>| {
        last = From::Node(graph.push(&format!("n{}", graph.nodes().len()), layer, vec![last]));
    };
    let mut array = |shape: &[usize]| random(s, shape, false);
    for block in 0..blocks {
        let weight = array(&[4, if block == 0 { 1 } else { 4 }, 3, 3, 3]);
        let conv = Conv3d::new(weight, array(&[4]), ConvGeometry::same(3));
        then(Box::new(conv.expect("conv")));
        match block % 3 {
            0 => then(Box::new(BatchNorm::fresh(4).expect("norm"))),
            1 => {
                then(Box::new(GroupNorm::new(array(&[4]), array(&[4]), 2, 1e-5).expect("norm")));
            }
            _ => {}
        }
        then(Box::new(Relu));
        if block % 2 == 0 {
            then(Box::new(MaxPool {
                geometry: PoolGeometry { stride: [1; 3], ..PoolGeometry::tiles(2) },
            }));
        } else if block == 1 {
            then(Box::new(MaxPool { geometry: PoolGeometry::tiles(2) }));
        }
    }
    then(Box::new(Flatten));
    graph
}

#[test]
fn a_training_step_waits_no_oftener_for_more_layers() {
    if !carded() {
        return;
    }
    let waits = |blocks: usize| {
        let mut s = Seed(31).stream("test/waits");
        let mut graph = network(blocks, &mut s);
        let x = random(&mut s, &[3, 1, 14, 13, 12], false).at_work().expect("card");
        let logits = graph.describe(&[1, 14, 13, 12]).expect("shapes");
        let width = logits.last().expect("a last layer").shape[0];
        let dense = Dense::new(random(&mut s, &[2, width], false), random(&mut s, &[2], false));
        let last = From::Node(graph.nodes().len() - 1);
        let _ = graph.push("dense", Box::new(dense.expect("dense")), vec![last]);
        for (_, weight) in graph.parameters_mut() {
            if weight.shape().len() > 1 {
                *weight = weight.duplicate().and_then(Array::at_work).expect("card");
            }
        }
        let slope = random(&mut s, &[3, 2], false);
        let before = device::waits();
        let mut loss = |logits: &Array| Ok((logits.to_f64()?[0], slope.duplicate()?));
        let ws = &mut Workspace::new();
        let (_, gradients) = graph.train_step(&x, &mut loss, &mut s, ws).expect("step");
        assert!(gradients.iter().all(|g| g.on_host() == (g.shape().len() == 1)));
        device::waits() - before
    };
    // For the logits; for the gradients of channels and the running statistics together.
    assert_eq!([1, 2, 3, 6].map(waits), [2; 4]);
}

/// Waits of a relevance pass at most: for logits, for signs, ranges and norms, for ledger and map.
const FEW: usize = 4;

/// A border and a max pool, then so many residual blocks, then a mean and two dense layers.
pub(super) fn residual(blocks: usize) -> Graph {
    let mut graph = Graph::default();
    let border = Pad { before: [0, 1, 0, 2], after: [0, 0, 1, 0], value: 0.5 };
    let mut at = graph.push("border", Box::new(border), vec![From::Input]);
    let mut push = |name: String, layer, more: &[usize]| {
        let inputs = std::iter::once(at).chain(more.iter().copied()).map(From::Node).collect();
        at = graph.push(&name, layer, inputs);
        at
    };
    let _ = push("first".to_owned(), conv(1, 3, ConvGeometry::same(3)), &[]);
    let _ = push("first.relu".to_owned(), Box::new(Relu), &[]);
    let tiles = MaxPool { geometry: PoolGeometry::tiles(2) };
    let mut skip = push("first.pool".to_owned(), Box::new(tiles), &[]);
    for block in 0..blocks {
        let _ = push(format!("{block}.a"), conv(3, 3, ConvGeometry::same(3)), &[]);
        let _ = push(format!("{block}.a.relu"), Box::new(Relu), &[]);
        let _ = push(format!("{block}.b"), conv(3, 3, ConvGeometry::valid(1)), &[]);
        let ones = || Array::from_vec(vec![1.0f32; 3], &[3]).expect("array");
        let norm = GroupNorm::new(ones(), ones(), 3, 1e-5).expect("norm");
        let _ = push(format!("{block}.norm"), Box::new(norm), &[]);
        let _ = push(format!("{block}.add"), Box::new(Add), &[skip]);
        // Its output has negative numbers, which some rules ask for.
        skip = push(format!("{block}.leaky"), Box::new(leaky_relu::layer(0.1)), &[]);
    }
    let _ = push("mean".to_owned(), Box::new(AveragePool { geometry: None }), &[]);
    let _ = push("flat".to_owned(), Box::new(Flatten), &[]);
    let _ = push("dense".to_owned(), dense(3, 4), &[]);
    let _ = push("dense.relu".to_owned(), Box::new(Relu), &[]);
    let _ = push("logits".to_owned(), dense(4, 2), &[]);
    randomised(&graph, &mut Seed(9).stream("test/waits"), false)
}

/// A max pool among so many convolutions with ReLUs, then two dense layers.
pub(super) fn plain(blocks: usize) -> Graph {
    let (mut graph, mut last) = (Graph::default(), From::Input);
    let mut then = |name: String, layer| {
        last = From::Node(graph.push(&name, layer, vec![last]));
    };
    for block in 0..blocks {
        then(format!("{block}"), conv(if block == 0 { 1 } else { 3 }, 3, ConvGeometry::same(3)));
        then(format!("{block}.relu"), Box::new(Relu));
        if block == 1 {
            then("pool".to_owned(), Box::new(MaxPool { geometry: PoolGeometry::tiles(2) }));
        }
    }
    then("mean".to_owned(), Box::new(AveragePool { geometry: None }));
    then("flat".to_owned(), Box::new(Flatten));
    then("dense".to_owned(), dense(3, 4));
    then("dense.relu".to_owned(), Box::new(Relu));
    then("logits".to_owned(), dense(4, 2));
    randomised(&graph, &mut Seed(9).stream("test/waits"), false)
}

/// Composites that ask for numbers of layers; without γ, or with it alone.
fn composites(gamma: bool) -> Vec<Composite> {
    let named = |id| Composite::named(id).expect("known");
    let some = ids().into_iter().filter(|id| id.contains("gamma") == gamma);
    let mut all: Vec<Composite> = some.map(named).collect();
    if gamma {
        return all;
    }
    let applied = Applied::named("z_box", Convention::Own).expect("known").expect("numbers");
    let (kinds, position) = (vec!["conv3d".to_owned()], Some(Position::First));
    let mut boxed = Composite::named("epsilon_alpha2_beta1").expect("known");
    boxed.id = "box, alpha2_beta1, epsilon".to_owned();
    boxed.choices.insert(0, Choice { kinds, name: None, position, applied });
    all.push(boxed.with_bias(BiasPolicy::Sink));
    all
}

#[test]
fn a_relevance_pass_waits_for_the_card_a_few_times_however_deep_the_network_is() {
    if !carded() {
        return;
    }
    let x = random(&mut Seed(9).stream("x"), &[2, 1, 7, 8, 6], false);
    // Rules of γ ask whether anything comes to negative outputs. Where ReLUs alone listen it is known.
    for (gamma, of) in [(false, residual as fn(usize) -> Graph), (false, plain), (true, plain)] {
        let graphs = [2, 5].map(of);
        for composite in composites(gamma) {
            let waits = graphs.each_ref().map(|graph| {
                let ws = &mut Workspace::new();
                let before = device::waits();
                let found = explain(graph, &x, &composite, Start::Margin, ws).expect("explained");
                assert_eq!(found.ledgers[0].len(), graph.nodes().len());
                device::waits() - before
            });
            let few = waits[0] == waits[1] && (1..=FEW).contains(&waits[0]);
            // The logits are heard by nobody: there it is looked for once.
            let known = waits[0] == waits[1] && (1..=FEW + 1).contains(&waits[0]);
            assert!(if gamma { known } else { few }, "{}: {waits:?}", composite.id);
        }
    }
}
