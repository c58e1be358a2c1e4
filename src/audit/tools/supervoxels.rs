//! The brain cut into blobs of similar volume, so that parts of it can be taken out.
//!
//! Seeds lie on a jittered lattice in mm. From them all blobs grow at once, the smallest one
//! next, each by the nearest voxel that touches it; twice they start anew from their centres.
//! So blobs are connected (by faces), similar in volume, and together the mask, whatever the
//! spacing. They know nothing of image or map: those must not choose what they are judged by.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::image::{Grid, Mask};
use crate::seed::Stream;

/// Times the growth is started anew from the centres of the blobs.
const ROUNDS: usize = 2;

/// Cuts a mask into about `count` blobs. A part of the mask that no seed reaches is a blob of its
/// own. Returns the voxels of each blob, ascending; none is empty and every voxel of the mask is
/// in one of them.
pub fn supervoxels(mask: &Mask, count: usize, stream: &mut Stream) -> Vec<Vec<usize>> {
    let mut seeds = lattice(mask, count, stream);
    for _ in 0..ROUNDS {
        seeds = grown(mask, &seeds).iter().map(|blob| middle(mask.grid(), blob)).collect();
    }
    grown(mask, &seeds)
}

fn place(grid: &Grid, v: usize) -> [f64; 3] {
    let [ni, nj, _] = grid.shape();
    let (at, mm) = ([v % ni, v / ni % nj, v / (ni * nj)], grid.spacing_mm());
    std::array::from_fn(|a| at[a] as f64 * mm[a])
}

fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|n| (a[n] - b[n]).powi(2)).sum()
}

/// One voxel near the middle of every cell of a lattice that lies in the mask; cells have the
/// volume that each of `count` blobs should have. At least one voxel, where the mask has any.
fn lattice(mask: &Mask, count: usize, stream: &mut Stream) -> Vec<usize> {
    let grid = mask.grid();
    let (shape, mm) = (grid.shape(), grid.spacing_mm());
    let volume = mask.count() as f64 * mm.iter().product::<f64>();
    let edge = (volume / count.max(1) as f64).cbrt();
    let cells: [usize; 3] =
        std::array::from_fn(|a| ((shape[a] as f64 * mm[a] / edge).ceil() as usize).max(1));
    let offset: [f64; 3] = std::array::from_fn(|_| stream.uniform());
    let mut seeds = Vec::new();
    for c in 0..cells.iter().product() {
        let cell = [c % cells[0], c / cells[0] % cells[1], c / (cells[0] * cells[1])];
        // The lattice is shifted as a whole and each point by up to a quarter of a cell.
        let at: [f64; 3] = std::array::from_fn(|a| {
            (cell[a] as f64 + offset[a] + stream.range(-0.25, 0.25)) * edge / mm[a]
        });
        if at.iter().zip(shape).all(|(x, n)| *x >= 0.0 && *x < n as f64) {
            let v = grid.index(at[0] as usize, at[1] as usize, at[2] as usize);
            if mask.data()[v] && !seeds.contains(&v) {
                seeds.push(v);
            }
        }
    }
    if seeds.is_empty() {
        seeds.extend(mask.data().iter().position(|inside| *inside));
    }
    seeds
}

/// The member of a blob that is nearest to its centre of mass.
fn middle(grid: &Grid, blob: &[usize]) -> usize {
    let mut centre = [0.0; 3];
    for &v in blob {
        let at = place(grid, v);
        (0..3).for_each(|a| centre[a] += at[a] / blob.len() as f64);
    }
    let far = |v: &usize| squared(place(grid, *v), centre);
    blob.iter().copied().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or_default()
}

/// Neighbours by faces.
fn beside(grid: &Grid, v: usize) -> impl Iterator<Item = usize> {
    let shape = grid.shape();
    let steps = [1, shape[0], shape[0] * shape[1]];
    (0..3).flat_map(move |a| {
        let at = v / steps[a] % shape[a];
        let down = (at > 0).then(|| v - steps[a]);
        let up = (at + 1 < shape[a]).then(|| v + steps[a]);
        down.into_iter().chain(up)
    })
}

fn grown(mask: &Mask, seeds: &[usize]) -> Vec<Vec<usize>> {
    let grid = mask.grid();
    let mut free = mask.data().to_vec();
    let mut blobs = grow(grid, &mut free, seeds);
    while let Some(island) = free.iter().position(|f| *f) {
        blobs.extend(grow(grid, &mut free, &[island]));
    }
    blobs.iter_mut().for_each(|blob| blob.sort_unstable());
    blobs
}

