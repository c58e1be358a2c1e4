//! How well does the score separate the classes on subjects the network has not seen?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::scene::{Frame, HEAD, Item, Mark, Panel, Scene};
use crate::report::{axis, chart, colour};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "roc",
    title: "ROC curve",
    question: "How well does the score separate the classes on subjects the network has not seen?",
    formula: "true positive rate against false positive rate over all thresholds",
    reading: "The further the curve lies above the diagonal, the better; the diagonal is guessing.",
    misleads: "A good curve does not say that the network looks at the right place, nor that its probabilities are calibrated.",
    source: "Fawcett 2006, doi:10.1016/j.patrec.2005.10.010",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct Roc;

impl Figure for Roc {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Performance
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let Some(performance) = record.performance.as_ref().filter(|p| p.roc.len() > 1) else {
            return Ok(Vec::new());
        };
        let mut scene = Scene::new(CARD.title, &performance.source, [480.0, HEAD + 460.0]);
        scene.alt.push_str(&format!(" {} {} points.", CARD.reading, performance.roc.len()));
        let curve = Mark::Line {
            points: performance.roc.clone(),
            colour: colour::cycle(0),
            width: 2.2,
            dashed: false,
        };
        scene.items.push(Item::Panel(Panel {
            frame: Frame::new(76.0, HEAD + 20.0, 380.0, 380.0),
            title: String::new(),
            x: axis::linear("false positive rate", 0.0, 1.0),
            y: axis::linear("true positive rate", 0.0, 1.0),
            marks: vec![chart::reference([[0.0, 0.0], [1.0, 1.0]]), curve],
            keys: Vec::new(),
        }));
        Ok(vec![(CARD.id.to_owned(), scene)])
    }
}
