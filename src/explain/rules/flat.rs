//! flat: the same to every input a neuron reads.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "flat",
    title: "flat",
    question: "Hands relevance on equally to all inputs a neuron reads.",
    formula: "R_j = Σ_k R_k / (inputs of k that are not padding)",
    reading: "Coarse maps without the grain of the first layer.",
    misleads: "Says nothing of the input itself: voxels of value 0 get relevance too.",
    source: "Bach et al. 2016, doi 10.1109/CVPR.2016.318; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["flat"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![Group::of(1.0, vec![term(Feed::One, Tune::One)])]
}
