//! Noisy linear imputation in three dimensions (ROAD, Rong et al. 2022,
//! <https://arxiv.org/abs/2202.00449>).
//!
//! Every missing voxel is the weighted mean of its 26 neighbours, missing or not. The method's
//! weights in two dimensions, 1/6 for edges and 1/12 for corners, are the binomial kernel 1 2 1
//! along each axis without its middle; in three dimensions the same kernel gives 1/14 for the 6
//! faces, 1/28 for the 12 edges and 1/56 for the 8 corners, sum 1. At the border of the grid the
//! weights that exist are scaled to sum 1. Sums are taken an axis after the other, over the whole grid.
//! The equations L u = W k (L the graph's Laplacian,
//! symmetric and positive definite) are solved by conjugate gradients.

use crate::image::Grid;
use crate::stats::{Undefined, undefined};

/// Norm of the residual over that of the right side at which the solution is good enough: far
/// below the noise that is added to it.
pub const TOLERANCE: f64 = 1e-5;
/// Most steps; more than any image of a head needs.
const STEPS: usize = 2000;

/// Sum of the weights of 1 2 1 along each axis, without the middle.
const ALL: f64 = 56.0;
/// The middle.
const MIDDLE: f64 = 8.0;

/// The equations: which voxels are asked for, on the whole grid.
struct System {
    shape: [usize; 3],
    /// Voxel of each unknown.
    unknown: Vec<usize>,
    /// Sum of the weights that exist at each unknown.
    weights: Vec<f64>,
    /// A number per voxel, 0 where nothing is unknown.
    field: Vec<f64>,
    /// Room for the sums of an axis.
    sums: Vec<f64>,
}

/// `x[v − step] + 2 x[v] + x[v + step]` along an axis of `length` voxels `step` apart, into `y`.
fn along(x: &[f64], y: &mut [f64], length: usize, step: usize) {
    for (x, y) in x.chunks_exact(length * step).zip(y.chunks_exact_mut(length * step)) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = 2.0 * x);
        let last = x.len() - step;
        y[step..].iter_mut().zip(&x[..last]).for_each(|(y, x)| *y += x);
        y[..last].iter_mut().zip(&x[step..]).for_each(|(y, x)| *y += x);
    }
}

impl System {
    fn new(grid: &Grid, missing: &[usize]) -> Self {
        let shape @ [ni, nj, nk] = grid.shape();
        let room = || vec![0.0; grid.len()];
        let (unknown, weights) = (missing.to_vec(), Vec::new());
        let mut system = Self { shape, unknown, weights, field: room(), sums: room() };
        // 1 2 1 sums to 4 within the grid and to less at its border.
        let sum =
            |x: usize, n: usize| 2.0 + f64::from(u8::from(x > 0)) + f64::from(u8::from(x + 1 < n));
        let all = |&v: &usize| sum(v % ni, ni) * sum(v / ni % nj, nj) * sum(v / (ni * nj), nk);
        system.weights = missing.iter().map(|v| (all(v) - MIDDLE) / ALL).collect();
        system
    }

    /// W of the field: the weighted sum of every unknown's neighbours.
    fn around(&mut self) -> Vec<f64> {
        let [ni, nj, nk] = self.shape;
        let own: Vec<f64> = self.unknown.iter().map(|&v| self.field[v]).collect();
        along(&self.field, &mut self.sums, ni, 1);
        along(&self.sums, &mut self.field, nj, ni);
        along(&self.field, &mut self.sums, nk, ni * nj);
        let sums = self.unknown.iter().map(|&v| self.sums[v]);
        sums.zip(own).map(|(sum, own)| (sum - MIDDLE * own) / ALL).collect()
    }

    /// L u.
    fn apply(&mut self, u: &[f64]) -> Vec<f64> {
        self.field.fill(0.0);
        self.unknown.iter().zip(u).for_each(|(&v, u)| self.field[v] = *u);
        let mut made = self.around();
        let own = self.weights.iter().zip(u);
        made.iter_mut().zip(own).for_each(|(made, (weight, u))| *made = weight * u - *made);
        made
    }

