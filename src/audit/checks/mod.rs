//! The checks, in families: each asks one question of the bench and answers with findings. None of
//! them judges.

pub mod anatomy;
pub mod complexity;
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
use crate::stats::mean_interval::mean_interval;
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
    complexity::FAMILY,
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

/// What numbers without limits can be.
const ANY: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
/// What shares and areas under curves can be.
const SHARE: [f64; 2] = [0.0, 1.0];
/// What correlations and other likenesses can be.
const LIKENESS: [f64; 2] = [-1.0, 1.0];
/// What ratios of sizes can be.
const RATIO: [f64; 2] = [0.0, f64::INFINITY];

/// Interval of the mean over subjects; none with fewer than three subjects.
fn interval(values: &[f64], seed: Seed, purpose: &str) -> Option<Interval> {
    interval_within(values, ANY, seed, purpose)
}

/// [`interval`], cut to the values the mean can take.
fn interval_within(values: &[f64], range: [f64; 2], seed: Seed, purpose: &str) -> Option<Interval> {
    let mut stream = seed.stream(&format!("audit/bootstrap/{purpose}"));
    let (bounds, kind) = mean_interval(values, LEVEL, RESAMPLES, &mut stream).ok()?;
    let method = format!("{} over {} subjects", kind.words(), values.len());
    let [low, high] = [bounds.low, bounds.high].map(|end| end.clamp(range[0], range[1]));
    Some(Interval { low, high, level: LEVEL, method })
}

/// The mean over subjects with its interval; undefined where a subject's number is.
fn mean_of(stats: &[Stat], seed: Seed, purpose: &str) -> Outcome {
    mean_within(stats, ANY, seed, purpose)
}

/// [`mean_of`], its interval cut to the values the mean can take.
fn mean_within(stats: &[Stat], range: [f64; 2], seed: Seed, purpose: &str) -> Outcome {
    let values: Result<Vec<f64>, _> = stats.iter().cloned().collect();
    match values.and_then(|v| Ok((moments::mean(&v)?, v))) {
        Ok((mean, v)) => Outcome::with_interval(mean, interval_within(&v, range, seed, purpose)),
        Err(why) => Outcome::Unmeasurable { why: format!("for at least one subject: {}", why.0) },
    }
}
