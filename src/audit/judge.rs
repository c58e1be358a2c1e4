//! Judges findings by a policy. What is missing, stale or undefined never passes.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{COHORT, Finding, Outcome};
use super::policy::{Judgement, Limit, Policy, Verdict, is_date};
use crate::card::{Better, Card};
use crate::{Error, Result};

/// Judgements, the verdict over all, and the summary sentences.
pub type Judged = (Vec<Judgement>, Verdict, Vec<String>);

/// One judgement per finding in the same order, then one per limit without any finding
/// (inconclusive), then one per waiver that is stale (warning), then one per gate that
/// does not hold (inconclusive, quantity `gate`, check `policy`). The verdict is the worst
/// of them; [`Verdict::Described`] only when nothing was judged. The sentences run from
/// the most serious to the most harmless.
///
/// `today` is `YYYY-MM-DD`; without it no waiver can be known to hold, so none does.
///
/// # Errors
/// [`Error::Usage`]: `E-POLICY-006` for a limit on a check that neither `cards` nor
/// `findings` know, `E-POLICY-007` for a `today` that is no date, and those of
/// [`Policy::check`].
pub fn judge(
    policy: &Policy,
    findings: &[Finding],
    cards: &[&'static Card],
    today: Option<&str>,
) -> Result<Judged> {
    policy.check()?;
    check_names(policy, findings, cards)?;
    if let Some(day) = today.filter(|d| !is_date(d)) {
        let fix = "Give the day as YYYY-MM-DD";
        return Err(Error::usage("E-POLICY-007", format!("today is \"{day}\""), fix));
    }
    let mut judgements: Vec<Judgement> = findings.iter().map(|f| one(policy, f)).collect();
    judgements.extend(missing(policy, findings));
    let stale = waive(policy, &mut judgements, today);
    let gates = gates(policy, &judgements);
    judgements.extend(stale);
    judgements.extend(gates);
    let verdict = judgements.iter().map(|j| j.verdict).max().unwrap_or(Verdict::Described);
    let summary = summarise(&judgements, verdict);
    Ok((judgements, verdict, summary))
}

fn check_names(policy: &Policy, findings: &[Finding], cards: &[&'static Card]) -> Result<()> {
    let known: BTreeSet<&str> =
        cards.iter().map(|c| c.id).chain(findings.iter().map(|f| f.check.as_str())).collect();
    for limit in &policy.limits {
        if !known.contains(limit.check.as_str()) {
            let what = format!("policy {} limits {}, which is no check", policy.name, limit.check);
            let all: Vec<&str> = known.into_iter().collect();
            let fix = format!("Known checks: {}", all.join(", "));
            return Err(Error::usage("E-POLICY-006", what, fix));
        }
    }
    Ok(())
}

fn made(
    check: &str,
    quantity: &str,
    subject: &str,
    verdict: Verdict,
    because: String,
) -> Judgement {
    Judgement {
        check: check.to_owned(),
        quantity: quantity.to_owned(),
        subject: subject.to_owned(),
        verdict,
        because,
    }
}

fn one(policy: &Policy, f: &Finding) -> Judgement {
    let limit = policy.limits.iter().find(|l| l.check == f.check && l.quantity == f.quantity);
    let (verdict, because) = match (&f.outcome, limit) {
        (Outcome::NotApplicable { why }, _) => {
            (Verdict::Described, format!("does not apply: {why}"))
        }
        (Outcome::Measured { value, .. }, None) => {
            (Verdict::Described, format!("value {}, no limit", number(*value)))
        }
        (Outcome::Unmeasurable { why }, None) => {
            (Verdict::Described, format!("could not be measured: {why}; no limit"))
        }
        (Outcome::Unmeasurable { why }, Some(limit)) => (
            Verdict::Inconclusive,
            format!("could not be measured: {why}; the limit stands because {}", limit.reason),
        ),
        (Outcome::Measured { value, .. }, Some(limit)) => against(*value, limit),
    };
    made(&f.check, &f.quantity, &f.subject, verdict, because)
}

/// The verdict on one number, most serious level first.
fn against(value: f64, limit: &Limit) -> (Verdict, String) {
    if !value.is_finite() {
        let because = format!("the value is {value}; the limit stands because {}", limit.reason);
        return (Verdict::Inconclusive, because);
    }
    // One direction for both: after the change of sign, larger is worse.
    let (sign, side) = match limit.better {
        Better::Higher => (-1.0, "at least"),
        _ => (1.0, "at most"),
    };
    let beyond = |level: f64| sign * value > sign * level;
    let strict = if sign > 0.0 { "below" } else { "above" };
    let levels = [
        (Verdict::Fail, limit.fail, side),
        (Verdict::Inconclusive, limit.inconclusive, strict),
        (Verdict::Warn, limit.warn, side),
    ];
    let hit = levels.iter().find_map(|(verdict, level, words)| {
        let level = (*level)?;
        let counts = beyond(level) || (*verdict == Verdict::Inconclusive && value == level);
        counts.then_some((*verdict, level, *words))
    });
    let given = levels.iter().rev().find_map(|(v, level, words)| Some((*v, (*level)?, *words)));
    let Some((verdict, level, words)) = hit.or(given.map(|(_, l, w)| (Verdict::Pass, l, w))) else {
        return (Verdict::Described, format!("value {}, no limit", number(value)));
    };
    let value = number(value);
    let because =
        format!("value {value}, limit {words} {}, because {}", number(level), limit.reason);
    (verdict, because)
}

/// A limit without any finding: a deleted result must not count as a pass.
fn missing(policy: &Policy, findings: &[Finding]) -> Vec<Judgement> {
    let found: BTreeSet<(&str, &str)> =
        findings.iter().map(|f| (f.check.as_str(), f.quantity.as_str())).collect();
    let absent =
        policy.limits.iter().filter(|l| !found.contains(&(l.check.as_str(), l.quantity.as_str())));
    absent
        .map(|l| {
            let because =
                format!("there is no such finding; the limit stands because {}", l.reason);
            made(&l.check, &l.quantity, COHORT, Verdict::Inconclusive, because)
        })
        .collect()
}

/// Applies waivers that hold; returns warnings about those that do not.
fn waive(policy: &Policy, judgements: &mut [Judgement], today: Option<&str>) -> Vec<Judgement> {
    let mut stale = Vec::new();
    for waiver in &policy.waivers {
        let name = format!("{}/{} of {}", waiver.check, waiver.quantity, waiver.subject);
        let mut warn = |why: String| {
            stale.push(made("policy", "waiver", COHORT, Verdict::Warn, why));
        };
        match today {
            None => warn(format!("the waiver for {name} was not used: today's date is not known")),
            Some(day) if waiver.until.as_str() < day => {
                warn(format!("the waiver for {name} ended on {}", waiver.until));
            }
            Some(_) => {
                let mut covered = false;
                for j in judgements.iter_mut() {
                    if !waiver.covers(&j.check, &j.quantity, &j.subject) {
                        continue;
                    }
                    covered = true;
                    if j.verdict > Verdict::Waived {
                        j.because = format!(
                            "{} ({}); waived until {}: {}",
                            j.because,
                            word(j.verdict),
                            waiver.until,
                            waiver.reason
                        );
                        j.verdict = Verdict::Waived;
                    }
                }
                if !covered {
                    warn(format!("the waiver for {name} matches no finding"));
                }
            }
        }
    }
    stale
}

/// Gates none of whose findings is Pass or Warn throughout.
fn gates(policy: &Policy, judgements: &[Judgement]) -> Vec<Judgement> {
    let mut out = Vec::new();
    for limit in policy.limits.iter().filter(|l| l.gate) {
        let own = judgements
            .iter()
            .filter(|j| j.check == limit.check && j.quantity == limit.quantity)
            .find(|j| !matches!(j.verdict, Verdict::Pass | Verdict::Warn));
        if let Some(j) = own {
            let because = format!(
                "{}/{} of {} is {}, and nothing can be concluded without it, because {}",
                j.check,
                j.quantity,
                j.subject,
                word(j.verdict),
                limit.reason
            );
            out.push(made("policy", "gate", COHORT, Verdict::Inconclusive, because));
        }
    }
    out
}

/// The verdict in a word for people.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Described => "Described",
        Verdict::Pass => "Pass",
        Verdict::Waived => "Waived",
        Verdict::Warn => "Warning",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::Fail => "Fail",
    }
}

