//! A rule as data: groups of terms. In each group the contributions are `feed(x) · tune(w)`;
//! [`super::redistribute`] divides relevance by their stabilised sum and carries it back with
//! the same weights.

use serde::{Deserialize, Serialize};

use crate::compute::conv3d::Sums;
use crate::compute::relevance::Stabiliser;

/// What of the input a term sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// As it is.
    All,
    /// Positive numbers.
    Positive,
    /// Negative numbers.
    Negative,
    /// 1 in every voxel (padding stays 0).
    One,
    /// The least value the input can have.
    Low,
    /// The largest value the input can have.
    High,
}

/// What of the weights, or of the bias, a term sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tune {
    /// As they are.
    All,
    /// Positive numbers.
    Positive,
    /// Negative numbers.
    Negative,
    /// `−w+`.
    MinusPositive,
    /// `−w−`.
    MinusNegative,
    /// `w²`.
    Square,
    /// 1.
    One,
    /// `w + γ w+`.
    FavouringPositive(f64),
    /// `w + γ w−`.
    FavouringNegative(f64),
}

impl Feed {
    /// The sign of all it lets through, of an input without negative numbers or one with them;
    /// none where both signs can come.
    fn sign(self, signed: bool) -> Option<bool> {
        match self {
            Self::Positive | Self::One => Some(true),
            Self::Negative => Some(false),
            Self::All if !signed => Some(true),
            Self::All | Self::Low | Self::High => None,
        }
    }
}

impl Tune {
    /// The sign of all weights it leaves; none where both signs can come.
    fn sign(self) -> Option<bool> {
        match self {
            Self::Positive | Self::MinusNegative | Self::Square | Self::One => Some(true),
            Self::Negative | Self::MinusPositive => Some(false),
            Self::All | Self::FavouringPositive(_) | Self::FavouringNegative(_) => None,
        }
    }

    /// What it makes of weights, as [`crate::compute::elementwise::bent`] takes it.
    pub(super) fn numbers(self) -> [f64; 4] {
        match self {
            Self::All => [1.0, 1.0, 0.0, 0.0],
            Self::Positive => [1.0, 0.0, 0.0, 0.0],
            Self::Negative => [0.0, 1.0, 0.0, 0.0],
            Self::MinusPositive => [-1.0, 0.0, 0.0, 0.0],
            Self::MinusNegative => [0.0, -1.0, 0.0, 0.0],
            Self::Square => [0.0, 0.0, 1.0, 0.0],
            Self::One => [0.0, 0.0, 0.0, 1.0],
            Self::FavouringPositive(gamma) => [1.0 + gamma, 1.0, 0.0, 0.0],
            Self::FavouringNegative(gamma) => [1.0, 1.0 + gamma, 0.0, 0.0],
        }
    }
}

/// One product of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Part of the input.
    pub feed: Feed,
    /// Part of the weights.
    pub weight: Tune,
    /// Part of the bias, if this term carries it.
    pub bias: Option<Tune>,
}

/// A term without a bias.
pub fn term(feed: Feed, weight: Tune) -> Term {
    Term { feed, weight, bias: None }
}

impl Term {
    /// The same with a part of the bias.
    pub fn and_bias(self, tune: Tune) -> Self {
        Self { bias: Some(tune), ..self }
    }

    /// The sign of every contribution; none where both signs can come.
    fn sign(self, signed: bool) -> Option<bool> {
        let sign = self.feed.sign(signed)? == self.weight.sign()?;
        self.bias.is_none_or(|tune| tune.sign() == Some(sign)).then_some(sign)
    }
}

/// Which outputs a group serves, by the sign of the layer's own output z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// All.
    All,
    /// z > 0.
    Positive,
    /// z < 0.
    Negative,
}

/// Terms under one denominator.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Share of the relevance this group hands on.
    pub gain: f64,
    /// Outputs it serves.
    pub outputs: Outputs,
    /// Its terms.
    pub terms: Vec<Term>,
}

impl Group {
    /// A group for all outputs.
    pub fn of(gain: f64, terms: Vec<Term>) -> Self {
        Self { gain, outputs: Outputs::All, terms }
    }

    /// The terms that an input without negative numbers, or one with them, gives something.
    pub(super) fn active(&self, signed: bool) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(move |t| signed || t.feed != Feed::Negative)
    }

    /// Whether an input of 0 gets nothing: every term multiplies by the input.
    pub(super) fn spares_zeros(&self) -> bool {
        let part = |t: &Term| matches!(t.feed, Feed::All | Feed::Positive | Feed::Negative);
        self.terms.iter().all(part)
    }

    /// Whether what it does depends on there being negative numbers in the input.
    pub(super) fn asks_for_negatives(&self) -> bool {
        let parts = |t: &Term| matches!(t.feed, Feed::Positive | Feed::Negative);
        self.terms.iter().any(parts) || self.sums(true) != self.sums(false)
    }

    /// How its sums may be made. Contributions of one sign do not cancel: a sum that is small
    /// beside its neighbours comes from an output, and with it relevance, that is at most as
    /// large, so rounding relative to the neighbours stays relative to their relevance.
    pub(super) fn sums(&self, signed: bool) -> Sums {
        let mut signs = self.active(signed).map(|t| t.sign(signed));
        match signs.next() {
            Some(Some(first)) if signs.all(|s| s == Some(first)) => Sums::Any,
            _ => Sums::Plain,
        }
    }
}

/// What happens to the share of relevance that a bias contributed to an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasPolicy {
    /// The bias takes its share, which is summed in the ledger.
    #[default]
    Absorb,
    /// Biases are left out of the sums: the inputs share all relevance.
    Drop,
    /// As `absorb`, and the share is kept per channel beside the map, so that map and sinks
    /// together hold the score.
    Sink,
}

impl BiasPolicy {
    /// As the command line takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absorb => "absorb",
            Self::Drop => "drop",
            Self::Sink => "sink",
        }
    }
}

/// The least and the largest value an input can have.
#[derive(Debug, Clone, Copy)]
pub enum Bounds<'a> {
    /// Stated beforehand, the same for every sample.
    Stated(f64, f64),
    /// Of each sample.
    Each(&'a [(f64, f64)]),
}

impl Bounds<'_> {
    /// What a feed puts into every voxel, whatever the sample; none where that is not so.
    pub(super) fn constant(&self, feed: Feed) -> Option<f64> {
        match (feed, self) {
            (Feed::One, _) => Some(1.0),
            (Feed::Low, Self::Stated(low, _)) => Some(*low),
            (Feed::High, Self::Stated(_, high)) => Some(*high),
            _ => None,
        }
    }

    /// The bounds of one sample.
    pub(super) fn of(&self, sample: usize) -> (f64, f64) {
        match self {
            Self::Stated(low, high) => (*low, *high),
            Self::Each(all) => all.get(sample).copied().unwrap_or_default(),
        }
    }
}

/// How one layer redistributes.
#[derive(Debug)]
pub struct Way<'a> {
    /// Groups of the rule.
    pub groups: &'a [Group],
    /// Stabiliser of every denominator.
    pub stabiliser: Stabiliser,
    /// What happens to the bias.
    pub bias: BiasPolicy,
    /// Whether a neuron with contributions of one sign only hands all relevance on through
    /// the group it has (of two groups).
    pub rescue: bool,
    /// Bounds of the input; for [`Feed::Low`] and [`Feed::High`].
    pub bounds: Bounds<'a>,
    /// Whether it is known that no relevance comes to negative outputs.
    pub behind_relu: bool,
}
