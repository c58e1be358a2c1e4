//! How concentrated is the map, beside maps that show nothing?
//!
//! * **Question** In how few voxels and blobs does the relevance lie?
//! * **Formula** Of a = |R| inside the mask: Gini coefficient; entropy −Σ p ln p of p = a / Σ a,
//!   nats; `share_90`, the share of voxels, largest first, that hold 90 % of Σ a; effective
//!   complexity, the voxels with more than 1 % of the largest a; `blobs`, connected parts (26
//!   neighbours) of the voxels that hold half of Σ a, largest first with ties, and the volume of
//!   the largest part. Means over subjects.
//! * **Reading** Gini 0 and entropy ln n: spread evenly. Compare with |x|, noise and a constant.
//! * **When it misleads** A concentrated map is easy to look at, not right; what a network uses
//!   may be spread out. Single outliers rule the effective complexity.
//! * **Source** Chalasani et al. 2020, <https://arxiv.org/abs/1810.06583>; Bhatt et al. 2020,
//!   <https://arxiv.org/abs/2005.00631>; Nguyen & Martínez 2020,
//!   <https://arxiv.org/abs/2007.07584>.

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::stability::arm_agreement::{cell, columns, heads, row};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Cell, Finding, Outcome, Table};
use crate::audit::tools::alike::{size, within};
use crate::card::{Better, Card};
use crate::image::blobs::blobs;
use crate::stats::complexity::{effective_complexity, entropy, gini};
use crate::stats::{Stat, Undefined, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "map_complexity",
    title: "Concentration of the map",
    question: "In how few voxels and blobs does the relevance lie?",
    formula: "of |R| inside the mask: Gini; entropy of its shares (nats); share of voxels that hold 90 %; voxels above 1 % of the largest; connected blobs (26 neighbours) of the voxels that hold half of it, and the largest blob's volume (ml); means over subjects",
    reading: "Gini 0, entropy ln n: spread evenly over n voxels. Compare with |x|, noise and a constant in the table.",
    misleads: "A concentrated map is easy to look at, not right: what a network uses may be spread out. Single outliers rule the effective complexity.",
    source: "Chalasani et al. 2020, https://arxiv.org/abs/1810.06583; Bhatt et al. 2020, https://arxiv.org/abs/2005.00631; Nguyen & Martinez 2020, https://arxiv.org/abs/2007.07584",
    unit: "1",
    better: Better::Neither,
};

/// Share of the largest |R| above which a voxel counts for the effective complexity.
const EPSILON: f64 = 0.01;
/// Share of Σ|R| that a few voxels hold.
const MOST: f64 = 0.9;
/// Share of Σ|R| whose voxels make blobs.
const HALF: f64 = 0.5;

/// Name of the table that has a row per kind of map.
pub const TABLE: &str = "concentration of maps";

/// What is measured, and its unit.
pub const MEASURES: [(&str, &str); 6] = [
    ("gini", "1"),
    ("entropy", "nat"),
    ("share_90", "1"),
    ("effective_complexity", "voxels"),
    ("blobs", "1"),
    ("largest_blob_ml", "ml"),
];

/// The check.
#[derive(Debug)]
pub struct MapComplexity;

/// The least number of largest amounts that hold a share of all, and the least of them.
fn holding(amounts: &[f64], share: f64) -> Result<(usize, f64), Undefined> {
    let goal = share * moments::sum(amounts);
    let mut sorted = amounts.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut held = 0.0;
    for (n, a) in sorted.iter().enumerate() {
        held += a;
        // A hair less, for the rounding of the sum.
        if held >= goal * (1.0 - 1e-12) {
            return Ok((n + 1, *a));
        }
    }
    undefined("no amounts")
}

