//! Does the trained network's map stand out among those of networks that learned noise?
//!
//! * **Question** Do the maps depend on what the labels say, or on training as such?
//! * **Formula** Networks fitted as the audited one on classes dealt anew among the subjects
//!   fitted (all scans of a subject together); `p_value` by the rank test of `weights_exchangeability`. `similarity`: mean |Spearman|
//!   of the audited maps with theirs inside the mask.
//! * **Reading** Small p: the maps are other than those of networks that learned nothing of the
//!   class, though fitted alike.
//! * **When it misleads** A network that cannot learn dealt labels by heart stays near its start,
//!   and stands for an untrained one. Each draw costs a training; few draws give no p.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>.

use rayon::prelude::*;

use super::weights_cascade::likeness::{Alike, MAGNITUDE, UNSIGNED, of_case};
use super::weights_exchangeability::ranked::{Ranked, Standard};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::{Stat, moments};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "label_randomisation",
    title: "Networks fitted on dealt labels",
    question: "Do the maps depend on what the labels say, or on training as such?",
    formula: "K' networks fitted as the audited one on classes dealt anew; p by the rank test of weights_exchangeability; similarity = mean |Spearman| of the audited maps with theirs inside the mask",
    reading: "Small p: the maps are other than those of networks that were fitted alike and learned nothing of the class.",
    misleads: "A network that cannot learn dealt labels by heart stays near its start, and stands for an untrained one. Few draws give no p.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct LabelRandomisation;

impl Check for LabelRandomisation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let names = ["p_value", "similarity", "similarity_magnitude"];
        if bench.label_randomised.is_empty() {
            let why = "not asked for: audit with --label-draws K".to_owned();
            let none = Outcome::NotApplicable { why };
            return Ok(names.map(|name| of_cohort(&CARD, name, none.clone())).to_vec());
        }
        let mut ws = Workspace::new();
        let mut nets = vec![Standard::of(bench, &bench.maps)?];
        let mut alike: Vec<Vec<Alike>> = Vec::new();
        for net in &bench.label_randomised {
            let maps = bench.explain_with(&net.folded()?, &mut ws)?;
            nets.push(Standard::of(bench, &maps)?);
            let cases = bench.cases.par_iter().zip(&bench.maps).zip(&maps);
            alike.push(cases.map(|((case, own), new)| of_case(case, own, new)).collect());
        }
        let mean = |measure: usize| {
            let of = |case: usize| -> Stat {
                let all = alike.iter().map(|net| net[case][measure].clone());
                moments::mean(&all.collect::<std::result::Result<Vec<f64>, _>>()?)
            };
            let stats: Vec<Stat> = (0..bench.cases.len()).map(of).collect();
            mean_of(&stats, bench.seed, &format!("{}/{measure}", CARD.id))
        };
        let p = Ranked::of(&nets.iter().collect::<Vec<_>>()).p_value();
        let outcomes = [p, mean(UNSIGNED), mean(MAGNITUDE)];
        let found = names.into_iter().zip(outcomes).map(|(name, o)| of_cohort(&CARD, name, o));
        let mut found: Vec<Finding> = found.collect();
        found[0].notes.push(format!(
            "{} networks fitted on dealt labels, {} subjects",
            bench.label_randomised.len(),
            bench.cases.len()
        ));
        Ok(found)
    }
}
