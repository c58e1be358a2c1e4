//! Does the map depend on what the network learned?

pub mod label_randomisation;
pub mod other_target;
pub mod rank_collapse;
pub mod weights_bottom_up;
pub mod weights_cascade;
pub mod weights_complexity;
pub mod weights_exchangeability;
pub mod weights_independent;
pub mod weights_permuted;
pub mod weights_smooth;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "randomisation",
    title: "Randomisation",
    question: "Does the map depend on what the network learned?",
    checks: &[
        &weights_cascade::WeightsCascade,
        &weights_bottom_up::WeightsBottomUp,
        &weights_independent::WeightsIndependent,
        &weights_permuted::WeightsPermuted,
        &weights_smooth::WeightsSmooth,
        &weights_complexity::WeightsComplexity,
        &weights_exchangeability::WeightsExchangeability,
        &label_randomisation::LabelRandomisation,
        &other_target::OtherTarget,
        &rank_collapse::RankCollapse,
    ],
};
