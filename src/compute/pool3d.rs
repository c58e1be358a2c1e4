//! Max and average pooling with their backward passes. Shapes `[n, c, k, j, i]`.
//!
//! The maximum of a window is its first in memory order; its place is stored, and gradient
//! and relevance go there alone (candle's own pooling divides them).

use rayon::prelude::*;

use super::array::{Array, Real, five};
use super::geometry::{PoolGeometry, Taps};
use super::marks::Marks;
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Output of a max pool and the place of every maximum in its channel.
#[derive(Debug)]
pub struct Maxima {
    /// `[n, c, k', j', i']`.
    pub output: Array,
    /// Index in the input channel, per output element.
    pub places: Marks<u32>,
}

struct Sizes {
    shape: [usize; 5],
    output: [usize; 3],
    input_len: usize,
    output_len: usize,
}

fn sizes(shape: [usize; 5], g: &PoolGeometry) -> Result<Sizes> {
    let output = g.output([shape[2], shape[3], shape[4]])?;
    Ok(Sizes {
        shape,
        output,
        input_len: shape[2..].iter().product(),
        output_len: output.iter().product(),
    })
}

impl Sizes {
    fn out_shape(&self) -> [usize; 5] {
        [self.shape[0], self.shape[1], self.output[0], self.output[1], self.output[2]]
    }

    /// Calls `visit(output index, voxels along k, j, i)` for every window of a channel.
    fn each(&self, g: &PoolGeometry, mut visit: impl FnMut(usize, [Taps; 3])) {
        let o = self.output;
        for k in 0..o[0] {
            let rk = g.taps(0, k, self.shape[2]);
            for j in 0..o[1] {
                let rj = g.taps(1, j, self.shape[3]);
                for i in 0..o[2] {
                    let ri = g.taps(2, i, self.shape[4]);
                    visit((k * o[1] + j) * o[2] + i, [rk, rj, ri]);
                }
            }
        }
    }

    /// Calls `visit(index)` for every input voxel of a window, in memory order.
    fn voxels(&self, r: [Taps; 3], mut visit: impl FnMut(usize)) {
        for k in r[0].places() {
            for j in r[1].places() {
                let row = (k * self.shape[3] + j) * self.shape[4];
                r[2].places().for_each(|i| visit(row + i));
            }
        }
    }

    /// Maxima of a channel without padding, a row of windows at a time: no window is cut, so
    /// that voxel `t` of all windows in the row is read in one sweep.
    fn maxima_by_row<T: Real>(
        &self,
        g: &PoolGeometry,
        channel: &[T],
        out: &mut [T],
        places: &mut [u32],
    ) {
        let [rows, width] = [self.output[1], self.output[2]];
        let lines = out.chunks_exact_mut(width).zip(places.chunks_exact_mut(width));
        for (line, (out, places)) in lines.enumerate() {
            let (k, j) = (line / rows * g.stride[0], line % rows * g.stride[1]);
            let mut first = true;
            for t in 0..g.kernel.iter().product() {
                let (tk, tj) = (t / g.kernel[2] / g.kernel[1], t / g.kernel[2] % g.kernel[1]);
                let [dk, dj, di] = g.dilation;
                let row = (k + tk * dk) * self.shape[3] + j + tj * dj;
                let from = row * self.shape[4] + t % g.kernel[2] * di;
                let line = channel[from..].iter().step_by(g.stride[2]);
                let mut at = from as u32;
                for ((best, place), &value) in out.iter_mut().zip(&mut *places).zip(line) {
                    // Selected, not branched on: which voxel wins cannot be predicted.
                    // Only a NaN differs from itself.
                    #[allow(clippy::eq_op)]
                    let wins = first || value > *best || *best != *best;
                    *best = if wins { value } else { *best };
                    *place = if wins { at } else { *place };
                    at += g.stride[2] as u32;
                }
                first = false;
            }
        }
    }

    /// What an average divides by.
    fn divisor(&self, g: &PoolGeometry, r: [Taps; 3]) -> f64 {
        if g.count_padding {
            g.kernel.iter().product::<usize>() as f64
        } else {
            r.iter().map(|taps| taps.len() as f64).product()
        }
    }
}

