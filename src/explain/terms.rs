//! One engine for the whole family of rules that redistribute `z = W x + b`.
//!
//! A rule is data: groups of terms. In each group the contributions are
//! `feed(x) · tune(w)`; relevance is divided by their stabilised sum and carried back with
//! the same weights. With gains that add to one, per sample:
//! received = handed on + bias + stabiliser + degenerate, each summed on its own.

use crate::Result;
use crate::compute::{Array, Workspace, elementwise, relevance};
use crate::model::layer::Affine;

/// What of the input or of the weights a term sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    All,
    /// Positive numbers.
    Positive,
    /// Negative numbers.
    Negative,
}

/// One product of a group.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Part of the input.
    pub feed: Part,
    /// Part of the weights.
    pub weight: Part,
    /// Part of the bias, if this term carries it.
    pub bias: Option<Part>,
}

/// Terms under one denominator.
#[derive(Debug, Clone)]
pub struct Group {
    /// Share of the relevance this group hands on.
    pub gain: f64,
    /// Its terms.
    pub terms: Vec<Term>,
}

/// Where the relevance of one layer went; sums are per sample.
#[derive(Debug)]
pub struct Share {
    /// Relevance of the input, shaped like it.
    pub input: Array,
    /// Taken by the bias.
    pub bias: Vec<f64>,
    /// Taken by the stabiliser.
    pub stabiliser: Vec<f64>,
    /// At outputs the group cannot serve.
    pub degenerate: Vec<f64>,
}

fn cut(x: &Array, part: Part, ws: &mut Workspace) -> Result<Array> {
    match part {
        Part::All => x.duplicate(),
        Part::Positive => elementwise::part(x, true, ws),
        Part::Negative => elementwise::part(x, false, ws),
    }
}

/// Redistributes `r`, shaped like the layer's output, to the layer's input `x`.
///
/// # Errors
/// [`crate::Error::Shape`] when shapes do not fit.
pub fn redistribute(
    layer: &dyn Affine,
    x: &Array,
    r: &Array,
    epsilon: f64,
    groups: &[Group],
    ws: &mut Workspace,
) -> Result<Share> {
    let samples = x.shape()[0];
    let zeros = || vec![0.0; samples];
    let mut total: Option<Array> = None;
    let (mut bias, mut stabiliser, mut degenerate) = (zeros(), zeros(), zeros());
    let signed = elementwise::any_negative(x)?;
    for group in groups {
        let useful: Vec<&Term> =
            group.terms.iter().filter(|t| signed || t.feed != Part::Negative).collect();
        let mut z: Option<Array> = None;
        let mut kept = Vec::new();
        for term in &useful {
            let (feed, weight) = (cut(x, term.feed, ws)?, cut(layer.weight(), term.weight, ws)?);
            let b = match (term.bias, layer.bias()) {
                (Some(part), Some(b)) => Some(cut(b, part, ws)?),
                _ => None,
            };
            let part = layer.apply(&feed, &weight, b.as_ref(), ws)?;
            crate::model::graph::accumulate(&mut z, part, ws)?;
            kept.push((feed, weight, b));
        }
        let Some(z) = z else { continue };
        let q = relevance::quotient(r, &z, group.gain, epsilon, ws)?;
        ws.give(z);
        add(&mut stabiliser, &q.stabiliser);
        add(&mut degenerate, &q.degenerate);
        for (feed, weight, b) in kept {
            if let Some(b) = b {
                add(&mut bias, &relevance::bias_share(&q.s, &b)?);
            }
            let back = layer.transpose(&q.s, &weight, x, ws)?;
            let handed = elementwise::times(&feed, &back, ws)?;
            [feed, weight, back].into_iter().for_each(|a| ws.give(a));
            crate::model::graph::accumulate(&mut total, handed, ws)?;
        }
        ws.give(q.s);
    }
    let input = match total {
        Some(input) => input,
        None => x.zeros_like_type(x.shape()),
    };
    Ok(Share { input, bias, stabiliser, degenerate })
}

fn add(sum: &mut [f64], more: &[f64]) {
    sum.iter_mut().zip(more).for_each(|(s, m)| *s += m);
}
