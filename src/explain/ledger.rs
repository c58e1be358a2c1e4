//! Where one layer's relevance went: nothing is lost in silence.

use serde::{Deserialize, Serialize};

/// One line of a subject's ledger: where the relevance that reached a layer went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    /// Layer name.
    pub layer: String,
    /// Layer kind.
    pub kind: String,
    /// Rule used.
    pub rule: String,
    /// ΣR received from above.
    pub received: f64,
    /// ΣR handed on to the layer below.
    pub handed_on: f64,
    /// Taken by the bias.
    pub bias: f64,
    /// Taken by the stabiliser.
    pub stabiliser: f64,
    /// Lost or created at neurons the rule cannot serve (all-zero windows, one-signed neurons).
    pub degenerate: f64,
    /// Σ|R| received, the scale of the residual.
    pub mass: f64,
    /// Σ|R| handed on.
    pub mass_handed_on: f64,
}

impl LedgerLine {
    /// received − handed on − bias − stabiliser − degenerate, over the larger Σ|R|.
    pub fn residual(&self) -> f64 {
        let gap = self.received - self.handed_on - self.bias - self.stabiliser - self.degenerate;
        let scale = self.mass.max(self.mass_handed_on);
        if scale > 0.0 { gap.abs() / scale } else { gap.abs() }
    }
}
