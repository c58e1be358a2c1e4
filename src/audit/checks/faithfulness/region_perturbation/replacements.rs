//! What other replacements would have said, how sure that is, and how far each leads from real
//! images.

use rayon::prelude::*;

use super::{CARD, Curves, MEASURES, cohort_p, null_of, null_of_means};
use crate::Result;
use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::audit::checks::stability::arm_agreement::{heads, row};
use crate::audit::checks::{mean_of, of_cohort, outcome};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::audit::tools::removal::Removal;
use crate::audit::tools::replace::{Filler, Replacement};
use crate::compute::Workspace;
use crate::seed::Stream;
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, Undefined, moments, undefined};

/// Random orders of a replacement but the first, every second the reverse of the one before.
const ORDERS: usize = 10;
/// The same of imputation, which solves a linear system for every step of an order.
const ORDERS_OF_IMPUTATION: usize = 2;
/// Draws of the test of a replacement but the first.
const DRAWS: usize = 999;
/// Quantiles by which intensities are compared.
const QUANTILES: usize = 100;

/// Name of the table that has a row per replacement.
pub const REPLACEMENTS: &str = "order of relevance by replacement";

/// Columns after [`MEASURES`].
const OFF: [&str; 2] = ["intensities off", "scores off"];

/// What the columns of the table say.
pub(super) const WORDS: &str = "By replacement, in units of the range under the background. \
     Intensities off: with a random half of the blobs out, how far the intensities of the brain are \
     from those of the whole image, where 1 is the mean distance between two subjects \
     (off_distribution is that of the background). Scores off: share of subjects whose score then \
     leaves the range of the scores of whole images. p: of the background abpc_p; of the others the \
     map's order changes places with ten random ones (two of the imputation, which is slow) and its \
     own reverse within every subject (999 draws).";

/// A row per replacement: areas of the audited map in units of the range under the background;
/// with half the blobs out (a random half) the distance of the intensities from the whole image in
/// units of the mean distance between two subjects, the share of subjects whose score leaves
/// the range of scores of whole images, and the p of ABPC. Then the intensities of the first
/// replacement, and the p of the others as findings.
pub(super) fn table(
    bench: &Bench<'_>,
    removals: &[Removal],
) -> Result<(Table, Outcome, Vec<Finding>)> {
    let own: Vec<Vec<f64>> = bench.cases.iter().map(|case| quantiles(case, &case.data)).collect();
    let scores = removals.iter().map(|r| r.whole.score);
    let range = scores.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], s| [a.min(s), b.max(s)]);
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    let mut first = None;
    for of in Replacement::ALL {
        let cases: Vec<Seen> = (0..bench.cases.len())
            .into_par_iter()
            .map_init(Workspace::new, |ws, n| one(bench, removals, (of, n), (&own, range), ws))
            .collect::<Result<_>>()?;
        let (cases, nulls): (Vec<Vec<Stat>>, Vec<_>) = cases.into_iter().unzip();
        let mean = |m: usize| {
            let stats: Vec<Stat> = cases.iter().map(|c| c[m].clone()).collect();
            mean_of(&stats, bench.seed, &format!("{}/{}/{m}", CARD.id, of.word()))
        };
        let outcomes: Vec<Outcome> = (0..MEASURES.len() + OFF.len()).map(mean).collect();
        let each = nulls.into_iter().collect::<std::result::Result<Vec<_>, _>>();
        let mut stream = bench.seed.stream(&format!("audit/{}/exchanged/{}", CARD.id, of.word()));
        let p = match (first.is_some(), each) {
            (_, Err(why)) => Err(why),
            (false, Ok(each)) => cohort_p(&cases, &null_of_means(&each)),
            (true, Ok(each)) => exchanged(&cases, &each, &mut stream),
        };
        let mut cells = row(of.word(), &outcomes);
        cells.push(p.clone().map_or_else(|why| Cell::Missing(why.0), Cell::Number));
        rows.push(cells);
        if first.is_some() {
            found.push(of_cohort(&CARD, &format!("abpc_p_{}", of.word()), outcome(p)));
        }
        first.get_or_insert_with(|| outcomes[MEASURES.len()].clone());
    }
    let none = || Outcome::Unmeasurable { why: "there is no replacement".to_owned() };
    let mut columns = heads(&[&MEASURES[..], &OFF[..]].concat());
    if let Some(column) = columns.first_mut() {
        column.name = "replacement".to_owned();
    }
    columns.push(Column { name: "p".to_owned(), unit: "1".to_owned() });
    let table = Table { name: REPLACEMENTS.to_owned(), columns, rows };
    Ok((table, first.unwrap_or_else(none), found))
}

