//! Does the relevance find an effect that was planted at a known place?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::chart;
use crate::report::scene::Scene;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "recovery",
    title: "Recovery of a planted effect",
    question: "Does the relevance find an effect that was planted at a known place?",
    formula: "share or overlap of relevance with the planted truth",
    reading: "Higher is better; the truth is known only in synthetic data.",
    misleads: "Finding a planted effect says nothing of effects of another size or shape.",
    source: "Arras et al. 2022, arXiv:2003.07258",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct Recovery;

impl Figure for Recovery {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["planted_recovery"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        Ok(chart::scenes(CARD.id, CARD.title, CARD.reading, of(record, self.checks())))
    }
}
