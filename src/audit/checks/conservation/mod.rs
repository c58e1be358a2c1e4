//! Is all relevance accounted for, and how much of the score does the map not show?

pub mod engine_oracles;
pub mod fold_exactness;
pub mod ledger_closure;
pub mod ledger_leakage;
pub mod padding_share;
pub mod zero_input;

use super::Family;

/// The family.
pub const FAMILY: Family = Family {
    id: "conservation",
    title: "Conservation",
    question: "Is all relevance accounted for, and how much of the score does the map not show?",
    checks: &[
        &fold_exactness::FoldExactness,
        &engine_oracles::EngineOracles,
        &ledger_closure::LedgerClosure,
        &ledger_leakage::LedgerLeakage,
        &padding_share::PaddingShare,
        &zero_input::ZeroInput,
    ],
};
