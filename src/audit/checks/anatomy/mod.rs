//! Which anatomy carries relevance?

pub mod atlas_fit;
pub mod group_contrast;
pub mod region_mass;
pub mod suppressors;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "anatomy",
    title: "Anatomy",
    question: "Which anatomy carries relevance?",
    checks: &[
        &atlas_fit::AtlasFit,
        &region_mass::RegionMass,
        &group_contrast::GroupContrast,
        &suppressors::Suppressors,
    ],
};
