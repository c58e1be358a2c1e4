//! What happens when left and right are swapped?
//!
//! * **Question** Does the network treat both sides alike, and does its map follow the anatomy?
//! * **Formula** The image mirrored across the middle of the grid. `score_change`: mean |change of
//!   the score| over the standard deviation of the scores. `map_follows`: Spearman correlation,
//!   inside the mask, of the map of the mirrored image, mirrored back, with the map.
//!   `asymmetry`: Σ|R(v) − R(v mirrored)| over 2 Σ|R|, of the map itself.
//! * **Reading** `score_change` near 0 and `map_follows` near 1: sides are treated alike. A large
//!   change where the label has no side points to a marker, to a table of sides mixed up, or to
//!   real asymmetry.
//! * **When it misleads** Brains are asymmetric, and heads are seldom straight: the middle of the
//!   grid is not the middle of the brain.
//! * **Source** Dubois et al. 2010, <https://doi.org/10.1093/cercor/bhp097>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, mean_of, of_cohort, of_subject, outcome};
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::{Stat, moments, rank, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "sides_swapped",
    title: "Left and right swapped",
    question: "Does the network treat both sides alike, and does its map follow the anatomy?",
    formula: "image mirrored across the middle of the grid; score_change = mean |change of the score| / sd of the scores; map_follows = Spearman correlation of the map of the mirrored image, mirrored back, with the map inside the mask; asymmetry = sum |R(v) - R(v mirrored)| / (2 sum |R|)",
    reading: "score_change near 0 and map_follows near 1: sides are treated alike.",
    misleads: "Brains are asymmetric and heads are seldom straight: a change is a question, not a fault.",
    source: "Dubois et al. 2010, https://doi.org/10.1093/cercor/bhp097",
    unit: "1",
    better: Better::Neither,
};

/// The check.
#[derive(Debug)]
pub struct SidesSwapped;

/// Values with i counted from the other end.
fn mirrored<V: Copy>(case: &Case, values: &[V]) -> Vec<V> {
    let [ni, ..] = case.grid.shape();
    values.chunks(ni).flat_map(|row| row.iter().rev().copied()).collect()
}

fn follows(case: &Case, own: &[f32], back: &[f32]) -> Stat {
    let of = |map: &[f32]| case.inside().iter().map(|v| f64::from(map[*v])).collect::<Vec<_>>();
    rank::spearman(&of(own), &of(back))
}

fn asymmetry(case: &Case, map: &[f32]) -> Stat {
    let other = mirrored(case, map);
    let gap: f64 = map.iter().zip(&other).map(|(a, b)| f64::from((a - b).abs())).sum();
    let mass: f64 = map.iter().map(|v| f64::from(v.abs())).sum();
    if mass > 0.0 { Ok(gap / (2.0 * mass)) } else { undefined("the map is zero") }
}

impl Check for SidesSwapped {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (network, mut ws) = (bench.network()?, Workspace::new());
        let images: Vec<Vec<f32>> =
            bench.cases.iter().map(|case| mirrored(case, &case.data)).collect();
        let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let swapped = bench.explain_images(network.graph, &views, &mut ws)?;
        let (mut out, mut same, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        for ((case, own), new) in bench.cases.iter().zip(&bench.maps).zip(&swapped.maps) {
            let follows = follows(case, own, &mirrored(case, new));
            let asymmetry = asymmetry(case, own);
            out.push(of_subject(&CARD, &case.id, "map_follows", follows.clone()));
            out.push(of_subject(&CARD, &case.id, "asymmetry", asymmetry.clone()));
            same.push(follows);
            odd.push(asymmetry);
        }
        let scores: Vec<f64> = network.answers.iter().map(|a| a.score).collect();
        let pairs = scores.iter().zip(&swapped.answers);
        let change: Vec<f64> = pairs.map(|(a, b)| (a - b.score).abs()).collect();
        let spread = moments::sd(&scores).and_then(|sd| {
            let mean = moments::mean(&change)?;
            if sd > 0.0 { Ok(mean / sd) } else { undefined("all scores are equal") }
        });
        out.push(of_cohort(&CARD, "score_change", outcome(spread)));
        let whole = |all: &[Stat], name| mean_of(all, bench.seed, &format!("sides_swapped/{name}"));
        out.push(of_cohort(&CARD, "map_follows", whole(&same, "map_follows")));
        out.push(of_cohort(&CARD, "asymmetry", whole(&odd, "asymmetry")));
        Ok(out)
    }
}
