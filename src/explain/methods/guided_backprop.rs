//! Gradients with another rule at rectifiers: guided backpropagation, deconvnet, β-smooth.
//! The walk starts with the explained logits, as Zennit's attributors do for relevance.

use super::super::backward;
use super::{Method, Number, Question, number, plain};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::elementwise::{self, Function};
use crate::compute::{Array, Workspace};
use crate::model::layer::{Gradients, Pass};

/// What guided backpropagation says of itself.
pub static CARD: Card = Card {
    id: "guided_backprop",
    title: "guided backpropagation",
    question: "Which voxels drive only positive gradients through active rectifiers?",
    formula: "at a rectifier: grad where output > 0 and grad > 0, else 0; starts with the logit",
    reading: "Sharp pictures of edges.",
    misleads: "Largely independent of the upper layers: it fails tests with re-initialised weights.",
    source: "Springenberg et al. 2014, https://arxiv.org/abs/1412.6806; Adebayo et al. 2018",
    unit: "1",
    better: Better::Neither,
};

/// What deconvnet says of itself.
pub static DECONVNET_CARD: Card = Card {
    id: "deconvnet",
    title: "deconvnet",
    question: "Which voxels drive positive gradients, whatever the rectifiers did?",
    formula: "at a rectifier: grad where grad > 0, else 0; starts with the logit",
    reading: "Sharp pictures of edges.",
    misleads: "Ignores which rectifiers were active: it hardly depends on the image.",
    source: "Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901",
    unit: "1",
    better: Better::Neither,
};

/// What β-smooth says of itself.
pub static BETA_SMOOTH_CARD: Card = Card {
    id: "beta_smooth",
    title: "β-smooth gradient",
    question: "What is the gradient with rectifiers smoothed to softplus?",
    formula: "at a rectifier: grad · logistic(β x), β = 10; starts with the logit",
    reading: "As the gradient, with less grain.",
    misleads: "Explains a smoothed network, not the one in use.",
    source: "Dombrowski et al. 2019, https://arxiv.org/abs/1906.07983",
    unit: "1",
    better: Better::Neither,
};

/// Guided backpropagation.
pub static METHOD: Method = Method {
    card: &CARD,
    settings: |word| plain(word, &["guided_backprop"]),
    numbers: &[],
    besides: "",
    map: guided,
};

/// Deconvnet.
pub static DECONVNET: Method = Method {
    card: &DECONVNET_CARD,
    settings: |word| plain(word, &["deconvnet"]),
    numbers: &[],
    besides: "",
    map: deconvnet,
};

/// β.
const BETA: &[Number] = &[Number { letter: "", least: 0.0, most: f64::MAX, whole: false }];

/// β-smooth.
pub static BETA_SMOOTH: Method = Method {
    card: &BETA_SMOOTH_CARD,
    settings: beta_settings,
    numbers: BETA,
    besides: "",
    map: beta_smooth,
};

fn beta_settings(word: &str) -> Option<Vec<f64>> {
    match word.strip_prefix("beta_smooth")? {
        "" => Some(vec![10.0]),
        rest => number(rest, "_").map(|beta| vec![beta]),
    }
}

/// Walks with another backward pass at every rectifier.
fn at_rectifiers(
    of: &Question<'_>,
    ws: &mut Workspace,
    rule: &(dyn Fn(&Pass<'_>, &mut Workspace) -> Result<Array> + Sync),
) -> Result<Array> {
    let mut instead = |node: &crate::model::graph::Node, pass: &Pass<'_>, ws: &mut Workspace| {
        if node.layer.card().id != "relu" {
            return Ok(None);
        }
        Ok(Some(Gradients { inputs: vec![rule(pass, ws)?], parameters: Vec::new() }))
    };
    Ok(backward::walk(of, of.x, backward::From::Logits, &mut instead, ws)?.1)
}

fn guided(of: &Question<'_>, _: &[f64], ws: &mut Workspace) -> Result<Array> {
    at_rectifiers(of, ws, &|pass, ws| {
        let positive = elementwise::part(pass.grad, true, ws)?;
        elementwise::relu_backward(pass.output, &positive, ws)
    })
}

fn deconvnet(of: &Question<'_>, _: &[f64], ws: &mut Workspace) -> Result<Array> {
    at_rectifiers(of, ws, &|pass, ws| elementwise::part(pass.grad, true, ws))
}

fn beta_smooth(of: &Question<'_>, numbers: &[f64], ws: &mut Workspace) -> Result<Array> {
    let beta = numbers.first().copied().unwrap_or_default();
    let smooth = Function {
        name: "softplus",
        value: |x, [beta, _]| x.max(0.0) + (-(beta * x).abs()).exp().ln_1p() / beta,
        slope: |x, [beta, _]| 1.0 / (1.0 + (-beta * x).exp()),
        settings: [beta, 0.0],
    };
    at_rectifiers(of, ws, &|pass, ws| {
        elementwise::curve_backward(pass.inputs[0], pass.grad, &smooth, ws)
    })
}
