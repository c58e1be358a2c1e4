//! Gaussian error linear unit `x Φ(x)`, exact.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "gelu",
    title: "Gaussian error linear unit",
    question: "Weighs each value by the share of a normal distribution below it.",
    formula: "y = x Φ(x), Φ(x) = (1 + erf(x / √2)) / 2",
    reading: "Relevance passes unchanged.",
    misleads: "Not monotone below 0: a larger input may give a smaller output.",
    source: "Hendrycks and Gimpel 2016, arXiv 1606.08415",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// The exact form.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

/// Share of a standard normal distribution below `x`.
fn below(x: f64) -> f64 {
    0.5 * candle_core::cpu::erf::erfc_f64(-x / std::f64::consts::SQRT_2)
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    x * below(x)
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    below(x) + x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}
