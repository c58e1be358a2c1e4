//! One engine for the whole family of rules that redistribute `z = W x + b`.
//!
//! A rule is data: groups of terms. In each group the contributions are
//! `feed(x) · tune(w)`; relevance is divided by their stabilised sum and carried back with
//! the same weights. With gains that add to one, per sample:
//! received = handed on + bias + stabiliser + degenerate, each summed on its own.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::compute::flow::Flow;
use crate::compute::relevance::{Quotient, Served, Stabiliser};
use crate::compute::{Array, Workspace, elementwise, relevance};
use crate::model::graph::accumulate;
use crate::model::layer::Affine;

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

impl Tune {
    fn of(self, w: f64) -> f64 {
        let (positive, negative) = (w.max(0.0), w.min(0.0));
        match self {
            Self::All => w,
            Self::Positive => positive,
            Self::Negative => negative,
            Self::MinusPositive => -positive,
            Self::MinusNegative => -negative,
            Self::Square => w * w,
            Self::One => 1.0,
            Self::FavouringPositive(gamma) => w + gamma * positive,
            Self::FavouringNegative(gamma) => w + gamma * negative,
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
    /// Least and largest value of the input, per sample; for [`Feed::Low`] and
    /// [`Feed::High`].
    pub bounds: &'a [(f64, f64)],
}

/// Where the relevance of one layer went; sums are per sample.
#[derive(Debug)]
pub struct Share {
    /// Relevance of the input, shaped like it.
    pub input: Array,
    /// Taken by the bias.
    pub bias: Vec<f64>,
    /// The same per channel `[n, channels]`, with [`BiasPolicy::Sink`] and a bias.
    pub sink: Option<Vec<f64>>,
    /// Taken by the stabiliser.
    pub stabiliser: Vec<f64>,
    /// At outputs the group cannot serve.
    pub degenerate: Vec<f64>,
}

/// What a term sees of an input without negative numbers, or of one with them.
fn feed<'x>(
    x: &'x Array,
    feed: Feed,
    signed: bool,
    bounds: &[(f64, f64)],
    ws: &mut Workspace,
) -> Result<Fed<'x>> {
    let filled = |value: &dyn Fn(usize) -> f64, ws: &mut Workspace| {
        let values: Vec<f64> = (0..x.shape()[0]).map(value).collect();
        elementwise::per_sample(x, &values, ws)
    };
    Ok(Fed::Made(match feed {
        Feed::All => return Ok(Fed::Input(x)),
        Feed::Positive if !signed => return Ok(Fed::Input(x)),
        Feed::Positive => elementwise::part(x, true, ws)?,
        Feed::Negative => elementwise::part(x, false, ws)?,
        Feed::One => filled(&|_| 1.0, ws)?,
        Feed::Low => filled(&|n| bounds.get(n).map_or(0.0, |b| b.0), ws)?,
        Feed::High => filled(&|n| bounds.get(n).map_or(0.0, |b| b.1), ws)?,
    }))
}

/// The input of a layer, or what was made of it.
#[derive(Debug)]
enum Fed<'x> {
    Input(&'x Array),
    Made(Array),
}

impl Fed<'_> {
    fn array(&self) -> &Array {
        match self {
            Self::Input(x) => x,
            Self::Made(x) => x,
        }
    }

    fn recycle(self, ws: &mut Workspace) {
        if let Self::Made(x) = self {
            ws.give(x);
        }
    }
}

fn tuned(w: &Array, tune: Tune, ws: &mut Workspace) -> Result<Array> {
    match tune {
        Tune::All => ws.copy(w),
        _ => elementwise::map(w, ws, |w| tune.of(w)),
    }
}

/// The parts of a group's sum: per term input and weight, and the bias of all.
struct Parts<'x> {
    fed: Vec<Fed<'x>>,
    weights: Vec<Array>,
    bias: Option<Array>,
}

/// Contributions of a group, summed; none where no term can contribute.
fn sum<'x>(
    layer: &dyn Affine,
    x: &'x Array,
    signed: bool,
    group: &Group,
    way: &Way<'_>,
    ws: &mut Workspace,
) -> Result<Option<(Array, Parts<'x>)>> {
    let (mut fed, mut weights, mut bias) = (Vec::new(), Vec::new(), None);
    for term in group.terms.iter().filter(|t| signed || t.feed != Feed::Negative) {
        fed.push(feed(x, term.feed, signed, way.bounds, ws)?);
        weights.push(tuned(layer.weight(), term.weight, ws)?);
        if let (Some(tune), Some(b)) = (term.bias, layer.bias())
            && way.bias != BiasPolicy::Drop
        {
            accumulate(&mut bias, tuned(b, tune, ws)?, ws)?;
        }
    }
    if fed.is_empty() {
        return Ok(None);
    }
    let terms: Vec<(&Array, &Array)> = fed.iter().map(Fed::array).zip(&weights).collect();
    let z = layer.apply_all(&terms, bias.as_ref(), ws)?;
    Ok(Some((z, Parts { fed, weights, bias })))
}

