//! Leaky rectifier: `x` above 0, `a x` below; its derivative at 0 is `a`.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "leaky_relu",
    title: "leaky rectifier",
    question: "Keeps positive values, scales negative ones down.",
    formula: "y = x for x > 0, a x else",
    reading: "Relevance passes unchanged.",
    misleads: "-",
    source: "Maas et al. 2013",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// With this slope below 0.
pub fn layer(slope: f64) -> Curve {
    Curve { shape: &SHAPE, settings: [slope, 0.0] }
}

fn value(x: f64, [a, _]: [f64; 2]) -> f64 {
    if x > 0.0 { x } else { a * x }
}

fn slope(x: f64, [a, _]: [f64; 2]) -> f64 {
    if x > 0.0 { 1.0 } else { a }
}
