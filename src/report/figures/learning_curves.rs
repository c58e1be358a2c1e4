//! Did training settle, and did the held-out loss follow the training loss?

use super::{Figure, Place};
use crate::Result;
use crate::audit::finding::{COHORT, Finding, Outcome};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::chart;
use crate::report::scene::Scene;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "learning_curves",
    title: "Learning curves",
    question: "Did training settle, and did the held-out loss follow the training loss?",
    formula: "loss and AUC against epoch",
    reading: "A held-out curve that rises while the training curve falls means learning by heart.",
    misleads: "A smooth curve does not show that the network learned anatomy.",
    source: "this audit",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct LearningCurves;

impl Figure for LearningCurves {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Performance
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let Some(performance) = &record.performance else {
            return Ok(Vec::new());
        };
        let mut carrier = Finding::new(CARD.id, COHORT, "curves", "1", Outcome::measured(0.0));
        carrier.series = performance.curves.clone();
        Ok(chart::scenes(CARD.id, CARD.title, CARD.reading, [&carrier]))
    }
}
