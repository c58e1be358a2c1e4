//! Which anatomy carries relevance?

pub mod region_mass;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "anatomy",
    title: "Anatomy",
    question: "Which anatomy carries relevance?",
    checks: &[&region_mass::RegionMass],
};
