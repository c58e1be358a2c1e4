//! Does relevance lie where the effect was planted?
//!
//! * **Question** Does relevance rank the planted voxels above the rest of the brain?
//! * **Formula** AUROC of |R|, averaged over 3³ voxels, for the truth, inside the mask, and the
//!   lower end of the interval of its mean over subjects (`enrichment_auc_low`);
//!   `region_hit`: 1 if the region with the largest mean |R| holds the largest share of truth.
//! * **Reading** 0.5 is chance, 1 perfect.
//! * **When it misleads** Anatomy that merely accompanies the effect counts as wrong.
//! * **Source** Oliveira et al. 2024, <https://arxiv.org/abs/2306.12150>.

use std::collections::BTreeMap;

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, SHARE, mean_within, of_cohort, of_subject};
use crate::audit::finding::{Finding, Outcome};
use crate::card::{Better, Card};
use crate::stats::{Stat, curve, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "planted_recovery",
    title: "Recovery of a planted effect",
    question: "Does relevance rank the planted voxels above the rest of the brain?",
    formula: "AUROC of |R| averaged over 3x3x3 voxels, for the truth, inside the mask",
    reading: "0.5 is what chance gives, 1 is perfect.",
    misleads: "Anatomy that accompanies the effect counts as wrong; synthetic data say nothing of patients.",
    source: "Oliveira et al. 2024, https://arxiv.org/abs/2306.12150",
    unit: "1",
    better: Better::Higher,
};

/// The check.
#[derive(Debug)]
pub struct PlantedRecovery;

/// |R| averaged over the 3³ voxels around each, as far as they lie in the grid.
fn smooth(map: &[f32], shape: [usize; 3]) -> Vec<f64> {
    let mut values: Vec<f64> = map.iter().map(|v| f64::from(v.abs())).collect();
    let steps = [1, shape[0], shape[0] * shape[1]];
    for (step, n) in steps.into_iter().zip(shape) {
        let old = values.clone();
        for (v, value) in values.iter_mut().enumerate() {
            let at = v / step % n;
            let (mut sum, mut count) = (old[v], 1.0);
            if at > 0 {
                (sum, count) = (sum + old[v - step], count + 1.0);
            }
            if at + 1 < n {
                (sum, count) = (sum + old[v + step], count + 1.0);
            }
            *value = sum / count;
        }
    }
    values
}

fn enrichment(case: &Case, truth: &[bool], map: &[f32]) -> Stat {
    let smoothed = smooth(map, case.grid.shape());
    let inside = case.inside();
    let labels: Vec<bool> = inside.iter().map(|&v| truth[v]).collect();
    curve::auc(&labels, &inside.iter().map(|&v| smoothed[v]).collect::<Vec<_>>())
}

fn hit(case: &Case, truth: &[bool], map: &[f32]) -> Stat {
    let Some(labels) = &case.labels else { return undefined("no label map") };
    // Mass, voxels, voxels of the truth.
    let mut regions: BTreeMap<i32, [f64; 3]> = BTreeMap::new();
    for v in case.inside() {
        let label = labels.data()[v];
        if label != 0 {
            let r = regions.entry(label).or_default();
            let add = [f64::from(map[v].abs()), 1.0, f64::from(u8::from(truth[v]))];
            (0..3).for_each(|n| r[n] += add[n]);
        }
    }
    let top = |key: &dyn Fn(&[f64; 3]) -> f64| {
        regions.iter().max_by(|a, b| key(a.1).total_cmp(&key(b.1))).map(|(label, _)| *label)
    };
    let (found, wanted) = (top(&|r| r[0] / r[1]), top(&|r| r[2] / r[1]));
    if regions.is_empty() { undefined("no region") } else { Ok(f64::from(found == wanted)) }
}

impl Check for PlantedRecovery {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (mut out, mut stats) = (Vec::new(), Vec::new());
        for (case, map) in bench.cases.iter().zip(&bench.maps) {
            let truth = case.truth.as_ref().filter(|t| t.count() > 0);
            let Some(truth) = truth else { continue };
            let stat = enrichment(case, truth.data(), map);
            out.push(of_subject(&CARD, &case.id, "enrichment_auc", stat.clone()));
            stats.push(stat);
            if case.labels.is_some() {
                let stat = hit(case, truth.data(), map);
                out.push(of_subject(&CARD, &case.id, "region_hit", stat));
            }
        }
        let whole = if stats.is_empty() {
            Outcome::NotApplicable { why: "no effect was planted".to_owned() }
        } else {
            mean_within(&stats, SHARE, bench.seed, "planted_recovery/enrichment_auc")
        };
        let low = match &whole {
            Outcome::Measured { interval: Some(band), .. } => Outcome::measured(band.low),
            Outcome::Measured { .. } => {
                Outcome::Unmeasurable { why: "fewer than three subjects have no interval".into() }
            }
            other => other.clone(),
        };
        out.push(of_cohort(&CARD, "enrichment_auc", whole));
        out.push(of_cohort(&CARD, "enrichment_auc_low", low));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_spreads_a_point_over_its_neighbours() {
        let mut map = vec![0.0f32; 125];
        map[62] = -27.0;
        let s = smooth(&map, [5, 5, 5]);
        assert!((s[62] - 1.0).abs() < 1e-12 && (s[31] - 1.0).abs() < 1e-12 && s[0] == 0.0);
    }
}
