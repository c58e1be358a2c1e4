//! Limits with reasons, and the verdicts they give. (Judging to be written.)

use serde::{Deserialize, Serialize};

/// What a limit says of a finding; ordered from harmless to serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No limit applies: the number is only described.
    Described,
    /// Within the limit.
    Pass,
    /// Outside the limit, but waived with a reason.
    Waived,
    /// Between the warning and the failing limit.
    Warn,
    /// Could not be decided: unmeasurable, or a control misbehaved.
    Inconclusive,
    /// Outside the limit.
    Fail,
}

/// The judgement of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Check id.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// Participant id or `cohort`.
    pub subject: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The value and the limit in words, and the limit's reason.
    pub because: String,
}

/// A set of limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Name of the policy.
    pub name: String,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Waivers.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// One limit: on which quantity, where it warns and where it fails, and why there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Check id.
    pub check: String,
    /// Quantity of the check.
    pub quantity: String,
    /// Fails at or above (Lower is better) / at or below (Higher is better) … see `better`.
    pub fail: f64,
    /// Warns beyond this, if given.
    #[serde(default)]
    pub warn: Option<f64>,
    /// Which way is good.
    pub better: crate::card::Better,
    /// Why this limit.
    pub reason: String,
}

/// An exception with a reason and an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Check id.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// Participant id, `cohort`, or `*`.
    pub subject: String,
    /// Why it is waived.
    pub reason: String,
    /// Last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
}
