//! Sigmoid linear unit `x σ(x)`, also called swish.

use super::super::curve::{Curve, Shape};
use super::sigmoid::sigmoid;
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "silu",
    title: "sigmoid linear unit",
    question: "Weighs each value by its own sigmoid (swish).",
    formula: "y = x / (1 + exp(−x))",
    reading: "Relevance passes unchanged.",
    misleads: "Not monotone below 0: a larger input may give a smaller output.",
    source: "Elfwing et al. 2018, doi 10.1016/j.neunet.2017.12.012",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: false };

/// The layer.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    x * sigmoid(x)
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))
}
