//! Hard swish `x clip(x / 6 + 1/2, 0, 1)`.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "hard_swish",
    title: "hard swish",
    question: "A piecewise form of the sigmoid linear unit.",
    formula: "y = x clip(x / 6 + 1/2, 0, 1)",
    reading: "Relevance passes unchanged.",
    misleads: "Not monotone below 0: a larger input may give a smaller output.",
    source: "Howard et al. 2019, arXiv 1905.02244",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// The layer.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    x * (x / 6.0 + 0.5).clamp(0.0, 1.0)
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    if x <= -3.0 {
        0.0
    } else if x >= 3.0 {
        1.0
    } else {
        x / 3.0 + 0.5
    }
}
