//! Is all relevance accounted for, and how much of the score does the map not show?

pub mod ledger_closure;
pub mod ledger_leakage;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "conservation",
    title: "Conservation",
    question: "Is all relevance accounted for, and how much of the score does the map not show?",
    checks: &[&ledger_closure::LedgerClosure, &ledger_leakage::LedgerLeakage],
};
