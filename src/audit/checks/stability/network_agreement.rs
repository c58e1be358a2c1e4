//! Would another network of the same training have shown the same?
//!
//! * **Question** Does the map speak of the subject, or of the draw of the network?
//! * **Formula** By the audited rule, per subject inside the mask: Spearman's correlation of R and
//!   of |R|, cosine; over regions the rank correlation of Σ|R| and the common share Σ min(p, q).
//!   Folds: the maps of each other fold's network against the audited ones. Seeds: the maps of the
//!   members of the audited network, fitted on the same subjects from other starts, each
//!   against the next. `region_ranks`: Kendall's W of the regions' mean |R| over all folds,
//!   `seed_region_ranks` over all members. `margin`, `seed_margin`: the mean correlation of R
//!   less that of maps of different subjects under the audited network.
//! * **Reading** 1: any of the networks would have shown the same. A margin below 0: another
//!   network changes a map more than another subject does. Where seeds agree and folds do not, the
//!   map hangs on who was fitted, otherwise on the start.
//! * **When it misleads** The networks of other folds were fitted on most of the same subjects,
//!   and mostly on the very subjects audited here: agreement is better than it would be over
//!   networks from other data. The table says who had seen whom. Members are single networks:
//!   their mean, which is audited, changes less from retraining to retraining.
//! * **Source** Eitel & Ritter 2019, <https://arxiv.org/abs/1909.08856>.

use super::arm_agreement::{cells, columns};
use super::rule_agreement::{MEASURES, likeness, region_ranks};
use crate::Result;
use crate::audit::bench::{Bench, Kin, Needs, Other};
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Cell, Finding, Outcome, Table};
use crate::audit::tools::alike::between_subjects;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "network_agreement",
    title: "Other networks of the same training",
    question: "Does the map speak of the subject, or of the draw of the network?",
    formula: "inside the mask of each subject: Spearman of R and of |R|, cosine; over regions: Spearman of the sums of |R|, common share of |R|; folds: each other fold's network against the audited one; seeds: each member of the audited network (same subjects, another start) against the next; region_ranks, seed_region_ranks: Kendall's W of the regions' mean |R|; margin, seed_margin = mean Spearman of R - mean Spearman of R between subjects",
    reading: "1: any of the networks would have shown the same. A margin below 0: another network changes a map more than another subject does. Where seeds agree and folds do not, the map hangs on who was fitted, otherwise on the start.",
    misleads: "Networks of other folds were fitted on most of the same subjects, mostly on the very subjects audited here (the table counts them): networks from other data would agree less. Members are single networks; their mean, which is audited, changes less. Networks that share a shortcut agree.",
    source: "Eitel & Ritter 2019, https://arxiv.org/abs/1909.08856",
    unit: "1",
    better: Better::Higher,
};

/// Name of the table that has a row per network of another fold.
pub const TABLE: &str = "other networks against the audited map";
/// Name of the table that has a row per pair of members.
pub const SEEDS: &str = "members of the audited network against each other";

/// The check.
#[derive(Debug)]
pub struct NetworkAgreement;

/// Another network's maps, and for how many subjects it predicts the same class.
struct Seen<'a> {
    other: &'a Other,
    maps: Vec<Vec<f32>>,
    same: usize,
}

/// What is said of one kind of networks.
struct Level {
    kin: Kin,
    /// Begins its quantities.
    prefix: &'static str,
    table: &'static str,
    /// Why there are none.
    none: &'static str,
}

const LEVELS: [Level; 2] = [
    Level {
        kin: Kin::Fold,
        prefix: "",
        table: TABLE,
        none: "there is one network: train with folds to have others",
    },
    Level {
        kin: Kin::Seed,
        prefix: "seed_",
        table: SEEDS,
        none: "the network of a fold is one network: train with --members 2 or more to have \
               others of the same subjects",
    },
];

