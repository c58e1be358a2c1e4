//! Where in this image did the network find evidence for and against the class?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::{Record, SubjectRecord};
use crate::card::{Better, Card};
use crate::report::number::short;
use crate::report::scene::Scene;
use crate::report::slices::{self, Display};
use crate::report::stem;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "slices_overlay",
    title: "Relevance on anatomy",
    question: "Where in this image did the network find evidence for and against the class?",
    formula: "colour = R / colour range, opacity = |R| / colour range",
    reading: "Red supports the class, blue opposes it, and where nothing is coloured the anatomy stands alone. Compare each cut with the plain anatomy above it.",
    misleads: "Relevance shows what the network used, not what is diseased; it is not a lesion map and not a cause.",
    source: "Bach et al. 2015, doi:10.1371/journal.pone.0130140",
    unit: "log-odds",
    better: Better::Neither,
};

/// The figure.
pub struct SlicesOverlay;

impl Figure for SlicesOverlay {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Pictures
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        Ok(scenes_in(record, Display::Radiological))
    }
}

/// The figures in a display convention.
pub fn scenes_in(record: &Record, display: Display) -> Vec<(String, Scene)> {
    let stems = stem::unique(record.subjects.iter().map(|s| s.id.as_str()));
    let draw = |(subject, stem): (&SubjectRecord, String)| {
        let scene = slices::scene(&subject.picture, &title(subject), record, display)?;
        Some((format!("{}-{stem}", CARD.id), scene))
    };
    record.subjects.iter().zip(stems).filter_map(draw).collect()
}

fn title(subject: &SubjectRecord) -> String {
    let (Some(predicted), Some(score)) = (&subject.predicted, subject.score) else {
        return format!("{}: is {}", subject.id, subject.truth);
    };
    let verdict = if subject.truth == *predicted { "correct" } else { "wrong" };
    let seen = if subject.held_out { "held out" } else { "not known to be held out" };
    format!(
        "{}: is {}, predicted {} ({verdict}, score {}, {seen})",
        subject.id,
        subject.truth,
        predicted,
        short(score)
    )
}
