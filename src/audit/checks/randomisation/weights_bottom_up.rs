//! Does the map change when the network forgets from the input up?
//!
//! * **Question** Do the maps change as soon as the first layers are forgotten?
//! * **Formula** As `weights_cascade`, layers drawn anew from the input up, cumulatively.
//! * **Reading** Falls at once: what is kept above sees other activations.
//! * **When it misleads** As `weights_cascade`; a fall says little of any one layer.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Hedström et al. 2024,
//!   <https://arxiv.org/abs/2401.06465> (this order).

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
    id: "weights_bottom_up",
    title: "Cascade from the input up",
    question: "Do the maps change as soon as the first layers are forgotten?",
    formula: "as weights_cascade, layers drawn anew from the input up",
    reading: "Falls at once: the layers that are kept see other activations. The last stage is that of weights_cascade with other draws.",
    misleads: "As weights_cascade. The early stages change what all later layers see, so that a fall says little of any one layer.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Hedström et al. 2024, https://arxiv.org/abs/2401.06465",
    unit: "1",
    better: Better::Lower,
};

/// Networks drawn.
const DRAWS: usize = 1;

/// The check.
#[derive(Debug)]
pub struct WeightsBottomUp;

impl Check for WeightsBottomUp {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (order, how) = (Order::BottomUp, Redraw::Fresh);
        let asked = Asked { card: &CARD, order, how, draws: DRAWS };
        let cascade = carry_out(bench, &asked, &mut |_, _, _| Ok(()))?;
        let told = Told::new(bench, asked, cascade);
        Ok(told.findings("full", told.last()))
    }
}
