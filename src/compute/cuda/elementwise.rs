//! One number at a time.

use super::super::array::Array;
use super::Card;
use crate::Result;

/// As [`super::super::elementwise::relu`].
pub fn relu(card: &Card, x: &Array) -> Result<Array> {
    let y = card.like(x)?;
    card.each("relu", x.dtype(), x.len(), &[card.of(x)?, card.of(&y)?])?;
    Ok(y)
}
