//! The rules: one file and one registry line each.

pub mod alpha_beta;
pub mod epsilon;
pub mod flat;
pub mod gamma;
pub mod lrp_0;
pub mod norm;
pub mod pass;
pub mod w_square;
pub mod z_box;
pub mod z_plus;

use serde::{Deserialize, Serialize};

use super::terms::{BiasPolicy, Bounds, Feed, Group, Outputs, Way};
use crate::card::Card;
use crate::compute::relevance::Stabiliser;
use crate::{Error, Result};

/// A number a rule can be given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name, as in `alpha2_beta1` and `gamma_0.25`.
    pub letter: &'static str,
    /// When not given.
    pub default: f64,
    /// The least it can be.
    pub least: f64,
}

/// The largest number a rule can be given: beyond it float32 no longer holds `w + γ w+` apart
/// from `γ w+`.
pub const LARGEST: f64 = 1e6;

/// A rule as data.
#[derive(Debug)]
pub struct Rule {
    /// Its own description.
    pub card: &'static Card,
    /// What it is called on the command line; the first is its id.
    pub names: &'static [&'static str],
    /// Its numbers.
    pub parameters: &'static [Parameter],
    /// Its groups for numbers and a convention.
    pub groups: fn(&[f64], Convention) -> Vec<Group>,
}

/// Every rule.
pub static RULES: &[&Rule] = &[
    &alpha_beta::RULE,
    &epsilon::RULE,
    &flat::RULE,
    &gamma::RULE,
    &lrp_0::RULE,
    &norm::RULE,
    &pass::RULE,
    &w_square::RULE,
    &z_box::RULE,
    &z_plus::RULE,
];

/// Whose habits are followed where programs differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// This program's: Zennit's rules on an exactly folded network.
    #[default]
    Own,
    /// Zennit 0.5.1: a folded batch norm leaves its ε behind, one that cannot be folded
    /// passes relevance.
    Zennit,
    /// Captum 0.9: ε 1e-9; γ favours positive weights alone; α1 β0 cuts weights alone.
    Captum,
    /// moboehle/Pytorch-LRP: no biases, sign(0) = 0, neurons of one sign are rescued.
    Boehle,
    /// iNNvestigate: ε 1e-7; the whole bias in both sums of α-β.
    Innvestigate,
}

impl Convention {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("zennit", Self::Zennit),
        ("captum", Self::Captum),
        ("boehle", Self::Boehle),
        ("innvestigate", Self::Innvestigate),
    ];

    /// As it stands before a rule's name; `own` for this program's.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, c)| *c == self).map_or("own", |(word, _)| word)
    }

    /// Its stabiliser.
    pub fn stabiliser(self) -> Stabiliser {
        let own = Stabiliser::default();
        match self {
            Self::Own | Self::Zennit => own,
            Self::Captum => own.with(1e-9),
            Self::Boehle => Stabiliser { zero_is_positive: false, ..own },
            Self::Innvestigate => own.with(1e-7),
        }
    }

    /// Its bias policy.
    pub fn bias(self) -> BiasPolicy {
        if self == Self::Boehle { BiasPolicy::Drop } else { BiasPolicy::Absorb }
    }
}

/// A rule with everything it needs at a layer.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The rule.
    pub rule: &'static Rule,
    /// Its numbers, one per [`Rule::parameters`].
    pub numbers: Vec<f64>,
    /// Stabiliser of its denominators.
    pub stabiliser: Stabiliser,
    /// What happens to biases.
    pub bias: BiasPolicy,
    /// Whether neurons with contributions of one sign keep all their relevance.
    pub rescue: bool,
    /// Whose habits.
    pub convention: Convention,
}

impl Applied {
    /// A rule with its numbers under a convention.
    pub fn new(rule: &'static Rule, numbers: Vec<f64>, convention: Convention) -> Self {
        let mut stabiliser = convention.stabiliser();
        // The number of these two rules is the stabiliser's ε.
        match (rule.card.id, numbers.first()) {
            ("epsilon", Some(epsilon)) => stabiliser.epsilon = *epsilon,
            ("lrp_0", _) => stabiliser.epsilon = 0.0,
            _ => {}
        }
        let bias = convention.bias();
        let applied = Self { rule, numbers, stabiliser, bias, rescue: false, convention };
        Self { rescue: convention == Convention::Boehle && applied.can_rescue(), ..applied }
    }

    /// Whether there can be neurons to rescue: only where two groups share the relevance.
    pub fn can_rescue(&self) -> bool {
        self.groups().len() == 2
    }

    /// The same with another stabiliser, whose ε is the number of the ε rule.
    pub fn with_stabiliser(mut self, stabiliser: Stabiliser) -> Self {
        if self.rule.card.id == "epsilon" {
            self.numbers = vec![stabiliser.epsilon];
        }
        Self { stabiliser, ..self }
    }

