//! Does the network decide by what is no anatomy of the label?

pub mod covariates_followed;
pub mod poor_inputs;
pub mod sides_swapped;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "shortcuts",
    title: "Shortcuts",
    question: "Does the network decide by what is no anatomy of the label?",
    checks: &[
        &poor_inputs::PoorInputs,
        &covariates_followed::CovariatesFollowed,
        &sides_swapped::SidesSwapped,
    ],
};
