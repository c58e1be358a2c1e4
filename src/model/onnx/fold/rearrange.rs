//! Operators that put numbers in other places.

use super::super::tensors::{Data, Tensor};
use super::extents::{axis, product};
use super::{Budget, ints};

fn pick<T: Copy>(data: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|p| data[*p]).collect()
}

fn picked(tensor: &Tensor, dims: Vec<usize>, places: &[usize]) -> Tensor {
    let data = match &tensor.data {
        Data::Float(data) => Data::Float(pick(data, places)),
        Data::Int(data) => Data::Int(pick(data, places)),
    };
    Tensor { dims, data }
}

/// Steps between neighbours along each axis.
fn steps(dims: &[usize]) -> Vec<usize> {
    let mut all = vec![1; dims.len()];
    for a in (1..dims.len()).rev() {
        // an overflow needs an extent of 0 beside, and then no place is asked for
        all[a - 1] = usize::wrapping_mul(all[a], dims[a]);
    }
    all
}

/// A tensor whose number at every place is that of `tensor` at the place `of` gives.
fn moved(
    tensor: &Tensor,
    dims: Vec<usize>,
    budget: &Budget,
    of: impl Fn(&[usize]) -> usize,
) -> Result<Tensor, String> {
    let count = product(&dims)?;
    budget.book(count)?;
    let step = steps(&dims);
    let mut at = vec![0; dims.len()];
    let places: Vec<usize> = (0..count)
        .map(|n| {
            at.iter_mut().enumerate().for_each(|(a, v)| *v = n / step[a] % dims[a]);
            of(&at)
        })
        .collect();
    Ok(picked(tensor, dims, &places))
}

pub(super) fn spread(tensor: &Tensor, dims: &[usize], budget: &Budget) -> Result<Tensor, String> {
    let (own, step) = (&tensor.dims, steps(&tensor.dims));
    let missing = dims.len() - own.len();
    moved(tensor, dims.to_vec(), budget, |at| {
        (0..own.len()).filter(|a| own[*a] != 1).map(|a| at[a + missing] * step[a]).sum()
    })
}

pub(super) fn transpose(
    tensor: &Tensor,
    order: Option<Vec<i64>>,
    budget: &Budget,
) -> Result<Tensor, String> {
    let rank = tensor.dims.len();
    let order = match order {
        Some(order) => order.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!("an order {order:?} of {rank} axes"));
    }
    let (dims, step) = (order.iter().map(|a| tensor.dims[*a]).collect(), steps(&tensor.dims));
    moved(tensor, dims, budget, |at| at.iter().zip(&order).map(|(v, a)| v * step[*a]).sum())
}

pub(super) fn gather(
    data: &Tensor,
    at: &Tensor,
    along: i64,
    budget: &Budget,
) -> Result<Tensor, String> {
    let along = axis(along, data.dims.len())?;
    let extent = data.dims[along];
    let places = ints(at)?.iter().map(|v| axis(*v, extent)).collect::<Result<Vec<_>, _>>()?;
    let (before, after) = (&data.dims[..along], &data.dims[along + 1..]);
    let dims = [before, &at.dims, after].concat();
    let (step, inner) = (steps(&data.dims), at.dims.len());
    let index = steps(&at.dims);
    moved(data, dims, budget, |place| {
        let chosen: usize = (0..inner).map(|a| place[along + a] * index[a]).sum();
        let outer: usize = (0..along).map(|a| place[a] * step[a]).sum();
        let rest: usize =
            (along + 1..data.dims.len()).map(|a| place[a + inner - 1] * step[a]).sum();
        outer + places[chosen] * step[along] + rest
    })
}

pub(super) fn concat(parts: &[&Tensor], along: i64, budget: &Budget) -> Result<Tensor, String> {
    let first = parts.first().ok_or("no inputs")?;
    let along = axis(along, first.dims.len())?;
    let alike = |t: &&Tensor| {
        let others = |d: &[usize]| -> Vec<usize> {
            d.iter().enumerate().filter(|(a, _)| *a != along).map(|(_, d)| *d).collect()
        };
        t.dims.len() == first.dims.len() && others(&t.dims) == others(&first.dims)
    };
    if !parts.iter().all(alike) {
        return Err("extents that do not fit side by side".to_owned());
    }
    let mut dims = first.dims.clone();
    dims[along] = parts.iter().map(|t| t.dims[along]).sum();
    budget.book(product(&dims)?)?;
    let outer = product(&dims[..along])?;
    let real = parts.iter().any(|t| t.as_floats().is_some());
    let mut data = if real { Data::Float(Vec::new()) } else { Data::Int(Vec::new()) };
    for n in 0..outer {
        for part in parts {
            let len = part.len() / outer;
            match (&mut data, &part.data) {
                (Data::Float(all), Data::Float(own)) => all.extend(&own[n * len..][..len]),
                (Data::Int(all), Data::Int(own)) => all.extend(&own[n * len..][..len]),
                _ => return Err("real and whole numbers side by side".to_owned()),
            }
        }
    }
    Ok(Tensor { dims, data })
}

pub(super) fn slice(
    tensor: &Tensor,
    starts: &[i64],
    ends: &[i64],
    axes: Option<&[i64]>,
    strides: Option<&[i64]>,
    budget: &Budget,
) -> Result<Tensor, String> {
    let rank = tensor.dims.len();
    let mut dims = tensor.dims.clone();
    let (mut from, mut by) = (vec![0i64; rank], vec![1i64; rank]);
    for (n, (&start, &end)) in starts.iter().zip(ends).enumerate() {
        let a = axis(axes.map_or(n as i64, |axes| axes.get(n).copied().unwrap_or(i64::MAX)), rank)?;
        let stride = strides.map_or(1, |s| s.get(n).copied().unwrap_or(0));
        let extent = tensor.dims[a] as i64;
        if stride == 0 {
            return Err("a step of 0".to_owned());
        }
        let place = |v: i64| if v < 0 { v.saturating_add(extent) } else { v };
        let (low, high) = if stride > 0 { (0, extent) } else { (-1, extent - 1) };
        let start = place(start).clamp(low.max(0), high.max(0));
        let end = if end < 0 && stride < 0 && end < -extent { -1 } else { place(end) };
        let end = end.clamp(low, high);
        let span = if stride > 0 { end - start } else { start - end };
        let size = stride.unsigned_abs();
        dims[a] = (span.max(0).unsigned_abs().div_ceil(size)) as usize;
        (from[a], by[a]) = (start, stride);
    }
    let step = steps(&tensor.dims);
    moved(tensor, dims, budget, |at| {
        (0..rank).map(|a| (from[a] + at[a] as i64 * by[a]) as usize * step[a]).sum()
    })
}
