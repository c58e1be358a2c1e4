//! Elementwise steps on all cores. Cut by fixed length, so results do not depend on threads.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

/// Elements per task.
const PIECE: usize = 1 << 14;

fn same(a: &Array, b: &Array, what: &str) -> Result<()> {
    if a.shape() == b.shape() && a.dtype() == b.dtype() {
        Ok(())
    } else {
        Err(Error::shape(what, a.shape(), b.shape()))
    }
}

/// `max(x, 0)`; −0 and NaN become 0.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn relu(x: &Array, ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.relu(x));
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let source = x.host::<T>()?.par_chunks(PIECE);
        y.host_mut::<T>()?.par_chunks_mut(PIECE).zip(source).for_each(|(y, x)| {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > T::ZERO { x } else { T::ZERO });
        });
    });
    Ok(y)
}

/// `dy` where the output of the ReLU is positive, else 0 (the derivative at 0 is 0).
///
/// # Errors
/// [`Error::Shape`] when shapes differ; `E-DEVICE-003` when the card fails.
pub fn relu_backward(output: &Array, dy: &Array, ws: &mut Workspace) -> Result<Array> {
    on_card!(output, card => card.relu_backward(output, dy));
    combine(output, dy, ws, "relu gradient", true)
}

/// `a · b`, element by element; −0 becomes 0, so that adding zeros to a product changes no
/// bit of it.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; `E-DEVICE-003` when the card fails.
pub fn times(a: &Array, b: &Array, ws: &mut Workspace) -> Result<Array> {
    on_card!(a, card => {
        same(a, b, "product")?;
        card.times(a, b)
    });
    combine(a, b, ws, "product", false)
}

fn combine(a: &Array, b: &Array, ws: &mut Workspace, what: &str, gate: bool) -> Result<Array> {
    same(a, b, what)?;
    let mut out = ws.take(a.dtype(), a.shape())?;
    by_type!(a, T => {
        let sources = a.host::<T>()?.par_chunks(PIECE).zip(b.host::<T>()?.par_chunks(PIECE));
        out.host_mut::<T>()?.par_chunks_mut(PIECE).zip(sources).for_each(|(out, (a, b))| {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = if !gate { a * b + T::ZERO } else if a > T::ZERO { b } else { T::ZERO };
            }
        });
    });
    Ok(out)
}

/// `constant + above·x` where x > 0, `+ below·x` elsewhere, `+ square·x²`; the numbers are
/// `[above, below, square, constant]`. Computed in f64.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn bent(x: &Array, numbers: [f64; 4], ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.bent(x, numbers));
    let [above, below, square, constant] = numbers;
    map(x, ws, |x| constant + if x > 0.0 { above } else { below } * x + square * x * x)
}

/// A function of one number with its derivative, computed in f64. A card knows it by its name, as a
/// kernel of `cuda/kernels/curves.cu`.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name of the kernel.
    pub name: &'static str,
    /// `f(x)` for the settings.
    pub value: fn(f64, [f64; 2]) -> f64,
    /// `f'(x)` for the settings.
    pub slope: fn(f64, [f64; 2]) -> f64,
    /// Settings; 0 where a function has none.
    pub settings: [f64; 2],
}

/// `f(x)` of every number.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn curve(x: &Array, of: &Function, ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.curve(x, None, of));
    map(x, ws, |x| (of.value)(x, of.settings))
}

/// `f'(x) · dy` of every two numbers.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; `E-DEVICE-003` when the card fails.
pub fn curve_backward(x: &Array, dy: &Array, of: &Function, ws: &mut Workspace) -> Result<Array> {
    same(x, dy, "activation gradient")?;
    on_card!(x, card => card.curve(x, Some(dy), of));
    let mut dx = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let sources = x.host::<T>()?.par_chunks(PIECE).zip(dy.host::<T>()?.par_chunks(PIECE));
        dx.host_mut::<T>()?.par_chunks_mut(PIECE).zip(sources).for_each(|(dx, (x, dy))| {
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = T::of((of.slope)(x.wide(), of.settings) * dy.wide());
            }
        });
    });
    Ok(dx)
}

/// `y` where `x > 0`, `slope_c · y` elsewhere, with a slope per channel of `[n, c, …]`.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; `E-DEVICE-003` when the card fails.
pub fn bent_by(x: &Array, y: &Array, slopes: &[f64], ws: &mut Workspace) -> Result<Array> {
    same(x, y, "rectifier")?;
    on_card!(x, card => card.bent_by(x, y, slopes));
    let mut out = ws.take(x.dtype(), x.shape())?;
    let voxels = x.shape()[2..].iter().product::<usize>().max(1);
    by_type!(x, T => {
        let sources = x.host::<T>()?.par_chunks(voxels).zip(y.host::<T>()?.par_chunks(voxels));
        let channels = out.host_mut::<T>()?.par_chunks_mut(voxels).zip(sources).enumerate();
        channels.for_each(|(channel, (out, (x, y)))| {
            let slope = T::of(slopes[channel % slopes.len()]);
            for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                *out = if x > T::ZERO { y } else { y * slope };
            }
        });
    });
    Ok(out)
}

