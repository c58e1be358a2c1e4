//! Dense products `y[n, o] = b[o] + Σ_i w[o, i] · x[n, i]` and their gradients.
//!
//! Dense layers are small and close the ledger's chain, so every sum is taken in f64 in
//! fixed order: the result is the same for any number of threads and any batch.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::host::tiles::{add_scaled, dot};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

fn two(array: &Array, what: &str) -> Result<[usize; 2]> {
    array.shape().try_into().map_err(|_| Error::shape(what, "[rows, columns]", array.shape()))
}

/// Columns of one task.
const PIECE: usize = 1 << 10;

/// `Σ factor · row` over the terms in order, column by column, for at most [`PIECE`] columns.
fn combine<'a, T: Real>(terms: impl Iterator<Item = (f64, &'a [T])>, out: &mut [T]) {
    let mut sums = [0.0; PIECE];
    let sums = &mut sums[..out.len()];
    terms.for_each(|(factor, row)| add_scaled(sums, factor, row));
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::of(*sum));
}

/// Forward: `x [n, i]`, `w [o, i]`, `b [o]` to `[n, o]`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails.
pub fn forward(x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
    let ([n, i], [o, wi]) = (two(x, "dense input")?, two(w, "dense weight")?);
    if i != wi {
        return Err(Error::shape("dense input", [n, wi], x.shape()));
    }
    if b.is_some_and(|b| b.shape() != [o]) {
        return Err(Error::shape("dense bias", [o], b.map(Array::shape)));
    }
    on_card!(x, card => card.dense(x, w, b));
    let mut y = ws.take(x.dtype(), &[n, o])?;
    by_type!(x, T => {
        let (xd, wd) = (x.host::<T>()?, w.host::<T>()?);
        let bias = b.map(|b| b.host::<T>()).transpose()?;
        y.host_mut::<T>()?.par_iter_mut().enumerate().for_each(|(at, y)| {
            let (row, out) = (at / o, at % o);
            let (x, w) = (&xd[row * i..(row + 1) * i], &wd[out * i..(out + 1) * i]);
            *y = T::of(dot(x, w) + bias.map_or(0.0, |b| b[out].wide()));
        });
    });
    Ok(y)
}

/// Gradient with respect to the input: `dy [n, o] · w [o, i]`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails.
pub fn grad_input(dy: &Array, w: &Array, ws: &mut Workspace) -> Result<Array> {
    let ([n, o], [wo, i]) = (two(dy, "dense gradient")?, two(w, "dense weight")?);
    if o != wo {
        return Err(Error::shape("dense gradient", [n, wo], dy.shape()));
    }
    on_card!(dy, card => card.dense_grad_input(dy, w));
    let mut dx = ws.take(dy.dtype(), &[n, i])?;
    by_type!(dy, T => {
        let (dyd, wd) = (dy.host::<T>()?, w.host::<T>()?);
        dx.host_mut::<T>()?.par_chunks_mut(i.max(1)).enumerate().for_each(|(row, dx)| {
            dx.par_chunks_mut(PIECE).enumerate().for_each(|(at, dx)| {
                let columns = at * PIECE..at * PIECE + dx.len();
                let weights = |out: usize| &wd[out * i..][columns.clone()];
                combine((0..o).map(|out| (dyd[row * o + out].wide(), weights(out))), dx);
            });
        });
    });
    Ok(dx)
}

/// Gradient with respect to the weight: `dyᵀ · x`, `[o, i]`.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails.
pub fn grad_weight(x: &Array, dy: &Array, ws: &mut Workspace) -> Result<Array> {
    let ([n, i], [m, o]) = (two(x, "dense input")?, two(dy, "dense gradient")?);
    if n != m {
        return Err(Error::shape("dense gradient", [n, o], dy.shape()));
    }
    on_card!(x, card => card.dense_grad_weight(x, dy));
    let mut dw = ws.take(x.dtype(), &[o, i])?;
    by_type!(x, T => {
        let (xd, dyd) = (x.host::<T>()?, dy.host::<T>()?);
        dw.host_mut::<T>()?.par_chunks_mut(i.max(1)).enumerate().for_each(|(out, dw)| {
            dw.par_chunks_mut(PIECE).enumerate().for_each(|(at, dw)| {
                let columns = at * PIECE..at * PIECE + dw.len();
                let inputs = |row: usize| &xd[row * i..][columns.clone()];
                combine((0..n).map(|row| (dyd[row * o + out].wide(), inputs(row))), dw);
            });
        });
    });
    Ok(dw)
}
