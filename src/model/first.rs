//! The first affine layer of a training step with its batch norm, ReLU and pool, some samples at
//! a time.
//!
//! Its output is the largest array of most networks and quickly made, since the input has few
//! channels. So most of it is made three times rather than kept: for the statistics of the batch,
//! for the block's output, and on the way back. As many pieces as there is room for are kept; a
//! batch that is done at once is made once.

use std::ops::Range;

use super::layer::{Layer, Mode, Pass, Saved};
use super::layers::batch_norm::BatchNorm;
use crate::Result;
use crate::compute::{Array, Precision, Workspace, batch_norm, blocks, device, elementwise, fused};

/// What the pass forward leaves.
#[derive(Debug)]
pub struct Made {
    /// The affine layer's output of every piece, of those that are kept.
    pub kept: Vec<Option<Array>>,
    /// Of the batch.
    pub statistics: Saved,
    /// The block's output.
    pub done: fused::Rectified,
}

/// Bytes of the affine layer's output that are kept.
const KEPT: usize = 24 << 20;

/// Samples of a batch that are done together, and how many of the last pieces are kept.
fn pieces(affine: &dyn Layer, x: &Array) -> Result<(Vec<Range<usize>>, usize)> {
    let (samples, shape) = (x.shape()[0], affine.out_shape(&[&x.shape()[1..]])?);
    let bytes = (shape.iter().product::<usize>() * x.dtype().size_in_bytes()).max(1);
    let some = blocks::at_once(bytes)?;
    let pieces = (0..samples).step_by(some).map(|from| from..(from + some).min(samples));
    let pieces: Vec<Range<usize>> = pieces.collect();
    // A card has the room, and making it again would keep it from other work.
    let all = pieces.len() == 1 || device::on_card()?;
    let kept = if all { pieces.len() } else { (KEPT / (some * bytes)).min(pieces.len()) };
    Ok((pieces, kept))
}

/// Output of the affine layer for some samples.
fn made(
    affine: &dyn Layer,
    x: &Array,
    piece: &Range<usize>,
    mode: &mut Mode<'_>,
    ws: &mut Workspace,
) -> Result<Array> {
    let part = blocks::samples(x, piece.clone(), ws)?;
    let (z, _) = affine.forward(&[&part], mode, ws)?;
    ws.give(part);
    Ok(z)
}

/// Statistics and output of the block for the input `x`.
///
/// # Errors
/// [`crate::Error::Shape`] when the input or the window does not fit.
pub fn forward(
    (affine, norm): (&dyn Layer, &BatchNorm),
    x: &Array,
    kernel: [usize; 3],
    mode: &mut Mode<'_>,
    ws: &mut Workspace,
) -> Result<Made> {
    let (pieces, many) = pieces(affine, x)?;
    let mut moments = batch_norm::Moments::default();
    let mut kept: Vec<Option<Array>> = pieces.iter().map(|_| None).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let z = made(affine, x, piece, mode, ws)?;
        moments.add(&z)?;
        // The last one is at hand.
        if at + many.max(1) >= pieces.len() { kept[at] = Some(z) } else { ws.give(z) }
    }
    let mut shape = vec![x.shape()[0]];
    shape.extend(affine.out_shape(&[&x.shape()[1..]])?);
    let (map, statistics) = norm.prepared_from(moments.finished()?)?;
    let mut done = fused::Rectified::room(x, &shape, kernel, ws)?;
    for (at, piece) in pieces.iter().enumerate().rev() {
        let z = match kept[at].take() {
            Some(z) => z,
            None => made(affine, x, piece, mode, ws)?,
        };
        done.fill(piece.start, &z, Some(&map), kernel)?;
        if at + many >= pieces.len() { kept[at] = Some(z) } else { ws.give(z) }
    }
    Ok(Made { kept, statistics, done })
}

/// Gradients of the parameters, `[affine, norm]`, for a gradient of the block's output; `given`
/// are input, statistics and window, `kept` what [`forward`] kept.
///
/// # Errors
/// [`crate::Error::Shape`] when shapes do not agree.
pub fn backward(
    (affine, norm): (&dyn Layer, &BatchNorm),
    (x, statistics, kernel): (&Array, &Saved, [usize; 3]),
    mut kept: Vec<Option<Array>>,
    (done, grad, precision): (&fused::Rectified, &Array, Precision),
    ws: &mut Workspace,
) -> Result<[Vec<Array>; 2]> {
    let (pieces, _) = pieces(affine, x)?;
    let (affine, norm) = norm.fused_backward((done, grad), statistics, kernel, |of, back| {
        for (piece, kept) in pieces.iter().zip(&kept) {
            if kept.is_some() || of.told_by_output() {
                back.add(piece.clone(), kept.as_ref())?;
                continue;
            }
            // Only the host makes it again, which has one precision.
            let z = made(affine, x, piece, &mut Mode::Infer, ws)?;
            back.add(piece.clone(), Some(&z))?;
            ws.give(z);
        }
        let mut sums: Vec<Array> = Vec::new();
        // Those kept come first and make room.
        for (piece, kept) in pieces.iter().zip(&mut kept).rev() {
            let part = blocks::samples(x, piece.clone(), ws)?;
            let mut z = match kept.take() {
                Some(z) => z,
                None => affine.forward(&[&part], &mut Mode::Infer, ws)?.0,
            };
            back.spread(piece.start, &mut z)?;
            let (saved, grad) = (&Saved::Centred, &z);
            let pass = Pass { inputs: &[&part], output: &z, saved, grad, precision };
            let made = affine.backward(&pass, false, ws)?.parameters;
            [part, z].into_iter().for_each(|a| ws.give(a));
            if sums.is_empty() {
                sums = made;
                continue;
            }
            for (sum, more) in sums.iter_mut().zip(made) {
                elementwise::add_to(sum, &more)?;
                ws.give(more);
            }
        }
        Ok(sums)
    })?;
    Ok([affine, norm])
}
