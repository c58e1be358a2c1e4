//! Is the network that is explained the network that was trained?
//!
//! * **Question** Does folding batch norm into its neighbours keep the network's answers?
//! * **Formula** Largest |difference of a logit| over the largest |logit|, on the first audited
//!   images.
//! * **Reading** A few 1e-7 is the rounding of float32.
//! * **When it misleads** It compares answers, not the layers between.
//! * **Source** Hui & Binder 2019, <https://doi.org/10.1007/978-3-030-20351-1_29>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "fold_exactness",
    title: "Exactness of folding",
    question: "Is the network that is explained the network that was trained?",
    formula: "largest |difference of a logit| over the largest |logit| between the network as it came and with batch norm folded",
    reading: "A few 1e-7 is the rounding of float32.",
    misleads: "It compares answers on a few images, not the layers between.",
    source: "Hui & Binder 2019, https://doi.org/10.1007/978-3-030-20351-1_29",
    unit: "1",
    better: Better::Lower,
};

/// Images compared at most.
const IMAGES: usize = 4;

/// The check.
#[derive(Debug)]
pub struct FoldExactness;

impl Check for FoldExactness {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let network = bench.network()?;
        let images: Vec<&[f32]> =
            bench.cases.iter().take(IMAGES).map(|c| c.data.as_slice()).collect();
        let mut ws = Default::default();
        let before = bench.answers(network.trained, network.start, &images, &mut ws)?;
        let after = bench.answers(network.graph, network.start, &images, &mut ws)?;
        let pairs = before.iter().zip(&after).flat_map(|(a, b)| a.logits.iter().zip(&b.logits));
        // f64::max would swallow a NaN.
        let (mut drift, mut largest) = (0.0f64, 0.0f64);
        for (a, b) in pairs {
            let gap = (a - b).abs();
            drift = if gap.is_nan() { gap } else { drift.max(gap) };
            largest = largest.max(a.abs());
        }
        let outcome = if largest > 0.0 {
            Outcome::measured(drift / largest)
        } else {
            Outcome::Unmeasurable { why: "every logit is 0".to_owned() }
        };
        let mut found = of_cohort(&CARD, "drift", outcome);
        let layers = network.trained.nodes().len() - network.graph.nodes().len();
        found
            .notes
            .push(format!("{layers} layer(s) fewer after folding, {} images.", images.len()));
        Ok(vec![found])
    }
}
