//! One engine for the whole family of rules that redistribute `z = W x + b`.
//!
//! A rule is data ([`super::terms`]): in each group of terms relevance is divided by the
//! stabilised sum of contributions and carried back with the same weights. With gains that add
//! to one, per sample:
//! received = handed on + bias + stabiliser + degenerate, each summed on its own.

use super::booked::Booked;
use super::terms::{BiasPolicy, Bounds, Feed, Group, Outputs, Tune, Way};
use crate::Result;
use crate::compute::conv3d::Sums;
use crate::compute::flow::Flow;
use crate::compute::relevance::{Quotient, Served};
use crate::compute::{Array, Workspace, elementwise, relevance};
use crate::model::graph::accumulate;
use crate::model::layer::Affine;

/// Where the relevance of one layer went.
#[derive(Debug)]
pub struct Share {
    /// Relevance of the input, shaped like it.
    pub input: Array,
    /// What bias, stabiliser and outputs that a group cannot serve took.
    pub booked: Booked,
}

/// What a term sees of an input without negative numbers, or of one with them.
fn feed<'x>(
    x: &'x Array,
    feed: Feed,
    signed: bool,
    bounds: Bounds<'_>,
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
        Feed::Low => filled(&|n| bounds.of(n).0, ws)?,
        Feed::High => filled(&|n| bounds.of(n).1, ws)?,
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
        _ => elementwise::bent(w, tune.numbers(), ws),
    }
}

/// The parts of a group's sum: per term input and weight, the bias of all, how it was made.
struct Parts<'x> {
    fed: Vec<Fed<'x>>,
    weights: Vec<Array>,
    bias: Option<Array>,
    sums: Sums,
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
    // Terms that see the same number in every voxel are one: their weights are added.
    let mut constant: Option<[f64; 4]> = None;
    for term in group.active(signed) {
        if let Some(value) = way.bounds.constant(term.feed) {
            let sum = constant.get_or_insert_default();
            sum.iter_mut().zip(term.weight.numbers()).for_each(|(s, n)| *s += value * n);
        } else {
            fed.push(feed(x, term.feed, signed, way.bounds, ws)?);
            weights.push(tuned(layer.weight(), term.weight, ws)?);
        }
        if let (Some(tune), Some(b)) = (term.bias, layer.bias())
            && way.bias != BiasPolicy::Drop
        {
            accumulate(&mut bias, tuned(b, tune, ws)?, ws)?;
        }
    }
    if let Some(numbers) = constant {
        fed.push(feed(x, Feed::One, signed, way.bounds, ws)?);
        weights.push(elementwise::bent(layer.weight(), numbers, ws)?);
    }
    if fed.is_empty() {
        return Ok(None);
    }
    let terms: Vec<(&Array, &Array)> = fed.iter().map(Fed::array).zip(&weights).collect();
    let sums = group.sums(signed);
    let z = layer.apply_all(&terms, bias.as_ref(), sums, ws)?;
    Ok(Some((z, Parts { fed, weights, bias, sums })))
}

/// Whether any relevance comes to the outputs a group serves. Groups that look at each other's
/// sums are always made. Where it has to be looked for, a card is waited for, which pays: where nothing
/// comes to negative outputs, the layer's work is halved.
fn served(group: &Group, z: &Array, r: &Flow<'_>, way: &Way<'_>) -> Result<bool> {
    match group.outputs {
        Outputs::Negative if way.behind_relu && !way.rescue => {
            debug_assert!(!z.on_host() || !relevance::comes_to(r, z, false)?, "relevance of zeros");
            Ok(false)
        }
        Outputs::Negative if !way.rescue => relevance::comes_to(r, z, false),
        // The positive side also books what comes to outputs of exactly 0.
        Outputs::All | Outputs::Positive | Outputs::Negative => Ok(true),
    }
}

/// Redistributes `r`, relevance of the layer's output `z`, to the layer's input `x`; `signed` says
/// whether that has negative numbers.
///
/// # Errors
/// [`crate::Error::Shape`] when shapes do not fit.
pub fn redistribute(
    layer: &dyn Affine,
    (x, signed): (&Array, bool),
    z: &Array,
    r: &Flow<'_>,
    way: &Way<'_>,
    ws: &mut Workspace,
) -> Result<Share> {
    let (mut total, mut booked) = (None, Booked::nothing(x.shape()[0]));
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
        let parts = parts.into_iter().flatten();
        for (Parts { fed, weights, bias, sums }, q) in parts.zip(quotients) {
            booked.divide(q.bins, bias.map(|b| (b, &q.s)), way.bias == BiasPolicy::Sink)?;
            let used: Vec<&Array> = weights.iter().collect();
            let back = layer.transpose_all(&q.s, &used, x, sums, ws)?;
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
        None => x.zeros_like_type(x.shape())?,
    };
    Ok(Share { input, booked })
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
