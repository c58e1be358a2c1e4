//! How much of the score does the map not show?
//!
//! * **Question** How much relevance ends in biases, stabilisers and dead ends, and how
//!   far do positive and negative relevance cancel?
//! * **Formula** L = Σ over layers of |bias| + |stabiliser| + |degenerate|, S = ΣR and
//!   A = Σ|R| at the input, B = Σ|R| at the start, f the score: leak share L / (L + |S|),
//!   amplification A / B, cancellation A / |f|.
//! * **Reading** Leak share 0: the map holds all of the score. Amplification 1: no more relevance
//!   of either sign arrives than set out. Cancellation 1: no voxel speaks against another.
//! * **When it misleads** It is a property of model and rule, not of correctness; leaving
//!   biases out of the rule hides the leak and raises the other two instead. Near the
//!   decision boundary |f| is small and cancellation large by itself.
//! * **Source** Srinivas & Fleuret 2019, <https://arxiv.org/abs/1905.00780>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_subject};
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::explain::ledger::LedgerLine;
use crate::stats::{Stat, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "ledger_leakage",
    title: "Leakage and cancellation",
    question: "How much of the score does the map not show, and how far does it cancel itself?",
    formula: "L = sum over layers of |bias| + |stabiliser| + |degenerate|; S = sum R, A = sum |R| at the input, B = sum |R| at the start; leak_share = L / (L + |S|), amplification = A / B, cancellation = A / |score|",
    reading: "Leak share 0 means that the map holds all of the score; amplification 1 that no more relevance arrives than set out; cancellation 1 that no voxel speaks against another.",
    misleads: "A property of model and rule, not of correctness; rules without bias hide the leak and amplify instead, and near the decision boundary the small score inflates cancellation.",
    source: "Srinivas & Fleuret 2019, https://arxiv.org/abs/1905.00780",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct LedgerLeakage;

fn ratio(part: f64, whole: f64, what: &str) -> Stat {
    if !(part.is_finite() && whole.is_finite()) {
        return undefined("the ledger holds a number that is not finite");
    }
    if whole == 0.0 { undefined(format!("{what} is zero")) } else { Ok(part / whole) }
}

/// Leak share, amplification, cancellation.
fn numbers(ledger: &[LedgerLine], relevance: &[f32], score: f64) -> [Stat; 3] {
    let net: f64 = relevance.iter().map(|r| f64::from(*r)).sum::<f64>().abs();
    let mass: f64 = relevance.iter().map(|r| f64::from(r.abs())).sum();
    let lost: f64 =
        ledger.iter().map(|l| l.bias.abs() + l.stabiliser.abs() + l.degenerate.abs()).sum();
    [
        ratio(lost, lost + net, "all relevance together"),
        ratio(mass, ledger.first().map_or(0.0, |l| l.mass), "the relevance of the start"),
        ratio(mass, score.abs(), "the score"),
    ]
}

impl Check for LedgerLeakage {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let mut out = Vec::new();
        let ledgers = bench.cases.iter().zip(&bench.explainer()?.ledgers);
        for ((case, ledger), (map, answer)) in
            ledgers.zip(bench.maps.iter().zip(&bench.network()?.answers))
        {
            let names = ["leak_share", "amplification", "cancellation"];
            for (name, stat) in names.iter().zip(numbers(ledger, map, answer.score)) {
                out.push(of_subject(&CARD, &case.id, name, stat));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_numbers() {
        let line = LedgerLine {
            layer: "l".into(),
            kind: "dense".into(),
            rule: "epsilon".into(),
            received: 2.0,
            handed_on: 1.0,
            bias: 1.5,
            stabiliser: -0.5,
            degenerate: 0.0,
            mass: 2.0,
            mass_handed_on: 3.0,
        };
        let [leak, amplification, cancellation] = numbers(&[line], &[2.0, -1.0], 4.0);
        assert_eq!((leak, amplification), (Ok(2.0 / 3.0), Ok(1.5)));
        assert_eq!(cancellation, Ok(0.75));
        assert!(numbers(&[], &[0.0], 0.0).iter().all(Result::is_err));
    }
}