/// Four significant digits, without trailing zeros.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Whose a group of judgements is: subjects counted, the cohort named beside them.
fn of_many(group: &[&Judgement]) -> String {
    let subjects: Vec<&str> =
        group.iter().map(|j| j.subject.as_str()).filter(|s| *s != COHORT).collect();
    let cohort = if subjects.len() < group.len() { "the cohort and " } else { "" };
    match subjects.as_slice() {
        [one] => format!(" of {cohort}{one}"),
        [first, ..] => format!(" of {cohort}{} subjects, first {first}", subjects.len()),
        [] => String::new(),
    }
}

/// One sentence per check, quantity and verdict, most serious first; many subjects with
/// the same verdict share a sentence that quotes the first of them.
fn summarise(judgements: &[Judgement], verdict: Verdict) -> Vec<String> {
    let mut groups: BTreeMap<(std::cmp::Reverse<Verdict>, &str, &str), Vec<&Judgement>> =
        BTreeMap::new();
    let mut lone = Vec::new();
    let passed = judgements.iter().filter(|j| j.verdict == Verdict::Pass).count();
    for j in judgements.iter().filter(|j| j.verdict > Verdict::Pass) {
        let rank = std::cmp::Reverse(j.verdict);
        if j.check == "policy" {
            lone.push((rank, format!("{}: {}.", word(j.verdict), j.because)));
        } else {
            groups.entry((rank, j.check.as_str(), j.quantity.as_str())).or_default().push(j);
        }
    }
    let mut sentences: Vec<_> = groups
        .into_iter()
        .map(|((rank, check, quantity), group)| {
            let who = match group.as_slice() {
                [j] if j.subject == COHORT => String::new(),
                [j] => format!(" of {}", j.subject),
                all => of_many(all),
            };
            let because = group.first().map_or("", |j| j.because.as_str());
            (rank, format!("{}: {check}/{quantity}{who}: {because}.", word(rank.0)))
        })
        .collect();
    sentences.extend(lone);
    sentences.sort_by_key(|(rank, _)| *rank);
    let mut out: Vec<String> = sentences.into_iter().map(|(_, text)| text).collect();
    if passed > 0 {
        out.push(format!("Pass: {passed} number(s) lie within their limits."));
    }
    if verdict == Verdict::Described {
        out.push("Described: no limit applied to any number, so nothing was judged.".into());
    }
    out
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
