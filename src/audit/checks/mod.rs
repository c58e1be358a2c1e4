//! The checks: each asks one question of the bench and answers with findings. None of
//! them judges.

pub mod arm_agreement;
pub mod ledger_closure;
pub mod ledger_leakage;
pub mod model_performance;
pub mod planted_recovery;
pub mod region_mass;
pub mod weights_cascade;
pub mod weights_exchangeability;

use super::case::Bench;
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

    /// Its findings, in a fixed order.
    ///
    /// # Errors
    /// When it could not be carried out at all; what is merely undefined for one subject
    /// is a finding.
    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>>;
}

/// All checks, in the order of the record.
pub static CHECKS: &[&dyn Check] = &[
    &model_performance::ModelPerformance,
    &ledger_closure::LedgerClosure,
    &ledger_leakage::LedgerLeakage,
    &weights_cascade::WeightsCascade,
    &weights_exchangeability::WeightsExchangeability,
    &arm_agreement::ArmAgreement,
    &region_mass::RegionMass,
    &planted_recovery::PlantedRecovery,
];

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
