//! What the score does when parts of a brain are taken out, whatever any map says of them.
//!
//! The parts are blobs ([`supervoxels`]) or the regions of the label map. They are taken out one by
//! one, and in random orders, once for all checks and maps: so methods are judged by the same
//! images. Random orders come in pairs, an order and its reverse, since the reverse of an order
//! that puts the most relevant first is the one that puts the least relevant first.

use std::cell::RefCell;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::replace::{Filler, Replacement};
use super::supervoxels::supervoxels;
use crate::audit::bench::{Answer, Bench};
use crate::audit::case::Case;
use crate::compute::Workspace;
use crate::explain::Start;
use crate::seed::{Seed, Stream};
use crate::stats::{Undefined, moments, undefined};
use crate::{Error, Result};

/// Blobs of a brain, about.
pub const BLOBS: usize = 64;
/// Random orders with their reverses: 100 orders, and p is at least 1/102.
pub const PAIRS: usize = 50;
/// Shares of the parts after which the score is looked at, beside none and all.
const STEPS: [f64; 5] = [0.05, 0.15, 0.3, 0.5, 0.75];
/// The same for regions, which are few.
const STEPS_OF_REGIONS: [f64; 3] = [0.15, 0.35, 0.65];
/// Perturbed images held at a time, at most.
const HELD: usize = 16;
/// A spread of densities below this share of the largest is rounding.
const FLAT: f64 = 1e-9;

/// Parts of one brain, and what their removal does.
#[derive(Debug)]
pub struct Removal {
    /// What is explained. Where it would be the largest of several classes it is the class that
    /// was largest in the whole image, so that the question stays the same.
    pub start: Start,
    /// −1 where the score speaks for class 0 (a margin of two classes below 0), otherwise 1: the
    /// score times this sign is what speaks for the answer given.
    pub sign: f64,
    /// What the network answers to the whole image.
    pub whole: Answer,
    /// Voxels of each part, ascending.
    pub parts: Vec<Vec<usize>>,
    /// Labels of the parts, 0 for the brain without label; empty for blobs.
    pub labels: Vec<i32>,
    /// How many parts are out at each step, from none to all.
    pub counts: Vec<usize>,
    /// Fall of the score f(x) − f(x without the part), for each part alone.
    pub singles: Vec<f64>,
    /// Random orders of the parts, each followed by its reverse.
    pub orders: Vec<Vec<usize>>,
    /// Fall of the score at each step of each order.
    pub falls: Vec<Vec<f64>>,
    /// Voxels of the mask.
    voxels: f64,
}

/// Both kinds of parts, made when they are first asked for.
#[derive(Debug, Default)]
pub(in crate::audit) struct Removals {
    blobs: OnceLock<Vec<Removal>>,
    regions: OnceLock<Vec<Removal>>,
}

impl Bench<'_> {
    /// Blobs of every case and what their removal does, replaced by the background.
    ///
    /// # Errors
    /// As [`Bench::answers_to`].
    pub fn removals(&self) -> Result<&[Removal]> {
        let blobs = |n: usize| {
            let case = &self.cases[n];
            let mut stream = self.seed.stream(&format!("audit/removal/blobs/{}", case.id));
            (supervoxels(&case.mask, BLOBS, &mut stream), Vec::new())
        };
        self.once(&self.removals.blobs, &STEPS, "blobs", &blobs)
    }

    /// The same for the regions of the label maps and the brain without label; none where a case
    /// has no label map.
    ///
    /// # Errors
    /// As [`Bench::answers_to`].
    pub fn region_removals(&self) -> Result<&[Removal]> {
        if self.cases.iter().any(|c| c.labels.is_none()) {
            return Ok(&[]);
        }
        self.once(&self.removals.regions, &STEPS_OF_REGIONS, "regions", &|n| {
            regions(&self.cases[n])
        })
    }

    /// Answers of the network to images that are made as they are needed, so that only a few are
    /// held at a time; the score is that of a start of one's own.
    ///
    /// # Errors
    /// As [`Bench::network`] and [`Bench::answers`], and those of `image`.
    pub fn answers_to(
        &self,
        start: Start,
        count: usize,
        image: &dyn Fn(usize) -> Result<Vec<f32>>,
        ws: &mut Workspace,
    ) -> Result<Vec<Answer>> {
        let graph = self.network()?.graph;
        let (some, mut out) = (self.at_once(graph)?.min(HELD), Vec::with_capacity(count));
        for from in (0..count).step_by(some) {
            let images: Vec<Vec<f32>> =
                (from..(from + some).min(count)).map(image).collect::<Result<_>>()?;
            let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            out.extend(self.answers(graph, start, &images, ws)?);
        }
        Ok(out)
    }

    fn once<'b>(
        &self,
        made: &'b OnceLock<Vec<Removal>>,
        steps: &[f64],
        kind: &str,
        parts: &(dyn Fn(usize) -> (Vec<Vec<usize>>, Vec<i32>) + Sync),
    ) -> Result<&'b [Removal]> {
        if let Some(made) = made.get() {
            return Ok(made);
        }
        let new: Result<Vec<Removal>> = (0..self.cases.len())
            .into_par_iter()
            .map_init(Workspace::new, |ws, n| {
                let mut stream =
                    self.seed.stream(&format!("audit/removal/{kind}/orders/{}", self.cases[n].id));
                Removal::new(self, n, parts(n), steps, &mut stream, ws)
            })
            .collect();
        let new = new?;
        Ok(made.get_or_init(|| new))
    }
}