/// Max pool. A NaN is a maximum only where a window holds nothing else.
///
/// # Errors
/// [`crate::Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
pub fn max_forward(x: &Array, g: &PoolGeometry, ws: &mut Workspace) -> Result<Maxima> {
    let s = sizes(five(x, "max pool")?, g)?;
    on_card!(x, card => card.max_pool(x, g, s.out_shape()));
    let mut output = ws.take(x.dtype(), &s.out_shape())?;
    let mut places = ws.take_places(output.len());
    by_type!(x, T => {
        let data = x.host::<T>()?;
        let out = output.host_mut::<T>()?.par_chunks_mut(s.output_len);
        out.zip(places.par_chunks_mut(s.output_len)).enumerate().for_each(|(c, (out, places))| {
            let channel = &data[c * s.input_len..(c + 1) * s.input_len];
            if g.pad_before == [0; 3] && g.pad_after == [0; 3] {
                return s.maxima_by_row(g, channel, out, places);
            }
            s.each(g, |o, taps| {
                let (mut best, mut place) = (T::LOWEST, None);
                s.voxels(taps, |v| {
                    if place.is_none() || channel[v] > best || best.wide().is_nan() {
                        (best, place) = (channel[v], Some(v));
                    }
                });
                out[o] = best;
                places[o] = place.unwrap_or(0) as u32;
            });
        });
    });
    Ok(Maxima { output, places: Marks::Host(places) })
}

/// Sends every output's gradient (or relevance) to its maximum; `input` is `[k, j, i]`.
///
/// # Errors
/// [`crate::Error::Shape`] for an array that is not five-dimensional;
/// `E-DEVICE-003` when the card fails.
pub fn max_backward(
    dy: &Array,
    places: &Marks<u32>,
    g: &PoolGeometry,
    input: [usize; 3],
    ws: &mut Workspace,
) -> Result<Array> {
    on_card!(dy, card => card.max_pool_backward(dy, places, g, input));
    let (s, places) = (five(dy, "max pool gradient")?, places.host()?);
    if s[2..] != g.output(input)? {
        return Err(crate::Error::shape("max pool gradient", g.output(input)?, s));
    }
    let (olen, ilen) = (s[2] * s[3] * s[4], input.iter().product::<usize>());
    let mut dx = ws.take(dy.dtype(), &[s[0], s[1], input[0], input[1], input[2]])?;
    by_type!(dy, T => {
        let grad = dy.host::<T>()?;
        dx.host_mut::<T>()?.par_chunks_mut(ilen).enumerate().for_each(|(c, channel)| {
            channel.fill(T::ZERO);
            let range = c * olen..(c + 1) * olen;
            for (&g, &place) in grad[range.clone()].iter().zip(&places[range]) {
                channel[place as usize] += g;
            }
        });
    });
    Ok(dx)
}

/// Average pool.
///
/// # Errors
/// [`crate::Error::Shape`] when the window does not fit; `E-DEVICE-003` when the card fails.
pub fn average_forward(x: &Array, g: &PoolGeometry, ws: &mut Workspace) -> Result<Array> {
    let s = sizes(five(x, "average pool")?, g)?;
    on_card!(x, card => card.average_pool(x, g, s.out_shape()));
    let mut output = ws.take(x.dtype(), &s.out_shape())?;
    by_type!(x, T => {
        let data = x.host::<T>()?;
        output.host_mut::<T>()?.par_chunks_mut(s.output_len).enumerate().for_each(|(c, out)| {
            let channel = &data[c * s.input_len..(c + 1) * s.input_len];
            s.each(g, |o, taps| {
                // f64: a global pool adds many thousand voxels
                let mut sum = 0.0;
                s.voxels(taps, |v| sum += channel[v].wide());
                out[o] = T::of(sum / s.divisor(g, taps));
            });
        });
    });
    Ok(output)
}

/// Spreads every output's gradient evenly over its window; `input` is `[k, j, i]`.
///
/// # Errors
/// [`crate::Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails.
pub fn average_backward(
    dy: &Array,
    g: &PoolGeometry,
    input: [usize; 3],
    ws: &mut Workspace,
) -> Result<Array> {
    let d = five(dy, "average pool gradient")?;
    let s = sizes([d[0], d[1], input[0], input[1], input[2]], g)?;
    if s.output != d[2..] {
        return Err(crate::Error::shape("average pool gradient", s.output, d));
    }
    on_card!(dy, card => card.average_pool_backward(dy, g, s.shape));
    let mut dx = ws.take(dy.dtype(), &s.shape)?;
    by_type!(dy, T => {
        let grad = dy.host::<T>()?;
        dx.host_mut::<T>()?.par_chunks_mut(s.input_len).enumerate().for_each(|(c, channel)| {
            channel.fill(T::ZERO);
            s.each(g, |o, taps| {
                let part = T::of(grad[c * s.output_len + o].wide() / s.divisor(g, taps));
                s.voxels(taps, |v| channel[v] += part);
            });
        });
    });
    Ok(dx)
}
