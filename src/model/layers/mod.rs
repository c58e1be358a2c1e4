//! The layers: one file and one registry line each.

pub mod add;
pub mod average_pool;
pub mod batch_norm;
pub mod conv3d;
pub mod dense;
pub mod dropout;
pub mod flatten;
pub mod max_pool;
pub mod relu;

use crate::card::Card;

/// Every layer kind.
pub static LAYERS: &[&Card] = &[
    &add::CARD,
    &average_pool::CARD,
    &batch_norm::CARD,
    &conv3d::CARD,
    &dense::CARD,
    &dropout::CARD,
    &flatten::CARD,
    &max_pool::CARD,
    &relu::CARD,
];
