//! z⁺: positive contributions only, for inputs of both signs.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "z_plus",
    title: "z+ (α1 β0)",
    question: "Hands relevance on in proportion to positive contributions.",
    formula: "R_j = Σ_k (x_j w_jk)+ / (Z_k+ + ε) R_k, Z+ = Σ (x w)+ + b+",
    reading: "Maps keep the sign of what they receive.",
    misleads: "Chains of non-negative matrices converge to one direction: maps may hardly depend on upper layers.",
    source: "Montavon et al. 2017, doi 10.1016/j.patcog.2016.11.008; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["z_plus", "zplus"], parameters: &[], groups };

/// Products of equal signs, with the positive bias.
pub(super) fn positive(gain: f64) -> Group {
    let terms = vec![
        term(Feed::Positive, Tune::Positive).and_bias(Tune::Positive),
        term(Feed::Negative, Tune::Negative),
    ];
    Group::of(gain, terms)
}

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![positive(1.0)]
}