    /// A rule by the name of the command line: `gamma`, `gamma_0.25`, `alpha2_beta1`.
    ///
    /// # Errors
    /// `E-RULE-003` for numbers the rule cannot have; none when no rule has such a name.
    pub fn named(word: &str, convention: Convention) -> Option<Result<Self>> {
        RULES.iter().find_map(|rule| {
            let numbers = numbers(rule, word, convention)?;
            Some(check(rule, word, &numbers).map(|()| Self::new(rule, numbers, convention)))
        })
    }

    /// Its groups.
    pub fn groups(&self) -> Vec<Group> {
        (self.rule.groups)(&self.numbers, self.convention)
    }

    /// Whether it hands everything on as it came.
    pub fn passes(&self) -> bool {
        self.rule.card.id == "pass"
    }

    /// Whether what it does depends on the sign of a layer's output.
    pub fn asks_for_signs(&self) -> bool {
        self.groups().iter().any(|group| group.outputs != Outputs::All)
    }

    /// Whether an input of 0 gets nothing.
    pub fn spares_zeros(&self) -> bool {
        !self.passes() && self.groups().iter().all(Group::spares_zeros)
    }

    /// Whether what it does depends on there being negative numbers in a layer's input.
    pub fn asks_for_negatives(&self) -> bool {
        self.groups().iter().any(Group::asks_for_negatives)
    }

    /// Whether it looks at the least and the largest value of the network's input.
    pub fn asks_for_bounds(&self) -> bool {
        let bound = |feed: Feed| matches!(feed, Feed::Low | Feed::High);
        self.groups().iter().flat_map(|group| &group.terms).any(|term| bound(term.feed))
    }

    /// How it redistributes at one layer, for its [`Applied::groups`] and the bounds of the
    /// input per sample.
    pub fn way<'a>(&self, groups: &'a [Group], bounds: Bounds<'a>) -> Way<'a> {
        let (stabiliser, bias, rescue) = (self.stabiliser, self.bias, self.rescue);
        Way { groups, stabiliser, bias, rescue, bounds, behind_relu: false }
    }

    /// Its name with its numbers, as the command line takes it.
    pub fn words(&self) -> String {
        let rule = self.rule;
        let defaults = rule.parameters.iter().map(|p| p.default);
        match (rule.parameters, self.numbers.as_slice()) {
            ([_, _], [a, b]) => format!("alpha{}_beta{}", short(*a), short(*b)),
            ([_], [v]) if defaults.clone().any(|d| d != *v) => {
                format!("{}_{}", rule.card.id, short(*v))
            }
            _ => rule.card.id.to_owned(),
        }
    }
}

/// The numbers a word gives a rule; none when it names another one.
fn numbers(rule: &Rule, word: &str, convention: Convention) -> Option<Vec<f64>> {
    if rule.names.contains(&word) {
        let of_convention = |p: &Parameter| match p.letter {
            "epsilon" => convention.stabiliser().epsilon,
            _ => p.default,
        };
        return Some(rule.parameters.iter().map(of_convention).collect());
    }
    match rule.parameters {
        [_] => {
            let rest = rule.names.iter().find_map(|n| word.strip_prefix(n)?.strip_prefix('_'))?;
            rest.parse().ok().map(|v| vec![v])
        }
        [first, second] => {
            let rest = word.strip_prefix(first.letter)?;
            let (a, b) = rest.split_once('_')?;
            let b = b.strip_prefix(second.letter)?;
            Some(vec![a.parse().ok()?, b.parse().ok()?])
        }
        _ => None,
    }
}

/// A number without many zeros, as the command line takes it: `0.25`, `1e-9`.
fn short(v: f64) -> String {
    if v == 0.0 || (1e-3..1e6).contains(&v.abs()) { format!("{v}") } else { format!("{v:e}") }
}

fn check(rule: &Rule, word: &str, numbers: &[f64]) -> Result<()> {
    for (p, v) in rule.parameters.iter().zip(numbers) {
        if !(p.least..=LARGEST).contains(v) {
            let fix = format!("{} is a number from {} to {LARGEST}", p.letter, p.least);
            let what = format!("{word}: {} = {}", p.letter, short(*v));
            return Err(Error::usage("E-RULE-003", what, fix));
        }
    }
    match numbers {
        [alpha, beta] if (alpha - beta - 1.0).abs() > 1e-9 => {
            let what = format!("{word}: alpha − beta is {}", alpha - beta);
            Err(Error::usage("E-RULE-003", what, "alpha − beta is 1, as in alpha2_beta1"))
        }
        _ => Ok(()),
    }
}
