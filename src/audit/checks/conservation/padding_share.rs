//! Does relevance fall on padding?
//!
//! * **Question** How much relevance reaches voxels that no image has: the padding of layers?
//! * **Formula** Σ|R| in the borders of all layers that pad over Σ|R| at the start, the zero padding
//!   of convolutions made a layer of its own for it.
//! * **Reading** 0 for rules in proportion to the input and borders of 0. Of other borders it is
//!   relevance that the map lacks. Rules that do not look at the value (flat, w², box) would put
//!   this much on zero padding too: as the maps are made, the padding of a convolution gets nothing
//!   and its share goes to the outermost voxels instead.
//! * **When it misleads** Layers add up, so that it can exceed 1. Padding that a network learned
//!   to read as the edge of the world is no fault of the rule.
//! * **Source** Islam et al. 2020, <https://arxiv.org/abs/2001.08248>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort, of_subject};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::explain::ledger::LedgerLine;
use crate::model::layers::pad;
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "padding_share",
    title: "Relevance on padding",
    question: "How much relevance reaches voxels that no image has: the padding of layers?",
    formula: "sum of |R| in the borders of all layers that pad over the sum of |R| at the start; zero padding of convolutions made a layer of its own",
    reading: "0 for rules in proportion to the input and borders of 0. Of other borders it is missing from the map; flat, w-square and box rules push this much of zero padding into the outermost voxels.",
    misleads: "Layers add up: it can exceed 1. Padding that a network learned to read as the edge of the world is no fault of the rule.",
    source: "Islam et al. 2020, https://arxiv.org/abs/2001.08248",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct PaddingShare;

/// Lines of layers that pad, each with Σ|R| in its border.
fn borders(ledger: &[LedgerLine]) -> impl Iterator<Item = (&LedgerLine, f64)> {
    let own = ledger.iter().filter(|l| l.kind == pad::CARD.id);
    own.map(|l| (l, (l.mass - l.mass_handed_on).max(0.0)))
}

fn share(ledger: &[LedgerLine]) -> Stat {
    let start = ledger.first().map_or(0.0, |l| l.mass);
    if start > 0.0 {
        moments::finite(borders(ledger).map(|(_, border)| border).sum::<f64>() / start, "a share")
    } else {
        undefined("no relevance sets out")
    }
}

/// Per layer Σ|R| in its border over Σ|R| at the start, mean over subjects.
fn table(ledgers: &[Vec<LedgerLine>]) -> Table {
    let names: Vec<&str> = ledgers
        .first()
        .into_iter()
        .flat_map(|l| borders(l))
        .map(|(l, _)| l.layer.as_str())
        .collect();
    let row = |(at, name): (usize, &&str)| {
        let of = |ledger: &Vec<LedgerLine>| {
            let start = ledger.first().filter(|l| l.mass > 0.0)?.mass;
            borders(ledger).nth(at).map(|(_, border)| border / start)
        };
        let mean = moments::mean(&ledgers.iter().filter_map(of).collect::<Vec<f64>>());
        let number = mean.map_or_else(|why| Cell::Missing(why.0), Cell::Number);
        vec![Cell::Text((*name).to_owned()), number]
    };
    let column = |name: &str, unit: &str| Column { name: name.to_owned(), unit: unit.to_owned() };
    Table {
        name: "relevance on padding by layer".to_owned(),
        columns: vec![column("padding", ""), column("share of the start", "1")],
        rows: names.iter().enumerate().map(row).collect(),
    }
}

impl Check for PaddingShare {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let open = bench.network()?.graph.with_borders()?;
        if !open.nodes().iter().any(|n| n.layer.card().id == pad::CARD.id) {
            let why = "no layer pads".to_owned();
            return Ok(vec![of_cohort(&CARD, CARD.id, Outcome::NotApplicable { why })]);
        }
        let ledgers = bench.explained(&open, &mut Workspace::new())?.ledgers;
        let all: Vec<Stat> = ledgers.iter().map(|ledger| share(ledger)).collect();
        let each = bench.cases.iter().zip(&all);
        let mut out: Vec<Finding> =
            each.map(|(c, s)| of_subject(&CARD, &c.id, CARD.id, s.clone())).collect();
        let mut whole = of_cohort(&CARD, CARD.id, mean_of(&all, bench.seed, CARD.id));
        whole.tables.push(table(&ledgers));
        out.push(whole);
        Ok(out)
    }
}
