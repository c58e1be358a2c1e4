//! The other methods under re-initialised networks: does their map depend on the weights?

use rayon::prelude::*;

use super::CARD;
use super::likeness::{size, within};
use crate::Result;
use crate::audit::arms::Compared;
use crate::audit::bench::Bench;
use crate::audit::checks::stability::arm_agreement::{heads, row};
use crate::audit::checks::{mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome, Table};
use crate::compute::Workspace;
use crate::model::Graph;
use crate::stats::{Stat, moments, rank};

/// Name of the table that has a row per method.
pub const ARMS: &str = "methods with all layers drawn anew";

/// Measures of the table.
pub const MEASURES: [&str; 2] = ["|Spearman of R|", "Spearman of |R|"];

/// Per case |Spearman of R| and Spearman of |R| with the map under the trained network.
pub(super) type Alike = Vec<[Stat; 2]>;

/// How alike the maps of every arm and those under another network are; none where an arm
/// has no maps.
pub(super) fn under(
    bench: &Bench<'_>,
    net: &Graph,
    ws: &mut Workspace,
) -> Result<Vec<Option<Alike>>> {
    let one = |arm: &Compared| -> Result<Option<Alike>> {
        let Ok(own) = &arm.maps else { return Ok(None) };
        let drawn = bench.maps_of(&arm.arm, net, ws)?;
        let cases = bench.cases.par_iter().zip(own).zip(&drawn);
        let alike = |((case, own), drawn): ((&crate::audit::case::Case, &Vec<f32>), &Vec<f32>)| {
            let inside = case.inside();
            let (a, b) = (within(own, &inside), within(drawn, &inside));
            [rank::spearman(&a, &b).map(f64::abs), rank::spearman(&size(&a), &size(&b))]
        };
        Ok(Some(cases.map(alike).collect()))
    };
    bench.arms.iter().map(one).collect()
}

/// `similarity_full_METHOD` of every arm, and the table with the audited rule, `own`, above
/// them; nothing without arms.
pub(super) fn findings(
    bench: &Bench<'_>,
    draws: &[Vec<Option<Alike>>],
    own: [Outcome; 2],
) -> Vec<Finding> {
    let mut table = Table { name: ARMS.to_owned(), columns: heads(&MEASURES), rows: Vec::new() };
    table.rows.push(row(&format!("{} (audited)", bench.maker), &own));
    let mut found: Vec<Finding> = Vec::new();
    for (at, arm) in bench.arms.iter().enumerate() {
        let key = arm.arm.key();
        let mean = |m: usize| -> Outcome {
            if let Err(why) = &arm.maps {
                return Outcome::NotApplicable { why: why.clone() };
            }
            let of_case = |c: usize| -> Stat {
                let all = draws.iter().flat_map(|d| &d[at]).map(|alike| alike[c][m].clone());
                moments::mean(&all.collect::<std::result::Result<Vec<f64>, _>>()?)
            };
            let stats: Vec<Stat> = (0..bench.cases.len()).map(of_case).collect();
            mean_of(&stats, bench.seed, &format!("weights_cascade/arms/{key}/{m}"))
        };
        let outcomes = [mean(0), mean(1)];
        table.rows.push(row(&arm.arm.word, &outcomes));
        let [main, _] = outcomes;
        found.push(of_cohort(&CARD, &format!("similarity_full_{key}"), main));
    }
    if let Some(first) = found.first_mut() {
        first.tables.push(table);
        first.notes.push(format!(
            "Methods beside the audited rule are drawn anew {} time(s), at the last stage only.",
            draws.len()
        ));
    }
    found
}
