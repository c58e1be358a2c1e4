//! Does the relevance of n parts together go with what the score loses without them?
//!
//! * **Question** Is relevance right about parts taken out together, few or many?
//! * **Formula** For each n: Pearson's correlation over random sets S of n blobs of Σ R in S with
//!   f(x) − f(x without S). The number is the mean over n; the curve shows each.
//! * **Reading** 1: exact for a linear network; 0: unrelated; negative: the wrong way.
//! * **When it misleads** With many blobs out the image is unlike any other, and with all out there
//!   is nothing left to correlate. Correlation is blind to the size of the map.
//! * **Source** Ancona et al. 2018, <https://arxiv.org/abs/1711.06104>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, rows};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::audit::tools::removal::Removal;
use crate::audit::tools::rivals::{CONSTANT, RANDOM};
use crate::card::{Better, Card};
use crate::stats::moments::{mean, sum_by};
use crate::stats::{Stat, Undefined, rank, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "sensitivity_n",
    title: "Relevance and loss of n parts together",
    question: "Is relevance right about parts taken out together, few or many?",
    formula: "Pearson correlation over random sets S of n blobs of the sum of R in S with f(x) - f(x without S); mean over the n looked at",
    reading: "1: as a linear network with an exact map; 0: unrelated; negative: the wrong way round.",
    misleads: "Blind to the size of the map; images with many holes are unlike any the network saw; suppressors are rewarded. What volumes alone give stands in the row of the constant control.",
    source: "Ancona et al. 2018, https://arxiv.org/abs/1711.06104",
    unit: "1",
    better: Better::Higher,
};

/// The check.
#[derive(Debug)]
pub struct SensitivityN;

/// Pearson's correlation over the random sets of each size between none and all.
fn correlations(removal: &Removal, value: impl Fn(usize) -> f64) -> Vec<Stat> {
    let sums = removal.sums(value);
    let inner = 1..removal.counts.len().saturating_sub(1);
    inner
        .map(|s| {
            let of = |order: &Vec<usize>| sum_by(removal.counts[s], &|p| sums[order[p]]);
            let predicted: Vec<f64> = removal.orders.iter().map(of).collect();
            let falls: Vec<f64> = removal.falls.iter().map(|f| f[s]).collect();
            rank::pearson(&predicted, &falls)
        })
        .collect()
}

impl Check for SensitivityN {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let removals = bench.removals()?;
        let inner = |r: &Removal| r.counts.len().saturating_sub(2);
        let sizes = removals.iter().map(inner).max().unwrap_or(0);
        let all = rows::of_contributions(bench, &CARD, 1 + sizes, |_, value, n| {
            let mut each = correlations(&removals[n], value);
            let known: Result<Vec<f64>, Undefined> = each.iter().cloned().collect();
            let whole = known.and_then(|r| mean(&r));
            each.resize(sizes, undefined("fewer blobs than sizes of sets"));
            [vec![whole], each].concat()
        })?;
        let mut found = rows::findings(bench, &CARD, &[CARD.id], &all)?;
        let cohort = &mut found[bench.cases.len()];
        cohort.tables.push(rows::table("sensitivity-n by method", &["mean over n"], &all));
        let drawn = |(r, row): (usize, &rows::Row)| {
            let kept = r == 0 || [RANDOM, CONSTANT].contains(&row.name.as_str());
            kept.then(|| curve(row, removals)).filter(|c| !c.x.is_empty())
        };
        cohort.series = all.iter().enumerate().filter_map(drawn).collect();
        cohort.notes.push(format!(
            "{} random sets of each size per subject, half of them what the other half leaves.",
            removals.first().map_or(0, |r| r.orders.len())
        ));
        found.push(rows::control_p(bench, &CARD, &all, 0));
        Ok(found)
    }
}

/// Mean over subjects for each size of the sets, with intervals.
fn curve(row: &rows::Row, removals: &[Removal]) -> Series {
    let mut curve = Series {
        name: row.name.clone(),
        x_label: "share of the blobs taken out".to_owned(),
        y_label: "correlation of relevance and fall of the score".to_owned(),
        ..Series::default()
    };
    for (s, mean) in row.means[1..].iter().enumerate() {
        let Outcome::Measured { value, interval } = mean else { continue };
        let share = |r: &Removal| r.counts[s + 1] as f64 / r.parts.len() as f64;
        curve.x.push(removals.iter().map(share).sum::<f64>() / removals.len() as f64);
        curve.y.push(*value);
        curve.low.push(interval.as_ref().map_or(*value, |i| i.low));
        curve.high.push(interval.as_ref().map_or(*value, |i| i.high));
    }
    curve
}
