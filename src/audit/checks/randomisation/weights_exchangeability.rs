//! Does the trained network's map stand out among those of untrained networks?
//!
//! * **Question** Could the maps come from a network that learned nothing?
//! * **Formula** For each of K re-initialised networks and the trained one: m, the mean
//!   over all other networks and all subjects of the similarity of two maps inside the mask
//!   (averaged over 2³ voxels): the mean of Spearman's correlation of R and of |R|.
//!   p = (1 + #{k: m_k ≤ m of the trained one}) / (K + 1).
//! * **Reading** Small p: the trained network's maps are less like the others' than these
//!   are like each other. The draw of a network is the unit of replication.
//!   Controls go through the same test: the edges of the image, |x| and a constant map, which no
//!   network had a part in (p must be 1), and the gradient: its mean |Spearman of R| between the
//!   trained and the other networks must be low. Its p is told, too: gradients of untrained
//!   networks hardly resemble each other, so that it need not be small.
//! * **When it misleads** Passing is necessary, never sufficient. Any similarity keeps the
//!   error of the test; this one was chosen for its power (docs/adr/0006): signed maps alone
//!   of untrained networks hardly correlate, as the sign of their score is a coin toss, and
//!   plain correlation hangs on a few voxels. Size alone and sign alone are told beside it,
//!   without limits.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Binder et al.
//!   2023, <https://arxiv.org/abs/2211.12486>; Phipson & Smyth 2010.

pub mod controls;
pub mod ranked;

use rayon::prelude::*;

use self::ranked::{Ranked, Standard};
use crate::Result;
use crate::audit::arms::Arm;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Finding, Series};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::model::Graph;
use crate::stats::moments::mean;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_exchangeability",
    title: "Trained against re-initialised networks",
    question: "Could the maps come from a network that learned nothing?",
    formula: "m = mean similarity of a network's maps to those of all other networks inside the mask, (Spearman of R + Spearman of |R|) / 2; p = (1 + #{k: m_k <= m_trained}) / (K + 1); the same of maps that no network had a part in (edges of the image, |x|, a constant) and of the gradient as controls",
    reading: "Small p: the trained network's maps stand out among those of K re-initialised ones. It counts where the controls are as they must be: p = 1 without a network, and a gradient that does not stay.",
    misleads: "Necessary, never sufficient; where untrained networks' maps do not resemble each other, none can stand out and p is not small although the weights matter.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Binder et al. 2023, https://arxiv.org/abs/2211.12486",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct WeightsExchangeability;

fn series(name: &str, y: &[f64]) -> Series {
    Series {
        name: name.to_owned(),
        x_label: "network".to_owned(),
        y_label: "mean similarity to the other networks (Spearman)".to_owned(),
        x: (0..y.len()).map(|i| i as f64).collect(),
        y: y.to_vec(),
        ..Series::default()
    }
}

/// What one network gives: the audited rule, the gradient, and under the first few networks the
/// other methods.
struct Network {
    rule: Standard,
    gradient: Standard,
    arms: Vec<Standard>,
}

/// The networks, trained one first, ranked by one of their maps.
fn ranked<'a>(nets: &'a [Network], maps: impl Fn(&'a Network) -> Option<&'a Standard>) -> Ranked {
    Ranked::of(&nets.iter().filter_map(maps).collect::<Vec<_>>())
}

impl Check for WeightsExchangeability {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.network()?.trained.weighted_layers();
        let gradient = Arm::list("gradient")?;
        let gradient: Vec<&Arm> = gradient.iter().collect();
        let told = controls::arms(bench);
        let words: Vec<&Arm> = told.iter().map(|arm| &arm.arm).collect();
        let own = told.iter().filter_map(|arm| arm.maps.as_ref().ok());
        let graph = bench.network()?.graph;
        let one = |maps: &[Vec<f32>], net: &Graph, arms: &[&Arm], ws: &mut Workspace| {
            Ok(Network {
                rule: Standard::of(bench, maps)?,
                gradient: controls::drawn(bench, &gradient, net, ws)?.remove(0),
                arms: controls::drawn(bench, arms, net, ws)?,
            })
        };
        let mut nets = vec![one(&bench.maps, graph, &[], &mut Workspace::new())?];
        nets[0].arms = own.map(|maps| Standard::of(bench, maps)).collect::<Result<_>>()?;
        let drawn: Result<Vec<_>> = (0..bench.draws)
            .into_par_iter()
            .map_init(Workspace::new, |ws, d| {
                let seed = bench.seed.child(&format!("audit/{}/network-{d}", CARD.id));
                let net = bench.randomised(&layers, seed, ws)?;
                let arms = if d < controls::FEW { &words[..] } else { &[] };
                one(&bench.explain_with(&net, ws)?, &net, arms, ws)
            })
            .collect();
        nets.extend(drawn?);
        let rule = ranked(&nets, |net| Some(&net.rule));
        let mut found = of_cohort(&CARD, "p_value", rule.p_value());
        found.series = vec![
            series("re-initialised", &rule.by_both[1..]),
            series("trained", &rule.by_both[..1]),
        ];
        found.notes.push(format!(
            "{} re-initialised networks, {} subjects; the smallest p possible is {:.3}",
            bench.draws,
            bench.cases.len(),
            1.0 / (bench.draws + 1) as f64
        ));
        let dead: usize = nets.iter().map(|net| net.rule.constant()).sum();
        if dead > 0 {
            found.notes.push(format!("{dead} map(s) were constant; their similarity counts as 0"));
        }
        if !told.is_empty() {
            let row = |(at, arm): (usize, &&Arm)| {
                (arm.word.clone(), ranked(&nets, |net| net.arms.get(at)))
            };
            found
                .tables
                .push(controls::table(&words.iter().enumerate().map(row).collect::<Vec<_>>()));
        }
        let gradient = ranked(&nets, |net| Some(&net.gradient)).p_value();
        let (own, others) = nets.split_at(1);
        let alike: std::result::Result<Vec<f64>, _> =
            others.iter().map(|net| own[0].gradient.likeness(&net.gradient)).collect();
        let alike = outcome(alike.and_then(|all| mean(&all)));
        let mut all = vec![
            found,
            of_cohort(&CARD, "p_value_sign", rule.judged(&rule.by_sign)),
            of_cohort(&CARD, "p_value_size", rule.judged(&rule.by_size)),
        ];
        let blind = controls::blind_controls(bench)?;
        all.extend(blind.into_iter().map(|(quantity, p)| of_cohort(&CARD, quantity, p)));
        all.push(of_cohort(&CARD, "control_gradient_similarity", alike));
        all.push(of_cohort(&CARD, "control_gradient_p", gradient));
        Ok(all)
    }
}
