//! Right and wrong answers apart.

use super::super::region_mass::cell;
use super::{Measured, named};
use crate::audit::bench::Bench;
use crate::audit::finding::{Cell, Column, Table};
use crate::image::atlas::Atlas;
use crate::stats::{Undefined, moments};

/// Name, true class, predicted class; class 1 is the positive one.
const STRATA: [(&str, usize, usize); 4] = [
    ("true_positive", 1, 1),
    ("true_negative", 0, 0),
    ("false_positive", 0, 1),
    ("false_negative", 1, 0),
];

/// How many subjects there are of each stratum, and their mean share of |R| per region.
pub(super) fn tables(
    bench: &Bench<'_>,
    atlas: &Atlas,
    shares: &Measured,
    truth: &[usize],
    said: &[usize],
) -> [Table; 2] {
    let text = |t: &str| Cell::Text(t.to_owned());
    let column = |name: &str, unit: &str| Column { name: name.to_owned(), unit: unit.to_owned() };
    let rows_of = |t: usize, s: usize| -> Vec<usize> {
        (0..truth.len()).filter(|&n| truth[n] == t && said[n] == s).collect()
    };
    let count = |&(name, t, s): &(&str, usize, usize)| {
        let n = rows_of(t, s).len() as f64;
        vec![text(name), text(&bench.classes[t]), text(&bench.classes[s]), Cell::Number(n)]
    };
    let counts = Table {
        name: "Strata".to_owned(),
        columns: [("stratum", ""), ("true class", ""), ("predicted class", ""), ("subjects", "1")]
            .map(|(n, u)| column(n, u))
            .to_vec(),
        rows: STRATA.iter().map(count).collect(),
    };
    let means = |(r, (region, side)): (usize, (String, &'static str))| {
        let mean = |&(_, t, s): &(&str, usize, usize)| {
            let own = shares.values[r].as_ref().map_err(Clone::clone).and_then(|all| {
                let own: Vec<f64> = rows_of(t, s).into_iter().map(|n| all[n]).collect();
                if own.is_empty() { Err(Undefined("no subject".to_owned())) } else { Ok(own) }
            });
            cell(own.and_then(|own| moments::mean(&own)))
        };
        [Cell::Text(region), text(side)].into_iter().chain(STRATA.iter().map(mean)).collect()
    };
    let first = [column("region", ""), column("side", "")].into_iter();
    let means = Table {
        name: "Mean share of |R| by stratum".to_owned(),
        columns: first.chain(STRATA.iter().map(|(name, ..)| column(name, "1"))).collect(),
        rows: named(atlas).into_iter().enumerate().map(means).collect(),
    };
    [counts, means]
}
