//! The gradient of the score.

use super::super::backward;
use super::{Method, Question, plain};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "gradient",
    title: "gradient",
    question: "How does the score change with each voxel, locally?",
    formula: "df/dx",
    reading: "Large where a small change of the voxel changes the score.",
    misleads: "Not a share of the score; noisy in deep networks.",
    source: "Simonyan et al. 2013, https://arxiv.org/abs/1312.6034",
    unit: "1",
    better: Better::Neither,
};

/// The method.
pub static METHOD: Method = Method {
    card: &CARD,
    settings: |word| plain(word, &["gradient", "saliency"]),
    numbers: &[],
    besides: "",
    map,
};

fn map(of: &Question<'_>, _: &[f64], ws: &mut Workspace) -> Result<Array> {
    backward::gradient(of, of.x, ws)
}
