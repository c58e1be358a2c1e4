//! How alike two maps of a head are, by several measures, and how alike maps of different heads.

use rayon::prelude::*;

use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::stats::ssim::{Window, ssim_of_signs};
use crate::stats::{Stat, Undefined, moments, rank, undefined};

/// The measures, in the order of [`Alike`].
pub const MEASURES: [&str; 7] = [
    "Spearman of R",
    "Spearman of |R|",
    "Pearson",
    "cosine",
    "SSIM",
    "SSIM of either sign",
    "|Spearman of R|",
];
/// Place of Spearman of R.
pub const SIGNED: usize = 0;
/// Place of the cosine.
pub const COSINE: usize = 3;
/// Place of Spearman of |R|.
pub const MAGNITUDE: usize = 1;
/// Place of the larger of SSIM(x, y) and SSIM(x, −y).
pub const EITHER: usize = 5;
/// Place of |Spearman of R|.
pub const UNSIGNED: usize = 6;

/// Two maps by each of [`MEASURES`].
pub type Alike = [Stat; 7];

/// Window of the structural similarity, in voxels.
const EDGE: usize = 7;
/// Steps along the ring of subjects within which two are compared.
const REACH: usize = 3;

/// The values inside.
pub(super) fn within(map: &[f32], inside: &[usize]) -> Vec<f64> {
    inside.iter().map(|&v| f64::from(map[v])).collect()
}

/// Absolute values.
pub(super) fn size(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| v.abs()).collect()
}

/// Two maps, i fastest, compared inside a mask of a grid `[i, j, k]`.
pub fn alike(shape: [usize; 3], mask: &[bool], x: &[f32], y: &[f32]) -> Alike {
    let inside: Vec<usize> = (0..mask.len()).filter(|v| mask[*v]).collect();
    let (a, b) = (within(x, &inside), within(y, &inside));
    let signed = rank::spearman(&a, &b);
    let unsigned = signed.clone().map(f64::abs);
    let [same, either] = match structural(shape, &inside, &a, &b) {
        Ok([same, turned]) => [Ok(same), Ok(same.max(turned))],
        Err(why) => [Err(why.clone()), Err(why)],
    };
    let magnitude = rank::spearman(&size(&a), &size(&b));
    [signed, magnitude, rank::pearson(&a, &b), rank::cosine(&a, &b), same, either, unsigned]
}

/// Two maps of a case.
pub fn of_case(case: &Case, x: &[f32], y: &[f32]) -> Alike {
    alike(case.grid.shape(), case.mask.data(), x, y)
}

/// SSIM in 3D of x with y and with −y over the voxels inside, each map 0 outside and divided by
/// its root second moment. The data range is twice the largest magnitude of both, which does not
/// change with a sign.
fn structural(
    shape: [usize; 3],
    inside: &[usize],
    a: &[f64],
    b: &[f64],
) -> Result<[f64; 2], Undefined> {
    let unit = |x: &[f64]| -> Result<Vec<f64>, Undefined> {
        let squares: Vec<f64> = x.iter().map(|v| v * v).collect();
        let root = moments::mean(&squares)?.sqrt();
        if !(root > 0.0 && root.is_finite()) {
            return undefined(format!("a map of root second moment {root}"));
        }
        Ok(x.iter().map(|v| v / root).collect())
    };
    let (a, b) = (unit(a)?, unit(b)?);
    let most = a.iter().chain(&b).fold(0.0f64, |m, v| m.max(v.abs()));
    let place = |v: usize| [v % shape[0], v / shape[0] % shape[1], v / (shape[0] * shape[1])];
    // The box of the mask, as wide as the window needs.
    let low: [usize; 3] = std::array::from_fn(|n| {
        let least = inside.iter().map(|&v| place(v)[n]).min().unwrap_or(0);
        least.saturating_sub(EDGE / 2)
    });
    let high: [usize; 3] = std::array::from_fn(|n| {
        let most = inside.iter().map(|&v| place(v)[n]).max().unwrap_or(0);
        (most + 1 + EDGE / 2).min(shape[n])
    });
    let extent: [usize; 3] = std::array::from_fn(|n| high[n] - low[n]);
    let at = |v: usize| {
        let [i, j, k] = std::array::from_fn(|n| place(v)[n] - low[n]);
        i + extent[0] * (j + extent[1] * k)
    };
    let voxels = extent.iter().product();
    let (mut x, mut y, mut mask) = (vec![0.0; voxels], vec![0.0; voxels], vec![false; voxels]);
    for ((&v, a), b) in inside.iter().zip(a).zip(b) {
        (x[at(v)], y[at(v)], mask[at(v)]) = (a, b, true);
    }
    let [i, j, k] = extent;
    ssim_of_signs(&x, &y, [k, j, i], Window::Uniform(EDGE), 2.0 * most, Some(&mask))
}

/// Per case the mean of its audited map's likeness to the maps of a few other cases, inside both
/// masks: its neighbours in a ring drawn once, so that all cases count alike.
pub fn between(bench: &Bench<'_>) -> Vec<Alike> {
    let n = bench.cases.len();
    let mut ring: Vec<usize> = (0..n).collect();
    bench.seed.stream("audit/weights_cascade/pairs").shuffle(&mut ring);
    let step = |by: usize| (0..n).map(move |at| (at, (at + by) % n.max(1)));
    let mut pairs: Vec<(usize, usize)> = (1..=REACH.min(n / 2))
        .flat_map(step)
        .map(|(a, b)| (ring[a].min(ring[b]), ring[a].max(ring[b])))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let compare = |&(a, b): &(usize, usize)| {
        let masks = bench.cases[a].mask.data().iter().zip(bench.cases[b].mask.data());
        let both: Vec<bool> = masks.map(|(p, q)| *p && *q).collect();
        alike(bench.cases[a].grid.shape(), &both, &bench.maps[a], &bench.maps[b])
    };
    let found: Vec<Alike> = pairs.par_iter().map(compare).collect();
    let of = |case: usize, measure: usize| -> Stat {
        let own = pairs.iter().zip(&found).filter(|((a, b), _)| *a == case || *b == case);
        let values: Result<Vec<f64>, _> = own.map(|(_, alike)| alike[measure].clone()).collect();
        match values? {
            none if none.is_empty() => undefined("there is one subject only"),
            values => moments::mean(&values),
        }
    };
    (0..n).map(|case| std::array::from_fn(|measure| of(case, measure))).collect()
}
