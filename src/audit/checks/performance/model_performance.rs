//! Has the model learned anything that could be explained?
//!
//! * **Question** Is the model better than chance on subjects it was not fitted on?
//! * **Formula** Lower end of the interval of the AUC on held-out subjects.
//! * **Reading** Above 0.5 the model has learned something; otherwise nothing can be
//!   concluded from its maps.
//! * **When it misleads** It is as good as the split: leaked subjects raise it. A model may
//!   be right for wrong reasons.
//! * **Source** Hanley & McNeil 1982, <https://doi.org/10.1148/radiology.143.1.7063747>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "model_performance",
    title: "Performance of the model",
    question: "Is the model better than chance on subjects it was not fitted on?",
    formula: "lower end of the interval of the AUC on held-out subjects",
    reading: "Above 0.5 the model has learned something; otherwise nothing can be concluded from its maps.",
    misleads: "It is as good as the split of the subjects, and a model may be right for wrong reasons.",
    source: "Hanley & McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747",
    unit: "1",
    better: Better::Higher,
};

/// The check.
#[derive(Debug)]
pub struct ModelPerformance;

impl Check for ModelPerformance {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let auc = match &bench.performance {
            Ok(auc) => auc,
            Err(why) => {
                let outcome = Outcome::Unmeasurable { why: why.clone() };
                return Ok(vec![of_cohort(&CARD, "auc_low", outcome)]);
            }
        };
        let mut found = of_cohort(&CARD, "auc_low", Outcome::measured(auc.low));
        found.notes.push(format!("{} % interval, {}", auc.level * 100.0, auc.method));
        Ok(vec![found])
    }
}
