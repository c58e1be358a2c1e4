//! The checks in plain words: from the check's card, its findings and their judgements.

use serde::Serialize;

use super::figures::Embedded;
use super::tables::{self, Shown, View, number};
use super::{Look, look};
use crate::audit::finding::{COHORT, Finding, Outcome};
use crate::audit::policy::{Judgement, Verdict};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::summary;

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) id: String,
    title: String,
    words: Option<Words>,
    look: Look,
    open: bool,
    rows: Vec<Row>,
    tables: Vec<View>,
    notes: Vec<String>,
    figures: Vec<Embedded>,
}

/// What the card says.
#[derive(Debug, Clone, Serialize)]
struct Words {
    question: &'static str,
    formula: &'static str,
    reading: &'static str,
    misleads: &'static str,
    source: &'static str,
    better: &'static str,
}

/// One finding or one gate.
#[derive(Debug, Clone, Serialize)]
struct Row {
    quantity: String,
    subject: String,
    look: Look,
    value: Option<Shown>,
    unit: String,
    low: Option<Shown>,
    high: Option<Shown>,
    interval: String,
    missing: String,
    limit: String,
    reason: String,
}

/// All checks of the record, most serious first, then in the order of the cards.
pub(super) fn all(record: &Record, cards: &[&'static Card], figures: &[Embedded]) -> Vec<Check> {
    let mut ids: Vec<&str> = Vec::new();
    let judged = record.judgements.iter().map(|j| j.check.as_str());
    for id in record.findings.iter().map(|f| f.check.as_str()).chain(judged) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let rank = |id: &str| cards.iter().position(|c| c.id == id).unwrap_or(cards.len());
    ids.sort_by_key(|id| (std::cmp::Reverse(worst(record, id)), rank(id)));
    let card = |id: &str| cards.iter().find(|c| c.id == id).copied();
    ids.into_iter().map(|id| check(record, id, card(id), figures)).collect()
}

fn worst(record: &Record, id: &str) -> Verdict {
    let own = record.judgements.iter().filter(|j| j.check == id);
    own.map(|j| j.verdict).max().unwrap_or(Verdict::Described)
}

fn check(record: &Record, id: &str, card: Option<&'static Card>, figures: &[Embedded]) -> Check {
    let verdict = worst(record, id);
    let findings: Vec<&Finding> = record.findings.iter().filter(|f| f.check == id).collect();
    let mut notes: Vec<String> = Vec::new();
    for note in findings.iter().flat_map(|f| &f.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    let own = |f: &&Embedded| f.checks.iter().any(|c| c == id);
    let figures: Vec<Embedded> = figures.iter().filter(own).cloned().collect();
    let shown = verdict == Verdict::Described && !figures.is_empty();
    Check {
        id: id.to_owned(),
        title: card.map_or_else(|| summary::words(id), |c| c.title.to_owned()),
        words: card.map(words),
        look: look(verdict),
        open: verdict >= Verdict::Waived || shown,
        rows: rows(record, id, &findings),
        tables: findings.iter().flat_map(|f| &f.tables).map(tables::table).collect(),
        notes,
        figures,
    }
}

fn words(card: &'static Card) -> Words {
    let Card { question, formula, reading, misleads, source, .. } = *card;
    let better = match card.better {
        Better::Lower => "Smaller is better.",
        Better::Higher => "Larger is better.",
        Better::Neither => "Only described.",
    };
    Words { question, formula, reading, misleads, source, better }
}

/// Findings with their judgements, then gates that have no finding of their own; the cohort
/// first, then the most serious.
fn rows(record: &Record, id: &str, findings: &[&Finding]) -> Vec<Row> {
    let of = |f: &Finding| {
        let same = |j: &&Judgement| {
            j.check == f.check && j.quantity == f.quantity && j.subject == f.subject
        };
        record.judgements.iter().find(same)
    };
    let mut found: Vec<(&Finding, Option<&Judgement>)> =
        findings.iter().map(|f| (*f, of(f))).collect();
    found.sort_by_key(|(f, j)| {
        (f.subject != COHORT, std::cmp::Reverse(j.map_or(Verdict::Described, |j| j.verdict)))
    });
    let gate = |j: &&Judgement| {
        j.check == id
            && !findings.iter().any(|f| f.quantity == j.quantity && f.subject == j.subject)
    };
    let gates = record.judgements.iter().filter(gate).map(gate_row);
    gates.chain(found.into_iter().map(|(f, j)| row(record, f, j))).collect()
}

fn gate_row(judgement: &Judgement) -> Row {
    Row {
        quantity: summary::words(&judgement.quantity),
        subject: judgement.subject.clone(),
        look: look(judgement.verdict),
        value: None,
        unit: String::new(),
        low: None,
        high: None,
        interval: String::new(),
        missing: String::new(),
        limit: String::new(),
        reason: judgement.because.clone(),
    }
}

fn row(record: &Record, finding: &Finding, judgement: Option<&Judgement>) -> Row {
    let limit = summary::limit_of(record, &finding.check, &finding.quantity);
    let (value, interval) = match &finding.outcome {
        Outcome::Measured { value, interval } => (Some(number(*value)), interval.as_ref()),
        _ => (None, None),
    };
    let unit = if finding.unit == "1" { String::new() } else { finding.unit.clone() };
    Row {
        quantity: summary::words(&finding.quantity),
        subject: finding.subject.clone(),
        look: look(judgement.map_or(Verdict::Described, |j| j.verdict)),
        value,
        unit,
        low: interval.map(|i| number(i.low)),
        high: interval.map(|i| number(i.high)),
        interval: interval
            .map(|i| format!("{} interval, {}", crate::report::number::percent(i.level), i.method))
            .unwrap_or_default(),
        missing: match summary::why(&finding.outcome) {
            Some(_) => summary::outcome_words(&finding.outcome, ""),
            None => String::new(),
        },
        limit: limit.map(summary::limit_words).unwrap_or_default(),
        reason: match (summary::why(&finding.outcome), judgement) {
            (Some(why), _) => why.to_owned(),
            (None, Some(judgement)) => judgement.because.clone(),
            (None, None) => String::new(),
        },
    }
}
