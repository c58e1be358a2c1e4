//! α-β: positive and negative contributions apart.

use super::super::terms::{Feed, Group, Tune, term};
use super::{Convention, Parameter, Rule, z_plus};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "alpha_beta",
    title: "LRP-αβ",
    question: "Hands α shares on through positive and takes β shares through negative contributions.",
    formula: "R_j = Σ_k [α (x_j w_jk)+ / (Z_k+ + ε) − β (x_j w_jk)− / (Z_k− − ε)] R_k, α − β = 1, β ≥ 0",
    reading: "Sharper than z+, with both signs.",
    misleads: "A neuron with contributions of one sign only doubles or loses its relevance: see the degenerate bin.",
    source: "Bach et al. 2015, doi 10.1371/journal.pone.0130140; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule {
    card: &CARD,
    names: &["alpha_beta"],
    parameters: &[
        Parameter { letter: "alpha", default: 2.0, least: 1.0 },
        Parameter { letter: "beta", default: 1.0, least: 0.0 },
    ],
    groups,
};

fn groups(parameters: &[f64], convention: Convention) -> Vec<Group> {
    let &[alpha, beta] = parameters else { return Vec::new() };
    let mut positive = z_plus::positive(alpha);
    let mut negative = Group::of(
        -beta,
        vec![
            term(Feed::Positive, Tune::Negative).and_bias(Tune::Negative),
            term(Feed::Negative, Tune::Positive),
        ],
    );
    match convention {
        // Captum cuts the weights alone: inputs and bias stay as they are.
        Convention::Captum => {
            positive.terms = vec![term(Feed::All, Tune::Positive).and_bias(Tune::All)];
            negative.terms = vec![term(Feed::All, Tune::Negative)];
        }
        // iNNvestigate adds the whole bias to both sums.
        Convention::Innvestigate => {
            positive.terms[0].bias = Some(Tune::All);
            negative.terms[0].bias = Some(Tune::All);
        }
        Convention::Own | Convention::Zennit | Convention::Boehle => {}
    }
    if beta == 0.0 { vec![positive] } else { vec![positive, negative] }
}
