//! Does the trained network's map stand out among those of untrained networks?
//!
//! * **Question** Could the maps come from a network that learned nothing?
//! * **Formula** For each of K re-initialised networks and the trained one: m, the mean
//!   over all other networks and all subjects of the similarity of two maps inside the mask
//!   (averaged over 2³ voxels): the mean of Spearman's correlation of R and of |R|.
//!   p = (1 + #{k: m_k ≤ m of the trained one}) / (K + 1).
//! * **Reading** Small p: the trained network's maps are less like the others' than these
//!   are like each other. The draw of a network is the unit of replication.
//! * **When it misleads** Passing is necessary, never sufficient. Any similarity keeps the
//!   error of the test; this one was chosen for its power (docs/adr/0006): signed maps alone
//!   of untrained networks hardly correlate, as the sign of their score is a coin toss, and
//!   plain correlation hangs on a few voxels. Size alone and sign alone are told beside it,
//!   without limits.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Binder et al.
//!   2023, <https://arxiv.org/abs/2211.12486>; Phipson & Smyth 2010.

use rayon::prelude::*;

use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, rank, undefined};
use crate::{Error, Result};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_exchangeability",
    title: "Trained against re-initialised networks",
    question: "Could the maps come from a network that learned nothing?",
    formula: "m = mean similarity of a network's maps to those of all other networks inside the mask, (Spearman of R + Spearman of |R|) / 2; p = (1 + #{k: m_k <= m_trained}) / (K + 1)",
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

/// Ranks of a map inside the mask, averaged over 2×2×2 voxels before, centred, with Σx² = 1,
/// so that a scalar product is Spearman's correlation; zeros when the map is constant.
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

/// Ranks, centred, Σx² = 1; zeros where all are alike.
fn standard(x: Vec<f64>) -> Vec<f32> {
    let ranks = rank::ranks(&x);
    let mean = (x.len() as f64 + 1.0) / 2.0;
    let norm = ranks.iter().map(|r| (r - mean).powi(2)).sum::<f64>().sqrt();
    let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    ranks.into_iter().map(|r| ((r - mean) * factor) as f32).collect()
}

/// Mean similarity of each network's maps to those of all others. `nets[a][s]` is the
/// standard map of subject s under network a.
fn mean_similarity(nets: &[Vec<Vec<f32>>]) -> Vec<f64> {
    let n = nets.len();
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>()
    };
    let upper: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|a| {
            let against = |b: usize| {
                let sum: f64 = nets[a].iter().zip(&nets[b]).map(|(x, y)| dot(x, y)).sum();
                sum / nets[a].len().max(1) as f64
            };
            (a + 1..n).map(against).collect()
        })
        .collect();
    let of = |a: usize, b: usize| upper[a.min(b)][a.max(b) - a.min(b) - 1];
    let mean = |a: usize| (0..n).filter(|b| *b != a).map(|b| of(a, b)).sum::<f64>();
    (0..n).map(|a| mean(a) / (n.max(2) - 1) as f64).collect()
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
        y_label: "mean similarity to the other networks (Spearman)".to_owned(),
        x: (0..y.len()).map(|i| i as f64).collect(),
        y: y.to_vec(),
        ..Series::default()
    }
}

impl Check for WeightsExchangeability {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.network()?.trained.weighted_layers();
        let reduce = |maps: &[Vec<f32>]| -> Result<Vec<Vec<f32>>> {
            bench.cases.iter().zip(maps).map(|(case, map)| coarse(case, map)).collect()
        };
        let size = |maps: &[Vec<f32>]| -> Vec<Vec<f32>> {
            maps.iter().map(|m| m.iter().map(|v| v.abs()).collect()).collect()
        };
        let mut signed = vec![reduce(&bench.maps)?];
        let mut sizes = vec![reduce(&size(&bench.maps))?];
        let drawn: Result<Vec<_>> = (0..bench.draws)
            .into_par_iter()
            .map_init(Workspace::new, |ws, d| {
                let seed = bench.seed.child(&format!("audit/{}/network-{d}", CARD.id));
                let net = bench.randomised(&layers, seed, ws)?;
                let maps = bench.explain_with(&net, ws)?;
                Ok((reduce(&maps)?, reduce(&size(&maps))?))
            })
            .collect();
        for (map, of_size) in drawn? {
            signed.push(map);
            sizes.push(of_size);
        }
        let constant = |m: &&Vec<f32>| m.iter().all(|v| *v == 0.0);
        let dead = sizes.iter().flatten().filter(constant).count();
        let (by_sign, by_size) = (mean_similarity(&signed), mean_similarity(&sizes));
        let similarity: Vec<f64> =
            by_sign.iter().zip(&by_size).map(|(a, b)| (a + b) / 2.0).collect();
        let own_dead = sizes[0].iter().any(|m| constant(&m));
        let judge = |means: &[f64]| {
            if own_dead {
                let why = "a map of the trained network is constant inside the mask".to_owned();
                return Outcome::Unmeasurable { why };
            }
            outcome(p_value(means))
        };
        let mut found = of_cohort(&CARD, "p_value", judge(&similarity));
        found.series =
            vec![series("re-initialised", &similarity[1..]), series("trained", &similarity[..1])];
        found.notes.push(format!(
            "{} re-initialised networks, {} subjects; the smallest p possible is {:.3}",
            bench.draws,
            bench.cases.len(),
            1.0 / (bench.draws + 1) as f64
        ));
        if dead > 0 {
            found.notes.push(format!("{dead} map(s) were constant; their similarity counts as 0"));
        }
        Ok(vec![
            found,
            of_cohort(&CARD, "p_value_sign", judge(&by_sign)),
            of_cohort(&CARD, "p_value_size", judge(&by_size)),
        ])
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
        let means = mean_similarity(&same);
        assert!((means[3] - 1.0).abs() < 1e-5, "{}", means[3]);
        assert_eq!(p_value(&means), Ok(1.0));
        let mut distinct = same.clone();
        distinct[0] = vec![noise("c"), noise("d")];
        assert_eq!(p_value(&mean_similarity(&distinct)), Ok(0.05));
        assert!(p_value(&means[..10]).is_err());
    }

    #[test]
    fn a_constant_map_is_zero() {
        assert!(standard(vec![3.0; 8]).iter().all(|v| *v == 0.0));
    }
}