/// Whether any relevance comes to the outputs a group serves. Groups that look at each other's
/// sums are always made.
fn served(group: &Group, z: &Array, r: &Flow<'_>, way: &Way<'_>) -> Result<bool> {
    match group.outputs {
        Outputs::Negative if !way.rescue => relevance::comes_to(r, z, false),
        // The positive side also books what comes to outputs of exactly 0.
        Outputs::All | Outputs::Positive | Outputs::Negative => Ok(true),
    }
}

/// Redistributes `r`, relevance of the layer's output `z`, to the layer's input `x`.
///
/// # Errors
/// [`crate::Error::Shape`] when shapes do not fit.
pub fn redistribute(
    layer: &dyn Affine,
    x: &Array,
    z: &Array,
    r: &Flow<'_>,
    way: &Way<'_>,
    ws: &mut Workspace,
) -> Result<Share> {
    let zeros = || vec![0.0; x.shape()[0]];
    let (mut bias, mut stabiliser, mut degenerate) = (zeros(), zeros(), zeros());
    let (mut total, mut sink): (Option<Array>, Option<Vec<f64>>) = (None, None);
    let signed = elementwise::any_negative(x)?;
    // Which neurons have one sign only is known when both sums are.
    let at_once = if way.rescue && way.groups.len() == 2 { 2 } else { 1 };
    for groups in way.groups.chunks(at_once) {
        let (mut sums, mut parts) = (Vec::new(), Vec::new());
        for group in groups {
            let made = match served(group, z, r, way)? {
                true => sum(layer, x, signed, group, way, ws)?,
                false => None,
            };
            let (sum, part) = made.unzip();
            sums.push(sum);
            parts.push(part);
        }
        let quotients = quotients(groups, sums, (r, z), way, ws)?;
        for (Parts { fed, weights, bias: b }, q) in parts.into_iter().flatten().zip(quotients) {
            add(&mut stabiliser, &q.stabiliser);
            add(&mut degenerate, &q.degenerate);
            if let Some(b) = b {
                let share = of_bias(&q.by_channel, &b)?;
                let per_sample = share.chunks(b.len().max(1)).map(|c| c.iter().sum());
                add(&mut bias, &per_sample.collect::<Vec<f64>>());
                if way.bias == BiasPolicy::Sink {
                    add(sink.get_or_insert_with(|| vec![0.0; share.len()]), &share);
                }
            }
            let used: Vec<&Array> = weights.iter().collect();
            let back = layer.transpose_all(&q.s, &used, x, ws)?;
            for (fed, back) in fed.into_iter().zip(back) {
                let handed = elementwise::times(fed.array(), &back, ws)?;
                fed.recycle(ws);
                ws.give(back);
                accumulate(&mut total, handed, ws)?;
            }
            weights.into_iter().for_each(|w| ws.give(w));
            ws.give(q.s);
        }
    }
    let input = match total {
        Some(input) => input,
        None => x.zeros_like_type(x.shape()),
    };
    Ok(Share { input, bias, sink, stabiliser, degenerate })
}

/// The quotients of the groups that have sums; each is written over its sum unless the other
/// group looks at it.
fn quotients(
    groups: &[Group],
    mut sums: Vec<Option<Array>>,
    (r, z): (&Flow<'_>, &Array),
    way: &Way<'_>,
    ws: &mut Workspace,
) -> Result<Vec<Quotient>> {
    let mut made = Vec::with_capacity(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let last = at + 1 == groups.len();
        let own = if last {
            sums[at].take()
        } else {
            sums[at].as_ref().map(|s| ws.copy(s)).transpose()?
        };
        let Some(own) = own else { continue };
        let only = match group.outputs {
            Outputs::All => None,
            Outputs::Positive => Some((z, true)),
            Outputs::Negative => Some((z, false)),
        };
        let beside = if groups.len() == 2 { sums[1 - at].as_ref() } else { None };
        let served = Served { gain: group.gain, only, beside };
        made.push(relevance::quotient(r, own, served, way.stabiliser)?);
    }
    sums.into_iter().flatten().for_each(|sum| ws.give(sum));
    Ok(made)
}

/// The share of a bias per sample and channel, from `Σ s` of each.
fn of_bias(by_channel: &[f64], bias: &Array) -> Result<Vec<f64>> {
    let bias = bias.to_f64()?;
    Ok(by_channel.iter().zip(bias.iter().cycle()).map(|(s, b)| s * b).collect())
}

fn add(sum: &mut [f64], more: &[f64]) {
    sum.iter_mut().zip(more).for_each(|(s, m)| *s += m);
}
