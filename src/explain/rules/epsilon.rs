//! LRP-ε: contributions, damped by the stabiliser.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Parameter, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "epsilon",
    title: "LRP-ε",
    question: "Hands relevance on in proportion to signed contributions.",
    formula: "R_j = Σ_k x_j w_jk / (z_k + ε sign(z_k)) R_k, sign(0) = +1",
    reading: "Bias and stabiliser take their share; the ledger shows how much.",
    misleads: "Near-zero z amplify relevance of both signs.",
    source: "Bach et al. 2015, doi 10.1371/journal.pone.0130140; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule {
    card: &CARD,
    names: &["epsilon"],
    parameters: &[Parameter { letter: "epsilon", default: 1e-6, least: 0.0 }],
    groups,
};

fn groups(_: &[f64], _: Convention) -> Vec<Group> {
    vec![Group::of(1.0, vec![term(Feed::All, Tune::All).and_bias(Tune::All)])]
}
