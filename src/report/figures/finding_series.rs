//! What do the curves of the remaining checks look like?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::scene::Scene;
use crate::report::{chart, stem, summary};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "finding_series",
    title: "Further curves",
    question: "What do the curves of the remaining checks look like?",
    formula: "as named on the axes",
    reading: "Read the axis names; the plain words stand with each check.",
    misleads: "A curve without a limit is a description, not a test.",
    source: "this audit",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct FindingSeries;

impl Figure for FindingSeries {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn belongs(&self, stem: &str, check: &str) -> bool {
        let own = name_of(check);
        let rest = stem.strip_prefix(own.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let drawn: Vec<&str> =
            super::FIGURES.iter().flat_map(|f| f.checks().iter().copied()).collect();
        let mut checks: Vec<&str> = Vec::new();
        for finding in &record.findings {
            let check = finding.check.as_str();
            if !finding.series.is_empty() && !drawn.contains(&check) && !checks.contains(&check) {
                checks.push(check);
            }
        }
        let draw = |check: &&str| {
            let own = record.findings.iter().filter(|f| f.check == *check);
            chart::scenes(&name_of(check), &summary::words(check), CARD.reading, own)
        };
        Ok(checks.iter().flat_map(draw).collect())
    }
}

/// Stem of the figures of a check.
fn name_of(check: &str) -> String {
    format!("{}-{}", CARD.id, stem::safe(check))
}
