//! The checks, in families: each asks one question of the bench and answers with findings. None of
//! them judges.

pub mod anatomy;
pub mod conservation;
pub mod faithfulness;
pub mod localisation;
pub mod performance;
pub mod randomisation;
mod rows;
pub mod shortcuts;
pub mod stability;

use super::bench::{Bench, Needs};
use super::finding::{COHORT, Finding, Interval, Outcome};
use crate::Result;
use crate::card::Card;
use crate::seed::Seed;
use crate::stats::bootstrap::{Units, percentile};
use crate::stats::{Stat, moments};

/// A check.
pub trait Check: Sync {
    /// What it says of itself.
    fn card(&self) -> &'static Card;

    /// What it looks at; where the bench lacks it, the check does not apply.
    fn needs(&self) -> Needs;

    /// Its findings, in a fixed order.
    ///
    /// # Errors
    /// When it could not be carried out at all; what is merely undefined for one subject
    /// is a finding.
    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>>;
}

/// Checks that answer one question together.
#[derive(Clone, Copy)]
pub struct Family {
    /// Name of its folder.
    pub id: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// The question.
    pub question: &'static str,
    /// Its checks, in the order of the record.
    pub checks: &'static [&'static dyn Check],
}

/// All families, in the order of the record.
pub static FAMILIES: &[Family] = &[
    performance::FAMILY,
    conservation::FAMILY,
    randomisation::FAMILY,
    faithfulness::FAMILY,
    stability::FAMILY,
    shortcuts::FAMILY,
    anatomy::FAMILY,
    localisation::FAMILY,
];

/// All checks, in the order of the record.
pub fn all() -> Vec<&'static dyn Check> {
    FAMILIES.iter().flat_map(|f| f.checks).copied().collect()
}

/// Draws of a bootstrap interval.
const RESAMPLES: usize = 2000;
/// Coverage of all intervals.
const LEVEL: f64 = 0.95;

/// A statistic as an outcome.
fn outcome(stat: Stat) -> Outcome {
    match stat {
        Ok(value) => Outcome::measured(value),
        Err(why) => Outcome::Unmeasurable { why: why.0 },
    }
}

/// A finding of a subject.
fn of_subject(card: &Card, subject: &str, quantity: &str, stat: Stat) -> Finding {
    Finding::new(card.id, subject, quantity, card.unit, outcome(stat))
}

/// A finding of the cohort.
fn of_cohort(card: &Card, quantity: &str, outcome: Outcome) -> Finding {
    Finding::new(card.id, COHORT, quantity, card.unit, outcome)
}

/// Bootstrap interval of the mean over subjects; none with fewer than three subjects.
fn interval(values: &[f64], seed: Seed, purpose: &str) -> Option<Interval> {
    let mut stream = seed.stream(&format!("audit/bootstrap/{purpose}"));
    let mean = |rows: &[usize]| moments::mean(&rows.iter().map(|&r| values[r]).collect::<Vec<_>>());
    let bounds =
        percentile(&Units::rows(values.len()), LEVEL, RESAMPLES, &mut stream, mean).ok()?;
    let method = format!("percentile bootstrap over {} subjects", values.len());
    Some(Interval { low: bounds.low, high: bounds.high, level: LEVEL, method })
}

/// The mean over subjects with its interval; undefined where a subject's number is.
fn mean_of(stats: &[Stat], seed: Seed, purpose: &str) -> Outcome {
    let values: Result<Vec<f64>, _> = stats.iter().cloned().collect();
    match values.and_then(|v| Ok((moments::mean(&v)?, v))) {
        Ok((mean, v)) => Outcome::with_interval(mean, interval(&v, seed, purpose)),
        Err(why) => Outcome::Unmeasurable { why: format!("for at least one subject: {}", why.0) },
    }
}
