//! Values held between two bounds.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "clip",
    title: "clip",
    question: "Holds values between two bounds.",
    formula: "y = min(max(x, low), high)",
    reading: "Relevance passes unchanged.",
    misleads: "Values beyond a bound no longer matter to the output, yet their relevance passes.",
    source: "PyTorch Hardtanh, ReLU6",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// With these bounds, `low ≤ high`.
pub fn layer(low: f64, high: f64) -> Curve {
    Curve { shape: &SHAPE, settings: [low, high] }
}

fn value(x: f64, [low, high]: [f64; 2]) -> f64 {
    x.max(low).min(high)
}

fn slope(x: f64, [low, high]: [f64; 2]) -> f64 {
    if x > low && x < high { 1.0 } else { 0.0 }
}