/// [`MEASURES`] of a map.
fn measures(case: &Case, map: &[f32]) -> [Stat; 6] {
    let inside = case.inside();
    let amounts = size(&within(map, &inside));
    let sparse = gini(&amounts);
    if let Err(why) = &sparse {
        return [(); 6].map(|()| Err(why.clone()));
    }
    let parts = holding(&amounts, HALF).map(|(_, least)| {
        let mut kept = vec![false; case.grid.len()];
        inside.iter().zip(&amounts).for_each(|(&v, a)| kept[v] = *a >= least);
        blobs(&kept, case.grid.shape())
    });
    let largest = |parts: &[Vec<usize>]| parts.iter().map(Vec::len).max().unwrap_or(0) as f64;
    [
        sparse,
        entropy(&amounts),
        holding(&amounts, MOST).map(|(n, _)| n as f64 / amounts.len() as f64),
        effective_complexity(&amounts, EPSILON),
        parts.clone().map(|p| p.len() as f64),
        parts.map(|p| largest(&p) * case.grid.voxel_mm3() / 1000.0),
    ]
}

/// [`MEASURES`] of one kind of map by subject, and their means.
fn of(
    bench: &Bench<'_>,
    word: &str,
    map: &(dyn Fn(usize) -> std::result::Result<Vec<f32>, String> + Sync),
) -> (Vec<[Stat; 6]>, Vec<Outcome>) {
    let one = |n: usize| match map(n) {
        Ok(map) => measures(&bench.cases[n], &map),
        Err(why) => [(); 6].map(|()| undefined(why.clone())),
    };
    let all: Vec<[Stat; 6]> = (0..bench.cases.len()).into_par_iter().map(one).collect();
    let mean = |m: usize| {
        let stats: Vec<Stat> = all.iter().map(|own| own[m].clone()).collect();
        mean_of(&stats, bench.seed, &format!("{}/{word}/{m}", CARD.id))
    };
    let means = (0..MEASURES.len()).map(mean).collect();
    (all, means)
}

impl Check for MapComplexity {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let names = MEASURES.map(|(name, _)| name);
        let mut table = Table { name: TABLE.to_owned(), columns: heads(&names), rows: Vec::new() };
        let (own, means) = of(bench, "audited", &|n| Ok(bench.maps[n].clone()));
        table.rows.push(row(&format!("{} (audited)", bench.maker), &means));
        for arm in &bench.arms {
            let map = |n: usize| arm.maps.as_ref().map(|m| m[n].clone()).map_err(Clone::clone);
            table.rows.push(row(&arm.arm.word, &of(bench, &arm.arm.key(), &map).1));
        }
        let noise = |n: usize| {
            let case = &bench.cases[n];
            let mut stream = bench.seed.stream(&format!("audit/{}/random/{}", CARD.id, case.id));
            Ok(case.data.iter().map(|_| stream.normal() as f32).collect())
        };
        let image = |n: usize| Ok(bench.cases[n].data.clone());
        let constant = |n: usize| Ok(vec![1.0; bench.cases[n].data.len()]);
        table.rows.push(row("control: |x|", &of(bench, "image", &image).1));
        table.rows.push(row("control: random", &of(bench, "random", &noise).1));
        table.rows.push(row("control: constant", &of(bench, "constant", &constant).1));
        let heads: Vec<String> =
            std::iter::once("subject").chain(names).map(str::to_owned).collect();
        let by_subject = Table {
            name: "concentration by subject".to_owned(),
            columns: columns(&heads),
            rows: bench
                .cases
                .iter()
                .zip(own)
                .map(|(c, own)| {
                    std::iter::once(Cell::Text(c.id.clone())).chain(own.map(cell)).collect()
                })
                .collect(),
        };
        let mut found: Vec<Finding> = MEASURES
            .iter()
            .zip(means)
            .map(|((name, unit), mean)| Finding {
                unit: (*unit).to_owned(),
                ..of_cohort(&CARD, name, mean)
            })
            .collect();
        found[0].tables = vec![table, by_subject];
        found[0].notes.push(format!(
            "Means over {} subjects. Blobs are of the voxels that hold half of the sum of |R|.",
            bench.cases.len()
        ));
        Ok(found)
    }
}
