//! Does the trained network's map stand out among those of untrained networks?
//!
//! * **Question** Could the maps come from a network that learned nothing?
//! * **Formula** For each of K re-initialised networks and the trained one: m, the mean
//!   over all other networks and all subjects of the Pearson correlation of the maps
//!   inside the mask (averaged over 2³ voxels, divided by the root second moment).
//!   p = (1 + #{k: m_k ≤ m of the trained one}) / (K + 1).
//! * **Reading** Small p: the trained network's maps are less like the others' than these
//!   are like each other. The draw of a network is the unit of replication.
//! * **When it misleads** Passing is necessary, never sufficient. Where maps of different
//!   untrained networks are not alike at all, nothing can stand out and p is not small
//!   although the method does depend on the weights. Signs of untrained networks are
//!   arbitrary: see `p_value_unsigned`, made of |Pearson|.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Binder et al.
//!   2023, <https://arxiv.org/abs/2211.12486>; Phipson & Smyth 2010.

use rayon::prelude::*;

use super::{Check, of_cohort, outcome};
use crate::audit::case::{Bench, Case};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, undefined};
use crate::{Error, Result};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_exchangeability",
    title: "Trained against re-initialised networks",
    question: "Could the maps come from a network that learned nothing?",
    formula: "m = mean Pearson correlation of a network's maps with those of all other networks, inside the mask; p = (1 + #{k: m_k <= m_trained}) / (K + 1)",
    reading: "Small p: the trained network's maps stand out among those of K re-initialised ones.",
    misleads: "Necessary, never sufficient; where untrained networks' maps do not resemble each other, none can stand out and p is not small although the weights matter.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Binder et al. 2023, https://arxiv.org/abs/2211.12486",
    unit: "1",
    better: Better::Lower,
};

/// Fewer networks can never give p = 0.05.
const FEWEST: usize = 19;

/// The check.
#[derive(Debug)]
pub struct WeightsExchangeability;

/// A map inside the mask, averaged over 2×2×2 voxels, centred, with Σx² = 1; zeros when
/// it is constant.
fn coarse(case: &Case, map: &[f32]) -> Result<Vec<f32>> {
    let shape = case.grid.shape();
    let half = shape.map(|n| n.div_ceil(2));
    let mut cells = vec![(0.0f64, 0u32); half.iter().product()];
    for k in 0..shape[2] {
        for j in 0..shape[1] {
            for i in 0..shape[0] {
                let v = case.grid.index(i, j, k);
                if case.mask.data()[v] {
                    let cell = &mut cells[i / 2 + half[0] * (j / 2 + half[1] * (k / 2))];
                    cell.0 += f64::from(map[v]);
                    cell.1 += 1;
                }
            }
        }
    }
    let means: Vec<f64> =
        cells.iter().filter(|c| c.1 > 0).map(|(sum, n)| sum / f64::from(*n)).collect();
    if means.iter().any(|m| !m.is_finite()) {
        return Err(Error::internal(format!("the map of {} is not finite", case.id)));
    }
    Ok(standard(means))
}

/// Divided by the root second moment, centred, Σx² = 1.
fn standard(mut x: Vec<f64>) -> Vec<f32> {
    let n = x.len() as f64;
    let moment = (x.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    if moment > 0.0 {
        x.iter_mut().for_each(|v| *v /= moment);
    }
    let mean = x.iter().sum::<f64>() / n;
    x.iter_mut().for_each(|v| *v -= mean);
    let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let factor = if norm > 1e-9 * n.sqrt() { 1.0 / norm } else { 0.0 };
    x.into_iter().map(|v| (v * factor) as f32).collect()
}

/// Mean similarity of each network's maps to those of all others: signed, and of |Pearson|.
/// `nets[a][s]` is the standard map of subject s under network a.
fn mean_similarity(nets: &[Vec<Vec<f32>>]) -> [Vec<f64>; 2] {
    let n = nets.len();
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>()
    };
    let upper: Vec<Vec<[f64; 2]>> = (0..n)
        .into_par_iter()
        .map(|a| {
            (a + 1..n)
                .map(|b| {
                    let each = nets[a].iter().zip(&nets[b]).map(|(x, y)| dot(x, y));
                    let sum = each.fold([0.0; 2], |t, r| [t[0] + r, t[1] + r.abs()]);
                    sum.map(|t| t / nets[a].len().max(1) as f64)
                })
                .collect()
        })
        .collect();
    [0, 1].map(|kind| {
        let of = |a: usize, b: usize| upper[a.min(b)][a.max(b) - a.min(b) - 1][kind];
        let mean = |a: usize| (0..n).filter(|b| *b != a).map(|b| of(a, b)).sum::<f64>();
        (0..n).map(|a| mean(a) / (n.max(2) - 1) as f64).collect()
    })
}

