//! The rank test of one network among others by the likeness of their maps.

use rayon::prelude::*;

use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::audit::checks::outcome;
use crate::audit::finding::Outcome;
use crate::stats::moments::mean;
use crate::stats::permutation::{Tail, rank_p};
use crate::stats::{Stat, rank, undefined};
use crate::{Error, Result};

/// Fewer networks can never give p = 0.05.
pub const FEWEST: usize = 19;

/// The maps of all cases under one network, as the test compares them.
#[derive(Debug)]
pub struct Standard {
    signed: Vec<Vec<f32>>,
    size: Vec<Vec<f32>>,
}

impl Standard {
    /// Maps, one per case, i fastest.
    ///
    /// # Errors
    /// [`Error::Internal`] for a map that is not finite.
    pub fn of(bench: &Bench<'_>, maps: &[Vec<f32>]) -> Result<Self> {
        let all = bench.cases.iter().zip(maps);
        let size = |map: &[f32]| map.iter().map(|v| v.abs()).collect::<Vec<f32>>();
        Ok(Self {
            signed: all.clone().map(|(case, map)| coarse(case, map)).collect::<Result<_>>()?,
            size: all.map(|(case, map)| coarse(case, &size(map))).collect::<Result<_>>()?,
        })
    }

    /// Mean over cases of |Spearman of R| with the maps of another network.
    ///
    /// # Errors
    /// Undefined where a map is constant inside the mask.
    pub fn likeness(&self, other: &Self) -> Stat {
        if self.constant() + other.constant() > 0 {
            return undefined("a map is constant inside the mask");
        }
        let pairs = self.signed.iter().zip(&other.signed);
        mean(&pairs.map(|(a, b)| dot(a, b).abs()).collect::<Vec<_>>())
    }

    /// Cases whose map is constant inside the mask.
    pub fn constant(&self) -> usize {
        self.size.iter().filter(|map| map.iter().all(|v| *v == 0.0)).count()
    }
}

/// Per network the mean similarity of its maps to those of all others; the trained one first.
#[derive(Debug)]
pub struct Ranked {
    /// By Spearman of R.
    pub by_sign: Vec<f64>,
    /// By Spearman of |R|.
    pub by_size: Vec<f64>,
    /// By the mean of both.
    pub by_both: Vec<f64>,
    /// Whether a map of the trained network is constant inside the mask.
    own_constant: bool,
}

impl Ranked {
    /// Ranks networks; the trained one comes first.
    pub fn of(nets: &[&Standard]) -> Self {
        let by = |part: fn(&Standard) -> &Vec<Vec<f32>>| {
            mean_similarity(&nets.iter().map(|net| part(net).as_slice()).collect::<Vec<_>>())
        };
        let (by_sign, by_size) = (by(|net| &net.signed), by(|net| &net.size));
        let by_both = by_sign.iter().zip(&by_size).map(|(a, b)| (a + b) / 2.0).collect();
        let own_constant = nets.first().is_some_and(|net| net.constant() > 0);
        Self { by_sign, by_size, by_both, own_constant }
    }

    /// The p-value of the trained network by one of the similarities.
    pub fn judged(&self, means: &[f64]) -> Outcome {
        if self.own_constant {
            let why = "a map of the trained network is constant inside the mask".to_owned();
            return Outcome::Unmeasurable { why };
        }
        outcome(p_value(means))
    }

    /// The p-value of the trained network by sign and size.
    pub fn p_value(&self) -> Outcome {
        self.judged(&self.by_both)
    }
}

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

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Mean similarity of each network's maps to those of all others. `nets[a][s]` is the
/// standard map of subject s under network a.
fn mean_similarity(nets: &[&[Vec<f32>]]) -> Vec<f64> {
    let n = nets.len();
    let upper: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|a| {
            let against = |b: usize| {
                let sum: f64 = nets[a].iter().zip(nets[b]).map(|(x, y)| dot(x, y)).sum();
                sum / nets[a].len().max(1) as f64
            };
            (a + 1..n).map(against).collect()
        })
        .collect();
    let of = |a: usize, b: usize| upper[a.min(b)][a.max(b) - a.min(b) - 1];
    let of_one = |a: usize| (0..n).filter(|b| *b != a).map(|b| of(a, b)).sum::<f64>();
    (0..n).map(|a| of_one(a) / (n.max(2) - 1) as f64).collect()
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
        let (same, other) = ([noise("a"), noise("b")], [noise("c"), noise("d")]);
        let mut nets = vec![&same[..]; 20];
        let means = mean_similarity(&nets);
        assert!((means[3] - 1.0).abs() < 1e-5, "{}", means[3]);
        assert_eq!(p_value(&means), Ok(1.0));
        nets[0] = &other;
        assert_eq!(p_value(&mean_similarity(&nets)), Ok(0.05));
        assert!(p_value(&means[..10]).is_err());
    }

    #[test]
    fn a_constant_map_is_zero() {
        assert!(standard(vec![3.0; 8]).iter().all(|v| *v == 0.0));
    }
}
