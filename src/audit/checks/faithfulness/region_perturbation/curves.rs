//! The curves behind the areas.

use super::MEASURES;
use crate::audit::checks::rows;
use crate::audit::finding::{Outcome, Series};
use crate::audit::tools::removal::Removal;
use crate::stats::{Stat, Undefined, moments};

/// Names of the curves; the figure knows them.
pub const NAMES: [&str; 3] = ["most relevant first", "least relevant first", "random orders"];

fn blank(name: &str, removal: &Removal) -> Series {
    let parts = if removal.labels.is_empty() { "blobs" } else { "regions" };
    Series {
        name: name.to_owned(),
        x_label: "share of the brain's volume taken out".to_owned(),
        y_label: format!("fall of the score, {parts} (share of its range)"),
        ..Series::default()
    }
}

/// Where a row of steps begins among the numbers of a map: falls most first, falls least first,
/// volumes most first, volumes least first.
fn begin(which: usize, steps: usize) -> usize {
    MEASURES.len() + which * steps
}

/// Both curves of a subject; none where the map has no order.
pub(super) fn of_subject(removal: &Removal, own: &[Stat]) -> Vec<Series> {
    let steps = removal.counts.len();
    let row = |which: usize| -> Result<Vec<f64>, Undefined> {
        own[begin(which, steps)..][..steps].iter().cloned().collect()
    };
    let curve = |which: usize| {
        Some(Series {
            x: row(which + 2).ok()?,
            y: row(which).ok()?,
            ..blank(NAMES[which], removal)
        })
    };
    (0..2).filter_map(curve).collect()
}

/// Curves of the cohort: means over subjects with intervals, and of random orders (one per
/// subject) the mean and the middle 95 %. None where a subject has no curve.
pub(super) fn of_cohort(removals: &[Removal], audited: &rows::Row) -> Vec<Series> {
    let Some(first) = removals.first() else { return Vec::new() };
    let steps = first.counts.len();
    if removals.iter().any(|r| r.counts.len() != steps) {
        return Vec::new();
    }
    let measured = |which: usize, s: usize| match &audited.means[begin(which, steps) + s] {
        Outcome::Measured { value, interval } => {
            let band = interval.as_ref().map_or([*value; 2], |i| [i.low, i.high]);
            Some([*value, band[0], band[1]])
        }
        _ => None,
    };
    let curve = |which: usize| {
        let points: Option<Vec<[f64; 3]>> = (0..steps).map(|s| measured(which, s)).collect();
        let x: Option<Vec<f64>> = (0..steps).map(|s| Some(measured(which + 2, s)?[0])).collect();
        Some(drawn(blank(NAMES[which], first), x?, &points?))
    };
    let mut all: Vec<Series> = (0..2).filter_map(curve).collect();
    all.extend(random(removals));
    all
}

fn drawn(blank: Series, x: Vec<f64>, points: &[[f64; 3]]) -> Series {
    let [y, low, high] = [0, 1, 2].map(|n| points.iter().map(|p| p[n]).collect());
    Series { x, y, low, high, ..blank }
}

/// Means over subjects of one random order each: their mean and their middle 95 %.
fn random(removals: &[Removal]) -> Option<Series> {
    let first = removals.first()?;
    let n = removals.len() as f64;
    let scales: Vec<f64> =
        removals.iter().map(|r| Some(r.sign / r.range().ok()?)).collect::<Option<_>>()?;
    let (mut x, mut points) = (Vec::new(), Vec::new());
    for s in 0..first.counts.len() {
        let fall = |o: usize| -> f64 {
            removals.iter().zip(&scales).map(|(r, scale)| r.falls[o][s] * scale).sum::<f64>() / n
        };
        let volume =
            |o: usize| removals.iter().map(|r| r.volumes(&r.orders[o])[s]).sum::<f64>() / n;
        let orders = 0..first.orders.len();
        let falls: Vec<f64> = orders.clone().map(fall).collect();
        x.push(moments::mean(&orders.map(volume).collect::<Vec<_>>()).ok()?);
        let end = |q: f64| moments::quantile(&falls, q).ok();
        points.push([moments::mean(&falls).ok()?, end(0.025)?, end(0.975)?]);
    }
    Some(drawn(blank(NAMES[2], first), x, &points))
}
