//! Where does the relevance of a whole group lie?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::scene::Scene;
use crate::report::slices::{self, Display};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "group_pictures",
    title: "Relevance of groups",
    question: "Where does the relevance of a whole group lie?",
    formula: "mean of R over the subjects of the group",
    reading: "A group picture shows what is common to many maps; single maps can look different.",
    misleads: "A mean hides what only some subjects show, and depends on how well the images are aligned.",
    source: "this audit",
    unit: "log-odds",
    better: Better::Neither,
};

/// The figure.
pub struct GroupPictures;

impl Figure for GroupPictures {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Pictures
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let draw = |(i, picture)| {
            let scene = slices::scene(picture, &picture.caption, record, Display::Radiological)?;
            Some((format!("{}-{:02}", CARD.id, i + 1), scene))
        };
        Ok(record.group_pictures.iter().enumerate().filter_map(draw).collect())
    }
}