/// Voxels of every label inside the mask, ascending, and of the brain without label at the end.
fn regions(case: &Case) -> (Vec<Vec<usize>>, Vec<i32>) {
    let mut parts = std::collections::BTreeMap::<(bool, i32), Vec<usize>>::new();
    let labels = case.labels.as_ref().map(|l| l.data()).unwrap_or_default();
    for v in case.inside() {
        let label = labels.get(v).copied().unwrap_or(0);
        parts.entry((label == 0, label)).or_default().push(v);
    }
    parts.into_iter().map(|((_, label), voxels)| (voxels, label)).unzip()
}

impl Removal {
    fn new(
        bench: &Bench<'_>,
        n: usize,
        (parts, labels): (Vec<Vec<usize>>, Vec<i32>),
        steps: &[f64],
        stream: &mut Stream,
        ws: &mut Workspace,
    ) -> Result<Self> {
        let count = parts.len();
        let mut counts: Vec<usize> =
            steps.iter().map(|s| (s * count as f64).round() as usize).collect();
        counts.extend([0, count]);
        counts.sort_unstable();
        counts.dedup();
        let mut orders = Vec::with_capacity(2 * PAIRS);
        for _ in 0..PAIRS {
            let mut order: Vec<usize> = (0..count).collect();
            stream.shuffle(&mut order);
            let reverse = order.iter().rev().copied().collect();
            orders.extend([order, reverse]);
        }
        let (start, whole) = asked(bench, n, ws)?;
        let two = matches!(start, Start::Margin) && whole.logits.len() <= 2;
        let sign = if two && whole.score < 0.0 { -1.0 } else { 1.0 };
        let voxels = parts.iter().map(Vec::len).sum::<usize>() as f64;
        let (singles, falls) = (Vec::new(), Vec::new());
        let mut made =
            Self { start, sign, whole, parts, labels, counts, singles, orders, falls, voxels };
        let filler = Filler::new(Replacement::ALL[0], bench.cases, n, bench.seed);
        let filler = fixed(filler)?;
        let alone: Vec<Vec<usize>> = (0..count).map(|p| vec![p]).collect();
        made.singles = fixed(made.falls_without(bench, n, &filler, &alone, ws)?)?;
        made.falls = fixed(made.curves(bench, n, &filler, &made.orders, ws)?)?;
        Ok(made)
    }

    /// Falls of the score f(x) − f(x without some parts), for each set of parts.
    ///
    /// # Errors
    /// As [`Bench::answers_to`]; undefined where the replacement is.
    pub fn falls_without(
        &self,
        bench: &Bench<'_>,
        n: usize,
        filler: &Filler,
        sets: &[Vec<usize>],
        ws: &mut Workspace,
    ) -> Result<std::result::Result<Vec<f64>, Undefined>> {
        let voxels =
            |s: usize| sets[s].iter().flat_map(|&p| self.parts[p].iter().copied()).collect();
        let answers = self.answers(bench, n, filler, sets.len(), &voxels, ws)?;
        Ok(answers.map(|all| all.iter().map(|a| self.whole.score - a.score).collect()))
    }

    /// Answers to the image of case `n` without sets of voxels.
    ///
    /// # Errors
    /// As [`Removal::falls_without`].
    pub fn answers(
        &self,
        bench: &Bench<'_>,
        n: usize,
        filler: &Filler,
        count: usize,
        voxels: &dyn Fn(usize) -> Vec<usize>,
        ws: &mut Workspace,
    ) -> Result<std::result::Result<Vec<Answer>, Undefined>> {
        let undefined = RefCell::new(None);
        let image = |s: usize| {
            filler.without(&bench.cases[n], &voxels(s)).map_err(|why| {
                let error = Error::internal(why.0.clone());
                *undefined.borrow_mut() = Some(why);
                error
            })
        };
        let answers = bench.answers_to(self.start, count, &image, ws);
        match (undefined.take(), answers) {
            (Some(why), _) => Ok(Err(why)),
            (None, answers) => Ok(Ok(answers?)),
        }
    }

