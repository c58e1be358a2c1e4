//! Where the truth is known: does relevance find it?

pub mod planted_localisation;
pub mod planted_recovery;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "localisation",
    title: "Localisation",
    question: "Where the truth is known: does relevance find it?",
    checks: &[&planted_recovery::PlantedRecovery, &planted_localisation::PlantedLocalisation],
};
