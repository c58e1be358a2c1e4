//! Moving blocks of numbers: channels joined and split, borders added and cut, numbers of one
//! array spread over another. Shapes `[n, c, …]`.

use std::ops::Range;

use super::array::{Array, Real};
use super::device;
use super::place::on_card;
use super::workspace::Workspace;
use crate::{Error, Result, by_type};

/// Extents a border is added to: channels and the three axes `[c, k, j, i]`.
pub type Border = [usize; 4];

/// Channels of several arrays side by side.
///
/// # Errors
/// [`Error::Shape`] when other extents than the channels differ;
/// `E-DEVICE-003` when the card fails.
pub fn join(parts: &[&Array], ws: &mut Workspace) -> Result<Array> {
    let first = parts.first().ok_or_else(|| Error::shape("join", "one array or more", 0))?;
    let mut shape = first.shape().to_vec();
    shape[1] = parts.iter().map(|p| p.shape()[1]).sum();
    if parts.iter().any(|p| p.shape()[0] != shape[0] || p.shape()[2..] != shape[2..]) {
        let shapes: Vec<&[usize]> = parts.iter().map(|p| p.shape()).collect();
        return Err(Error::shape("join", first.shape(), shapes));
    }
    on_card!(first, card => card.join(parts, &shape));
    let mut y = ws.take(first.dtype(), &shape)?;
    let sample: usize = shape[1..].iter().product();
    by_type!(first, T => {
        let target = y.host_mut::<T>()?;
        let mut from = 0;
        for part in parts {
            let (source, len) = (part.host::<T>()?, part.shape()[1..].iter().product::<usize>());
            for n in 0..shape[0] {
                target[n * sample + from..][..len].copy_from_slice(&source[n * len..][..len]);
            }
            from += len;
        }
    });
    Ok(y)
}

/// Samples of several arrays one after another.
///
/// # Errors
/// [`Error::Shape`] when other extents than the samples differ; `E-DEVICE-003` when the card fails.
pub fn stack(parts: &[&Array], ws: &mut Workspace) -> Result<Array> {
    let first = parts.first().ok_or_else(|| Error::shape("stack", "one array or more", 0))?;
    if parts.iter().any(|p| p.shape()[1..] != first.shape()[1..]) {
        let shapes: Vec<&[usize]> = parts.iter().map(|p| p.shape()).collect();
        return Err(Error::shape("stack", first.shape(), shapes));
    }
    let mut shape = first.shape().to_vec();
    shape[0] = parts.iter().map(|p| p.shape()[0]).sum();
    on_card!(first, card => card.stack(parts, &shape));
    let mut y = ws.take(first.dtype(), &shape)?;
    by_type!(first, T => {
        let mut rest = y.host_mut::<T>()?;
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part.host::<T>()?);
            rest = tail;
        }
    });
    Ok(y)
}

/// Bytes of the largest array that is made at once where a batch can be done some samples at a
/// time: it stays in a third-level cache from one step to the next.
const LARGEST: usize = 8 << 20;

/// Of a card's memory, the share that the largest array at once may take.
const SHARE: usize = 64;

/// How many samples of `bytes` each should be done at once: few on the host, where arrays should
/// stay in caches, and as many as fill a card.
///
/// # Errors
/// `E-DEVICE-003` when the card does not answer.
pub fn at_once(bytes: usize) -> Result<usize> {
    let largest = device::memory()?.map_or(LARGEST, |all| (all / SHARE).max(LARGEST));
    Ok((largest / bytes.max(1)).max(1))
}

/// Some of the samples, copied.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn samples(x: &Array, some: Range<usize>, ws: &mut Workspace) -> Result<Array> {
    let mut shape = x.shape().to_vec();
    shape[0] = some.len();
    let from = some.start * (x.len() / x.shape()[0].max(1));
    on_card!(x, card => card.part(x, from, &shape));
    let mut y = ws.take(x.dtype(), &shape)?;
    by_type!(x, T => {
        let source = &x.host::<T>()?[from..from + y.len()];
        y.host_mut::<T>()?.copy_from_slice(source);
    });
    Ok(y)
}

/// Writes `part` over samples of `whole`, from sample `first` on.
///
/// # Errors
/// [`Error::Shape`] when it does not lie within; `E-DEVICE-003` when the card fails.
pub fn place(part: &Array, first: usize, whole: &mut Array) -> Result<()> {
    let within = part.shape()[1..] == whole.shape()[1..];
    if !within || first + part.shape()[0] > whole.shape()[0] {
        return Err(Error::shape("place", whole.shape(), part.shape()));
    }
    let from = first * (whole.len() / whole.shape()[0]);
    on_card!(whole, card => card.copy_rows((part, (0, 0)), (whole, (from, 0)), [1, part.len()]));
    by_type!(part, T => {
        whole.host_mut::<T>()?[from..from + part.len()].copy_from_slice(part.host::<T>()?);
    });
    Ok(())
}

