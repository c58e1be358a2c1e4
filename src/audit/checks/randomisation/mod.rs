//! Does the map depend on what the network learned?

pub mod weights_cascade;
pub mod weights_exchangeability;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "randomisation",
    title: "Randomisation",
    question: "Does the map depend on what the network learned?",
    checks: &[&weights_cascade::WeightsCascade, &weights_exchangeability::WeightsExchangeability],
};
