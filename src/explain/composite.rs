//! Which rule each layer with weights gets, by its kind.

use super::rules::{RULES, Rule, alpha_beta, epsilon, z_plus};
use crate::{Error, Result};

/// A composite: one rule for convolutions, one for dense layers.
#[derive(Debug, Clone, Copy)]
pub struct Composite {
    /// Id, for example `epsilon_plus`.
    pub id: &'static str,
    /// Rule of convolutions.
    pub conv: &'static Rule,
    /// Rule of dense layers.
    pub dense: &'static Rule,
    /// Stabiliser ε, absolute.
    pub epsilon: f64,
}

/// ε of every denominator, absolute, as Zennit's default.
pub const EPSILON: f64 = 1e-6;

/// The named composites.
pub static COMPOSITES: &[Composite] = &[
    Composite { id: "epsilon_plus", conv: &z_plus::RULE, dense: &epsilon::RULE, epsilon: EPSILON },
    Composite {
        id: "epsilon_alpha2_beta1",
        conv: &alpha_beta::RULE,
        dense: &epsilon::RULE,
        epsilon: EPSILON,
    },
];

impl Composite {
    /// A composite by name; a rule's id means that rule in every layer with weights.
    ///
    /// # Errors
    /// `E-RULE-001` naming the known ids.
    pub fn named(id: &str) -> Result<Self> {
        let rule = RULES.iter().find(|r| r.card.id == id).map(|rule| Self {
            id: rule.card.id,
            conv: rule,
            dense: rule,
            epsilon: EPSILON,
        });
        COMPOSITES.iter().find(|c| c.id == id).copied().or(rule).ok_or_else(|| {
            let composites = COMPOSITES.iter().map(|c| c.id);
            let known: Vec<&str> = composites.chain(RULES.iter().map(|r| r.card.id)).collect();
            Error::usage(
                "E-RULE-001",
                format!("no rule '{id}'"),
                format!("Known: {}", known.join(", ")),
            )
        })
    }

    /// The rule of a layer, by the rank of its weight: two is dense.
    pub fn rule(&self, weight_rank: usize) -> &'static Rule {
        if weight_rank == 2 { self.dense } else { self.conv }
    }
}
