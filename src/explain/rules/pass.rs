//! pass: relevance unchanged, for layers that keep the shape.

use super::super::terms::Group;
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "pass",
    title: "pass",
    question: "Hands relevance on unchanged.",
    formula: "R_j = R_j",
    reading: "For layers of one input per output, as a batch norm that was not folded.",
    misleads: "The shift of the layer goes unseen.",
    source: "Zennit 0.5.1 (Pass)",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["pass"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    Vec::new()
}