/// The parts that [`join`] put together, by their shapes.
///
/// # Errors
/// [`Error::Shape`] when the parts are not the whole; `E-DEVICE-003` when the card fails.
pub fn split(whole: &Array, shapes: &[&[usize]], ws: &mut Workspace) -> Result<Vec<Array>> {
    let samples = whole.shape()[0];
    let sample: usize = whole.shape()[1..].iter().product();
    let lens: Vec<usize> = shapes.iter().map(|s| s[1..].iter().product()).collect();
    if lens.iter().sum::<usize>() != sample || shapes.iter().any(|s| s[0] != samples) {
        return Err(Error::shape("split", whole.shape(), shapes));
    }
    on_card!(whole, card => card.split(whole, shapes));
    let mut from = 0;
    let mut parts = Vec::with_capacity(shapes.len());
    for (shape, len) in shapes.iter().zip(lens) {
        let mut part = ws.take(whole.dtype(), shape)?;
        by_type!(whole, T => {
            let (source, target) = (whole.host::<T>()?, part.host_mut::<T>()?);
            for n in 0..samples {
                target[n * len..][..len].copy_from_slice(&source[n * sample + from..][..len]);
            }
        });
        from += len;
        parts.push(part);
    }
    Ok(parts)
}

/// Calls `visit(row of the small array, row of the large array)` for every row along i of
/// `small [n, c, k, j, i]` and where it begins within `large`, shifted by `before`.
fn rows(small: [usize; 5], large: [usize; 5], before: Border, mut visit: impl FnMut(usize, usize)) {
    let [n, c, k, j, i] = small;
    for row in 0..n * c * k * j {
        let at = [row / (c * k * j), row / (k * j) % c, row / j % k, row % j];
        let mut place = at[0];
        for a in 0..3 {
            place = place * large[a + 1] + at[a + 1] + before[a];
        }
        visit(row * i, place * large[4] + before[3]);
    }
}

/// A border of one value around `x [n, c, k, j, i]`.
///
/// # Errors
/// [`Error::Shape`] for an array that is not five-dimensional; `E-DEVICE-003` when the card fails.
pub fn pad(
    x: &Array,
    before: Border,
    after: Border,
    value: f64,
    ws: &mut Workspace,
) -> Result<Array> {
    let small = super::five(x, "pad input")?;
    let mut large = small;
    (0..4).for_each(|a| large[a + 1] += before[a] + after[a]);
    on_card!(x, card => card.pad(x, &large, before, value));
    let mut y = ws.take(x.dtype(), &large)?;
    by_type!(x, T => {
        let (source, target) = (x.host::<T>()?, y.host_mut::<T>()?);
        target.fill(T::of(value));
        rows(small, large, before, |from, to| {
            target[to..to + small[4]].copy_from_slice(&source[from..from + small[4]]);
        });
    });
    Ok(y)
}

/// What lies within the border: `y` cut to `small` `[n, c, k, j, i]`.
///
/// # Errors
/// [`Error::Shape`] when it does not lie within; `E-DEVICE-003` when the card fails.
pub fn crop(y: &Array, small: [usize; 5], before: Border, ws: &mut Workspace) -> Result<Array> {
    let large = super::five(y, "pad output")?;
    if small[0] != large[0] || (0..4).any(|a| small[a + 1] + before[a] > large[a + 1]) {
        return Err(Error::shape("pad output", small, large));
    }
    on_card!(y, card => card.crop(y, &small, before));
    let mut x = ws.take(y.dtype(), &small)?;
    by_type!(y, T => {
        let (source, target) = (y.host::<T>()?, x.host_mut::<T>()?);
        rows(small, large, before, |to, from| {
            target[to..to + small[4]].copy_from_slice(&source[from..from + small[4]]);
        });
    });
    Ok(x)
}

/// Σ over the border alone per sample, `[n]` in f64, in order. They stay where `y` is.
///
/// # Errors
/// As [`crop`].
pub fn border_sums(y: &Array, small: [usize; 5], before: Border) -> Result<Array> {
    let large = super::five(y, "pad output")?;
    if small[0] != large[0] || (0..4).any(|a| small[a + 1] + before[a] > large[a + 1]) {
        return Err(Error::shape("pad output", small, large));
    }
    on_card!(y, card => card.border_sums(y, &small, before));
    let within = |a: usize, at: usize| (before[a]..before[a] + small[a + 1]).contains(&at);
    let [n, c, k, j, i] = large;
    by_type!(y, T => {
        let samples = y.host::<T>()?.chunks(c * k * j * i);
        let outside = |sample: &[T]| {
            let mut sum = 0.0;
            for (row, line) in sample.chunks(i).enumerate() {
                let inside = within(0, row / (k * j)) && within(1, row / j % k) && within(2, row % j);
                for (at, value) in line.iter().enumerate() {
                    if !(inside && within(3, at)) {
                        sum += value.wide();
                    }
                }
            }
            sum
        };
        Array::from_vec(samples.map(outside).collect(), &[n])
    })
}

