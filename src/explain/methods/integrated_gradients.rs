//! Integrated gradients from an image of zeros, by Gauss-Legendre quadrature.

use super::passes::sum_of_gradients;
use super::{Method, Number, Question, number};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, elementwise};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "integrated_gradients",
    title: "integrated gradients",
    question: "What does each voxel add on the straight way from an image of zeros?",
    formula: "x · ∫₀¹ df/dx(t x) dt, 50 points unless named: integrated_gradients_gausslegendre64_zero",
    reading: "Sums to f(x) − f(0).",
    misleads: "Everything is relative to zeros, which no scan is; the way leads through images the network never saw.",
    source: "Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365",
    unit: "1",
    better: Better::Neither,
};

/// The method.
pub static METHOD: Method = Method { card: &CARD, settings, numbers: NUMBERS, besides: "", map };

/// Points when not named, as Captum's.
const POINTS: f64 = 50.0;
const MOST_POINTS: f64 = 4096.0;
const NUMBERS: &[Number] =
    &[Number { letter: "gausslegendre", least: 1.0, most: MOST_POINTS, whole: true }];

fn settings(word: &str) -> Option<Vec<f64>> {
    let rest = word.strip_prefix("integrated_gradients")?;
    let rest = rest.strip_suffix("_zero").unwrap_or(rest);
    match rest {
        "" => Some(vec![POINTS]),
        _ => number(rest, "_gausslegendre").filter(|n| NUMBERS[0].allows(*n)).map(|n| vec![n]),
    }
}

fn map(of: &Question<'_>, numbers: &[f64], ws: &mut Workspace) -> Result<Array> {
    let points = numbers.first().map_or(1, |n| *n as usize);
    // In f64: over so many points some rectifier or pool lies within the rounding of f32 of its
    // kink, and one that falls on the other side changes the gradient of a whole patch. The
    // points themselves are rounded as Captum's are, so that both look at the same images.
    let (graph, x) = (of.graph.wide()?, of.x.cast::<f64>()?);
    let narrow = of.x.host::<f32>().is_ok();
    let of_wide = Question { graph: &graph, x: &x, ..*of };
    let points = gauss_legendre(points);
    let on_the_way = |t: &f64, x: &[f64]| -> Vec<f64> {
        match narrow {
            true => x.iter().map(|v| f64::from(*v as f32 * *t as f32)).collect(),
            false => x.iter().map(|v| v * t).collect(),
        }
    };
    let weighed = |at: usize, g: f64| g * points[at].1;
    let total =
        sum_of_gradients(&of_wide, points.len(), &|at| points[at].0, &on_the_way, &weighed, ws)?;
    let total = Array::from_vec(total, x.shape())?;
    let map = elementwise::times(&x, &total, ws)?;
    crate::by_type!(of.x, T => map.cast::<T>())
}

/// Points and weights on 0 … 1. The points are the roots of the Legendre polynomial, found
/// by Newton's method from Tricomi's first guess.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let size = n as f64;
    let root = |m: usize| {
        let mut x = (std::f64::consts::PI * (m as f64 + 0.75) / (size + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut last, mut now) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (last, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * last) / k);
            }
            slope = size * (x * now - last) / (x * x - 1.0);
            let step = now / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        ((1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_is_exact_for_polynomials_of_its_degree() {
        for n in [1, 2, 3, 7, 64] {
            let points = gauss_legendre(n);
            for degree in [0, 1, n, 2 * n - 1] {
                let sum: f64 = points.iter().map(|(t, w)| w * t.powi(degree as i32)).sum();
                let truth = 1.0 / (degree as f64 + 1.0);
                assert!((sum - truth).abs() < 1e-13, "{n} {degree}: {sum} {truth}");
            }
        }
    }
}