    /// Falls of the score at each step ([`Removal::counts`]) of some orders. The first step has
    /// nothing out and falls by 0; the last is the same for all orders and is looked at once.
    ///
    /// # Errors
    /// As [`Removal::falls_without`].
    pub fn curves(
        &self,
        bench: &Bench<'_>,
        n: usize,
        filler: &Filler,
        orders: &[Vec<usize>],
        ws: &mut Workspace,
    ) -> Result<std::result::Result<Vec<Vec<f64>>, Undefined>> {
        let Some((&all, rest)) = self.counts.split_last() else { return Ok(Ok(Vec::new())) };
        let inner = rest.get(1..).unwrap_or_default();
        let mut sets: Vec<Vec<usize>> = orders
            .iter()
            .flat_map(|order| inner.iter().map(|&count| order[..count].to_vec()))
            .collect();
        sets.push((0..all).collect());
        let falls = self.falls_without(bench, n, filler, &sets, ws)?;
        let last = |falls: &[f64]| falls.last().copied().unwrap_or(0.0);
        Ok(falls.map(|falls| {
            let of = |o: usize| {
                let own = &falls[o * inner.len()..(o + 1) * inner.len()];
                [&[0.0], own, &[last(&falls)]].concat()
            };
            (0..orders.len()).map(of).collect()
        }))
    }

    /// Sum of a value over the voxels of each part.
    pub fn sums(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        self.parts.iter().map(|part| moments::sum_by(part.len(), &|v| value(part[v]))).collect()
    }

    /// Parts by falling density of a map (mean per voxel, times [`Removal::sign`]): first what speaks
    /// most for the answer given. Parts of equal density come in a random order.
    ///
    /// # Errors
    /// Undefined for values that are not finite and for a map that has the same density in all
    /// parts.
    pub fn order(&self, map: &[f32], stream: &mut Stream) -> Result<Vec<usize>, Undefined> {
        let sums = self.sums(|v| self.sign * f64::from(map[v]));
        let densities: Vec<f64> =
            sums.iter().zip(&self.parts).map(|(sum, part)| sum / part.len() as f64).collect();
        moments::require_finite(&densities)?;
        let (low, high) = ends(densities.iter().copied());
        if high - low <= FLAT * high.abs().max(low.abs()) {
            return undefined("the map is as dense in all parts and puts none first");
        }
        let mut order: Vec<usize> = (0..densities.len()).collect();
        stream.shuffle(&mut order);
        order.sort_by(|&a, &b| densities[b].total_cmp(&densities[a]));
        Ok(order)
    }

    /// Share of the volume that is out at each step of an order.
    pub fn volumes(&self, order: &[usize]) -> Vec<f64> {
        let out =
            |count: &usize| order[..*count].iter().map(|&p| self.parts[p].len()).sum::<usize>();
        self.counts.iter().map(|count| out(count) as f64 / self.voxels).collect()
    }

    /// Mean fall over the removed volume, times [`Removal::sign`]: the area under the falls by the
    /// trapezoid rule, in the unit of the score.
    pub fn area(&self, order: &[usize], falls: &[f64]) -> f64 {
        let x = self.volumes(order);
        let piece = |s: usize| (x[s + 1] - x[s]) * (falls[s] + falls[s + 1]) / 2.0;
        self.sign * moments::sum_by(x.len() - 1, &piece)
    }

    /// Largest minus smallest score among all images that were looked at without any map.
    ///
    /// # Errors
    /// Undefined when the score never moves.
    pub fn range(&self) -> Result<f64, Undefined> {
        let all = self.falls.iter().flatten().chain(&self.singles).copied().chain([0.0]);
        let (low, high) = ends(all);
        if high > low {
            moments::finite(high - low, "the range of the score")
        } else {
            undefined("the score does not change whatever is taken out")
        }
    }
}

/// The background is a replacement for every image.
fn fixed<T>(of: std::result::Result<T, Undefined>) -> Result<T> {
    of.map_err(|why| Error::internal(format!("a replacement by the background: {}", why.0)))
}

/// The least and the largest.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
}

/// What is asked of a case, and the answer to its whole image.
fn asked(bench: &Bench<'_>, n: usize, ws: &mut Workspace) -> Result<(Start, Answer)> {
    let image = |_: usize| Ok(bench.cases[n].data.clone());
    let mut start = bench.network()?.start;
    let one = |start, ws: &mut Workspace| -> Result<Answer> {
        let answer = bench.answers_to(start, 1, &image, ws)?.pop();
        answer.ok_or_else(|| Error::internal("an image without an answer"))
    };
    let answer = one(start, ws)?;
    if start == Start::Margin && answer.logits.len() > 2 {
        start = Start::MarginOf(answer.called());
    }
    Ok((start, answer))
}

/// The stream that orders parts of equal density.
pub fn ties(seed: Seed, case: &Case) -> Stream {
    seed.stream(&format!("audit/removal/ties/{}", case.id))
}
