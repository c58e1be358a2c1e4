//! Does the map change with the weights once its grain is averaged away?
//!
//! * **Question** Do maps differ by more than their noise when all weights are drawn anew?
//! * **Formula** Maps averaged over N images with noise (normal, sd a tenth of the range inside
//!   the mask), under the trained network and with all layers drawn anew, compared as in
//!   `weights_cascade`. `similarity_full`: mean of |Spearman|.
//! * **Reading** Near 0. The plain cascade favours noisy maps; this takes the favour away.
//! * **When it misleads** Averages are smooth, and smooth maps are alike by chance more often:
//!   read it beside the same number without noise. The noise is the image's, not a scanner's.
//! * **Source** Hedström et al. 2024, sMPRT, <https://arxiv.org/abs/2401.06465>.

use rayon::prelude::*;

use super::weights_cascade::likeness::{Alike, EITHER, MAGNITUDE, UNSIGNED, of_case};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::model::Graph;
use crate::stats::{Stat, moments};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_smooth",
    title: "Smoothed maps with all layers re-initialised",
    question: "Do maps differ by more than their noise when all weights are drawn anew?",
    formula: "maps averaged over N images with noise (sd a tenth of the range inside the mask), under the trained network and with all layers drawn anew; similarity_full = mean |Spearman| inside the mask",
    reading: "Near 0. The plain cascade favours noisy maps; this takes the favour away.",
    misleads: "Averages are smooth, and smooth maps are alike by chance more often: read it beside similarity_plain, the same networks without noise. Necessary, never sufficient.",
    source: "Hedström et al. 2024, https://arxiv.org/abs/2401.06465",
    unit: "1",
    better: Better::Lower,
};

/// Images with noise per subject.
const NOISY: usize = 8;
/// Their noise as a share of the range of the image inside the mask.
const SHARE: f64 = 0.1;
/// Networks drawn.
const DRAWS: usize = 2;

/// The check.
#[derive(Debug)]
pub struct WeightsSmooth;

/// A case's image with noise inside the mask; what is outside stays as it is.
fn noisy(bench: &Bench<'_>, case: &Case, draw: usize) -> Vec<f32> {
    let inside = case.inside();
    let ends = inside.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
        (low.min(case.data[v]), high.max(case.data[v]))
    });
    let sd = SHARE * f64::from(ends.1 - ends.0);
    let mut stream = bench.seed.stream(&format!("audit/{}/noise/{}/{draw}", CARD.id, case.id));
    let mut image = case.data.clone();
    for v in inside {
        image[v] = (f64::from(image[v]) + sd * stream.normal()) as f32;
    }
    image
}

/// The mean map of each case over its images with noise.
fn smoothed(bench: &Bench<'_>, graph: &Graph, ws: &mut Workspace) -> Result<Vec<Vec<f32>>> {
    let one = |case: &Case| -> Result<Vec<f32>> {
        let images: Vec<Vec<f32>> = (0..NOISY).map(|draw| noisy(bench, case, draw)).collect();
        let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let maps = bench.explain_images(graph, &images, ws)?.maps;
        let mean = |v: usize| maps.iter().map(|m| f64::from(m[v])).sum::<f64>() / NOISY as f64;
        Ok((0..case.data.len()).map(|v| mean(v) as f32).collect())
    };
    bench.cases.iter().map(one).collect()
}

fn compare(bench: &Bench<'_>, own: &[Vec<f32>], new: &[Vec<f32>]) -> Vec<Alike> {
    let cases = bench.cases.par_iter().zip(own).zip(new);
    cases.map(|((case, own), new)| of_case(case, own, new)).collect()
}

impl Check for WeightsSmooth {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.network()?.trained.weighted_layers();
        let mut ws = Workspace::new();
        let own = smoothed(bench, bench.network()?.graph, &mut ws)?;
        let (mut smooth, mut plain) = (Vec::new(), Vec::new());
        for d in 0..DRAWS {
            let seed = bench.seed.child(&format!("audit/{}/draw-{d}", CARD.id));
            let net = bench.randomised(&layers, seed, &mut ws)?;
            smooth.push(compare(bench, &own, &smoothed(bench, &net, &mut ws)?));
            plain.push(compare(bench, &bench.maps, &bench.explain_with(&net, &mut ws)?));
        }
        let mean = |draws: &[Vec<Alike>], measure: usize, what: &str| -> Outcome {
            let of = |case: usize| -> Stat {
                let all = draws.iter().map(|d| d[case][measure].clone());
                moments::mean(&all.collect::<std::result::Result<Vec<f64>, _>>()?)
            };
            let stats: Vec<Stat> = (0..bench.cases.len()).map(of).collect();
            mean_of(&stats, bench.seed, &format!("{}/{what}/{measure}", CARD.id))
        };
        let mut found = of_cohort(&CARD, "similarity_full", mean(&smooth, UNSIGNED, "smooth"));
        found.notes.push(format!(
            "{NOISY} images with noise per subject, {DRAWS} networks; the interval is over subjects."
        ));
        Ok(vec![
            found,
            of_cohort(&CARD, "similarity_full_magnitude", mean(&smooth, MAGNITUDE, "smooth")),
            of_cohort(&CARD, "ssim_full", mean(&smooth, EITHER, "smooth")),
            of_cohort(&CARD, "similarity_plain", mean(&plain, UNSIGNED, "plain")),
        ])
    }
}
