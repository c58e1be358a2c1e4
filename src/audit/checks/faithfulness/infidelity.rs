//! Does the map predict what a small change of the image does to the score?
//!
//! * **Question** How far is the predicted change of the score from the true one?
//! * **Formula** mean (p − d)² / mean d² with d = f(x) − f(x − I) and p what the map predicts of it.
//!   I takes blobs out (the random sets that all checks share), or is Gaussian noise in
//!   proportion to the image, I = 0.2 ε (x − background) inside the mask. p = Σ R over what is taken
//!   out, or Σ 0.2 ε R; of gradients Σ I φ. Scaled: the same with the map times the factor that
//!   makes it smallest, Σ p d / Σ p²: 1 − (Σ p d)² / (Σ p² Σ d²).
//! * **Reading** 0: predicted exactly; 1: no better than a map of zeros; above 1: worse. The scaled
//!   number of the constant control is what the volume taken out says alone.
//! * **When it misleads** A map can predict sums and be wrong within blobs. Raw numbers blame
//!   methods whose maps sum to less than the score for that; scaled ones forgive a wrong size and
//!   a wrong sign.
//! * **Source** Yeh et al. 2019, <https://arxiv.org/abs/1901.09392>.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, mean_of, of_cohort, rows};
use crate::audit::finding::Finding;
use crate::audit::tools::removal::Removal;
use crate::audit::tools::replace::background;
use crate::audit::tools::rivals::Rival;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::moments::{finite, require_finite, require_paired, sum_by};
use crate::stats::{Stat, Undefined, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "infidelity",
    title: "Predicted and true change of the score",
    question: "How far is the change of the score that the map predicts from the true one?",
    formula: "E[(p - d)^2] / E[d^2], d = f(x) - f(x - I), p = relevance of what I takes out (gradients: sum of I times map); I: random sets of blobs become background, or I = 0.2 e (x - background) with normal e inside the mask; scaled: with the best factor on the map",
    reading: "0: exact; 1: as a map of zeros; above 1: worse than none. Scaled numbers are at most 1; compare them with the constant control, which knows the volume taken out alone.",
    misleads: "Relevance that ended in biases is missing from raw numbers; scaled ones forgive a wrong size and even a wrong sign (see the factor). Images with holes are unlike any the network saw, and suppressors are rewarded.",
    source: "Yeh et al. 2019, https://arxiv.org/abs/1901.09392",
    unit: "1",
    better: Better::Lower,
};

/// The numbers, as quantities and as columns.
const QUANTITIES: [&str; 4] =
    ["infidelity_blobs", "infidelity_blobs_scaled", "infidelity_noise", "infidelity_noise_scaled"];
const MEASURES: [&str; 6] = [
    "blobs",
    "blobs, scaled",
    "noise",
    "noise, scaled",
    "best factor, blobs",
    "best factor, noise",
];
/// Draws of noise per subject.
const DRAWS: usize = 40;
/// Standard deviation of the noise, as a share of image minus background.
const SIZE: f64 = 0.2;

/// The check.
#[derive(Debug)]
pub struct Infidelity;

/// Infidelity over that of a map of zeros, the same with the best factor, and the factor.
///
/// # Errors
/// Undefined when nothing changes the score; scaled numbers for predictions that are all 0.
fn infidelity(predicted: &[f64], changes: &[f64]) -> [Stat; 3] {
    let n = changes.len();
    let sum = |of: &dyn Fn(usize) -> f64| sum_by(n, &|i| of(i));
    let all = || -> Result<[Stat; 3], Undefined> {
        require_paired(predicted.len(), n)?;
        require_finite(predicted)?;
        require_finite(changes)?;
        let none = sum(&|i| changes[i].powi(2));
        if none == 0.0 {
            return undefined("no perturbation changes the score");
        }
        let raw = sum(&|i| (predicted[i] - changes[i]).powi(2)) / none;
        let (own, cross) = (sum(&|i| predicted[i].powi(2)), sum(&|i| predicted[i] * changes[i]));
        // A map that predicts 0 always has no factor; whatever it is, the map predicts nothing.
        let scaled =
            if own == 0.0 { Ok(1.0) } else { finite(1.0 - cross / own * cross / none, "it") };
        let factor = if own == 0.0 {
            undefined("the map predicts no change at all")
        } else {
            finite(cross / own, "the factor")
        };
        Ok([finite(raw, "the infidelity"), scaled.map(|s| s.max(0.0)), factor])
    };
    all().unwrap_or_else(|why| [(); 3].map(|()| Err(why.clone())))
}

