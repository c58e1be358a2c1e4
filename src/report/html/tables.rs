//! Tables of the page. Numbers stand rounded, with the digits of `report.json` beside them.

use serde::Serialize;

use crate::audit::finding::{Cell, Column, Table};
use crate::audit::record::{LedgerLine, Record};
use crate::report::number::{exact, median, range, short};
use crate::report::summary;

/// A number as people read it and as `report.json` has it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Shown {
    short: String,
    exact: String,
}

/// A number for the page.
pub(super) fn number(v: f64) -> Shown {
    Shown { short: short(v), exact: exact(v) }
}

/// One cell.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Field {
    text: Option<String>,
    number: Option<Shown>,
    missing: Option<String>,
}

/// A table of the page.
#[derive(Debug, Clone, Serialize)]
pub(super) struct View {
    name: String,
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<Field>>,
    /// Why values are missing, each reason once.
    missing: Vec<String>,
}

fn field(cell: &Cell) -> Field {
    match cell {
        Cell::Text(t) => Field { text: Some(t.clone()), ..Field::default() },
        Cell::Number(v) => Field { number: Some(number(*v)), ..Field::default() },
        Cell::Missing(why) => Field { missing: Some(why.clone()), ..Field::default() },
    }
}

/// Any table of the record.
pub(super) fn table(table: &Table) -> View {
    let numeric = |i: usize| table.rows.iter().any(|r| matches!(r.get(i), Some(Cell::Number(_))));
    let title = |c: &Column| match c.unit.as_str() {
        "" | "1" => summary::words(&c.name),
        unit => {
            let name = c.name.strip_suffix(&format!("_{unit}")).unwrap_or(&c.name);
            format!("{} ({unit})", summary::words(name))
        }
    };
    let mut missing: Vec<String> = Vec::new();
    for cell in table.rows.iter().flatten() {
        if let Cell::Missing(why) = cell
            && !missing.contains(why)
        {
            missing.push(why.clone());
        }
    }
    View {
        name: table.name.clone(),
        columns: table.columns.iter().enumerate().map(|(i, c)| (title(c), numeric(i))).collect(),
        rows: table.rows.iter().map(|row| row.iter().map(field).collect()).collect(),
        missing,
    }
}

fn build(name: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> View {
    let column = |name: &&str| Column { name: (*name).to_owned(), unit: String::new() };
    let columns = columns.iter().map(column).collect();
    table(&Table { name: name.to_owned(), columns, rows })
}

fn text(t: &str) -> Cell {
    Cell::Text(t.to_owned())
}

fn some(v: Option<f64>) -> Cell {
    v.map_or_else(|| Cell::Missing("nothing was received".to_owned()), Cell::Number)
}

/// Shares by layer, median over the subjects, and the largest residual.
pub(super) fn ledger(record: &Record) -> View {
    let mut layers: Vec<(&str, Vec<&LedgerLine>)> = Vec::new();
    for line in record.subjects.iter().flat_map(|s| &s.ledger) {
        match layers.iter_mut().find(|(name, _)| *name == line.layer) {
            Some((_, lines)) => lines.push(line),
            None => layers.push((&line.layer, vec![line])),
        }
    }
    let row = |(name, lines): &(&str, Vec<&LedgerLine>)| {
        let share = |part: fn(&LedgerLine) -> f64| {
            some(median(&lines.iter().map(|l| part(l) / l.received).collect::<Vec<f64>>()))
        };
        let first = lines.first();
        vec![
            text(name),
            text(first.map_or("", |l| &l.kind)),
            text(first.map_or("", |l| &l.rule)),
            share(|l| l.handed_on),
            share(|l| l.bias),
            share(|l| l.stabiliser),
            share(|l| l.degenerate),
            some(range(lines.iter().map(|l| l.residual())).map(|r| r.1)),
        ]
    };
    let columns = [
        "layer",
        "kind",
        "rule",
        "handed on",
        "bias",
        "stabiliser",
        "degenerate",
        "largest residual",
    ];
    let name = "Shares of the relevance received, median over subjects; output first";
    build(name, &columns, layers.iter().map(row).collect())
}

/// The audited subjects.
pub(super) fn subjects(record: &Record) -> View {
    let unasked = || Cell::Missing("the maps came without a network".to_owned());
    let row = |s: &crate::audit::record::SubjectRecord| {
        vec![
            text(&s.id),
            text(&s.truth),
            s.predicted.as_deref().map_or_else(unasked, text),
            s.score.map_or_else(unasked, Cell::Number),
            s.probability.map_or_else(unasked, Cell::Number),
            text(if s.held_out { "held out" } else { "not known to be held out" }),
            s.map.as_deref().map_or_else(|| Cell::Missing("not written".to_owned()), text),
            text(s.image_sha256.get(..12).unwrap_or(&s.image_sha256)),
        ]
    };
    let columns = [
        "subject",
        "is",
        "predicted",
        "score (log-odds)",
        "probability",
        "seen",
        "map",
        "image SHA-256, first 12",
    ];
    build("Audited subjects", &columns, record.subjects.iter().map(row).collect())
}

/// Limits and waivers.
pub(super) fn limits(record: &Record) -> View {
    let limit = |l: &crate::audit::policy::Limit| {
        let name = summary::words(&l.check);
        vec![
            text(&name),
            text(&summary::words(&l.quantity)),
            text(&summary::limit_words(l)),
            text(&l.reason),
        ]
    };
    let waiver = |w: &crate::audit::policy::Waiver| {
        let until = format!("waived for {} until {}", w.subject, w.until);
        vec![
            text(&summary::words(&w.check)),
            text(&summary::words(&w.quantity)),
            text(&until),
            text(&w.reason),
        ]
    };
    let policy = &record.policy;
    let rows = policy.limits.iter().map(limit).chain(policy.waivers.iter().map(waiver)).collect();
    build(
        "Limits of this audit and why they stand there",
        &["check", "quantity", "limit", "reason"],
        rows,
    )
}
