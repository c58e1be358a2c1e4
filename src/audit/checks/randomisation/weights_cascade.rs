//! Does the map change when the network forgets what it learned, layer by layer?
//!
//! * **Question** Do the maps depend on the learned weights?
//! * **Formula** Layers drawn anew from the output down, cumulatively; per stage the
//!   Spearman correlation of R and of |R| and the cosine with the trained network's map
//!   inside the mask. `similarity_full`: mean of |Spearman| with all layers drawn anew.
//! * **Reading** Near 0 at the end, and below the similarity between subjects.
//! * **When it misleads** Lower layers keep their scale until late; noisy maps score best.
//!   The interval is over subjects and holds the few draws fixed.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Binder et al. 2023.

pub mod arms;

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Answer, Bench, Needs};
use crate::audit::checks::{Check, interval, mean_of, of_cohort};
use crate::audit::finding::{Finding, Series};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::{Stat, moments, rank};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_cascade",
    title: "Cascade of re-initialised layers",
    question: "Do the maps depend on the learned weights?",
    formula: "layers drawn anew from the output down; Spearman of R and |R| and cosine with the trained network's map inside the mask; similarity_full = mean |Spearman| with all layers drawn anew",
    reading: "Near 0 when all layers are drawn anew, and below the similarity between subjects.",
    misleads: "Lower layers keep their scale until late, and noisy maps score best: never rank methods by it. The interval is over subjects, with the draws held fixed.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Binder et al. 2023, https://arxiv.org/abs/2211.12486",
    unit: "1",
    better: Better::Lower,
};

/// Networks drawn.
const DRAWS: usize = 3;
/// Of these, networks under which the other methods are made again.
const DRAWS_OF_ARMS: usize = 1;
/// Pairs of subjects compared at most.
const PAIRS: usize = 50;

/// The check.
#[derive(Debug)]
pub struct WeightsCascade;

fn within(map: &[f32], inside: &[usize]) -> Vec<f64> {
    inside.iter().map(|&v| f64::from(map[v])).collect()
}

fn size(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| v.abs()).collect()
}

/// Spearman of R, Spearman of |R|, cosine, |Spearman of R|.
fn similarity(a: &[f64], b: &[f64]) -> [Stat; 4] {
    let signed = rank::spearman(a, b);
    let magnitude = rank::spearman(&size(a), &size(b));
    let unsigned = signed.clone().map(f64::abs);
    [signed, magnitude, rank::cosine(a, b), unsigned]
}

/// Per case the four similarities and |change of score|.
type Stage = Vec<([Stat; 4], f64)>;

fn compare(bench: &Bench<'_>, maps: &[Vec<f32>], answers: &[Answer]) -> Result<Stage> {
    let before = &bench.network()?.answers;
    let one = |n: usize| {
        let (own, new) = (&bench.maps[n], &maps[n]);
        let (before, after) = (&before[n], &answers[n]);
        let inside = bench.cases[n].inside();
        let (a, b) = (within(own, &inside), within(new, &inside));
        (similarity(&a, &b), (before.score - after.score).abs())
    };
    Ok((0..bench.cases.len()).into_par_iter().map(one).collect())
}

/// Mean over draws, per case.
fn over_draws(draws: &[Vec<Stage>], stage: usize, which: usize, cases: usize) -> Vec<Stat> {
    let of = |c: usize| -> Stat {
        let all: Vec<f64> = draws
            .iter()
            .map(|d| d[stage][c].0[which].clone())
            .collect::<std::result::Result<_, _>>()?;
        moments::mean(&all)
    };
    (0..cases).map(of).collect()
}

