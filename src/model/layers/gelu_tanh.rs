//! Gaussian error linear unit with a tanh in place of the normal distribution.

use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "gelu_tanh",
    title: "Gaussian error linear unit, approximated by tanh",
    question: "Weighs each value by about the share of a normal distribution below it.",
    formula: "y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2",
    reading: "Relevance passes unchanged.",
    misleads: "Not monotone below 0: a larger input may give a smaller output.",
    source: "Hendrycks and Gimpel 2016, arXiv 1606.08415",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// `√(2/π)`, the factor within the tanh.
pub const SCALE: f64 = FRAC_2_SQRT_PI / SQRT_2;
/// Factor of `x³` within the tanh.
pub const CUBIC: f64 = 0.044_715;

/// The approximation.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

/// About the share of a standard normal distribution below `x`: `(1 + tanh u) / 2 = σ(2u)`, the
/// second without loss of digits far below 0.
fn below(x: f64) -> f64 {
    1.0 / (1.0 + (-2.0 * SCALE * (x + CUBIC * x * x * x)).exp())
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    x * below(x)
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    let share = below(x);
    share + x * share * (1.0 - share) * 2.0 * SCALE * (1.0 + 3.0 * CUBIC * x * x)
}
