//! Would another rule of the same network have shown the same?
//!
//! * **Question** How far does the map hang on the choice of the rule?
//! * **Formula** For each rule of [`RULES`] but the audited one, per subject inside the mask:
//!   Spearman's correlation of R and of |R|, cosine; over regions the rank correlation of Σ|R|
//!   and what the shares of |R| have in common, Σ min(p, q). `region_ranks`: Kendall's W of the
//!   regions' mean |R| over all rules together. Cohort: mean over subjects.
//! * **Reading** 1: the choice of the rule does not matter.
//! * **When it misleads** Rules of one kind (z⁺, α2β1) agree because they make the same choices;
//!   neither agreement nor the lack of it says which rule is right.
//! * **Source** Eitel & Ritter 2019, <https://arxiv.org/abs/1909.08856>; Kendall & Babington
//!   Smith 1939, <https://doi.org/10.1214/aoms/1177732186>.

use rayon::prelude::*;

use super::arm_agreement::{heads, row};
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome, Table};
use crate::audit::tools::alike::{concordance, measures, overlap};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::explain::Composite;
use crate::stats::Stat;
use crate::{Error, Result};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "rule_agreement",
    title: "Other rules beside the audited one",
    question: "How far does the map hang on the choice of the rule?",
    formula: "inside the mask of each subject: Spearman of R and of |R|, cosine; over regions: Spearman of the sums of |R|, common share of |R|; region_ranks: Kendall's W of the regions' mean |R| over all rules; means over subjects",
    reading: "1: another rule would have shown the same; 0: unrelated.",
    misleads: "Rules of one kind agree because they make the same choices. Neither agreement nor its lack says which rule is right. Shares of regions agree by their sizes alone: a constant map has large common shares, too.",
    source: "Eitel & Ritter 2019, https://arxiv.org/abs/1909.08856; Kendall & Babington Smith 1939, https://doi.org/10.1214/aoms/1177732186",
    unit: "1",
    better: Better::Neither,
};

/// Rules compared.
pub const RULES: [&str; 5] =
    ["lrp_0", "epsilon_0.25", "gamma_0.25", "epsilon_plus", "epsilon_alpha2_beta1"];

/// Name of the table that has a row per rule.
pub const TABLE: &str = "other rules against the audited map";

/// What is compared, as the columns of the tables have it.
pub(super) const MEASURES: [&str; 5] =
    ["Spearman of R", "Spearman of |R|", "cosine", "regions", "common share of regions"];

/// The check.
#[derive(Debug)]
pub struct RuleAgreement;

/// Maps of all cases, or why there are none.
type Maps = std::result::Result<Vec<Vec<f32>>, String>;

/// The [`MEASURES`] of maps against the audited ones, means over subjects.
fn against(bench: &Bench<'_>, maps: &Maps, purpose: &str) -> Vec<Outcome> {
    match maps {
        Ok(maps) => likeness(bench, &bench.maps, maps, purpose),
        Err(why) => vec![Outcome::NotApplicable { why: why.clone() }; MEASURES.len()],
    }
}

/// The [`MEASURES`] of two sets of maps, means over subjects.
pub(super) fn likeness(
    bench: &Bench<'_>,
    own: &[Vec<f32>],
    maps: &[Vec<f32>],
    purpose: &str,
) -> Vec<Outcome> {
    let one = |n: usize| {
        let (case, own, other) = (&bench.cases[n], &own[n], &maps[n]);
        let mut all = measures(case, own, other).to_vec();
        all.push(overlap(case, own, other));
        all
    };
    let all: Vec<Vec<Stat>> = (0..bench.cases.len()).into_par_iter().map(one).collect();
    (0..MEASURES.len())
        .map(|m| {
            let stats: Vec<Stat> = all.iter().map(|own| own[m].clone()).collect();
            mean_of(&stats, bench.seed, &format!("{purpose}/{m}"))
        })
        .collect()
}

/// Kendall's W of the regions over several sets of maps, mean over subjects.
pub(super) fn region_ranks(bench: &Bench<'_>, sets: &[&[Vec<f32>]], purpose: &str) -> Outcome {
    if bench.cases.iter().any(|c| c.labels.is_none()) {
        return Outcome::NotApplicable { why: "no label map".to_owned() };
    }
    let one = |n: usize| {
        let own: Vec<&[f32]> = sets.iter().map(|maps| maps[n].as_slice()).collect();
        concordance(&bench.cases[n], &own)
    };
    let stats: Vec<Stat> = (0..bench.cases.len()).into_par_iter().map(one).collect();
    mean_of(&stats, bench.seed, purpose)
}

/// The maps of all cases by another rule; a rule that does not fit the network keeps the reason.
fn by_rule(bench: &Bench<'_>, word: &str, ws: &mut Workspace) -> Result<Maps> {
    let composite = Composite::named(word)?;
    match bench.explain_by(&composite, bench.network()?.graph, &bench.images(), ws) {
        Ok(made) => Ok(Ok(made.maps)),
        Err(stop @ Error::Interrupted { .. }) => Err(stop),
        Err(error) => Ok(Err(error.to_string())),
    }
}

impl Check for RuleAgreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let audited = &bench.explainer()?.composite.id;
        let (mut ws, mut all) = (Workspace::new(), Vec::new());
        for word in RULES.into_iter().filter(|r| r != audited) {
            all.push((word, by_rule(bench, word, &mut ws)?));
        }
        let mut table =
            Table { name: TABLE.to_owned(), columns: heads(&MEASURES), rows: Vec::new() };
        let mut sets: Vec<&[Vec<f32>]> = vec![&bench.maps];
        sets.extend(all.iter().filter_map(|(_, maps)| maps.as_deref().ok()));
        let ranks = region_ranks(bench, &sets, "rule_agreement/region_ranks");
        let mut found = vec![of_cohort(&CARD, "region_ranks", ranks)];
        for (word, maps) in &all {
            let key = word.replace('.', "_");
            let outcomes = against(bench, maps, &format!("{}/{key}", CARD.id));
            table.rows.push(row(word, &outcomes));
            found.push(of_cohort(&CARD, &format!("agreement_{key}"), outcomes[0].clone()));
        }
        found[0].tables.push(table);
        found[0].notes.push(format!(
            "agreement_RULE is the mean Spearman correlation of R over {} subjects; region_ranks is \
             1 when all rules order the regions alike, and about {:.2} when their orders are \
             unrelated.",
            bench.cases.len(),
            1.0 / (1 + all.len()) as f64
        ));
        Ok(found)
    }
}
