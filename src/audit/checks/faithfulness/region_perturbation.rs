//! Does the score fall faster when what the map calls relevant is taken out first?
//!
//! * **Question** Is the map's order of the parts of the brain better than a random order?
//! * **Formula** Blobs are taken out by falling density of relevance, and by rising density. AOPC =
//!   mean fall of the score over the removed volume (trapezoid rule), in units of the range of
//!   the score over all images without any map. ABPC = AOPC(most first) − AOPC(least first).
//!   p = rank of ABPC among random orders of the same blobs and their reverses; of the cohort:
//!   of its mean among the means of one random order per subject.
//! * **Reading** Above 0 and a small p: the map knows what the score hangs on. Falls are those of
//!   the answer given: score and map of subjects called class 0 change sign together, which
//!   swaps both orders and leaves ABPC as it is.
//! * **When it misleads** Perturbed images are none that the network was trained on; a voxel that
//!   only cancels noise of others (a suppressor) counts as relevant, as the score falls with it.
//! * **Source** Samek et al. 2017, <https://arxiv.org/abs/1509.06321>; Blücher et al. 2024,
//!   <https://arxiv.org/abs/2401.06654>; Phipson & Smyth 2010.

mod curves;
mod replacements;

pub use curves::NAMES;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort, of_subject, outcome, rows};
use crate::audit::finding::{Cell, Column, Finding, Outcome};
use crate::audit::tools::removal::{Removal, ties};
use crate::audit::tools::replace::{Filler, Replacement};
use crate::audit::tools::rivals::RANDOM;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, Undefined, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "region_perturbation",
    title: "Taking parts of the brain out in the order of relevance",
    question: "Is the map's order of the parts of the brain better than a random order?",
    formula: "AOPC = mean fall of the score over the volume taken out, blob by blob, over the range of the score; ABPC = AOPC(most relevant first) - AOPC(least relevant first); p = rank of the cohort's mean ABPC among random orders of the same blobs; abpc_p_REPLACEMENT: the same with another replacement",
    reading: "ABPC above 0 with a small p: the score hangs on what the map marks. Falls are those of the answer that was given, whichever class that is.",
    misleads: "Images with holes are unlike any the network saw (see off_distribution), and other replacements can say otherwise; features that only suppress noise are rewarded as if they spoke for the class. A good order of blobs says nothing of detail within them.",
    source: "Samek et al. 2017, https://arxiv.org/abs/1509.06321; Bluecher et al. 2024, https://arxiv.org/abs/2401.06654",
    unit: "1",
    better: Better::Higher,
};

/// Name of the table that has a row per method.
pub const METHODS: &str = "order of relevance by method";
/// Columns of [`METHODS`].
pub const MEASURES: [&str; 3] = ["ABPC", "AOPC most first", "AOPC least first"];

/// The check.
#[derive(Debug)]
pub struct RegionPerturbation;

/// A map's curves over the parts of one case.
struct Curves {
    /// Order of the parts, most relevant first.
    order: Vec<usize>,
    /// Falls at each step, most relevant first and least relevant first, in the unit of the score.
    falls: [Vec<f64>; 2],
}

