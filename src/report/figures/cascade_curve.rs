//! How alike are the map and the original map while the network is randomised layer by layer?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::chart;
use crate::report::scene::Scene;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "cascade_curve",
    title: "Weight randomisation",
    question: "How alike are the map and the original map while the network is randomised layer by layer?",
    formula: "similarity(original map, map after k layers are randomised)",
    reading: "An explanation that depends on what the network learned falls towards the level of unrelated maps.",
    misleads: "A map can change and still be wrong; similarity measures differ in how they treat the sign.",
    source: "Adebayo et al. 2018, arXiv:1810.03292",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct CascadeCurve;

impl Figure for CascadeCurve {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["weights_cascade", "weights_bottom_up", "weights_independent", "weights_permuted"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        Ok(chart::scenes(CARD.id, CARD.title, CARD.reading, of(record, self.checks())))
    }
}
