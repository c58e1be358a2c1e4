//! Hyperbolic tangent.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "tanh",
    title: "hyperbolic tangent",
    question: "Bends values towards −1 and 1.",
    formula: "y = tanh(x)",
    reading: "Relevance passes unchanged.",
    misleads: "-",
    source: "hyperbolic tangent",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// The layer.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    x.tanh()
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    1.0 - x.tanh().powi(2)
}
