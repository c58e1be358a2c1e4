//! LRP-ε: contributions, damped by the stabiliser.

use super::super::terms::{Group, Part, Term};
use super::Rule;
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "epsilon",
    title: "LRP-ε",
    question: "Hands relevance on in proportion to signed contributions.",
    formula: "R_j = Σ_k x_j w_jk / (z_k + ε sign(z_k)) R_k, sign(0) = +1",
    reading: "Bias and stabiliser take their share; the ledger shows how much.",
    misleads: "Near-zero z amplify relevance of both signs.",
    source: "Bach et al. 2015, doi 10.1371/journal.pone.0130140; conventions of Zennit",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, groups };

fn groups() -> Vec<Group> {
    let term = Term { feed: Part::All, weight: Part::All, bias: Some(Part::All) };
    vec![Group { gain: 1.0, terms: vec![term] }]
}
