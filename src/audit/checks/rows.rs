//! The same measures of the audited maps, of other methods and of controls: findings for the
//! first, a row of a table for each.

use rayon::prelude::*;

use super::stability::arm_agreement::{heads, row};
use super::{mean_of, of_cohort, of_subject, outcome};
use crate::audit::bench::Bench;
use crate::audit::finding::{Finding, Outcome, Table};
use crate::audit::tools::replace::background;
use crate::audit::tools::rivals::{RANDOM, Rival};
use crate::card::Card;
use crate::compute::Workspace;
use crate::stats::permutation::{Tail, sign_flip};
use crate::stats::{Stat, undefined};
use crate::{Error, Result};

/// Arrangements of a sign-flip test at most.
const FLIPS: usize = 1 << 14;

/// Measures of one rival.
pub(super) struct Row {
    /// Its name.
    pub name: String,
    /// Per case its measures.
    pub cases: Vec<Vec<Stat>>,
    /// Means over subjects, with intervals.
    pub means: Vec<Outcome>,
}

/// A rival, one of its maps, and the number of the case it is of.
pub(super) type Of<'a> = (&'a Rival<'a>, &'a [f32], usize);

/// Measures every rival on every case; `measure` gives as many numbers as `count`.
pub(super) fn measured<F>(
    bench: &Bench<'_>,
    card: &Card,
    count: usize,
    measure: F,
) -> Result<Vec<Row>>
where
    F: Fn(Of<'_>, &mut Workspace) -> Result<Vec<Stat>> + Sync,
{
    measured_of(bench, card.id, &|_| true, count, measure)
}

/// The same of some rivals, the audited maps first among them; `purpose` tells the draws of their
/// intervals from others of the check.
pub(super) fn measured_of<F>(
    bench: &Bench<'_>,
    purpose: &str,
    keep: &dyn Fn(&Rival<'_>) -> bool,
    count: usize,
    measure: F,
) -> Result<Vec<Row>>
where
    F: Fn(Of<'_>, &mut Workspace) -> Result<Vec<Stat>> + Sync,
{
    let rivals = bench.rivals();
    let kept = rivals.iter().enumerate().filter(|(n, rival)| *n == 0 || keep(rival));
    kept.map(|(_, rival)| one(bench, purpose, rival, count, &measure)).collect()
}

fn one<F>(
    bench: &Bench<'_>,
    purpose: &str,
    rival: &Rival<'_>,
    count: usize,
    measure: &F,
) -> Result<Row>
where
    F: Fn(Of<'_>, &mut Workspace) -> Result<Vec<Stat>> + Sync,
{
    let cases: Vec<Vec<Stat>> = match &rival.maps {
        Err(why) => vec![vec![undefined(why.clone()); count]; bench.cases.len()],
        Ok(maps) => (0..bench.cases.len())
            .into_par_iter()
            .map_init(Workspace::new, |ws, n| measure((rival, &maps[n], n), ws))
            .collect::<Result<_>>()?,
    };
    let mean = |m: usize| match &rival.maps {
        Err(why) => Outcome::NotApplicable { why: why.clone() },
        Ok(_) => {
            let own: Vec<Stat> = cases.iter().map(|c| c[m].clone()).collect();
            mean_of(&own, bench.seed, &format!("{purpose}/{}/{m}", rival.name))
        }
    };
    let means = (0..count).map(mean).collect();
    Ok(Row { name: rival.name.clone(), means, cases })
}

/// As [`measured`], of what the map says the score falls by when a voxel becomes background
/// ([`Rival::contribution`]): `measure` gets that by voxel, and the number of the case.
pub(super) fn of_contributions<F>(
    bench: &Bench<'_>,
    card: &Card,
    count: usize,
    measure: F,
) -> Result<Vec<Row>>
where
    F: Fn(&Rival<'_>, &dyn Fn(usize) -> f64, usize) -> Vec<Stat> + Sync,
{
    let empty: Vec<f64> = bench.cases.iter().map(background).collect();
    measured(bench, card, count, |(rival, map, n), _| {
        let value = |v: usize| rival.contribution(map, &bench.cases[n], empty[n], v);
        Ok(measure(rival, &value, n))
    })
}

/// One-sided p that a measure of noise is above 0 over subjects: its sign is a toss, so sign flips
/// are exact. A small one says that the measurement itself is wrong.
pub(super) fn control_p(bench: &Bench<'_>, card: &'static Card, rows: &[Row], m: usize) -> Finding {
    let of = |row: &Row| -> Stat {
        let values: Vec<f64> =
            row.cases.iter().map(|own| own[m].clone()).collect::<std::result::Result<_, _>>()?;
        let mut stream = bench.seed.stream(&format!("audit/{}/control_random", card.id));
        Ok(sign_flip(&values, Tail::Greater, FLIPS, &mut stream)?.p)
    };
    let noise = rows.iter().find(|row| row.name == RANDOM);
    let p = noise.map_or_else(|| undefined("there is no control"), of);
    of_cohort(card, "control_random_p", outcome(p))
}

/// A table with a row per rival; `measures` name the first numbers of each.
pub(super) fn table(name: &str, measures: &[&str], rows: &[Row]) -> Table {
    let each = rows.iter().map(|r| row(&r.name, &r.means[..measures.len()]));
    Table { name: name.to_owned(), columns: heads(measures), rows: each.collect() }
}

/// Findings of the first row, the audited maps: for each quantity one per subject and one of the
/// cohort.
pub(super) fn findings(
    bench: &Bench<'_>,
    card: &Card,
    quantities: &[&str],
    rows: &[Row],
) -> Result<Vec<Finding>> {
    let audited = rows.first().ok_or_else(|| Error::internal("no audited maps"))?;
    let mut found = Vec::new();
    for (m, quantity) in quantities.iter().enumerate() {
        let each = bench.cases.iter().zip(&audited.cases);
        found.extend(each.map(|(case, own)| of_subject(card, &case.id, quantity, own[m].clone())));
        found.push(of_cohort(card, quantity, audited.means[m].clone()));
    }
    Ok(found)
}
