//! α-β with α = 2, β = 1: positive and negative contributions apart.

use super::super::terms::{Group, Part, Term};
use super::{Rule, z_plus};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "alpha_beta",
    title: "α2 β1",
    question: "Hands α shares on through positive and takes β shares through negative contributions.",
    formula: "R_j = Σ_k [α (x_j w_jk)+ / (Z_k+ + ε) − β (x_j w_jk)− / (Z_k− − ε)] R_k, α − β = 1, β ≥ 0",
    reading: "Sharper than z+, with both signs.",
    misleads: "A neuron with contributions of one sign only doubles or loses its relevance: see the degenerate bin.",
    source: "Bach et al. 2015, doi 10.1371/journal.pone.0130140; conventions of Zennit",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule { card: &CARD, groups };

fn groups() -> Vec<Group> {
    let negative = Group {
        gain: -1.0,
        terms: vec![
            Term { feed: Part::Positive, weight: Part::Negative, bias: Some(Part::Negative) },
            Term { feed: Part::Negative, weight: Part::Positive, bias: None },
        ],
    };
    vec![z_plus::positive(2.0), negative]
}
