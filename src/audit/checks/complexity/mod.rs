//! How concentrated is the map?

pub mod map_complexity;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "complexity",
    title: "Complexity",
    question: "How concentrated is the map?",
    checks: &[&map_complexity::MapComplexity],
};
