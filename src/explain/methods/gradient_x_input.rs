//! Gradient times input.

use super::super::backward;
use super::{Method, Question, plain};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "gradient_x_input",
    title: "gradient × input",
    question: "What would each voxel add if the network were the plane that touches it here?",
    formula: "x · df/dx",
    reading: "In a network of rectifiers without biases it sums to the score and equals LRP-0.",
    misleads: "Says nothing of voxels with value 0.",
    source: "Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713",
    unit: "1",
    better: Better::Neither,
};

/// The method.
pub static METHOD: Method = Method {
    card: &CARD,
    settings: |word| plain(word, &["gradient_x_input", "input_x_gradient"]),
    numbers: &[],
    besides: "",
    map,
};

fn map(of: &Question<'_>, _: &[f64], ws: &mut Workspace) -> Result<Array> {
    let gradient = backward::gradient(of, of.x, ws)?;
    elementwise::times(of.x, &gradient, ws)
}
