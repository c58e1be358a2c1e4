//! LRP-γ for inputs of both signs: contributions of the sign of the output count more.

use super::super::terms::{Feed, Group, Outputs, Tune, term};
use super::{Convention, Parameter, Rule};
use crate::card::{Better, Card};

/// What this rule says of itself.
pub static CARD: Card = Card {
    id: "gamma",
    title: "LRP-γ",
    question: "Hands relevance on in proportion to contributions, those with the sign of the output favoured.",
    formula: "z_k > 0: contributions x+ (w + γ w+) + x- (w + γ w-), bias b + γ b+; z_k < 0: x+ (w + γ w-) + x- (w + γ w+), bias b + γ b-; divided by their stabilised sum; z_k = 0 hands nothing on",
    reading: "Between ε (γ = 0) and a rule of one sign (large γ).",
    misleads: "The bias is favoured too: with large biases the map shows a small part of the score.",
    source: "Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10; Andeol et al. 2021; conventions of Zennit 0.5.1",
    unit: "1",
    better: Better::Neither,
};

/// The rule.
pub static RULE: Rule = Rule {
    card: &CARD,
    names: &["gamma"],
    parameters: &[Parameter { letter: "gamma", default: 0.25, least: 0.0 }],
    groups,
};

fn groups(parameters: &[f64], convention: Convention) -> Vec<Group> {
    let gamma = parameters.first().copied().unwrap_or_default();
    let (up, down) = (Tune::FavouringPositive(gamma), Tune::FavouringNegative(gamma));
    if convention == Convention::Captum {
        // Captum favours positive weights whatever the signs of input and output.
        return vec![Group::of(1.0, vec![term(Feed::All, up).and_bias(Tune::All)])];
    }
    let side = |outputs, favoured: Tune, other: Tune| Group {
        gain: 1.0,
        outputs,
        terms: vec![term(Feed::Positive, favoured).and_bias(favoured), term(Feed::Negative, other)],
    };
    vec![side(Outputs::Positive, up, down), side(Outputs::Negative, down, up)]
}
