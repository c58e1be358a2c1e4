//! Many passes through the network within a bound on memory. What comes out does not depend
//! on how many images share a pass.

use rayon::prelude::*;

use super::super::backward;
use super::super::batch::held;
use super::super::start::{Start, seed};
use super::Question;
use crate::compute::{Array, Workspace, device};
use crate::progress::check_stop;
use crate::{Error, Result};

/// Memory for the arrays of one pass unless told otherwise, in bytes.
pub const MEMORY: usize = 2 << 30;

/// Bytes that a pass forth and back keeps for one sample: every layer's output and what
/// returns to it, as f64. The kernels' own room is not counted.
fn bytes_of_one(of: &Question<'_>) -> Result<usize> {
    let rows = of.graph.describe(&of.x.shape()[1..])?;
    let numbers: usize = rows.iter().map(|row| row.shape.iter().product::<usize>()).sum();
    let voxels = of.x.len() / of.x.shape()[0].max(1);
    Ok((numbers + voxels).saturating_mul(2 * size_of::<f64>()).max(1))
}

impl Question<'_> {
    /// Samples that share a pass: as many as the memory holds, on a card that of a pass, at least one.
    ///
    /// # Errors
    /// Those of [`crate::model::Graph::describe`].
    pub fn at_once(&self) -> Result<usize> {
        let bytes = match device::memory_of_a_pass()? {
            Some(memory) => {
                [memory, held(self.graph, &self.x.shape()[1..], self.x.dtype().size_in_bytes())?]
            }
            None => [self.memory, bytes_of_one(self)?],
        };
        Ok((bytes[0] / bytes[1]).max(1))
    }
}

/// Per sample the sum over `passes` of `part(pass, gradient)` at the images that `image` makes of
/// what `ready` has for the pass and of the sample, added in the order of the passes.
pub(super) fn sum_of_gradients<P: Send + Sync>(
    of: &Question<'_>,
    passes: usize,
    ready: &(dyn Fn(usize) -> P + Sync),
    image: &(dyn Fn(&P, &[f64]) -> Vec<f64> + Sync),
    part: &(dyn Fn(usize, f64) -> f64 + Sync),
    ws: &mut Workspace,
) -> Result<Vec<f64>> {
    let (x, n) = (of.x.to_f64()?, of.x.shape()[0]);
    let voxels = x.len() / n.max(1);
    let sample = |row: usize| &x[row % n * voxels..][..voxels];
    let mut total = vec![0.0; x.len()];
    let rows: Vec<usize> = (0..passes * n).collect();
    for rows in rows.chunks(of.at_once()?) {
        check_stop()?;
        // Of a pass once, whatever the samples.
        let (first, last) = (rows[0] / n, rows[rows.len() - 1] / n);
        let of_passes: Vec<P> = (first..=last).into_par_iter().map(ready).collect();
        let mut images = vec![0.0; rows.len() * voxels];
        let places = images.par_chunks_mut(voxels.max(1)).zip(rows);
        places.for_each(|(to, r)| {
            to.copy_from_slice(&image(&of_passes[r / n - first], sample(*r)));
        });
        let starts: Vec<Start> = rows.iter().map(|r| of.starts[r % n]).collect();
        let mut shape = of.x.shape().to_vec();
        shape[0] = rows.len();
        let images = Array::from_vec(images, &shape)?;
        let images = crate::by_type!(of.x, T => images.cast::<T>())?;
        let question = Question { x: &images, starts: &starts, ..*of };
        let gradient = backward::gradient(&question, &images, ws)?;
        let found = gradient.to_f64()?;
        // Each sample's passes in their order.
        let sums = total.par_chunks_mut(voxels.max(1)).enumerate();
        sums.for_each(|(s, sum)| {
            let of_sample = |(row, _): &(&usize, &[f64])| *row % n == s;
            let rows = rows.iter().zip(found.chunks(voxels.max(1)));
            for (row, g) in rows.filter(of_sample) {
                sum.iter_mut().zip(g).for_each(|(t, g)| *t += part(row / n, *g));
            }
        });
        [images, gradient].into_iter().for_each(|a| ws.give(a));
    }
    Ok(total)
}

fn scores(of: &Question<'_>, x: &Array, ws: &mut Workspace) -> Result<Vec<f64>> {
    let logits = of.graph.forward(x, ws)?;
    let scores = seed(&logits, of.starts)?.scores;
    ws.give(logits);
    Ok(scores)
}

/// What each sample's score falls by under each of `changes`; `change` gets the number of the
/// change, that of the sample and its voxels, channel by channel.
pub(super) fn falls(
    of: &Question<'_>,
    changes: usize,
    change: &(dyn Fn(usize, usize, &mut [f64]) + Sync),
) -> Result<Vec<Vec<f64>>> {
    let n = of.x.shape()[0];
    let whole = scores(of, of.x, &mut Workspace::new())?;
    let x = of.x.to_f64()?;
    let voxels = (x.len() / n.max(1)).max(1);
    let fall = |number: &usize, ws: &mut Workspace| -> Result<Vec<f64>> {
        check_stop()?;
        let mut changed = x.clone();
        changed.chunks_mut(voxels).enumerate().for_each(|(s, image)| change(*number, s, image));
        let changed = Array::from_vec(changed, of.x.shape())?;
        let changed = crate::by_type!(of.x, T => changed.cast::<T>())?;
        let without = scores(of, &changed, ws)?;
        ws.give(changed);
        if without.len() != whole.len() {
            return Err(Error::internal("another number of scores"));
        }
        Ok(whole.iter().zip(without).map(|(f, g)| f - g).collect())
    };
    // No more passes side by side than the memory holds.
    let side_by_side = (of.at_once()? / n.max(1)).max(1);
    let numbers: Vec<usize> = (0..changes).collect();
    let mut all = Vec::with_capacity(changes);
    for group in numbers.chunks(side_by_side) {
        let found = group.par_iter().map_init(Workspace::new, |ws, number| fall(number, ws));
        all.extend(found.collect::<Result<Vec<_>>>()?);
    }
    Ok(all)
}