/// `f(x)` of every number, computed in f64, on the host.
fn map(x: &Array, ws: &mut Workspace, f: impl Fn(f64) -> f64 + Sync) -> Result<Array> {
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let source = x.host::<T>()?.par_chunks(PIECE);
        y.host_mut::<T>()?.par_chunks_mut(PIECE).zip(source).for_each(|(y, x)| {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = T::of(f(x.wide())));
        });
    });
    Ok(y)
}

/// `a += b`.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; `E-DEVICE-003` when the card fails.
pub fn add_to(a: &mut Array, b: &Array) -> Result<()> {
    same(a, b, "sum")?;
    on_card!(a, card => card.add_to(a, b));
    by_type!(b, T => {
        let source = b.host::<T>()?.par_chunks(PIECE);
        a.host_mut::<T>()?.par_chunks_mut(PIECE).zip(source).for_each(|(a, b)| {
            a.iter_mut().zip(b).for_each(|(a, &b)| *a += b);
        });
    });
    Ok(())
}

/// Partial sums a long sum is made of: enough that additions do not wait for one another.
const LANES: usize = 8;

/// Sums of two terms of `x` and `y` over all elements, in f64, in an order that depends on
/// the length alone.
pub(super) fn sums_of_two<T: Real>(
    x: &[T],
    y: &[T],
    terms: impl Fn(f64, f64) -> (f64, f64),
) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let mut add = |x: &[T], y: &[T]| {
        let sums = first.iter_mut().zip(&mut second);
        for ((first, second), (x, y)) in sums.zip(x.iter().zip(y)) {
            let (a, b) = terms(x.wide(), y.wide());
            *first += a;
            *second += b;
        }
    };
    let rest = (xs.remainder(), ys.remainder());
    xs.zip(ys).for_each(|(x, y)| add(x, y));
    add(rest.0, rest.1);
    (first.iter().sum(), second.iter().sum())
}

/// Sum of a term over all elements, in f64, in an order that depends on the length alone.
pub(super) fn sum_of<T: Real>(x: &[T], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += term(v.wide()));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, v)| *sum += term(v.wide()));
    sums.iter().sum()
}

/// Sums over samples and voxels: `[n, c, …] → [c]`, in f64.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn channel_sums(x: &Array) -> Result<Array> {
    on_card!(x, card => card.channel_sums(x));
    let channels = x.shape()[1];
    let voxels: usize = x.shape()[2..].iter().product();
    by_type!(x, T => {
        let data = x.host::<T>()?;
        let sums: Vec<T> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let sample = |n: usize| &data[(n * channels + c) * voxels..][..voxels];
                T::of((0..x.shape()[0]).map(|n| sum_of(sample(n), |v| v)).sum::<f64>())
            })
            .collect();
        Array::from_vec(sums, &[channels])
    })
}

/// An array shaped like `x` that holds one number per sample (the first axis).
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn per_sample(x: &Array, values: &[f64], ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.per_row(x, values));
    let len = (x.len() / x.shape()[0].max(1)).max(1);
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let samples = y.host_mut::<T>()?.par_chunks_mut(len);
        samples.zip(values).for_each(|(y, v)| y.fill(T::of(*v)));
    });
    Ok(y)
}

/// The least and the largest number per sample (the first axis), `[n, 2]` in f64. They stay where
/// `x` is.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn ranges(x: &Array) -> Result<Array> {
    on_card!(x, card => card.ranges(x));
    let len = (x.len() / x.shape()[0].max(1)).max(1);
    by_type!(x, T => {
        let range = |sample: &[T]| {
            let start = [f64::INFINITY, f64::NEG_INFINITY];
            sample.iter().fold(start, |[low, high], v| [low.min(v.wide()), high.max(v.wide())])
        };
        let all: Vec<[f64; 2]> = x.host::<T>()?.par_chunks(len).map(range).collect();
        let samples = all.len();
        Array::from_vec(all.into_flattened(), &[samples, 2])
    })
}

/// Keeps positive (`true`) or negative numbers, zero elsewhere.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn part(x: &Array, positive: bool, ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.sign_part(x, positive));
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let source = x.host::<T>()?.par_chunks(PIECE);
        y.host_mut::<T>()?.par_chunks_mut(PIECE).zip(source).for_each(|(y, x)| {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = if (x > T::ZERO) == positive { x } else { T::ZERO };
            }
        });
    });
    Ok(y)
}

/// How many numbers of each sample (the first axis) are below zero, `[n]` in f64. They stay where
/// `x` is.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn negatives(x: &Array) -> Result<Array> {
    on_card!(x, card => card.negatives(x));
    let len = (x.len() / x.shape()[0].max(1)).max(1);
    by_type!(x, T => {
        let count = |sample: &[T]| sample.iter().filter(|v| **v < T::ZERO).count() as f64;
        let counts: Vec<f64> = x.host::<T>()?.par_chunks(len).map(count).collect();
        let samples = counts.len();
        Array::from_vec(counts, &[samples])
    })
}

/// Whether any number is below zero. The host looks no further than the first; a card is waited for.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn any_negative(x: &Array) -> Result<bool> {
    on_card!(x, card => Ok(card.negatives(x)?.to_f64()?.iter().any(|count| *count > 0.0)));
    by_type!(x, T => {
        let negative = |piece: &[T]| piece.iter().fold(false, |any, &v| any | (v < T::ZERO));
        Ok(x.host::<T>()?.par_chunks(PIECE).any(negative))
    })
}
