//! Chance: blobs of the truth's sizes anywhere in the brain; and pointing with a tolerance.

use crate::image::Grid;
use crate::image::blobs::blobs;
use crate::seed::Stream;
use crate::stats::{Stat, curve, rank, undefined};

/// Parts of the truth that are placed on their own at most, the largest; the others go with the
/// last of them.
const MOST_PARTS: usize = 8;

/// What it takes to place the truth anew and again: ranks of the amounts and sizes of its parts.
pub(super) struct Chance {
    /// World positions of the voxels of the mask.
    places: Vec<[f64; 3]>,
    /// Ranks of the amounts.
    ranks: Vec<f64>,
    /// Voxels of each part of the truth, the largest first.
    sizes: Vec<usize>,
    observed: f64,
}

impl Chance {
    /// Of a map inside the mask and a truth that is neither empty nor the whole.
    pub(super) fn new(grid: &Grid, inside: &[usize], truth: &[bool], amounts: &[f64]) -> Self {
        let mut whole = vec![false; grid.len()];
        inside.iter().zip(truth).for_each(|(&v, t)| whole[v] = *t);
        let mut sizes: Vec<usize> = blobs(&whole, grid.shape()).iter().map(Vec::len).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let rest: usize = sizes.iter().skip(MOST_PARTS).sum();
        sizes.truncate(MOST_PARTS);
        if let Some(last) = sizes.last_mut() {
            *last += rest;
        }
        let places = inside.iter().map(|&v| place(grid, v)).collect();
        let ranks = rank::ranks(amounts);
        let own = || truth.iter().enumerate().filter_map(|(v, t)| t.then_some(v));
        let observed = area(&ranks, own().map(|v| ranks[v]).sum(), own().count());
        Self { places, ranks, sizes, observed }
    }

    /// The AUROC of the truth where it is.
    pub(super) fn observed(&self) -> f64 {
        self.observed
    }

    /// The AUROC of one random placement.
    pub(super) fn draw(&self, stream: &mut Stream) -> f64 {
        let taken = self.placed(stream);
        area(&self.ranks, taken.iter().map(|&v| self.ranks[v]).sum(), taken.len())
    }

    /// Voxels of one random placement: for each part the free voxels nearest to a random one.
    fn placed(&self, stream: &mut Stream) -> Vec<usize> {
        let mut free: Vec<usize> = (0..self.places.len()).collect();
        let mut gone = vec![false; self.places.len()];
        let mut taken = Vec::new();
        for &size in &self.sizes {
            // In the order of numbers, as the stream's next choice hangs on it.
            free.retain(|v| !gone[*v]);
            let centre = self.places[free[stream.below(free.len())]];
            let far = |v: &usize| {
                let p = self.places[*v];
                (0..3).map(|a| (p[a] - centre[a]).powi(2)).sum::<f64>()
            };
            // Ties go by number, so that the placement hangs on the stream alone.
            let mut order: Vec<(f64, usize)> = free.iter().map(|v| (far(v), *v)).collect();
            if size < order.len() {
                let by =
                    |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
                let _ = order.select_nth_unstable_by(size, by);
            }
            for (_, v) in order.iter().take(size) {
                gone[*v] = true;
                taken.push(*v);
            }
        }
        taken
    }
}

/// AUROC from the sum of the ranks of n voxels.
fn area(ranks: &[f64], sum: f64, n: usize) -> f64 {
    let (n, m) = (n as f64, (ranks.len() - n) as f64);
    (sum - n * (n + 1.0) / 2.0) / (n * m)
}

fn place(grid: &Grid, v: usize) -> [f64; 3] {
    let [ni, nj, _] = grid.shape();
    grid.to_world([v % ni, v / ni % nj, v / (ni * nj)].map(|n| n as f64))
}

/// 1 when a largest amount lies no further from the truth than the tolerance (centre to centre,
/// mm), else 0.
///
/// # Errors
/// Undefined as an AUROC is, and for a constant map, which points nowhere.
pub(super) fn pointing(
    grid: &Grid,
    inside: &[usize],
    truth: &[bool],
    amounts: &[f64],
    tolerance_mm: f64,
) -> Stat {
    let _ = curve::auc(truth, amounts)?;
    let most = amounts.iter().fold(f64::NEG_INFINITY, |m, a| m.max(*a));
    if amounts.iter().all(|a| *a == most) {
        return undefined("a constant map points nowhere");
    }
    let at = |n: usize| place(grid, inside[n]);
    let aims: Vec<[f64; 3]> = (0..truth.len()).filter(|n| truth[*n]).map(at).collect();
    let hit = (0..amounts.len()).filter(|n| amounts[*n] == most).any(|n| {
        let p = at(n);
        let near = |q: &[f64; 3]| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>();
        aims.iter().any(|q| near(q) <= tolerance_mm.powi(2) * (1.0 + 1e-9))
    });
    Ok(f64::from(u8::from(hit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn grid() -> Grid {
        Grid::centred([12, 10, 8], [1.0, 2.0, 3.0]).expect("grid")
    }

    #[test]
    fn placements_have_the_sizes_of_the_truth_and_lie_anywhere() {
        let inside: Vec<usize> = (0..960).filter(|v| v % 12 > 0).collect();
        let truth: Vec<bool> =
            inside.iter().map(|v| (40..44).contains(v) || (700..707).contains(v)).collect();
        let amounts: Vec<f64> = inside.iter().map(|v| (v * 37 % 101) as f64).collect();
        let chance = Chance::new(&grid(), &inside, &truth, &amounts);
        assert_eq!(chance.sizes, [7, 4]);
        let auc = curve::auc(&truth, &amounts).expect("auc");
        assert!((chance.observed() - auc).abs() < 1e-12);
        let mut stream = Seed(1).stream("test/placed");
        let mut seen = vec![0; inside.len()];
        for _ in 0..3000 {
            let mut placed = chance.placed(&mut stream);
            placed.iter().for_each(|&v| seen[v] += 1);
            placed.sort_unstable();
            placed.dedup();
            assert_eq!(placed.len(), 11);
        }
        assert!(seen.iter().all(|n| *n > 0), "every voxel is taken now and then");
        let mean = (0..2000).map(|_| chance.draw(&mut stream)).sum::<f64>() / 2000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }

    #[test]
    fn pointing_measures_millimetres_along_every_axis() {
        let grid = grid();
        let inside: Vec<usize> = (0..960).collect();
        let truth: Vec<bool> = inside.iter().map(|v| *v == grid.index(5, 5, 4)).collect();
        let hit = |i, j, k, tolerance| {
            let mut map = vec![0.0; 960];
            map[grid.index(i, j, k)] = 1.0;
            pointing(&grid, &inside, &truth, &map, tolerance)
        };
        assert_eq!((hit(5, 5, 4, 0.0), hit(8, 5, 4, 3.0)), (Ok(1.0), Ok(1.0)));
        assert_eq!((hit(5, 7, 4, 3.0), hit(5, 5, 5, 3.0)), (Ok(0.0), Ok(1.0)));
        assert_eq!((hit(5, 6, 5, 3.0), hit(5, 6, 5, 3.7)), (Ok(0.0), Ok(1.0)));
        assert!(pointing(&grid, &inside, &truth, &[2.0; 960], 5.0).is_err());
        assert!(pointing(&grid, &inside, &[false; 960], &[2.0; 960], 5.0).is_err());
    }
}
