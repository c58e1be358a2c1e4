//! Does the engine keep two identities on this very network that hold for any network of
//! rectifiers?
//!
//! * **Question** Is the arithmetic of relevance right here, by measures that know nothing of
//!   rules?
//! * **Formula** `lrp_0_gap`: largest |LRP-0 − x·∂f/∂x| over the largest |x·∂f/∂x|, both made by
//!   different code. `full_gradient_gap`: |f − Σ x·∂f/∂x − relevance of biases| over
//!   Σ|x·∂f/∂x| + |biases|, the identity f = Σ x ∂f/∂x + Σ b ∂f/∂b.
//! * **Reading** Rounding; a wrong transpose, sign or lost bias makes it 0.01 to 1.
//! * **When it misleads** It tests LRP-0, not the audited rule; layers are shared by all rules.
//! * **Source** Srinivas & Fleuret 2019, <https://arxiv.org/abs/1905.00780>; Ancona et al. 2018,
//!   <https://arxiv.org/abs/1711.06104>.

use crate::audit::bench::{Batch, Bench, Needs};
use crate::audit::checks::{Check, of_cohort, of_subject};
use crate::audit::finding::{Finding, Outcome};
use crate::audit::networks::split;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::explain::methods::{Chosen, Question};
use crate::explain::{Composite, explain};
use crate::stats::{Stat, undefined};
use crate::{Error, Result};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "engine_oracles",
    title: "Identities of the engine",
    question: "Is the arithmetic of relevance right on this network, by measures that know nothing of rules?",
    formula: "lrp_0_gap = max |LRP-0 - x df/dx| / max |x df/dx|; full_gradient_gap = |f - sum x df/dx - relevance of biases| / (sum |x df/dx| + |biases|)",
    reading: "Small: rounding of float32. A wrong transpose, sign or a lost bias is seen at once.",
    misleads: "It tests LRP-0 and the gradient on this network, not the audited rule itself.",
    source: "Srinivas & Fleuret 2019, https://arxiv.org/abs/1905.00780; Ancona et al. 2018, https://arxiv.org/abs/1711.06104",
    unit: "1",
    better: Better::Lower,
};

/// Kinds of layers for which both identities hold: affine, of one piece per sign, or routing.
const KINDS: [&str; 17] = [
    "conv3d",
    "transposed_conv3d",
    "dense",
    "batch_norm",
    "channel_affine",
    "relu",
    "leaky_relu",
    "prelu",
    "max_pool",
    "average_pool",
    "add",
    "concat",
    "flatten",
    "dropout",
    "pad",
    "reshape",
    "reverse_axes",
];
/// Subjects looked at.
const SUBJECTS: usize = 4;

/// The check.
#[derive(Debug)]
pub struct EngineOracles;

/// Largest gap between two maps over the largest of the second.
fn gap(map: &[f32], truth: &[f64]) -> Stat {
    let size = truth.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let gaps = map.iter().zip(truth).map(|(a, b)| (f64::from(*a) - b).abs());
    let worst =
        gaps.fold(0.0f64, |m, g| if g.is_nan() || m.is_nan() { f64::NAN } else { m.max(g) });
    if size > 0.0 { Ok(worst / size) } else { undefined("the gradient times the input is 0") }
}

/// What the identity f = Σ x ∂f/∂x + Σ b ∂f/∂b leaves over.
fn remainder(score: f64, truth: &[f64], bias: f64) -> Stat {
    let (sum, mass) = truth.iter().fold((0.0, 0.0), |(s, m), v| (s + v, m + v.abs()));
    let scale = mass + bias.abs();
    if scale > 0.0 { Ok((score - sum - bias).abs() / scale) } else { undefined("all is 0") }
}

impl Check for EngineOracles {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let network = bench.network()?;
        let kinds = network.graph.nodes().iter().map(|n| n.layer.card().id);
        if let Some(other) = kinds.into_iter().find(|k| !KINDS.contains(k)) {
            let why = format!("the identities do not hold for layers of the kind {other}");
            let none = |q| of_cohort(&CARD, q, Outcome::NotApplicable { why: why.clone() });
            return Ok(vec![none("lrp_0_gap"), none("full_gradient_gap")]);
        }
        let rule = Composite::named("lrp_0")?;
        let method =
            Chosen::named("gradient_x_input").ok_or_else(|| Error::internal("no gradient"))?;
        let (mut out, mut ws) = (Vec::new(), Workspace::new());
        for (n, case) in bench.cases.iter().enumerate().take(SUBJECTS) {
            let x = bench.batch(n, n + 1)?;
            let found = explain(network.graph, &x, &rule, network.start, &mut ws)?;
            let starts = [network.start];
            let asked = Question::new(network.graph, &x, &starts, bench.seed);
            let truth = method.map(&asked, &mut ws)?.to_f64()?;
            let mut one = Batch::default();
            split(found, 1, &mut one, &mut ws)?;
            let bias: f64 = one.ledgers[0].iter().map(|l| l.bias).sum();
            let left = remainder(one.answers[0].score, &truth, bias);
            out.push(of_subject(&CARD, &case.id, "lrp_0_gap", gap(&one.maps[0], &truth)));
            out.push(of_subject(&CARD, &case.id, "full_gradient_gap", left));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_gaps() {
        assert_eq!(gap(&[1.0, -2.0], &[1.0, -4.0]), Ok(0.5));
        assert!(gap(&[1.0], &[0.0]).is_err());
        assert!(gap(&[f32::NAN, 1.0], &[1.0, 1.0]).is_ok_and(f64::is_nan));
        assert_eq!(remainder(3.0, &[1.0, -2.0], 4.0), Ok(0.0));
        // The bias lost: 4 of 3 + 0.
        assert_eq!(remainder(3.0, &[1.0, -2.0], 0.0), Ok(4.0 / 3.0));
    }
}
