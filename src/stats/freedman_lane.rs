//! The effect of one variable on many outcomes beside nuisance covariates, by permutation.

use std::collections::BTreeMap;

use super::discovery::benjamini_hochberg;
use super::linear_model::{Design, dot};
use super::moments::{require_finite, require_paired};
use super::permutation::{Tail, extreme};
use super::{Undefined, undefined};
use crate::seed::Stream;

/// An outcome of which the nuisance variables leave less than this share is explained by them.
const LEFT: f64 = 1e-20;

/// Which rows may change places under the hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exchange<'a> {
    /// Any.
    #[default]
    Free,
    /// Rows of one stratum (a site, a scanner), named per row.
    Within(&'a [usize]),
    /// Blocks (the maps of one subject), named per row, as wholes with blocks of their size;
    /// rows of a block keep their order.
    Whole(&'a [usize]),
}

/// The effect on one outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// β of the effect beside the nuisance variables, unit of the outcome over that of the
    /// effect: the difference of means for a group of 0 and 1 without nuisance variables.
    pub estimate: f64,
    /// t of β in the full model, no unit.
    pub t: f64,
    /// Residual standard deviation of the full model, unit of the outcome.
    pub sigma: f64,
    /// Two-sided p of this outcome alone.
    pub p: f64,
    /// p with the chance of any false discovery among all outcomes held.
    pub p_family: f64,
    /// Benjamini and Hochberg's adjusted p.
    pub q: f64,
}

/// The effects on all outcomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// One per outcome; undefined where an outcome is constant or explained by the nuisance
    /// variables alone. Those take no part in the corrections.
    pub outcomes: Vec<Result<Effect, Undefined>>,
    /// Permutations drawn.
    pub permutations: usize,
    /// Rows − columns of the full model.
    pub freedom: usize,
    /// The standard error of β is this times [`Effect::sigma`]: 1/length of what the nuisance
    /// variables leave of the effect.
    pub leverage: f64,
}

/// Freedman & Lane's test (1983; the method of Winkler et al. 2014,
/// <https://doi.org/10.1016/j.neuroimage.2014.01.060>): the residuals of each outcome given
/// the nuisance variables change places, and t of the effect is taken anew in the full model.
/// p = (1 + #{|t*| ≥ |t|})/(m + 1) with m drawn `permutations`, the same for all outcomes;
/// for the family |t*| is the largest over the outcomes, which keeps the error whatever their
/// dependence. An intercept is always among the nuisance variables. Approximate with nuisance
/// variables, exact without. The smallest p is 1/(m + 1).
///
/// # Errors
/// Undefined for unequal lengths, values that are not finite, without permutations, fewer than
/// two rows more than coefficients, or when nuisance variables or the effect are combinations
/// of each other.
pub fn test(
    effect: &[f64],
    nuisance: &[Vec<f64>],
    outcomes: &[Vec<f64>],
    exchange: Exchange<'_>,
    permutations: usize,
    stream: &mut Stream,
) -> Result<Effects, Undefined> {
    let rows = effect.len();
    for column in nuisance.iter().chain(outcomes) {
        require_paired(column.len(), rows)?;
        require_finite(column)?;
    }
    require_finite(effect)?;
    let columns: Vec<Vec<f64>> =
        std::iter::once(vec![1.0; rows]).chain(nuisance.iter().cloned()).collect();
    let reduced = Design::new(&columns)?;
    let mut full = reduced.clone();
    if !full.add(effect) {
        return undefined("the effect is a combination of the nuisance variables");
    }
    let Some(freedom) = rows.checked_sub(full.len()).filter(|f| *f > 1) else {
        return undefined(format!("{rows} rows for {} coefficients", full.len()));
    };
    if permutations == 0 {
        return undefined("a permutation test without permutations");
    }
    let own = reduced.residuals(effect);
    let leverage = 1.0 / dot(&own, &own).sqrt();
    let left: Vec<Result<Vec<f64>, Undefined>> =
        outcomes.iter().map(|y| residuals(&reduced, y)).collect();
    let t_of = |e: &[f64]| statistic(&full, e, freedom);
    let mut found: Vec<Result<Effect, Undefined>> = left
        .iter()
        .map(|e| {
            let e = e.as_ref().map_err(Clone::clone)?;
            let (t, sigma) = t_of(e);
            if !t.is_finite() {
                return undefined("the model leaves no residual");
            }
            let estimate = t * sigma * leverage;
            Ok(Effect { estimate, t, sigma, p: 1.0, p_family: 1.0, q: 1.0 })
        })
        .collect();
    let mut counts = vec![[1usize; 2]; found.len()];
    let dealer = Dealer::new(rows, exchange)?;
    let (mut order, mut dealt) = (Vec::new(), vec![0.0; rows]);
    for _ in 0..permutations {
        dealer.deal(stream, &mut order);
        let drawn: Vec<f64> = found
            .iter()
            .zip(&left)
            .map(|(f, e)| match (f, e) {
                (Ok(_), Ok(e)) => {
                    dealt.iter_mut().zip(&order).for_each(|(to, from)| *to = e[*from]);
                    t_of(&dealt).0
                }
                _ => 0.0,
            })
            .collect();
        let most = drawn.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        for ((f, t), count) in found.iter().zip(&drawn).zip(&mut counts) {
            let Ok(f) = f else { continue };
            count[0] += usize::from(extreme(*t, f.t, Tail::TwoSided));
            count[1] += usize::from(extreme(most, f.t, Tail::TwoSided));
        }
    }
    let share = |count: usize| count as f64 / (permutations + 1) as f64;
    for (f, [own, family]) in found.iter_mut().zip(counts) {
        let Ok(f) = f else { continue };
        (f.p, f.p_family) = (share(own), share(family));
    }
    let p: Vec<f64> = found.iter().flatten().map(|f| f.p).collect();
    let q = benjamini_hochberg(&p)?;
    found.iter_mut().flatten().zip(q).for_each(|(f, q)| f.q = q);
    Ok(Effects { outcomes: found, permutations, freedom, leverage })
}

