//! LRP-0: contributions, with nothing added to their sum.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "lrp_0",
    title: "LRP-0",
    question: "Hands relevance on in proportion to signed contributions, undamped.",
    formula: "R_j = Σ_k x_j w_jk / z_k R_k; where z_k = 0 relevance stops",
    reading: "In a network of rectifiers without biases the map is gradient × input.",
    misleads: "Near-zero z amplify relevance of both signs without bound.",
    source: "Bach et al. 2015, doi 10.1371/journal.pone.0130140; Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["lrp_0", "lrp0"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![Group::of(1.0, vec![term(Feed::All, Tune::All).and_bias(Tune::All)])]
}
