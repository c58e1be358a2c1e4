//! w²: squared weights, for a first layer without bounds.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "w_square",
    title: "w²",
    question: "Hands relevance on in proportion to squared weights, whatever the input.",
    formula: "R_j = Σ_k w_jk² / (Σ_j w_jk² + b_k² + ε) R_k",
    reading: "A map of where the layer looks, weighted by relevance; the bias takes its share.",
    misleads: "Says nothing of the input itself: voxels of value 0 get relevance too.",
    source: "Montavon et al. 2017, doi 10.1016/j.patcog.2016.11.008; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule =
    Rule { card: &CARD, names: &["w_square", "wsquare"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![Group::of(1.0, vec![term(Feed::One, Tune::Square).and_bias(Tune::Square)])]
}
