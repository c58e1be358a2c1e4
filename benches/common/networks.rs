//! The networks the benches train and explain.

use std::collections::BTreeMap;
use std::path::Path;

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::graph::{From, Graph};
use heatproof::model::known::{self, Choice};
use heatproof::model::layer::Layer;
use heatproof::model::layers::{
    batch_norm::BatchNorm, conv3d::Conv3d, dense::Dense, flatten::Flatten, max_pool::MaxPool,
    relu::Relu,
};
use heatproof::model::weights::StateDict;
use heatproof::seed::Seed;
use heatproof::train::aims::Aim;
use heatproof::train::loss::CrossEntropy;
use heatproof::train::optimiser::{AdamW, AdamWOptions};

use super::{Fallible, Work, normal};

/// Four blocks of 3³ convolution, batch norm, ReLU and pool 2 with 8, 16, 32 and 64 channels,
/// then dense layers of 128 and 2, for images of `side`³ voxels.
///
/// # Errors
/// Those of the layers.
pub fn plain(side: usize) -> Fallible<Graph> {
    let mut graph = Graph::default();
    let mut last = From::Input;
    let mut then = |name: String, layer: Box<dyn Layer>| {
        last = From::Node(graph.push(&name, layer, vec![last]));
    };
    let zeros = Array::zeros::<f32>;
    let mut cin = 1;
    for (n, cout) in [8, 16, 32, 64].into_iter().enumerate() {
        let conv = Conv3d::new(zeros(&[cout, cin, 3, 3, 3]), zeros(&[cout]), ConvGeometry::same(3));
        then(format!("conv{n}"), Box::new(conv?));
        then(format!("norm{n}"), Box::new(BatchNorm::fresh(cout)?));
        then(format!("relu{n}"), Box::new(Relu));
        then(format!("pool{n}"), Box::new(MaxPool { geometry: PoolGeometry::tiles(2) }));
        cin = cout;
    }
    let features = cin * (side / 16).pow(3);
    then("flat".into(), Box::new(Flatten));
    then("dense0".into(), Box::new(Dense::new(zeros(&[128, features]), zeros(&[128]))?));
    then("relu".into(), Box::new(Relu));
    then("dense1".into(), Box::new(Dense::new(zeros(&[2, 128]), zeros(&[2]))?));
    let layers = graph.weighted_layers();
    Ok(graph.reinitialised(&layers, Seed(0), None, &mut Workspace::new())?)
}

/// Names and shapes of the weights of a 3D ResNet-18 with one input channel and two classes.
fn resnet_weights() -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let mut conv = |conv: &str, norm: &str, cin: usize, cout: usize, kernel: usize| {
        all.push((format!("{conv}.weight"), vec![cout, cin, kernel, kernel, kernel]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{norm}.{part}"), vec![cout]));
        }
    };
    conv("conv1", "bn1", 1, 64, 7);
    let mut cin = 64;
    for (stage, cout) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let at = |part: &str| format!("layer{}.{block}.{part}", stage + 1);
            conv(&at("conv1"), &at("bn1"), cin, cout, 3);
            conv(&at("conv2"), &at("bn2"), cout, cout, 3);
            if cin != cout {
                conv(&at("downsample.0"), &at("downsample.1"), cin, cout, 1);
            }
            cin = cout;
        }
    }
    all.push(("fc.weight".into(), vec![2, 512]));
    all.push(("fc.bias".into(), vec![2]));
    all
}

/// A 3D ResNet-18 whose first convolution (7³, stride 2, no max pool) leaves 64 channels at half
/// the side: 48³ for images of 96³. Built from a state dict as MONAI names its tensors.
///
/// # Errors
/// Those of the builder.
pub fn resnet18(side: usize) -> Fallible<Graph> {
    let array = |(name, shape): (String, Vec<usize>)| -> Fallible<(String, Array)> {
        let fan: usize = shape.iter().skip(1).product();
        let array = match name.rsplit('.').next() {
            Some("bias" | "running_mean") => Array::zeros::<f32>(&shape),
            _ if shape.len() == 1 => Array::from_vec(vec![1f32; shape[0]], &shape)?,
            _ => {
                let mut drawn = normal(&shape, &name)?;
                let scale = (2.0 / fan as f32).sqrt();
                drawn.host_mut::<f32>()?.iter_mut().for_each(|v| *v *= scale);
                drawn
            }
        };
        Ok((name, array))
    };
    let arrays = resnet_weights().into_iter().map(array).collect::<Fallible<BTreeMap<_, _>>>()?;
    let state = StateDict { arrays, ..StateDict::default() };
    let name = Some("monai_resnet".to_owned());
    let choice = Choice { name, first_stride: Some(2), max_pool: Some(false), ..Choice::default() };
    Ok(known::build(Path::new("resnet18"), state, &choice, [1, 1, side, side, side])?.graph)
}

