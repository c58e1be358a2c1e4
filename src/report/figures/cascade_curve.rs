//! How alike are the map and the original map while the network is randomised layer by layer?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::checks::randomisation::weights_cascade::CHANGE;
use crate::audit::finding::{Finding, Series};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::chart;
use crate::report::scene::Scene;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "cascade_curve",
    title: "Weight randomisation",
    question: "How alike are the map and the original map while the network is randomised layer by layer?",
    formula: "similarity(original map, map after layers are randomised: from the output down, from the input up, one at a time, or permuted); level lines: the same of maps of different subjects",
    reading: "An explanation that depends on what the network learned falls towards the level of unrelated maps.",
    misleads: "A map can change and still be wrong; similarity measures differ in how they treat the sign.",
    source: "Adebayo et al. 2018, arXiv:1810.03292",
    unit: "1",
    better: Better::Neither,
};

/// How to read the change of the score.
const SCORES: &str = "Where the score does not change, the map has no reason to.";

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

    /// All orders stand in one figure, below the first of these checks.
    fn belongs(&self, _stem: &str, check: &str) -> bool {
        check == "weights_cascade"
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let change = |s: &Series| s.name == CHANGE;
        let with = |keep: &dyn Fn(&Series) -> bool| -> Vec<Finding> {
            let mut all: Vec<Finding> = of(record, self.checks()).cloned().collect();
            all.iter_mut().for_each(|f| f.series.retain(|s| keep(s)));
            all
        };
        let (maps, scores) = (with(&|s| !change(s)), with(&change));
        let draw = |stem: &str, title: &str, reading: &str, of: &[Finding]| {
            chart::stacked([stem, title, reading], self.checks().len(), of)
        };
        let mut all = draw(CARD.id, CARD.title, CARD.reading, &maps);
        let stem = format!("{}-change", CARD.id);
        all.extend(draw(&stem, "Change of the score by weight randomisation", SCORES, &scores));
        Ok(all)
    }
}
