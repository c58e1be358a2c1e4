//! Findings of the same quantity brought together with their limit and worst verdict.

use super::number::{median, range, short, with_unit};
use crate::audit::finding::{COHORT, Finding, Outcome};
use crate::audit::policy::{Limit, Verdict};
use crate::audit::record::Record;
use crate::card::Better;

/// One quantity of one check over all subjects.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Check id.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// Worst verdict over the subjects.
    pub verdict: Verdict,
    /// The value in words: of the cohort, or median and range over subjects, or why not.
    pub value: String,
    /// The limit in words; empty when there is none.
    pub limit: String,
    /// Why the limit is there, or why there is no number.
    pub reason: String,
}

/// All quantities, most serious first, otherwise in the order of the record.
pub fn rows(record: &Record) -> Vec<Row> {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    let found = record.findings.iter().map(|f| (f.check.as_str(), f.quantity.as_str()));
    let judged = record.judgements.iter().map(|j| (j.check.as_str(), j.quantity.as_str()));
    for key in found.chain(judged) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut rows: Vec<Row> = keys.into_iter().map(|(c, q)| row(record, c, q)).collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.verdict));
    rows
}

fn row(record: &Record, check: &str, quantity: &str) -> Row {
    let findings: Vec<&Finding> =
        record.findings.iter().filter(|f| f.check == check && f.quantity == quantity).collect();
    let worst = record
        .judgements
        .iter()
        .filter(|j| j.check == check && j.quantity == quantity)
        .max_by_key(|j| j.verdict);
    let limit = limit_of(record, check, quantity);
    let missing = findings.iter().find_map(|f| why(&f.outcome));
    let reason = match (limit, missing, worst) {
        (_, Some(why), _) if findings.iter().all(|f| f.outcome.value().is_none()) => why.to_owned(),
        (Some(limit), _, _) => limit.reason.clone(),
        (None, _, Some(judgement)) => judgement.because.clone(),
        (None, _, None) => String::new(),
    };
    Row {
        check: check.to_owned(),
        quantity: quantity.to_owned(),
        verdict: worst.map_or(Verdict::Described, |j| j.verdict),
        value: value_words(&findings),
        limit: limit.map(limit_words).unwrap_or_default(),
        reason,
    }
}

/// The limit on a quantity, if the policy has one.
pub fn limit_of<'a>(record: &'a Record, check: &str, quantity: &str) -> Option<&'a Limit> {
    record.policy.limits.iter().find(|l| l.check == check && l.quantity == quantity)
}

/// A limit in words.
pub fn limit_words(limit: &Limit) -> String {
    let (inside, beyond) = match limit.better {
        Better::Lower => ("≤", "above"),
        Better::Higher => ("≥", "below"),
        Better::Neither => ("reference", "beyond"),
    };
    let hard = limit.fail.map(|fail| format!("{inside} {}", short(fail)));
    let open = limit.inconclusive.map(|level| format!("undecided {beyond} {}", short(level)));
    let soft = limit.warn.map(|warn| format!("review {beyond} {}", short(warn)));
    [hard, open, soft].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// An outcome in words: value and interval, or why there is none.
pub fn outcome_words(outcome: &Outcome, unit: &str) -> String {
    match outcome {
        Outcome::Measured { value, interval: None } => with_unit(*value, unit),
        Outcome::Measured { value, interval: Some(i) } => {
            format!("{} [{}, {}]", with_unit(*value, unit), short(i.low), short(i.high))
        }
        Outcome::NotApplicable { .. } => "not applicable".to_owned(),
        Outcome::Unmeasurable { .. } => "not measurable".to_owned(),
    }
}

/// Why an outcome has no number.
pub fn why(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Measured { .. } => None,
        Outcome::NotApplicable { why } | Outcome::Unmeasurable { why } => Some(why),
    }
}

/// An id in words: `weights_cascade` reads "weights cascade".
pub fn words(id: &str) -> String {
    id.replace('_', " ")
}

fn value_words(findings: &[&Finding]) -> String {
    if let Some(cohort) = findings.iter().find(|f| f.subject == COHORT) {
        return outcome_words(&cohort.outcome, &cohort.unit);
    }
    let values: Vec<f64> = findings.iter().filter_map(|f| f.outcome.value()).collect();
    match (median(&values), range(values.iter().copied()), findings.first()) {
        (Some(m), Some((low, high)), Some(first)) if values.len() > 1 => {
            let shown = with_unit(m, &first.unit);
            format!("{shown} ({} to {}, {} subjects)", short(low), short(high), values.len())
        }
        (Some(m), _, Some(first)) => with_unit(m, &first.unit),
        (_, _, Some(first)) => outcome_words(&first.outcome, &first.unit),
        _ => "no finding".to_owned(),
    }
}