impl Curves {
    fn of(
        (bench, n): (&Bench<'_>, usize),
        removal: &Removal,
        filler: &Filler,
        map: &[f32],
        ws: &mut Workspace,
    ) -> Result<std::result::Result<Self, Undefined>> {
        let order = match removal.order(map, &mut ties(bench.seed, &bench.cases[n])) {
            Ok(order) => order,
            Err(why) => return Ok(Err(why)),
        };
        let both = [order.clone(), reversed(&order)];
        let falls = removal.curves(bench, n, filler, &both, ws)?;
        Ok(falls.and_then(|falls| {
            let falls = falls.try_into().map_err(|_| Undefined("no curves".to_owned()))?;
            Ok(Self { order, falls })
        }))
    }

    /// AOPC most first and least first, in units of the range.
    fn areas(&self, removal: &Removal) -> Result<[f64; 2], Undefined> {
        let range = removal.range()?;
        let [most, least] = &self.falls;
        let least = removal.area(&reversed(&self.order), least);
        Ok([removal.area(&self.order, most) / range, least / range])
    }
}

fn reversed(order: &[usize]) -> Vec<usize> {
    order.iter().rev().copied().collect()
}

/// ABPC of every random order, in units of the range; each is followed by that of its reverse,
/// which is its negative.
fn null(removal: &Removal) -> Result<Vec<f64>, Undefined> {
    null_of(removal, &removal.orders, &removal.falls)
}

/// The same of some orders and the falls along them.
fn null_of(
    removal: &Removal,
    orders: &[Vec<usize>],
    falls: &[Vec<f64>],
) -> Result<Vec<f64>, Undefined> {
    let range = removal.range()?;
    let areas: Vec<f64> = orders.iter().zip(falls).map(|(o, f)| removal.area(o, f)).collect();
    let gaps = areas.chunks_exact(2).map(|pair| (pair[0] - pair[1]) / range);
    Ok(gaps.flat_map(|gap| [gap, -gap]).collect())
}

/// Rank of an ABPC among those of random orders. Orders and their reverses come together, and so
/// does the observed one: among all of them, it is any with equal chance when the map knows nothing.
fn p_value(observed: f64, null: &[f64]) -> Stat {
    let all: Vec<f64> = null.iter().copied().chain([-observed]).collect();
    rank_p(observed, &all, Tail::Greater)
}

/// The null of every subject.
fn nulls(removals: &[Removal]) -> Result<Vec<Vec<f64>>, Undefined> {
    removals.iter().map(null).collect()
}

/// One random order per subject, again and again: the mean ABPC over subjects.
fn null_of_means(each: &[Vec<f64>]) -> Result<Vec<f64>, Undefined> {
    let orders = each.iter().map(Vec::len).min().unwrap_or(0);
    (0..orders).map(|o| moments::mean(&each.iter().map(|n| n[o]).collect::<Vec<_>>())).collect()
}

/// The mean over subjects among the means of random orders.
fn cohort_p(own: &[Vec<Stat>], null: &Result<Vec<f64>, Undefined>) -> Stat {
    let values: Vec<f64> = own.iter().map(|c| c[0].clone()).collect::<Result<_, _>>()?;
    p_value(moments::mean(&values)?, null.as_ref().map_err(Clone::clone)?)
}

/// Numbers per map: [`MEASURES`], and the points of two curves.
fn numbers(removals: &[Removal]) -> usize {
    MEASURES.len() + 4 * removals.iter().map(|r| r.counts.len()).max().unwrap_or(0)
}

/// Per map [`MEASURES`], then at every step the fall for the answer given in units of the range,
/// most first and least first, and the share of the volume that is out, most first and least
/// first; all in all `count` numbers.
fn measure(
    at: (&Bench<'_>, usize),
    removal: &Removal,
    map: &[f32],
    count: usize,
    ws: &mut Workspace,
) -> Result<Vec<Stat>> {
    let filler = Filler::new(Replacement::ALL[0], at.0.cases, at.1, at.0.seed);
    let curves = match filler {
        Ok(filler) => Curves::of(at, removal, &filler, map, ws)?,
        Err(why) => Err(why),
    };
    let all = curves.and_then(|curves| {
        let [most, least] = curves.areas(removal)?;
        let scale = removal.sign / removal.range()?;
        let falls = curves.falls.concat().into_iter().map(|v| v * scale);
        let mut all: Vec<f64> = [most - least, most, least].into_iter().chain(falls).collect();
        all.extend(removal.volumes(&curves.order));
        all.extend(removal.volumes(&reversed(&curves.order)));
        Ok(all)
    });
    let fewer = || undefined("fewer parts than the curve has steps");
    let mut all: Vec<Stat> = match all {
        Ok(values) => values.into_iter().map(Ok).collect(),
        Err(why) => vec![Err(why); count],
    };
    all.resize(count, fewer());
    Ok(all)
}

/// Findings of parts of one kind for the audited maps: ABPC per subject with its rank, and of the
/// cohort both areas, ABPC and its p. The ranks have a name of their own: a policy that limits the p
/// of the cohort must not judge single subjects by it.
fn findings(
    bench: &Bench<'_>,
    removals: &[Removal],
    audited: &rows::Row,
    prefix: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for ((case, removal), own) in bench.cases.iter().zip(removals).zip(&audited.cases) {
        let mut abpc = of_subject(&CARD, &case.id, &format!("{prefix}abpc"), own[0].clone());
        abpc.series = curves::of_subject(removal, own);
        found.push(abpc);
        let p = own[0].clone().and_then(|abpc| p_value(abpc, &null(removal)?));
        found.push(of_subject(&CARD, &case.id, &format!("{prefix}abpc_rank_p"), p));
    }
    for (name, mean) in ["abpc", "aopc_most", "aopc_least"].iter().zip(&audited.means) {
        found.push(of_cohort(&CARD, &format!("{prefix}{name}"), mean.clone()));
    }
    let p = cohort_p(&audited.cases, &nulls(removals).and_then(|each| null_of_means(&each)));
    found.push(of_cohort(&CARD, &format!("{prefix}abpc_p"), outcome(p)));
    let at = found.len() - 4;
    found[at].series = curves::of_cohort(removals, audited);
    found
}

impl Check for RegionPerturbation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let removals = bench.removals()?;
        let count = numbers(removals);
        let all = rows::measured(bench, &CARD, count, |(_, map, n), ws| {
            measure((bench, n), &removals[n], map, count, ws)
        })?;
        let mut found = findings(bench, removals, &all[0], "");
        let null = nulls(removals).and_then(|each| null_of_means(&each));
        let mut table = rows::table(METHODS, &MEASURES, &all);
        table.columns.push(Column { name: "p".to_owned(), unit: String::new() });
        for (row, rival) in table.rows.iter_mut().zip(&all) {
            let p = cohort_p(&rival.cases, &null);
            row.push(p.map_or_else(|why| Cell::Missing(why.0), Cell::Number));
        }
        let (other, off, by_replacement) = replacements::table(bench, removals)?;
        let cohort = found.len() - 4;
        found[cohort].tables = vec![table, other];
        found[cohort].notes.push(format!(
            "About {} blobs of {:.1} ml per brain, replaced by the background; {} random orders per \
             subject. ABPC and AOPC are shares of the range of the score.",
            removals.iter().map(|r| r.parts.len()).sum::<usize>() / removals.len().max(1),
            blob_ml(bench, removals),
            removals.first().map_or(0, |r| r.orders.len()),
        ));
        found[cohort].notes.push(replacements::WORDS.to_owned());
        found.push(of_cohort(&CARD, "off_distribution", off));
        found.extend(by_replacement);
        let control = all.iter().find(|r| r.name == RANDOM).map(|r| cohort_p(&r.cases, &null));
        let control = control.unwrap_or_else(|| undefined("there is no control"));
        found.push(of_cohort(&CARD, "control_random_p", outcome(control)));
        found.extend(of_regions(bench)?);
        Ok(found)
    }
}

/// The same over the regions of the label maps, for the audited maps alone.
fn of_regions(bench: &Bench<'_>) -> Result<Vec<Finding>> {
    let removals = bench.region_removals()?;
    if removals.is_empty() {
        let why = "not every subject has a label map".to_owned();
        return Ok(vec![of_cohort(&CARD, "regions_abpc", Outcome::NotApplicable { why })]);
    }
    let count = numbers(removals);
    let purpose = format!("{}/regions", CARD.id);
    let audited = rows::measured_of(bench, &purpose, &|_| false, count, |(_, map, n), ws| {
        measure((bench, n), &removals[n], map, count, ws)
    })?;
    Ok(findings(bench, removals, &audited[0], "regions_"))
}

/// Mean volume of a blob, ml.
fn blob_ml(bench: &Bench<'_>, removals: &[Removal]) -> f64 {
    let each = bench.cases.iter().zip(removals).map(|(case, r)| {
        case.mask.count() as f64 * case.grid.voxel_mm3() / 1000.0 / r.parts.len().max(1) as f64
    });
    each.sum::<f64>() / removals.len().max(1) as f64
}
