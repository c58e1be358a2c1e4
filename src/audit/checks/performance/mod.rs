//! Is there anything to explain?

pub mod leaked_subjects;
pub mod model_performance;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "performance",
    title: "What the network is worth",
    question: "Is there anything to explain?",
    checks: &[&model_performance::ModelPerformance, &leaked_subjects::LeakedSubjects],
};
