//! Sigmoid `1 / (1 + exp(−x))`.

use super::super::curve::{Curve, Shape};
use crate::card::{Better, Card};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "sigmoid",
    title: "sigmoid",
    question: "Maps to a probability.",
    formula: "y = 1 / (1 + exp(−x))",
    reading: "Relevance passes unchanged.",
    misleads: "At the end of a network the probability itself is not explained: the logit below it is.",
    source: "logistic function",
    unit: "1",
    better: Better::Neither,
};

static SHAPE: Shape = Shape { card: &CARD, value, slope, link: true };

/// The layer.
pub fn layer() -> Curve {
    Curve { shape: &SHAPE, settings: [0.0; 2] }
}

/// `1 / (1 + exp(−x))`, exact to the last digits on both sides.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

fn value(x: f64, _: [f64; 2]) -> f64 {
    sigmoid(x)
}

fn slope(x: f64, _: [f64; 2]) -> f64 {
    sigmoid(x) * (1.0 - sigmoid(x))
}
