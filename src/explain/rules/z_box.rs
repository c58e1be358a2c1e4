//! z-box: for the layer that reads an input with known bounds.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "z_box",
    title: "z-box",
    question: "Hands relevance on to an input between bounds, so that its least value counts as nothing.",
    formula: "R_j = Σ_k (x_j w_jk − l w_jk+ − h w_jk−) / Σ_j(...) R_k, l and h the least and largest value an input can have",
    reading: "Conserves; padding counts as 0.",
    misleads: "Only for the first layer, and only as good as the bounds.",
    source: "Montavon et al. 2017, doi 10.1016/j.patcog.2016.11.008; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, names: &["z_box", "zbox"], parameters: &[], groups };

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    // The bias cancels: b − b+ − b− = 0.
    let terms = vec![
        term(Feed::All, Tune::All),
        term(Feed::Low, Tune::MinusPositive),
        term(Feed::High, Tune::MinusNegative),
    ];
    vec![Group::of(1.0, terms)]
}