/// Predicted and true changes for all random sets of blobs.
fn of_blobs(removal: &Removal, value: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
    let sums = removal.sums(value);
    let inner = 1..removal.counts.len().saturating_sub(1);
    let sets = removal.orders.iter().zip(&removal.falls);
    sets.flat_map(|(order, falls)| {
        let (sums, counts) = (&sums, &removal.counts);
        inner.clone().map(move |s| {
            let out = &order[..counts[s]];
            (sum_by(out.len(), &|p| sums[out[p]]), falls[s])
        })
    })
    .unzip()
}

/// The noise of a draw at the voxels of the mask, as a share of image minus background.
fn noise(bench: &Bench<'_>, case: &Case, draw: usize) -> Vec<f64> {
    let mut stream = bench.seed.stream(&format!("audit/infidelity/{}/{draw}", case.id));
    case.inside().iter().map(|_| SIZE * stream.normal()).collect()
}

/// What noise does to a subject's score, per draw.
struct Shaken {
    /// True changes.
    changes: Vec<f64>,
    /// Predicted ones, by name of the rival.
    predicted: BTreeMap<String, Vec<f64>>,
}

/// Shakes the image of case `n`; every draw is made once for all rivals.
fn shaken(
    bench: &Bench<'_>,
    rivals: &[Rival<'_>],
    removal: &Removal,
    n: usize,
    ws: &mut Workspace,
) -> Result<Shaken> {
    let case = &bench.cases[n];
    let empty = background(case);
    let inside = case.inside();
    let maps = rivals.iter().filter_map(|r| Some((r, &r.maps.as_ref().ok()?[n])));
    let values: Vec<(&str, Vec<f64>)> = maps
        .map(|(r, map)| {
            let own = inside.iter().map(|&v| r.contribution(map, case, empty, v));
            (r.name.as_str(), own.collect())
        })
        .collect();
    let predicted = RefCell::new(BTreeMap::<String, Vec<f64>>::new());
    let image = |draw: usize| {
        let noise = noise(bench, case, draw);
        for (name, own) in &values {
            let sum = sum_by(own.len(), &|i| own[i] * noise[i]);
            predicted.borrow_mut().entry((*name).to_owned()).or_default().push(sum);
        }
        let mut image = case.data.clone();
        for (&v, share) in inside.iter().zip(noise) {
            image[v] = (f64::from(image[v]) - share * (f64::from(image[v]) - empty)) as f32;
        }
        Ok(image)
    };
    let answers = bench.answers_to(removal.start, DRAWS, &image, ws)?;
    let changes = answers.iter().map(|a| removal.whole.score - a.score).collect();
    Ok(Shaken { changes, predicted: predicted.into_inner() })
}

impl Check for Infidelity {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let removals = bench.removals()?;
        let rivals = bench.rivals();
        let noise: Vec<Shaken> = (0..bench.cases.len())
            .into_par_iter()
            .map_init(Workspace::new, |ws, n| shaken(bench, &rivals, &removals[n], n, ws))
            .collect::<Result<_>>()?;
        let all = rows::of_contributions(bench, &CARD, MEASURES.len(), |rival, value, n| {
            let (predicted, changes) = of_blobs(&removals[n], value);
            let [blobs, blobs_scaled, blobs_factor] = infidelity(&predicted, &changes);
            let predicted = noise[n].predicted.get(&rival.name).map_or(&[][..], Vec::as_slice);
            let [raw, scaled, factor] = infidelity(predicted, &noise[n].changes);
            vec![blobs, blobs_scaled, raw, scaled, blobs_factor, factor]
        })?;
        let mut found = rows::findings(bench, &CARD, &QUANTITIES, &all)?;
        found[bench.cases.len()].tables.push(rows::table("infidelity by method", &MEASURES, &all));
        for (m, name) in [(4, "factor_blobs"), (5, "factor_noise")] {
            let factors: Vec<Stat> = all[0].cases.iter().map(|c| c[m].clone()).collect();
            let mean = mean_of(&factors, bench.seed, &format!("infidelity/{name}"));
            found.push(of_cohort(&CARD, name, mean));
        }
        // By the factor, whose sign a map of noise tosses.
        found.push(rows::control_p(bench, &CARD, &all, 4));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked() {
        // d = (1, 2), p = (2, 2): (1 + 0) / 5; best factor 6/8, then 1 − 36/(8·5).
        let [raw, scaled, factor] = infidelity(&[2.0, 2.0], &[1.0, 2.0]);
        assert_eq!((raw, factor), (Ok(0.2), Ok(0.75)));
        assert!((scaled.expect("scaled") - 0.1).abs() < 1e-15);
        let [raw, scaled, factor] = infidelity(&[0.0, 0.0], &[1.0, 2.0]);
        assert_eq!((raw, scaled), (Ok(1.0), Ok(1.0)));
        assert!(factor.is_err());
        assert!(infidelity(&[1.0], &[0.0]).iter().all(Result::is_err));
        assert!(infidelity(&[f64::NAN], &[1.0]).iter().all(Result::is_err));
    }
}
