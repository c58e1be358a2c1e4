//! Does every layer's relevance add up?
//!
//! * **Question** Is all relevance that reaches a layer accounted for?
//! * **Formula** max over layers of |received − handed on − bias − stabiliser −
//!   degenerate| / max(Σ|R| received, Σ|R| handed on).
//! * **Reading** Rounding only: about 1e-7 in f32. More is a fault of the program.
//! * **When it misleads** It says nothing of where relevance goes: see `ledger_leakage`.
//! * **Source** Bach et al. 2015, <https://doi.org/10.1371/journal.pone.0130140>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_subject};
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::explain::ledger::LedgerLine;
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "ledger_closure",
    title: "Closure of the ledger",
    question: "Is all relevance that reaches a layer accounted for?",
    formula: "max over layers of |received - handed on - bias - stabiliser - degenerate| / max(sum|R| received, sum|R| handed on)",
    reading: "Rounding only, about 1e-7; a larger number is a fault of the program.",
    misleads: "A closed ledger says nothing of where relevance goes; relevance may still end in biases.",
    source: "Bach et al. 2015, https://doi.org/10.1371/journal.pone.0130140",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct LedgerClosure;

/// The largest residual over the layers.
fn residual(ledger: &[LedgerLine]) -> Stat {
    if ledger.is_empty() {
        return undefined("the ledger has no lines");
    }
    let all: Vec<f64> = ledger.iter().map(LedgerLine::residual).collect();
    // f64::max would swallow a NaN.
    moments::require_finite(&all)?;
    Ok(all.into_iter().fold(0.0, f64::max))
}

impl Check for LedgerClosure {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let pairs = bench.cases.iter().zip(&bench.explainer()?.ledgers);
        Ok(pairs
            .map(|(c, ledger)| of_subject(&CARD, &c.id, "residual", residual(ledger)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(received: f64, handed_on: f64, bias: f64, mass: f64) -> LedgerLine {
        LedgerLine {
            layer: "l".into(),
            kind: "dense".into(),
            rule: "epsilon".into(),
            received,
            handed_on,
            bias,
            stabiliser: 0.0,
            degenerate: 0.0,
            mass,
            mass_handed_on: 1.0,
        }
    }

    #[test]
    fn the_worst_layer_counts_and_a_gap_is_seen() {
        let closed = line(2.0, 1.5, 0.5, 2.0);
        assert_eq!(residual(std::slice::from_ref(&closed)), Ok(0.0));
        let open = line(2.0, 1.5, 0.25, 5.0);
        assert_eq!(residual(&[closed.clone(), open, closed.clone()]), Ok(0.05));
        assert!(residual(&[closed, line(f64::NAN, 0.0, 0.0, 1.0)]).is_err());
        assert!(residual(&[]).is_err());
    }
}