/// What the nuisance variables leave of an outcome, or why that is nothing.
fn residuals(reduced: &Design, y: &[f64]) -> Result<Vec<f64>, Undefined> {
    if y.iter().all(|v| *v == y[0]) {
        return undefined("the outcome is constant");
    }
    let left = reduced.residuals(y);
    if dot(&left, &left) <= LEFT * dot(y, y) {
        return undefined("the outcome is explained by the nuisance variables alone");
    }
    Ok(left)
}

/// t of the last column of the full model, and the residual standard deviation, for what is
/// left of an outcome given the others: the length along the last direction of the basis over
/// that which no direction explains. Infinite where nothing is left.
fn statistic(full: &Design, left: &[f64], freedom: usize) -> (f64, f64) {
    let whole = dot(left, left);
    let (mut rest, mut along) = (whole, 0.0);
    for direction in full.basis() {
        along = dot(direction, left);
        rest -= along * along;
    }
    // Differences of squares: below this, rounding is all there is.
    let rest = if rest > 1e-13 * whole { rest } else { 0.0 };
    let sigma = (rest / freedom as f64).sqrt();
    (along / sigma, sigma)
}

/// Deals rows to places.
#[derive(Debug)]
struct Dealer {
    /// Sets of units that may change places; each unit is a list of rows.
    sets: Vec<Vec<Vec<usize>>>,
}

impl Dealer {
    fn new(rows: usize, exchange: Exchange<'_>) -> Result<Self, Undefined> {
        let by = |names: &[usize]| -> Result<Vec<Vec<usize>>, Undefined> {
            require_paired(names.len(), rows)?;
            let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            names.iter().enumerate().for_each(|(row, n)| parts.entry(*n).or_default().push(row));
            Ok(parts.into_values().collect())
        };
        let single = |rows: Vec<usize>| rows.into_iter().map(|r| vec![r]).collect();
        let sets = match exchange {
            Exchange::Free => vec![single((0..rows).collect())],
            Exchange::Within(strata) => by(strata)?.into_iter().map(single).collect(),
            Exchange::Whole(blocks) => {
                let mut sizes: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
                for block in by(blocks)? {
                    sizes.entry(block.len()).or_default().push(block);
                }
                sizes.into_values().collect()
            }
        };
        if sets.iter().all(|set| set.len() < 2) {
            return undefined("no rows may change places");
        }
        Ok(Self { sets })
    }

    /// For each place the row that goes there.
    fn deal(&self, stream: &mut Stream, order: &mut Vec<usize>) {
        order.clear();
        order.resize(self.sets.iter().flatten().map(Vec::len).sum(), 0);
        for set in &self.sets {
            let mut dealt: Vec<usize> = (0..set.len()).collect();
            stream.shuffle(&mut dealt);
            for (place, from) in set.iter().zip(dealt) {
                place.iter().zip(&set[from]).for_each(|(to, row)| order[*to] = *row);
            }
        }
    }
}

#[cfg(test)]
#[path = "freedman_lane_tests.rs"]
mod tests;
