//! Would another network of the same training have shown the same?
//!
//! * **Question** Does the map speak of the subject, or of the draw of the network?
//! * **Formula** For each other network of the training (its other folds), by the audited rule,
//!   per subject inside the mask: Spearman's correlation of R and of |R|, cosine; over regions
//!   the rank correlation of Σ|R| and the common share Σ min(p, q). `region_ranks`: Kendall's W
//!   of the regions' mean |R| over all networks. `margin`: the mean correlation of R over
//!   networks less that of maps of different subjects under the audited network.
//! * **Reading** 1: any of the networks would have shown the same. A margin below 0: another
//!   network changes a map more than another subject does.
//! * **When it misleads** The networks of other folds were fitted on most of the same subjects,
//!   and mostly on the very subjects audited here: agreement is better than it would be over
//!   networks from other data. The table says who had seen whom.
//! * **Source** Eitel & Ritter 2019, <https://arxiv.org/abs/1909.08856>.

use super::arm_agreement::{cells, columns};
use super::rule_agreement::{MEASURES, Maps, against, region_ranks};
use crate::Result;
use crate::audit::alike::between_subjects;
use crate::audit::bench::{Bench, Needs, Other};
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Cell, Finding, Outcome, Table};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "network_agreement",
    title: "Other networks of the same training",
    question: "Does the map speak of the subject, or of the draw of the network?",
    formula: "inside the mask of each subject: Spearman of R and of |R|, cosine; over regions: Spearman of the sums of |R|, common share of |R|; region_ranks: Kendall's W of the regions' mean |R| over all networks; margin = mean Spearman of R over networks - mean Spearman of R between subjects",
    reading: "1: any of the networks would have shown the same. A margin below 0: another network changes a map more than another subject does.",
    misleads: "Networks of other folds were fitted on most of the same subjects, mostly on the very subjects audited here (the table counts them): networks from other data would agree less. Networks that share a shortcut agree.",
    source: "Eitel & Ritter 2019, https://arxiv.org/abs/1909.08856",
    unit: "1",
    better: Better::Higher,
};

/// Name of the table that has a row per network.
pub const TABLE: &str = "other networks against the audited map";

/// The check.
#[derive(Debug)]
pub struct NetworkAgreement;

/// Another network's maps, and for how many subjects it predicts the same class.
struct Seen<'a> {
    other: &'a Other,
    maps: Maps,
    same: usize,
}

fn maps<'b>(bench: &'b Bench<'_>, other: &'b Other, ws: &mut Workspace) -> Result<Seen<'b>> {
    let made = bench.explained(&other.graph, ws)?;
    let pairs = bench.network()?.answers.iter().zip(&made.answers);
    let same = pairs.filter(|(a, b)| a.called() == b.called()).count();
    Ok(Seen { other, maps: Ok(made.maps), same })
}

fn margin(bench: &Bench<'_>, agreements: &[&Outcome]) -> Outcome {
    if bench.cases.len() < 2 {
        let why = "one subject has no other to be compared with".to_owned();
        return Outcome::NotApplicable { why };
    }
    let value = |o: &&Outcome| match o {
        Outcome::Measured { value, .. } => Ok(*value),
        Outcome::NotApplicable { why } | Outcome::Unmeasurable { why } => undefined(why.clone()),
    };
    let all = || -> Stat {
        let values: Vec<f64> =
            agreements.iter().map(value).collect::<std::result::Result<_, _>>()?;
        Ok(moments::mean(&values)? - between_subjects(bench)?)
    };
    outcome(all())
}

impl Check for NetworkAgreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        if bench.others.is_empty() {
            let why = "there is one network: train with folds to have others".to_owned();
            return Ok(vec![of_cohort(&CARD, "margin", Outcome::NotApplicable { why })]);
        }
        let mut ws = Workspace::new();
        let all: Vec<Seen<'_>> =
            bench.others.iter().map(|o| maps(bench, o, &mut ws)).collect::<Result<_>>()?;
        let mut names: Vec<String> =
            ["network", "had seen", "same class"].map(str::to_owned).to_vec();
        names.extend(MEASURES.iter().flat_map(|m| [(*m).to_owned(), "low".into(), "high".into()]));
        let mut table =
            Table { name: TABLE.to_owned(), columns: columns(&names), rows: Vec::new() };
        let mut found = Vec::new();
        let mut said = Vec::new();
        for seen in &all {
            let name = &seen.other.name;
            let outcomes = against(bench, &seen.maps, &format!("{}/{name}", CARD.id));
            let saw = seen.other.saw.iter().filter(|s| **s).count();
            let mut row = vec![Cell::Text(name.clone())];
            row.extend([saw, seen.same].map(|n| Cell::Number(n as f64)));
            row.extend(outcomes.iter().flat_map(cells));
            table.rows.push(row);
            said.push(format!("{name} {saw}"));
            found.push(of_cohort(&CARD, &format!("agreement_{name}"), outcomes[0].clone()));
        }
        let whole = margin(bench, &found.iter().map(|f| &f.outcome).collect::<Vec<_>>());
        let all: Vec<&Maps> = all.iter().map(|s| &s.maps).collect();
        let mut first = of_cohort(&CARD, "margin", whole);
        first.tables.push(table);
        first.notes.push(format!(
            "Of {} audited subjects each network had seen in training: {}.",
            bench.cases.len(),
            said.join(", ")
        ));
        let ranks = of_cohort(&CARD, "region_ranks", region_ranks(bench, &all, CARD.id));
        Ok([first, ranks].into_iter().chain(found).collect())
    }
}
