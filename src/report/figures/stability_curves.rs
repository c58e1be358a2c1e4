//! How much of the map stays while the image is disturbed more and more?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::chart;
use crate::report::scene::Scene;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "stability_curves",
    title: "Maps of disturbed images",
    question: "How much of the map stays while the image is disturbed more and more?",
    formula: "Spearman of R before and after, mean over subjects, against the strength of a disturbance",
    reading: "1: the map stays. Where a head was moved, the map carried there and back shows what interpolation alone costs; below the maps of different subjects a disturbance counts for more than the subject.",
    misleads: "A map that never changes is stable and says nothing. Draws whose predicted class flips are left out.",
    source: "Yeh et al. 2019, arXiv:1901.09392",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct StabilityCurves;

impl Figure for StabilityCurves {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["input_stability"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        Ok(chart::scenes(CARD.id, CARD.title, CARD.reading, of(record, self.checks())))
    }
}