/// Rank of the mean ABPC over subjects when in every subject the map's order changes places with
/// the random ones and its own reverse. When the map knows nothing it is any of them with equal
/// chance, so that the test is exact however few orders there are.
fn exchanged(cases: &[Vec<Stat>], nulls: &[Vec<f64>], stream: &mut Stream) -> Stat {
    let own: Vec<f64> =
        cases.iter().map(|c| c[0].clone()).collect::<std::result::Result<_, _>>()?;
    let sets: Vec<Vec<f64>> =
        own.iter().zip(nulls).map(|(own, null)| [&null[..], &[*own, -own]].concat()).collect();
    let mut draw = || -> Stat {
        let drawn: Vec<f64> = sets.iter().map(|set| set[stream.below(set.len())]).collect();
        moments::mean(&drawn)
    };
    let drawn: Vec<f64> =
        (0..DRAWS).map(|_| draw()).collect::<std::result::Result<_, Undefined>>()?;
    rank_p(moments::mean(&own)?, &drawn, Tail::Greater)
}

/// The numbers of a case under a replacement, and ABPC of random orders under it.
type Seen = (Vec<Stat>, std::result::Result<Vec<f64>, Undefined>);

fn one(
    bench: &Bench<'_>,
    removals: &[Removal],
    (of, n): (Replacement, usize),
    (own, range): (&[Vec<f64>], [f64; 2]),
    ws: &mut Workspace,
) -> Result<Seen> {
    let (case, removal) = (&bench.cases[n], &removals[n]);
    let filler = match Filler::new(of, bench.cases, n, bench.seed) {
        Ok(filler) => filler,
        Err(why) => return Ok((vec![Err(why.clone()); MEASURES.len() + OFF.len()], Err(why))),
    };
    let curves = Curves::of((bench, n), removal, &filler, &bench.maps[n], ws)?;
    let mut stats: Vec<Stat> = match curves.and_then(|c| c.areas(removal)) {
        Ok([most, least]) => vec![Ok(most - least), Ok(most), Ok(least)],
        Err(why) => vec![Err(why); MEASURES.len()],
    };
    let half = &removal.orders[0][..removal.parts.len() / 2];
    let voxels: Vec<usize> = half.iter().flat_map(|&p| removal.parts[p].iter().copied()).collect();
    let image = filler.without(case, &voxels);
    stats.push(image.and_then(|image| off(case, n, &image, own)));
    let outside = removal.falls_without(bench, n, &filler, &[half.to_vec()], ws)?;
    stats.push(outside.map(|falls| {
        let score = removal.whole.score - falls.first().copied().unwrap_or(0.0);
        f64::from(u8::from(score < range[0] || score > range[1]))
    }));
    // Those of the background are known already.
    let count = if of == Replacement::Imputed { ORDERS_OF_IMPUTATION } else { ORDERS };
    let orders = &removal.orders[..count.min(removal.orders.len())];
    let null = if of == Replacement::ALL[0] {
        null_of(removal, &removal.orders, &removal.falls)
    } else {
        let falls = removal.curves(bench, n, &filler, orders, ws)?;
        falls.and_then(|falls| null_of(removal, orders, &falls))
    };
    Ok((stats, null))
}

/// Distance of the intensities inside the mask from those of the whole image, over the mean
/// distance between two subjects.
fn off(case: &Case, n: usize, image: &[f32], own: &[Vec<f64>]) -> Stat {
    let pairs = (0..own.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let between: Vec<f64> = pairs.map(|(a, b)| apart(&own[a], &own[b])).collect();
    let typical = moments::mean(&between)?;
    if typical <= 0.0 {
        return undefined("all subjects have the same intensities");
    }
    moments::finite(apart(&quantiles(case, image), &own[n]) / typical, "the distance")
}

/// Evenly spaced quantiles of an image inside the mask of a case.
fn quantiles(case: &Case, image: &[f32]) -> Vec<f64> {
    let mut values: Vec<f64> = case.inside().iter().map(|&v| f64::from(image[v])).collect();
    values.sort_unstable_by(f64::total_cmp);
    let at = |q: usize| moments::quantile_sorted(&values, (q as f64 + 0.5) / QUANTILES as f64);
    (0..QUANTILES).map(at).collect::<Result<_, Undefined>>().unwrap_or_default()
}

/// Wasserstein's distance of two distributions by their quantiles: mean |difference|.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum::<f64>() / a.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn orders_that_know_nothing_have_uniform_p_and_good_ones_a_small_one() {
        let mut s = Seed(8).stream("test/exchanged");
        let mut p = |lift: f64| -> f64 {
            let mut pairs = |n: usize| -> Vec<f64> {
                (0..n).map(|_| s.normal()).flat_map(|v| [v, -v]).collect()
            };
            let nulls: Vec<Vec<f64>> = (0..8).map(|_| pairs(ORDERS / 2)).collect();
            let cases: Vec<Vec<Stat>> = (0..8).map(|_| vec![Ok(pairs(1)[0] + lift)]).collect();
            exchanged(&cases, &nulls, &mut s).expect("p")
        };
        let knowing: Vec<f64> = (0..5).map(|_| p(3.0)).collect();
        assert!(knowing.iter().all(|p| *p <= 0.005), "{knowing:?}");
        let mut none: Vec<f64> = (0..300).map(|_| p(0.0)).collect();
        none.sort_by(f64::total_cmp);
        let at_most = none.iter().filter(|p| **p <= 0.05).count();
        assert!((4..30).contains(&at_most), "{at_most} of 300");
        let middle = none[150];
        assert!((0.4..0.6).contains(&middle), "{middle}");
    }
}
