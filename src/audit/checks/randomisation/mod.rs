//! Does the map depend on what the network learned?

pub mod weights_bottom_up;
pub mod weights_cascade;
pub mod weights_exchangeability;
pub mod weights_independent;
pub mod weights_permuted;

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
        &weights_exchangeability::WeightsExchangeability,
    ],
};