    /// W k: what the known neighbours give.
    fn right(&mut self, image: &[f32]) -> Vec<f64> {
        self.field.iter_mut().zip(image).for_each(|(field, x)| *field = f64::from(*x));
        self.unknown.iter().for_each(|&v| self.field[v] = 0.0);
        self.around()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Values of the missing voxels (each once, in the order given), in the unit of the image, without
/// noise.
///
/// # Errors
/// Undefined when no voxel is known, or the equations were not solved to [`TOLERANCE`].
pub fn linear(grid: &Grid, image: &[f32], missing: &[usize]) -> Result<Vec<f64>, Undefined> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    if missing.len() >= grid.len() {
        return undefined("no voxel is left to impute the others from");
    }
    let mut system = System::new(grid, missing);
    let right = system.right(image);
    let aim = TOLERANCE * TOLERANCE * dot(&right, &right);
    let mut u = vec![0.0; missing.len()];
    let mut rest = right;
    let mut way = rest.clone();
    let mut size = dot(&rest, &rest);
    for _ in 0..STEPS {
        if size <= aim {
            return Ok(u);
        }
        let ahead = system.apply(&way);
        let length = size / dot(&way, &ahead);
        u.iter_mut().zip(&way).for_each(|(u, d)| *u += length * d);
        rest.iter_mut().zip(&ahead).for_each(|(r, a)| *r -= length * a);
        let before = std::mem::replace(&mut size, dot(&rest, &rest));
        way.iter_mut().zip(&rest).for_each(|(d, r)| *d = r + size / before * *d);
    }
    undefined(format!("the imputation of {} voxels did not settle", missing.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn grid() -> Grid {
        Grid::centred([9, 8, 7], [1.0; 3]).expect("grid")
    }

    /// ROAD has 1/6 for the 4 edges and 1/12 for the 4 corners, a ratio of two; the weights sum to 1.
    #[test]
    fn the_weights_are_those_of_two_dimensions_in_a_plane() {
        let grid = Grid::centred([5, 5, 5], [1.0; 3]).expect("grid");
        let middle = 62;
        let weight = |v: usize| {
            let mut system = System::new(&grid, &[middle]);
            let mut image = vec![0.0; grid.len()];
            image[v] = 1.0;
            system.right(&image)[0]
        };
        let (face, edge, corner) = (middle + 1, middle + 6, middle + 31);
        let [a, b, c] = [face, edge, corner].map(weight);
        assert!([a * 14.0, b * 28.0, c * 56.0].iter().all(|one| (one - 1.0).abs() < 1e-12));
        let all: f64 = (0..grid.len()).map(weight).sum();
        assert!((all - 1.0).abs() < 1e-12 && weight(middle) == 0.0 && weight(middle + 2) == 0.0);
        assert_eq!(System::new(&grid, &[middle]).weights, [1.0]);
    }

    #[test]
    fn a_linear_image_is_imputed_exactly_and_the_rest_stays() {
        // A symmetric mean keeps linear functions: what is missing inside comes back.
        let grid = grid();
        let at = |v: usize| [v % 9, v / 9 % 8, v / 72];
        let value = |v: usize| {
            1.0 + 0.5 * at(v)[0] as f64 - 0.25 * at(v)[1] as f64 + 0.125 * at(v)[2] as f64
        };
        let mut image: Vec<f32> = (0..grid.len()).map(|v| value(v) as f32).collect();
        let deep = |v: &usize| (0..3).all(|a| at(*v)[a] > 0 && at(*v)[a] + 1 < [9, 8, 7][a]);
        let missing: Vec<usize> = (0..grid.len()).filter(deep).collect();
        missing.iter().for_each(|&v| image[v] = f32::NAN);
        let got = linear(&grid, &image, &missing).expect("solved");
        for (v, got) in missing.iter().zip(&got) {
            assert!((got - value(*v)).abs() < 1e-3, "{v}: {got} {}", value(*v));
        }
    }

    #[test]
    fn what_is_imputed_solves_the_equations_at_the_border_too() {
        let grid = grid();
        let mut stream = Seed(8).stream("impute");
        let image: Vec<f32> = (0..grid.len()).map(|_| stream.normal() as f32).collect();
        let missing: Vec<usize> = (0..grid.len()).filter(|_| stream.chance(0.7)).collect();
        let got = linear(&grid, &image, &missing).expect("solved");
        let mut filled: Vec<f64> = image.iter().map(|x| f64::from(*x)).collect();
        missing.iter().zip(&got).for_each(|(&v, u)| filled[v] = *u);
        // another way to the neighbours: by place, not by offset
        let at = |v: usize| [v % 9, v / 9 % 8, v / 72];
        for &v in &missing {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (n, value) in filled.iter().enumerate() {
                let apart: Vec<usize> = (0..3).map(|a| at(v)[a].abs_diff(at(n)[a])).collect();
                let moved = apart.iter().filter(|d| **d == 1).count();
                if apart.iter().all(|d| *d <= 1) && moved > 0 {
                    let w = 4.0 / 2f64.powi(moved as i32 - 1);
                    (sum, weights) = (sum + w * value, weights + w);
                }
            }
            assert!((filled[v] - sum / weights).abs() < 1e-3, "{v}");
        }
    }

    #[test]
    fn nothing_known_has_no_answer_and_nothing_missing_needs_none() {
        let grid = grid();
        let all: Vec<usize> = (0..grid.len()).collect();
        assert!(linear(&grid, &vec![1.0; grid.len()], &all).is_err());
        assert_eq!(linear(&grid, &vec![1.0; grid.len()], &[]), Ok(Vec::new()));
        let zero = linear(&grid, &vec![0.0; grid.len()], &[3, 4]).expect("zero");
        assert_eq!(zero, [0.0, 0.0]);
    }
}
