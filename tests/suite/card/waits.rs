//! How often the host waits for the card: as often for a deep network as for a flat one.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace, device};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    batch_norm::BatchNorm, conv3d::Conv3d, dense::Dense, flatten::Flatten, group_norm::GroupNorm,
    max_pool::MaxPool, relu::Relu,
};
use heatproof::seed::{Seed, Stream};

use super::super::nets::random;

/// Whether work is done on a card; says that it skips where it is not.
fn carded() -> bool {
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
        let mut loss = |_: &Array| Ok((0.0, slope.duplicate()?));
        let ws = &mut Workspace::new();
        let (_, gradients) = graph.train_step(&x, &mut loss, &mut s, ws).expect("step");
        assert!(gradients.iter().all(|g| g.on_host() == (g.shape().len() == 1)));
        device::waits() - before
    };
    // For the gradients of channels and the running statistics together.
    assert_eq!([1, 2, 3, 6].map(waits), [1; 4]);
}
