//! Softmax over axis 1 of `[n, c, …]`, at every place of its own, in f64.

use super::array::{Array, Real};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Calls `change(numbers of one place)` over the channels of every sample and place; the
/// numbers come from each source and go to `target`.
fn places<T: Real>(
    shape: &[usize],
    sources: &[&[T]],
    target: &mut [T],
    change: impl Fn(&[Vec<f64>], &mut [f64]),
) {
    let (channels, voxels) = (shape[1], shape[2..].iter().product::<usize>());
    let mut read = vec![vec![0.0; channels]; sources.len()];
    let mut write = vec![0.0; channels];
    for place in 0..shape[0] * voxels {
        let from = place / voxels * channels * voxels + place % voxels;
        for (read, source) in read.iter_mut().zip(sources) {
            read.iter_mut().enumerate().for_each(|(c, r)| *r = source[from + c * voxels].wide());
        }
        change(&read, &mut write);
        write.iter().enumerate().for_each(|(c, w)| target[from + c * voxels] = T::of(*w));
    }
}

/// `exp(x_c) / Σ_d exp(x_d)`, or its logarithm.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn forward(x: &Array, logarithm: bool, ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.softmax(x, None, logarithm));
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        places(x.shape(), &[x.host::<T>()?], y.host_mut::<T>()?, |x, y| {
            // the largest is taken off, so that no exponential overflows
            let top = x[0].iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = x[0].iter().map(|v| (v - top).exp()).sum();
            for (y, v) in y.iter_mut().zip(&x[0]) {
                *y = if logarithm { v - top - total.ln() } else { (v - top).exp() / total };
            }
        });
    });
    Ok(y)
}

/// Gradient with respect to the input, from the output.
///
/// # Errors
/// [`crate::Error::Internal`] when the arrays are not in one place;
/// `E-DEVICE-003` when the card fails.
pub fn backward(y: &Array, dy: &Array, logarithm: bool, ws: &mut Workspace) -> Result<Array> {
    on_card!(y, card => card.softmax(y, Some(dy), logarithm));
    let mut dx = ws.take(y.dtype(), y.shape())?;
    by_type!(y, T => {
        places(y.shape(), &[y.host::<T>()?, dy.host::<T>()?], dx.host_mut::<T>()?, |of, dx| {
            let (y, dy) = (&of[0], &of[1]);
            let sum: f64 = if logarithm {
                dy.iter().sum()
            } else {
                y.iter().zip(dy).map(|(y, g)| y * g).sum()
            };
            for ((dx, y), g) in dx.iter_mut().zip(y).zip(dy) {
                *dx = if logarithm { g - y.exp() * sum } else { y * (g - sum) };
            }
        });
    });
    Ok(dx)
}
