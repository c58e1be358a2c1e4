//! What operators make of extents.

/// No extent is larger; small enough that sums of extents never overflow.
pub const LARGEST: usize = 1 << 40;

/// Extents from whole numbers.
///
/// # Errors
/// For a number below 0 or beyond any memory.
pub fn extents(values: &[i64]) -> Result<Vec<usize>, String> {
    let one = |v: &i64| {
        let fits = usize::try_from(*v).ok().filter(|v| *v <= LARGEST);
        fits.ok_or(format!("an extent of {v}"))
    };
    values.iter().map(one).collect()
}

/// Product of extents.
///
/// # Errors
/// When it does not fit in memory.
pub fn product(dims: &[usize]) -> Result<usize, String> {
    let all = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    all.ok_or(format!("extents {dims:?} beyond memory"))
}

/// An axis, counted from the end when negative, of `rank` axes.
///
/// # Errors
/// When there is no such axis.
pub fn axis(at: i64, rank: usize) -> Result<usize, String> {
    let place = if at < 0 { at.saturating_add(rank as i64) } else { at };
    let found = usize::try_from(place).ok().filter(|a| *a < rank);
    found.ok_or(format!("axis {at} of {rank}"))
}

/// The extents `Reshape` gives: 0 keeps an extent (unless `zero`), −1 takes the rest.
///
/// # Errors
/// When the numbers do not fit.
pub fn reshaped(from: &[usize], to: &[i64], zero: bool) -> Result<Vec<usize>, String> {
    let wrong = || format!("extents {from:?} to {to:?}");
    let (mut dims, mut rest) = (Vec::with_capacity(to.len()), None);
    for (at, &extent) in to.iter().enumerate() {
        dims.push(match extent {
            0 if !zero => *from.get(at).ok_or_else(wrong)?,
            -1 if rest.is_none() => {
                rest = Some(at);
                1
            }
            v => usize::try_from(v).ok().filter(|v| *v <= LARGEST).ok_or_else(wrong)?,
        });
    }
    let (all, known) = (product(from)?, product(&dims)?);
    if let Some(at) = rest {
        if known == 0 || !all.is_multiple_of(known) {
            return Err(wrong());
        }
        dims[at] = all / known;
    } else if known != all {
        return Err(wrong());
    }
    Ok(dims)
}

/// The extents `Squeeze` leaves.
///
/// # Errors
/// When an axis is missing or longer than 1.
pub fn squeezed(dims: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(axes) = axes else {
        return Ok(dims.iter().copied().filter(|d| *d != 1).collect());
    };
    let gone = axes.iter().map(|a| axis(*a, dims.len())).collect::<Result<Vec<_>, _>>()?;
    if gone.iter().any(|a| dims[*a] != 1) {
        return Err(format!("axes {axes:?} of extents {dims:?}"));
    }
    Ok(dims.iter().enumerate().filter(|(a, _)| !gone.contains(a)).map(|(_, d)| *d).collect())
}

/// The extents `Unsqueeze` makes.
///
/// # Errors
/// When an axis is beyond the new rank or named twice.
pub fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = dims.len() + axes.len();
    let mut new = axes.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?;
    new.sort_unstable();
    if new.windows(2).any(|w| w[0] == w[1]) {
        return Err(format!("axes {axes:?} twice"));
    }
    let mut old = dims.iter().copied();
    Ok((0..rank).map(|a| if new.contains(&a) { 1 } else { old.next().unwrap_or(1) }).collect())
}

/// Extents of two arrays spread over each other.
///
/// # Errors
/// When they cannot be.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], n: usize| {
        let missing = rank - dims.len();
        if n < missing { 1 } else { dims[n - missing] }
    };
    (0..rank)
        .map(|n| match (at(a, n), at(b, n)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(format!("extents {a:?} and {b:?}")),
        })
        .collect()
}