/// The rank test; the trained network comes first.
fn p_value(means: &[f64]) -> Stat {
    match means {
        [trained, null @ ..] if null.len() >= FEWEST => rank_p(*trained, null, Tail::Less),
        _ => undefined(format!(
            "{} re-initialised networks cannot give a p of 0.05; {FEWEST} can",
            means.len().saturating_sub(1)
        )),
    }
}

fn series(name: &str, y: &[f64]) -> Series {
    Series {
        name: name.to_owned(),
        x_label: "network".to_owned(),
        y_label: "mean similarity to the other networks (Pearson)".to_owned(),
        x: (0..y.len()).map(|i| i as f64).collect(),
        y: y.to_vec(),
        ..Series::default()
    }
}

impl Check for WeightsExchangeability {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.trained.weighted_layers();
        let reduce = |maps: &[Vec<f32>]| -> Result<Vec<Vec<f32>>> {
            bench.cases.iter().zip(maps).map(|(case, map)| coarse(case, map)).collect()
        };
        let own: Vec<Vec<f32>> = bench.explanations.iter().map(|e| e.relevance.clone()).collect();
        let mut nets = vec![reduce(&own)?];
        let drawn: Result<Vec<_>> = (0..bench.draws)
            .into_par_iter()
            .map(|d| {
                let seed = bench.seed.child(&format!("audit/{}/network-{d}", CARD.id));
                let net = bench.randomised(&layers, seed, &mut Workspace::new())?;
                reduce(&bench.explain_with(&net)?)
            })
            .collect();
        nets.extend(drawn?);
        let dead = nets.iter().flatten().filter(|m| m.iter().all(|v| *v == 0.0)).count();
        let [signed, unsigned] = mean_similarity(&nets);
        let own_dead = nets[0].iter().any(|m| m.iter().all(|v| *v == 0.0));
        let judge = |means: &[f64]| {
            if own_dead {
                let why = "a map of the trained network is constant inside the mask".to_owned();
                return Outcome::Unmeasurable { why };
            }
            outcome(p_value(means))
        };
        let mut found = of_cohort(&CARD, "p_value", judge(&signed));
        found.series =
            vec![series("re-initialised", &signed[1..]), series("trained", &signed[..1])];
        found.notes.push(format!(
            "{} re-initialised networks, {} subjects; the smallest p possible is {:.3}",
            bench.draws,
            bench.cases.len(),
            1.0 / (bench.draws + 1) as f64
        ));
        if dead > 0 {
            found.notes.push(format!("{dead} map(s) were constant; their similarity counts as 0"));
        }
        Ok(vec![found, of_cohort(&CARD, "p_value_unsigned", judge(&unsigned))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn noise(purpose: &str) -> Vec<f32> {
        let mut s = Seed(5).stream(purpose);
        standard((0..500).map(|_| s.normal()).collect())
    }

    #[test]
    fn same_maps_are_not_significant_and_a_distinct_one_is_as_small_as_can_be() {
        let same = vec![vec![noise("a"), noise("b")]; 20];
        let [signed, unsigned] = mean_similarity(&same);
        assert!((signed[3] - 1.0).abs() < 1e-5, "{}", signed[3]);
        assert_eq!(p_value(&unsigned), Ok(1.0));
        assert_eq!(p_value(&signed), Ok(1.0));
        let mut distinct = same.clone();
        distinct[0] = vec![noise("c"), noise("d")];
        for means in mean_similarity(&distinct) {
            assert_eq!(p_value(&means), Ok(0.05));
        }
        assert!(p_value(&signed[..10]).is_err());
    }

    #[test]
    fn a_constant_map_is_zero() {
        assert!(standard(vec![3.0; 8]).iter().all(|v| *v == 0.0));
    }
}