/// Voxels that a blob could take next, nearest to its seed first. Squares of distances are
/// not negative, and the bits of such numbers are ordered as they are.
type Frontier = BinaryHeap<Reverse<(u64, usize)>>;

fn grow(grid: &Grid, free: &mut [bool], seeds: &[usize]) -> Vec<Vec<usize>> {
    let mut blobs: Vec<Vec<usize>> = vec![Vec::new(); seeds.len()];
    let mut next: Vec<Frontier> = seeds.iter().map(|&s| [Reverse((0, s))].into()).collect();
    let mut smallest: BinaryHeap<Reverse<(usize, usize)>> =
        (0..seeds.len()).map(|b| Reverse((0, b))).collect();
    while let Some(Reverse((size, b))) = smallest.pop() {
        let Some(v) = std::iter::from_fn(|| next[b].pop()).map(|n| n.0.1).find(|v| free[*v]) else {
            continue;
        };
        free[v] = false;
        blobs[b].push(v);
        let from = place(grid, seeds[b]);
        let near = beside(grid, v).filter(|n| free[*n]);
        next[b].extend(near.map(|n| Reverse((squared(place(grid, n), from).to_bits(), n))));
        smallest.push(Reverse((size + 1, b)));
    }
    blobs.retain(|blob| !blob.is_empty());
    blobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// An ellipsoid on anisotropic voxels, and two voxels far from it.
    fn mask() -> Mask {
        let grid = Grid::centred([30, 24, 16], [1.0, 1.5, 2.5]).expect("grid");
        let inside = |v: usize| {
            let at = [v % 30, v / 30 % 24, v / 720];
            let far: f64 =
                (0..3).map(|a| ((at[a] as f64 + 0.5) / [15.0, 12.0, 8.0][a] - 1.0).powi(2)).sum();
            far < 0.9 || v < 2
        };
        let data = (0..grid.len()).map(inside).collect();
        Mask::new(grid, data).expect("mask")
    }

    fn reached(grid: &Grid, blob: &[usize]) -> usize {
        let (mut seen, mut todo) = (vec![blob[0]], vec![blob[0]]);
        while let Some(v) = todo.pop() {
            for n in beside(grid, v).filter(|n| blob.binary_search(n).is_ok()) {
                if !seen.contains(&n) {
                    seen.push(n);
                    todo.push(n);
                }
            }
        }
        seen.len()
    }

    #[test]
    fn blobs_are_connected_alike_and_the_mask() {
        let mask = mask();
        let blobs = supervoxels(&mask, 40, &mut Seed(3).stream("blobs"));
        let mut all: Vec<usize> = blobs.iter().flatten().copied().collect();
        assert_eq!(all.len(), mask.count(), "none twice");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), mask.count());
        assert!(all.iter().all(|&v| mask.data()[v]));
        assert!(blobs.iter().all(|b| reached(mask.grid(), b) == b.len()));
        assert!(blobs.contains(&vec![0, 1]), "an island is a blob of its own");
        assert!((30..=50).contains(&blobs.len()), "{}", blobs.len());
        let mut sizes: Vec<f64> = blobs.iter().map(|b| b.len() as f64).collect();
        sizes.sort_by(f64::total_cmp);
        let (low, middle, high) =
            (sizes[sizes.len() / 10], sizes[sizes.len() / 2], sizes[sizes.len() * 9 / 10]);
        assert!(low > 0.4 * middle && high < 1.6 * middle, "{sizes:?}");
        // in mm, not in voxels: blobs are as deep as they are wide
        let extent = |a: usize| {
            let spread = |b: &Vec<usize>| {
                let at: Vec<f64> = b.iter().map(|v| place(mask.grid(), *v)[a]).collect();
                crate::stats::moments::sd(&at).unwrap_or(0.0)
            };
            blobs.iter().map(spread).sum::<f64>()
        };
        assert!((0.7..1.4).contains(&(extent(0) / extent(2))), "{} {}", extent(0), extent(2));
    }

    #[test]
    fn the_stream_alone_chooses() {
        let mask = mask();
        let cut = |name: &str| supervoxels(&mask, 40, &mut Seed(3).stream(name));
        assert_eq!(cut("a"), cut("a"));
        assert_ne!(cut("a"), cut("b"));
        let one = supervoxels(&mask, 1, &mut Seed(3).stream("a"));
        assert!(one.len() <= 4 && one.iter().map(Vec::len).sum::<usize>() == mask.count());
    }
}
