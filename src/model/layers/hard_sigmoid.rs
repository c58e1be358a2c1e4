//! Hard sigmoid `clip(a x + b, 0, 1)`.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "hard_sigmoid",
    title: "hard sigmoid",
    question: "A piecewise form of the sigmoid.",
    formula: "y = clip(a x + b, 0, 1)",
    reading: "Relevance passes unchanged.",
    misleads: "At the end of a network the probability itself is not explained: the logit below it is.",
    source: "Courbariaux et al. 2015, arXiv 1511.00363",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: true };

/// With this slope and offset.
pub fn layer(slope: f64, offset: f64) -> Curve {
    Curve { shape: &SHAPE, settings: [slope, offset] }
}

fn value(x: f64, [a, b]: [f64; 2]) -> f64 {
    (a * x + b).clamp(0.0, 1.0)
}

fn slope(x: f64, [a, b]: [f64; 2]) -> f64 {
    if a * x + b > 0.0 && a * x + b < 1.0 { a } else { 0.0 }
}
