//! Does the map change when the weights keep their distribution and lose their places?
//!
//! * **Question** Do the maps depend on where the weights are, or on their distribution alone?
//! * **Formula** As `weights_cascade`, with each layer's own numbers in another order in place of
//!   new ones: weights among weights, biases among biases, γ and β of a batch norm among its
//!   channels; batch norms behind take their statistics anew.
//! * **Reading** Near 0 at the end. Scale and sparsity of trained weights are no reason then.
//! * **When it misleads** As `weights_cascade`; layers of few weights have few orders.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>.

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
    id: "weights_permuted",
    title: "Cascade of permuted weights",
    question: "Do the maps depend on where the weights are, or on their distribution alone?",
    formula: "as weights_cascade, with each layer's own weights in another order (weights among weights, biases among biases, gamma and beta of a batch norm among channels) in place of new ones; statistics of batch norms behind are taken anew",
    reading: "Near 0 at the end, as weights_cascade: scale, sparsity and bias of the trained weights are kept, what they detect is not.",
    misleads: "As weights_cascade. Layers of few weights have few orders.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292",
    unit: "1",
    better: Better::Lower,
};

/// Networks drawn.
const DRAWS: usize = 1;

/// The check.
#[derive(Debug)]
pub struct WeightsPermuted;

impl Check for WeightsPermuted {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (order, how) = (Order::TopDown, Redraw::Permuted);
        let asked = Asked { card: &CARD, order, how, draws: DRAWS };
        let cascade = carry_out(bench, &asked, &mut |_, _, _| Ok(()))?;
        let told = Told::new(bench, asked, cascade);
        Ok(told.findings("full", told.last()))
    }
}