/// Images `[batch, 1, side, side, side]`.
///
/// # Errors
/// As [`normal`].
pub fn images(side: usize, batch: usize) -> Fallible<Array> {
    normal(&[batch, 1, side, side, side], "images")
}

/// Logits in inference mode.
///
/// # Errors
/// Those of the network.
pub fn forward(graph: Graph, x: Array) -> Fallible<Work> {
    let (x, mut ws) = (x.at_work()?, Workspace::new());
    Ok(Box::new(move || {
        let logits = graph.forward(&x, &mut ws)?;
        ws.give(logits);
        Ok(())
    }))
}

/// Forward, backward and a step of AdamW, as the training loop does it.
///
/// # Errors
/// Those of the network.
pub fn train(graph: Graph, x: Array) -> Fallible<Work> {
    let (mut graph, x) = (graph.at_work()?.duplicate()?, x.at_work()?);
    let mut optimiser = AdamW::new(&graph.parameters(), AdamWOptions::default())?;
    let mut ws = Workspace::new();
    Ok(Box::new(move || {
        let gradients = gradients(&mut graph, &x, &mut ws)?;
        optimiser.step(&mut graph.parameters_mut(), &gradients, 1e-3)?;
        gradients.into_iter().for_each(|g| ws.give(g));
        Ok(())
    }))
}

/// Aims of a batch: both classes in turn.
fn in_turn(batch: usize) -> Vec<Aim> {
    (0..batch).map(|n| Aim { class: n % 2, certainty: 1.0 }).collect()
}

/// Gradients of the parameters, in their order.
///
/// # Errors
/// Those of the network.
pub fn gradients(graph: &mut Graph, x: &Array, ws: &mut Workspace) -> Fallible<Vec<Array>> {
    let loss = CrossEntropy { weights: vec![1.0; 2], smoothing: 0.0 };
    let aims = in_turn(x.shape()[0]);
    let mut dropout = Seed(0).stream("bench/dropout");
    Ok(graph.train_step(x, &mut |logits| loss.of(logits, &aims), &mut dropout, ws)?.1)
}

/// Maps of class 0 by a composite on a folded network.
///
/// # Errors
/// Those of the composite.
pub fn maps(graph: &Graph, x: &Array, composite: &str, ws: &mut Workspace) -> Fallible<Array> {
    let mut composite = Composite::named(composite)?;
    // What the image could be: as on the other side, where it has to be given.
    composite.bounds = Some((-3.0, 3.0));
    Ok(explain(graph, x, &composite, Start::Class(0), ws)?.relevance)
}

/// Relevance maps of class 0 by a composite, batch norm folded beforehand.
///
/// # Errors
/// Those of the composite.
pub fn relevance(graph: &Graph, x: Array, composite: &str) -> Fallible<Work> {
    let (graph, composite, mut ws) = (graph.folded()?, composite.to_owned(), Workspace::new());
    let x = x.at_work()?;
    Ok(Box::new(move || {
        let map = maps(&graph, &x, &composite, &mut ws)?;
        ws.give(map);
        Ok(())
    }))
}

/// Relevance maps of another network each time: every weight is drawn anew, batch norms take their
/// statistics from the images and are folded, as an audit does it.
///
/// # Errors
/// Those of the network and of the composite.
pub fn reinitialised(graph: Graph, x: Array, composite: &str) -> Fallible<Work> {
    let (layers, composite) = (graph.weighted_layers(), composite.to_owned());
    let (x, mut seed, mut ws) = (x.at_work()?, 0, Workspace::new());
    Ok(Box::new(move || {
        seed += 1;
        let drawn = graph.reinitialised(&layers, Seed(seed), Some(&x), &mut ws)?;
        let map = maps(&drawn.folded()?, &x, &composite, &mut ws)?;
        ws.give(map);
        Ok(())
    }))
}
