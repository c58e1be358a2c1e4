//! Does the map stay when what should not matter changes?

pub mod arm_agreement;
pub mod input_stability;
pub mod network_agreement;
pub mod rule_agreement;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "stability",
    title: "Stability",
    question: "Does the map stay when what should not matter changes?",
    checks: &[
        &arm_agreement::ArmAgreement,
        &input_stability::InputStability,
        &rule_agreement::RuleAgreement,
        &network_agreement::NetworkAgreement,
    ],
};
