//! Exponential linear unit: `x` above 0, `a (exp(x) − 1)` below.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "elu",
    title: "exponential linear unit",
    question: "Keeps positive values, bends negative ones towards −a.",
    formula: "y = x for x > 0, a (exp(x) − 1) else",
    reading: "Relevance passes unchanged.",
    misleads: "Negative outputs carry relevance of their sign.",
    source: "Clevert et al. 2016, arXiv 1511.07289",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// With this bound `a` below 0.
pub fn layer(scale: f64) -> Curve {
    Curve { shape: &SHAPE, settings: [scale, 0.0] }
}

fn value(x: f64, [a, _]: [f64; 2]) -> f64 {
    if x > 0.0 { x } else { a * x.exp_m1() }
}

fn slope(x: f64, [a, _]: [f64; 2]) -> f64 {
    if x > 0.0 { 1.0 } else { a * x.exp() }
}
