//! One self-contained page from the record: nothing is loaded from elsewhere, every word of
//! the data is escaped, and script and style are named by their hash in the page's policy.

mod checks;
mod figures;
mod tables;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use sha2::{Digest, Sha256};

use super::colour;
use super::dossier::Drawn;
use super::figures::Place;
use super::number::short;
use crate::audit::policy::Verdict;
use crate::audit::record::Record;
use crate::card::Card;
use crate::{Error, Result};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders the page. Figures beyond the byte budget are named instead of embedded.
///
/// # Errors
/// [`Error::Internal`] when the template and the data do not fit together.
pub fn render(record: &Record, cards: &[&'static Card], drawn: &[Drawn]) -> Result<String> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.map_err(refused)?);
    env.add_template("page.html", PAGE).map_err(refused)?;
    let figures = figures::embed(drawn);
    let at = |place: Place| -> Vec<&figures::Embedded> {
        figures.iter().filter(|f| f.place == place).collect()
    };
    let checks = checks::all(record, cards, &figures);
    let claimed: Vec<&str> = checks.iter().map(|c| c.id.as_str()).collect();
    let other: Vec<&figures::Embedded> = at(Place::Checks)
        .into_iter()
        .filter(|f| !f.checks.iter().any(|c| claimed.contains(&c.as_str())))
        .collect();
    let page = context! {
        style => STYLE,
        script => SCRIPT,
        style_hash => hash(STYLE),
        script_hash => hash(SCRIPT),
        r => Serde(record),
        look => Serde(look(record.verdict)),
        counts => Serde(counts(record)),
        facts => Serde(facts(record)),
        verdict_figures => Serde(at(Place::Verdict)),
        picture_figures => Serde(at(Place::Pictures)),
        performance_figures => Serde(at(Place::Performance)),
        ledger_figures => Serde(at(Place::Ledger)),
        other_figures => Serde(other),
        checks => Serde(checks),
        metrics => Serde(record.performance.as_ref().map(|p| tables::table(&p.metrics))),
        layers => Serde(record.model.as_ref().map(|m| tables::table(&m.layers))),
        ledger => Serde(tables::ledger(record)),
        subjects => Serde(tables::subjects(record)),
        limits => Serde(tables::limits(record)),
    };
    let template = env.get_template("page.html").map_err(refused)?;
    template.render(page).map_err(refused)
}

/// How a verdict is shown on the page.
#[derive(Debug, Clone, serde::Serialize)]
struct Look {
    symbol: &'static str,
    word: &'static str,
    class: &'static str,
    sentence: &'static str,
}

fn look(verdict: Verdict) -> Look {
    let colour::VerdictLook { symbol, word, class, sentence, .. } = colour::verdict(verdict);
    Look { symbol, word, class, sentence }
}

/// How many judgements there are of each verdict, most serious first.
fn counts(record: &Record) -> Vec<(Look, usize)> {
    let mut all: Vec<Verdict> = record.judgements.iter().map(|j| j.verdict).collect();
    all.sort_by(|a, b| b.cmp(a));
    all.chunk_by(|a, b| a == b).map(|same| (look(same[0]), same.len())).collect()
}

/// The audit in a few words: name and value.
fn facts(record: &Record) -> Vec<(&str, String)> {
    let data = &record.data;
    let named = data.classes.iter().zip(&data.class_counts);
    let classes: Vec<String> = named.map(|(name, n)| format!("{n} {name}")).collect();
    let network = record.model.as_ref().map_or("not at hand", |m| &m.architecture).to_owned();
    let mut facts = vec![
        ("Data", data.name.clone()),
        ("Subjects", format!("{} ({})", data.subjects, classes.join(", "))),
        ("Audited", data.audited.to_string()),
        ("Network", network),
        ("Explanation", record.explanation.rule.clone()),
        ("Limits", format!("policy {}", record.policy.name)),
    ];
    let first = record.performance.as_ref().and_then(|p| {
        let row = p.metrics.rows.first()?;
        let text = |cell: &crate::audit::finding::Cell| match cell {
            crate::audit::finding::Cell::Text(t) => t.clone(),
            crate::audit::finding::Cell::Number(v) => short(*v),
            crate::audit::finding::Cell::Missing(_) => "–".to_owned(),
        };
        let value = format!("{} {}", text(row.first()?), text(row.get(1)?));
        Some((p.metrics.name.as_str(), value))
    });
    if let Some((name, text)) = first {
        facts.insert(3, (name, text));
    }
    facts
}

/// A content-security-policy source for an inline text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

fn refused(error: minijinja::Error) -> Error {
    Error::internal(format!("laying out the page: {error:#}"))
}

#[cfg(test)]
mod tests;
