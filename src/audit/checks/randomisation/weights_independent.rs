//! On which layers does the map depend?
//!
//! * **Question** Does drawing one layer anew, all others as trained, change the maps?
//! * **Formula** As `weights_cascade`, one layer (in deep networks one block) at a time.
//!   `similarity_output_layer`: with the one nearest the output drawn anew.
//! * **Reading** Layers whose similarity stays high are ignored by the map. A map that survives
//!   a new output layer does not know which class it explains.
//! * **When it misleads** As `weights_cascade`; a layer that learned little changes little.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Sixt et al. 2020,
//!   <https://arxiv.org/abs/1912.09818>.

use super::weights_cascade::Told;
use super::weights_cascade::stages::{Asked, Order, carry_out};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::Check;
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::model::redraw::Redraw;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_independent",
    title: "One layer re-initialised at a time",
    question: "On which layers do the maps depend?",
    formula: "as weights_cascade, with one layer (in deep networks one block) drawn anew at a time and all others as trained; similarity_output_layer: the one nearest the output",
    reading: "Layers whose curve stays high are ignored by the map. A map that survives a new output layer does not know which class it explains.",
    misleads: "As weights_cascade. A layer that learned little may be drawn anew without a change that one should see.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Sixt et al. 2020, https://arxiv.org/abs/1912.09818",
    unit: "1",
    better: Better::Lower,
};

/// Networks drawn.
const DRAWS: usize = 1;

/// The check.
#[derive(Debug)]
pub struct WeightsIndependent;

impl Check for WeightsIndependent {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (order, how) = (Order::Alone, Redraw::Fresh);
        let asked = Asked { card: &CARD, order, how, draws: DRAWS };
        let cascade = carry_out(bench, &asked, &mut |_, _, _| Ok(()))?;
        let told = Told::new(bench, asked, cascade);
        Ok(told.findings("output_layer", 1.min(told.last())))
    }
}
