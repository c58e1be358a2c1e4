//! norm: signed contributions without the bias.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "norm",
    title: "norm",
    question: "Hands all relevance on in proportion to signed contributions of the inputs.",
    formula: "R_j = Σ_k x_j w_jk / (Σ_j x_j w_jk + ε sign) R_k",
    reading: "What average pools and sums always do; nothing goes to the bias.",
    misleads: "Near-zero sums amplify relevance of both signs.",
    source: "Zennit 0.5.1 (Norm)",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["norm"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![Group::of(1.0, vec![term(Feed::All, Tune::All)])]
}
