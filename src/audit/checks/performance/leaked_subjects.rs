//! Has the network been trained on what it is audited on?
//!
//! * **Question** Are audited subjects among those the network was fitted on, under another name?
//! * **Formula** `twins`: audited images that are, byte for byte, an image of the training, or
//!   whose subject has another scan in the training.
//! * **Reading** 0. Anything else makes performance, and every number that rests on held-out
//!   subjects, too good.
//! * **When it misleads** A copy that was saved again (resampled, compressed anew) has other bytes
//!   and is not seen; nor are twins and siblings, unless the table's column `subject` says so.
//! * **Source** Yagis et al. 2021, <https://doi.org/10.1038/s41598-021-01681-w>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "leaked_subjects",
    title: "Subjects leaked from the training",
    question: "Are audited subjects among those the network was fitted on, under another name?",
    formula: "twins = audited images that are byte for byte an image of the training, or whose subject has another scan in the training",
    reading: "0. Anything else makes performance and all that rests on held-out subjects too good.",
    misleads: "A copy that was saved again has other bytes and is not seen.",
    source: "Yagis et al. 2021, https://doi.org/10.1038/s41598-021-01681-w",
    unit: "subjects",
    better: Better::Lower,
};

/// Pairs named in the remarks.
const NAMED: usize = 5;

/// The check.
#[derive(Debug)]
pub struct LeakedSubjects;

impl Check for LeakedSubjects {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let twins = match &bench.twins {
            Ok(twins) => twins,
            Err(why) => {
                let outcome = Outcome::NotApplicable { why: why.clone() };
                return Ok(vec![of_cohort(&CARD, "twins", outcome)]);
            }
        };
        let mut found = of_cohort(&CARD, "twins", Outcome::measured(twins.len() as f64));
        let name = |[audited, seen]: &[String; 2]| format!("{audited} is {seen}");
        let named: Vec<String> = twins.iter().take(NAMED).map(name).collect();
        if !named.is_empty() {
            found.notes.push(format!("{}.", named.join(", ")));
        }
        Ok(vec![found])
    }
}
