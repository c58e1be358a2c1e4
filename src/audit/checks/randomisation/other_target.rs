//! Does the map know which class it explains?
//!
//! * **Question** Is the map of a class's own logit another than that of the other classes'?
//! * **Formula** Maps of the logit of the predicted class and of each other class, compared
//!   inside the mask as in `weights_cascade`; mean over the other classes and subjects.
//!   `similarity`: Spearman of R; `similarity_unsigned`: its magnitude.
//! * **Reading** Far from 1 and from −1: the map is of the class and not of whatever excites the
//!   network. −1 is the same map with the sign turned.
//! * **When it misleads** Two classes may rest on the same regions with reason, and two logits
//!   trained against each other tend to be opposite: then the map of one says all of the other.
//! * **Source** Sixt et al. 2020 (random logit), <https://arxiv.org/abs/1912.09818>.

use rayon::prelude::*;

use super::weights_cascade::likeness::{Alike, EITHER, MAGNITUDE, MEASURES, UNSIGNED, of_case};
use crate::Result;
use crate::audit::bench::{Answer, Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::explain::Start;
use crate::stats::{Stat, moments};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "other_target",
    title: "Map of the other class",
    question: "Does the map know which class it explains?",
    formula: "maps of the logit of the predicted class and of each other class; Spearman of R (similarity), its magnitude, Spearman of |R|, SSIM of either sign inside the mask; mean over other classes and subjects",
    reading: "Far from 1 and from -1: the map is of the class, not of whatever excites the network.",
    misleads: "Classes may rest on the same regions with reason; two logits trained against each other tend to be opposite. It asks of single logits also where the margin is audited.",
    source: "Sixt et al. 2020, https://arxiv.org/abs/1912.09818",
    unit: "1",
    better: Better::Neither,
};

/// What is told, with the place of its measure.
const TOLD: [(&str, usize); 4] = [
    ("similarity", 0),
    ("similarity_unsigned", UNSIGNED),
    ("similarity_magnitude", MAGNITUDE),
    ("ssim", EITHER),
];

/// The check.
#[derive(Debug)]
pub struct OtherTarget;

/// The first class with the largest logit.
fn predicted(answer: &Answer) -> usize {
    let logits = &answer.logits;
    (1..logits.len()).fold(0, |best, c| if logits[c] > logits[best] { c } else { best })
}

impl Check for OtherTarget {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let network = bench.network()?;
        let logits = network.answers.first().map_or(0, |a| a.logits.len());
        if logits < 2 {
            let why = "the network has one logit: the other class is its exact negative";
            let none = Outcome::NotApplicable { why: why.to_owned() };
            return Ok(TOLD.map(|(quantity, _)| of_cohort(&CARD, quantity, none.clone())).to_vec());
        }
        let images: Vec<&[f32]> = bench.cases.iter().map(|c| c.data.as_slice()).collect();
        let mut ws = Workspace::new();
        let maps: Vec<Vec<Vec<f32>>> = (0..logits)
            .map(|c| Ok(bench.explain_from(network.graph, &images, Start::Class(c), &mut ws)?.maps))
            .collect::<Result<_>>()?;
        let compare = |n: usize| -> Vec<Alike> {
            let own = predicted(&network.answers[n]);
            let others = (0..logits).filter(|c| *c != own);
            others.map(|c| of_case(&bench.cases[n], &maps[own][n], &maps[c][n])).collect()
        };
        let found: Vec<Vec<Alike>> = (0..bench.cases.len()).into_par_iter().map(compare).collect();
        let mean = |measure: usize| {
            let of = |others: &Vec<Alike>| -> Stat {
                let all = others.iter().map(|alike| alike[measure].clone());
                moments::mean(&all.collect::<std::result::Result<Vec<f64>, _>>()?)
            };
            let stats: Vec<Stat> = found.iter().map(of).collect();
            mean_of(&stats, bench.seed, &format!("{}/{}", CARD.id, MEASURES[measure]))
        };
        Ok(TOLD.map(|(quantity, measure)| of_cohort(&CARD, quantity, mean(measure))).to_vec())
    }
}