/// Mean similarity of maps of different subjects under the trained network.
fn between(bench: &Bench<'_>, which: usize) -> Stat {
    let n = bench.cases.len();
    let mut pairs: Vec<[usize; 2]> = (0..n).flat_map(|a| (0..a).map(move |b| [a, b])).collect();
    bench.seed.stream("audit/weights_cascade/pairs").shuffle(&mut pairs);
    pairs.truncate(PAIRS);
    let each: std::result::Result<Vec<f64>, _> = pairs
        .par_iter()
        .map(|&[a, b]| {
            let mut inside = bench.cases[a].inside();
            inside.retain(|&v| bench.cases[b].mask.data()[v]);
            let map = |s: usize| within(&bench.maps[s], &inside);
            similarity(&map(a), &map(b))[which].clone()
        })
        .collect();
    moments::mean(&each?)
}

impl Check for WeightsCascade {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.network()?.trained.weighted_layers();
        let mut ws = Workspace::new();
        let mut draws: Vec<Vec<Stage>> = Vec::new();
        let mut of_arms = Vec::new();
        for d in 0..DRAWS {
            let seed = bench.seed.child(&format!("audit/weights_cascade/draw-{d}"));
            let mut stages = vec![compare(bench, &bench.maps, &bench.network()?.answers)?];
            for to in 1..=layers.len() {
                let net = bench.redrawn(&layers[..to], seed, &mut ws)?;
                let new = bench.explained(&net.folded()?, &mut ws)?;
                stages.push(compare(bench, &new.maps, &new.answers)?);
                if to == layers.len() && d < DRAWS_OF_ARMS {
                    of_arms.push(arms::under(bench, &net, &mut ws)?);
                }
            }
            draws.push(stages);
        }
        let (n, last) = (bench.cases.len(), layers.len());
        let mut labels = vec!["none".to_owned()];
        labels.extend(layers);
        let x: Vec<f64> = (0..=last).map(|s| s as f64).collect();
        let blank = |name: &str, y: &str| Series {
            name: name.to_owned(),
            x_label: "re-initialised from the output down to".to_owned(),
            y_label: y.to_owned(),
            labels: labels.clone(),
            ..Series::default()
        };
        let full = over_draws(&draws, last, 3, n);
        let mut found =
            of_cohort(&CARD, "similarity_full", mean_of(&full, bench.seed, "weights_cascade/full"));
        let names = ["Spearman of R", "Spearman of |R|", "cosine"];
        for (which, name) in names.iter().enumerate() {
            let mut curve = blank(name, "similarity to the trained network's map");
            for (stage, at) in x.iter().enumerate() {
                let values: Vec<f64> =
                    over_draws(&draws, stage, which, n).into_iter().flatten().collect();
                let Ok(mean) = moments::mean(&values) else { continue };
                let purpose = format!("weights_cascade/{which}/{stage}");
                let (low, high) = interval(&values, bench.seed, &purpose)
                    .map_or((mean, mean), |band| (band.low, band.high));
                curve.x.push(*at);
                curve.y.push(mean);
                curve.low.push(low);
                curve.high.push(high);
            }
            // Names belong to all stages or to none.
            if curve.x.len() < x.len() {
                curve.labels = curve.x.iter().map(|s| labels[*s as usize].clone()).collect();
            }
            found.series.push(curve);
            if let Ok(level) = between(bench, which) {
                let mut flat = blank(&format!("between subjects, {name}"), "similarity");
                flat.x.clone_from(&x);
                flat.y = vec![level; x.len()];
                found.series.push(flat);
            }
        }
        let changes: Vec<String> = (0..=last)
            .map(|s| {
                let all = draws.iter().flat_map(|d| d[s].iter().map(|c| c.1));
                let mean = all.sum::<f64>() / (DRAWS * n) as f64;
                format!("{} {mean:.3}", labels[s])
            })
            .collect();
        found.notes.push(format!("Mean |change of the score| by stage: {}.", changes.join(", ")));
        found.notes.push(format!("{DRAWS} draws; the interval is over subjects only."));
        let size = mean_of(&over_draws(&draws, last, 1, n), bench.seed, "weights_cascade/size");
        let arms = arms::findings(bench, &of_arms, [found.outcome.clone(), size.clone()]);
        let mut all = vec![found, of_cohort(&CARD, "similarity_full_magnitude", size)];
        all.extend(arms);
        Ok(all)
    }
}
