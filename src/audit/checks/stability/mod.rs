//! Does the map stay when what should not matter changes?

pub mod arm_agreement;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "stability",
    title: "Stability",
    question: "Does the map stay when what should not matter changes?",
    checks: &[&arm_agreement::ArmAgreement],
};
