//! Does the score follow when what the map marks is taken out?

pub mod infidelity;
pub mod noisy_imputation;
pub mod region_ablation;
pub mod region_perturbation;
pub mod sensitivity_n;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "faithfulness",
    title: "Faithfulness",
    question: "Does the score follow when what the map marks is taken out?",
    checks: &[
        &region_perturbation::RegionPerturbation,
        &region_ablation::RegionAblation,
        &infidelity::Infidelity,
        &sensitivity_n::SensitivityN,
        &noisy_imputation::NoisyImputation,
    ],
};