fn maps<'b>(bench: &'b Bench<'_>, other: &'b Other, ws: &mut Workspace) -> Result<Seen<'b>> {
    let made = bench.explained(&other.graph, ws)?;
    let pairs = bench.network()?.answers.iter().zip(&made.answers);
    let same = pairs.filter(|(a, b)| a.called() == b.called()).count();
    Ok(Seen { other, maps: made.maps, same })
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

impl Level {
    /// Pairs of sets of maps, each with its name and the network that is named in its row.
    fn pairs<'s>(
        &self,
        bench: &'s Bench<'_>,
        all: &'s [Seen<'_>],
    ) -> Vec<(String, &'s Seen<'s>, &'s [Vec<f32>])> {
        let name = |n: usize| all[n].other.name.clone();
        match self.kin {
            Kin::Fold => (0..all.len()).map(|n| (name(n), &all[n], &bench.maps[..])).collect(),
            // Two members are one pair, more a ring.
            Kin::Seed => (0..if all.len() == 2 { 1 } else { all.len() })
                .map(|n| (n, (n + 1) % all.len()))
                .map(|(n, next)| {
                    (format!("{}_{}", name(n), name(next)), &all[n], &all[next].maps[..])
                })
                .collect(),
        }
    }

    fn findings(&self, bench: &Bench<'_>, ws: &mut Workspace) -> Result<Vec<Finding>> {
        let named = |what: &str| format!("{}{what}", self.prefix);
        let own = bench.others.iter().filter(|o| o.kin == self.kin);
        let all: Vec<Seen<'_>> = own.map(|o| maps(bench, o, ws)).collect::<Result<_>>()?;
        if all.len() < if self.kin == Kin::Seed { 2 } else { 1 } {
            let why = self.none.to_owned();
            return Ok(vec![of_cohort(&CARD, &named("margin"), Outcome::NotApplicable { why })]);
        }
        let mut names = ["network", "had seen", "same class"].map(str::to_owned).to_vec();
        names.extend(MEASURES.iter().flat_map(|m| [(*m).to_owned(), "low".into(), "high".into()]));
        let mut table =
            Table { name: self.table.to_owned(), columns: columns(&names), rows: Vec::new() };
        let (mut found, mut said) = (Vec::new(), Vec::new());
        for (name, seen, other) in self.pairs(bench, &all) {
            let outcomes = likeness(bench, other, &seen.maps, &format!("{}/{name}", CARD.id));
            let saw = seen.other.saw.iter().filter(|s| **s).count();
            let mut row = vec![Cell::Text(name.clone())];
            row.extend([saw, seen.same].map(|n| Cell::Number(n as f64)));
            row.extend(outcomes.iter().flat_map(cells));
            table.rows.push(row);
            said.push(format!("{} {saw}", seen.other.name));
            found.push(of_cohort(&CARD, &format!("agreement_{name}"), outcomes[0].clone()));
        }
        let whole = margin(bench, &found.iter().map(|f| &f.outcome).collect::<Vec<_>>());
        let mut first = of_cohort(&CARD, &named("margin"), whole);
        first.tables.push(table);
        first.notes.push(format!(
            "Of {} audited subjects each network had seen in training: {}.",
            bench.cases.len(),
            said.join(", ")
        ));
        let audited = (self.kin == Kin::Fold).then_some(&bench.maps[..]);
        let sets: Vec<&[Vec<f32>]> =
            audited.into_iter().chain(all.iter().map(|s| &s.maps[..])).collect();
        let ranks = named("region_ranks");
        let w = region_ranks(bench, &sets, &format!("{}/{ranks}", CARD.id));
        Ok([first, of_cohort(&CARD, &ranks, w)].into_iter().chain(found).collect())
    }
}

impl Check for NetworkAgreement {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let mut ws = Workspace::new();
        let mut found = Vec::new();
        for level in &LEVELS {
            found.extend(level.findings(bench, &mut ws)?);
        }
        Ok(found)
    }
}