/// The three spatial axes of `[n, c, k, j, i]` in reverse.
///
/// # Errors
/// [`Error::Shape`] for another number of axes; `E-DEVICE-003` when the card fails.
pub fn reversed(x: &Array) -> Result<Array> {
    let [n, c, a, b, d] = super::five(x, "an image")?;
    let shape = [n, c, d, b, a];
    on_card!(x, card => {
        let axes = [(n, c * a * b * d), (c, a * b * d), (d, 1), (b, d), (a, b * d)];
        card.picked(x, &shape, &axes)
    });
    by_type!(x, T => {
        let source = x.host::<T>()?;
        let mut data = Vec::with_capacity(source.len());
        for channel in source.chunks(a * b * d) {
            for w in 0..d {
                for v in 0..b {
                    data.extend((0..a).map(|u| channel[(u * b + v) * d + w]));
                }
            }
        }
        Array::from_vec(data, &shape)
    })
}

/// Per axis of `large`, outermost first: its extent and the step within `small`, whose extents are
/// those of `large` or 1.
fn spread_axes(small: &[usize], large: &[usize]) -> Result<Vec<(usize, usize)>> {
    if small.len() != large.len() || small.iter().zip(large).any(|(s, l)| s != l && *s != 1) {
        return Err(Error::shape("spread", large, small));
    }
    let mut axes = Vec::with_capacity(large.len());
    let mut step = 1;
    for (&s, &l) in small.iter().zip(large).rev() {
        axes.push((l, if s == 1 { 0 } else { step }));
        step *= s;
    }
    axes.reverse();
    Ok(axes)
}

/// The axes of `large` that `small` has, and those it is spread along: extents of each and steps
/// within `large`, outermost first.
#[cfg(feature = "cuda")]
fn spread_apart(small: &[usize], large: &[usize]) -> Result<[Vec<(usize, usize)>; 2]> {
    let own = spread_axes(large, large)?;
    let spread = spread_axes(small, large)?;
    let some = |gone: bool| {
        let axes = own.iter().zip(&spread).filter(move |(_, axis)| (axis.1 == 0) == gone);
        axes.map(|(own, _)| *own).collect()
    };
    Ok([some(false), some(true)])
}

/// Index in `small` of every number of `large`.
fn spread_index(small: &[usize], large: &[usize]) -> Result<impl Fn(usize) -> usize> {
    let axes = spread_axes(small, large)?;
    Ok(move |mut at: usize| {
        let mut index = 0;
        for &(extent, step) in axes.iter().rev() {
            index += at % extent * step;
            at /= extent;
        }
        index
    })
}

/// `x · g`, with `g` spread over the axes where its extent is 1.
///
/// # Errors
/// [`Error::Shape`] when `g` cannot be spread over `x`; `E-DEVICE-003` when the card fails.
pub fn gated(x: &Array, g: &Array, ws: &mut Workspace) -> Result<Array> {
    on_card!(x, card => card.gated(x, g, &spread_axes(g.shape(), x.shape())?));
    let index = spread_index(g.shape(), x.shape())?;
    let mut y = ws.take(x.dtype(), x.shape())?;
    by_type!(x, T => {
        let (xd, gd) = (x.host::<T>()?, g.host::<T>()?);
        for (at, (y, &x)) in y.host_mut::<T>()?.iter_mut().zip(xd).enumerate() {
            *y = x * gd[index(at)];
        }
    });
    Ok(y)
}

/// Sums of `x · y` over the axes along which an array of shape `small` is spread.
///
/// # Errors
/// [`Error::Shape`] when shapes do not agree; `E-DEVICE-003` when the card fails.
pub fn gate_gradient(x: &Array, y: &Array, small: &[usize]) -> Result<Array> {
    on_card!(x, card => {
        let [kept, gone] = spread_apart(small, x.shape())?;
        card.gate_gradient([x, y], small, [&kept, &gone])
    });
    let index = spread_index(small, x.shape())?;
    let mut sums = vec![0.0; small.iter().product()];
    by_type!(x, T => {
        let pairs = x.host::<T>()?.iter().zip(y.host::<T>()?);
        for (at, (x, y)) in pairs.enumerate() {
            sums[index(at)] += x.wide() * y.wide();
        }
        Array::from_vec(sums.into_iter().map(T::of).collect(), small)
    })
}
