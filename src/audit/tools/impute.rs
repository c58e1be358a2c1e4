//! Noisy linear imputation in three dimensions (ROAD, Rong et al. 2022,
//! <https://arxiv.org/abs/2202.00449>).
//!
//! Every missing voxel is the weighted mean of its 26 neighbours, missing or not. The method's
//! weights in two dimensions, 1/6 for edges and 1/12 for corners, are the binomial kernel 1 2 1
//! along each axis without its middle; in three dimensions the same kernel gives 1/14 for the 6
//! faces, 1/28 for the 12 edges and 1/56 for the 8 corners, sum 1. At the border of the grid the
//! weights that exist are scaled to sum 1. The equations L u = W k (L the graph's Laplacian,
//! symmetric and positive definite) are solved by conjugate gradients.

use crate::image::Grid;
use crate::stats::{Undefined, undefined};

/// Norm of the residual over that of the right side at which the solution is good enough: far
/// below the noise that is added to it.
pub const TOLERANCE: f64 = 1e-5;
/// Most steps; more than any image of a head needs.
const STEPS: usize = 2000;

/// Offsets along i, j, k with their weights.
fn kernel() -> Vec<([isize; 3], f64)> {
    let weight = |d: &[isize; 3]| [1.0 / 14.0, 1.0 / 28.0, 1.0 / 56.0][moved(d) - 1];
    let all = (0..27).map(|n: isize| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1]);
    all.filter(|d| moved(d) > 0).map(|d| (d, weight(&d))).collect()
}

/// Axes along which an offset moves: 1 face, 2 edge, 3 corner.
fn moved(d: &[isize; 3]) -> usize {
    d.iter().filter(|x| **x != 0).count()
}

/// The equations: which voxels are asked for, and their neighbours.
struct System {
    /// Number of an unknown per voxel, or none.
    number: Vec<u32>,
    /// Voxel of each unknown.
    unknown: Vec<usize>,
    /// Sum of the weights that exist at each unknown.
    weights: Vec<f64>,
    kernel: Vec<([isize; 3], f64)>,
    shape: [usize; 3],
}

/// Number of a voxel that is known.
const KNOWN: u32 = u32::MAX;

impl System {
    fn new(grid: &Grid, missing: &[usize]) -> Self {
        let mut number = vec![KNOWN; grid.len()];
        for (n, &v) in missing.iter().enumerate() {
            number[v] = n as u32;
        }
        let (kernel, shape) = (kernel(), grid.shape());
        let mut system =
            Self { number, unknown: missing.to_vec(), weights: Vec::new(), kernel, shape };
        system.weights = (0..missing.len())
            .map(|n| {
                let mut sum = 0.0;
                system.around(n, |_, w| sum += w);
                sum
            })
            .collect();
        system
    }

    /// Calls with the voxel and the weight of every neighbour within the grid.
    fn around(&self, n: usize, mut call: impl FnMut(usize, f64)) {
        let (v, [ni, nj, nk]) = (self.unknown[n], self.shape);
        let (i, j, k) = (v % ni, v / ni % nj, v / (ni * nj));
        let (up, over) = (ni as isize, (ni * nj) as isize);
        let deep = [(i, ni), (j, nj), (k, nk)].iter().all(|(x, n)| *x > 0 && x + 1 < *n);
        for ([a, b, c], w) in &self.kernel {
            let within =
                |x: usize, d: isize, n: usize| x.checked_add_signed(d).is_some_and(|x| x < n);
            if deep || (within(i, *a, ni) && within(j, *b, nj) && within(k, *c, nk)) {
                call(v.wrapping_add_signed(a + b * up + c * over), *w);
            }
        }
    }

    /// L u.
    fn apply(&self, u: &[f64]) -> Vec<f64> {
        let one = |n: usize| {
            let mut sum = self.weights[n] * u[n];
            self.around(n, |v, w| {
                if self.number[v] != KNOWN {
                    sum -= w * u[self.number[v] as usize];
                }
            });
            sum
        };
        (0..u.len()).map(one).collect()
    }

    /// W k: what the known neighbours give.
    fn right(&self, image: &[f32]) -> Vec<f64> {
        let one = |n: usize| {
            let mut sum = 0.0;
            self.around(n, |v, w| {
                if self.number[v] == KNOWN {
                    sum += w * f64::from(image[v]);
                }
            });
            sum
        };
        (0..self.unknown.len()).map(one).collect()
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
    let system = System::new(grid, missing);
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

    #[test]
    fn the_weights_sum_to_one_and_are_those_of_two_dimensions_in_a_plane() {
        let all = kernel();
        assert_eq!(all.len(), 26);
        assert!((all.iter().map(|k| k.1).sum::<f64>() - 1.0).abs() < 1e-15);
        // ROAD has 1/6 for the 4 edges and 1/12 for the 4 corners: a ratio of two
        let of = |n: usize| all.iter().find(|k| moved(&k.0) == n).expect("one").1;
        assert!((of(1) / of(2) - 2.0).abs() < 1e-12 && (of(2) / of(3) - 2.0).abs() < 1e-12);
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
