//! The first affine layer of a training step with its batch norm, ReLU and pool, some samples at
//! a time.
//!
//! Its output is the largest array of most networks and quickly made, since the input has few
//! channels. So it is made three times rather than kept: for the statistics of the batch, for
//! the block's output, and on the way back. A batch that is done at once is made once.

use std::ops::Range;

use super::layer::{Layer, Mode, Pass, Saved};
use super::layers::batch_norm::BatchNorm;
use crate::Result;
use crate::compute::{Array, Workspace, batch_norm, blocks, elementwise, fused};

/// What the pass forward leaves.
#[derive(Debug)]
pub struct Made {
    /// The affine layer's output, if the batch is done at once.
    pub kept: Option<Array>,
    /// Of the batch.
    pub statistics: Saved,
    /// The block's output.
    pub done: fused::Rectified,
}

/// Samples of a batch that are done together.
fn pieces(affine: &dyn Layer, x: &Array) -> Result<Vec<Range<usize>>> {
    let (samples, shape) = (x.shape()[0], affine.out_shape(&[&x.shape()[1..]])?);
    let bytes = shape.iter().product::<usize>() * x.dtype().size_in_bytes();
    let some = blocks::at_once(bytes)?;
    Ok((0..samples).step_by(some).map(|from| from..(from + some).min(samples)).collect())
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
    let pieces = pieces(affine, x)?;
    let mut moments = batch_norm::Moments::default();
    let mut kept: Option<Array> = None;
    for piece in &pieces {
        kept.take().into_iter().for_each(|z| ws.give(z));
        let z = kept.insert(made(affine, x, piece, mode, ws)?);
        moments.add(z)?;
    }
    let mut shape = vec![x.shape()[0]];
    shape.extend(affine.out_shape(&[&x.shape()[1..]])?);
    let count = shape[0] * shape[2..].iter().product::<usize>();
    let (scale, shift, statistics) = norm.prepared_from(&moments, count)?;
    let mut done = fused::Rectified::room(x, &shape, kernel, ws)?;
    for piece in pieces.iter().rev() {
        let z = match kept.take() {
            Some(z) if z.shape()[0] == piece.len() && piece.end == shape[0] => z,
            before => {
                before.into_iter().for_each(|z| ws.give(z));
                made(affine, x, piece, mode, ws)?
            }
        };
        done.fill(piece.start, &z, Some((&scale, &shift)), kernel)?;
        kept = Some(z);
    }
    if pieces.len() > 1 {
        kept.take().into_iter().for_each(|z| ws.give(z));
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
    mut kept: Option<Array>,
    block: (&fused::Rectified, &Array),
    ws: &mut Workspace,
) -> Result<[Vec<Array>; 2]> {
    let pieces = pieces(affine, x)?;
    let (affine, norm) = norm.fused_backward(block, statistics, kernel, |of, back| {
        for piece in &pieces {
            if kept.is_some() || of.told_by_output() {
                back.add(piece.clone(), kept.as_ref())?;
                continue;
            }
            let z = made(affine, x, piece, &mut Mode::Infer, ws)?;
            back.add(piece.clone(), Some(&z))?;
            ws.give(z);
        }
        let mut sums: Vec<Array> = Vec::new();
        for piece in &pieces {
            let part = blocks::samples(x, piece.clone(), ws)?;
            let mut z = match kept.take() {
                Some(z) => z,
                None => affine.forward(&[&part], &mut Mode::Infer, ws)?.0,
            };
            back.spread(piece.start, &mut z)?;
            let pass = Pass { inputs: &[&part], output: &z, saved: &Saved::Centred, grad: &z };
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
