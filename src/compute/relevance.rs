//! The elementwise steps of relevance, with the sums the ledger needs. Sums are f64, per
//! sample (the first axis), in order.

use rayon::prelude::*;

use super::array::{Array, Real};
use super::workspace::Workspace;
use crate::{Result, by_type};

/// Quotients `s = gain · R / stabilised(z)` and where the stabiliser's share went.
#[derive(Debug)]
pub struct Quotient {
    /// `s`, shaped like `z`.
    pub s: Array,
    /// Per sample: Σ ε·sign(z)·s over outputs with z ≠ 0.
    pub stabiliser: Vec<f64>,
    /// Per sample: Σ ε·s over outputs with z = 0, where no contribution can take it.
    pub degenerate: Vec<f64>,
}

/// `s = gain · R / (z + ε·sign(z))`, with sign(0) = +1.
///
/// # Errors
/// [`crate::Error::Internal`] when an array is not on the host.
pub fn quotient(
    r: &Array,
    z: &Array,
    gain: f64,
    epsilon: f64,
    ws: &mut Workspace,
) -> Result<Quotient> {
    let len = (z.len() / z.shape()[0]).max(1);
    let mut s = ws.take(z.dtype(), z.shape())?;
    let bins: Vec<(f64, f64)> = by_type!(z, T => {
        let sources = r.host::<T>()?.par_chunks(len).zip(z.host::<T>()?.par_chunks(len));
        s.host_mut::<T>()?
            .par_chunks_mut(len)
            .zip(sources)
            .map(|(s, (r, z))| {
                let (mut stabiliser, mut degenerate) = (0.0, 0.0);
                for ((s, &r), &z) in s.iter_mut().zip(r).zip(z) {
                    let sign = if z >= T::ZERO { epsilon } else { -epsilon };
                    let below = z.wide() + sign;
                    // with ε = 0 an output of exactly 0 has nothing to divide by
                    *s = if below == 0.0 || r == T::ZERO {
                        T::ZERO
                    } else {
                        T::of(gain * r.wide() / below)
                    };
                    if z != T::ZERO {
                        stabiliser += sign * s.wide();
                    } else if below == 0.0 {
                        degenerate += gain * r.wide();
                    } else {
                        degenerate += sign * s.wide();
                    }
                }
                (stabiliser, degenerate)
            })
            .collect()
    });
    let (stabiliser, degenerate) = bins.into_iter().unzip();
    Ok(Quotient { s, stabiliser, degenerate })
}

/// Per sample: Σ_c bias[c] · Σ_p s[n, c, p].
///
/// # Errors
/// [`crate::Error::Internal`] when an array is not on the host.
pub fn bias_share(s: &Array, bias: &Array) -> Result<Vec<f64>> {
    let (samples, channels) = (s.shape()[0], s.shape()[1]);
    let len: usize = s.shape()[2..].iter().product();
    by_type!(s, T => {
        let (sd, bd) = (s.host::<T>()?, bias.host::<T>()?);
        Ok((0..samples)
            .map(|n| {
                (0..channels)
                    .map(|c| {
                        let from = (n * channels + c) * len;
                        bd[c].wide() * sd[from..from + len].iter().map(|v| v.wide()).sum::<f64>()
                    })
                    .sum()
            })
            .collect())
    })
}

/// Per sample: (Σ, Σ|·|).
///
/// # Errors
/// [`crate::Error::Internal`] when the array is not on the host.
pub fn sample_sums(x: &Array) -> Result<Vec<(f64, f64)>> {
    let len = (x.len() / x.shape()[0]).max(1);
    by_type!(x, T => {
        Ok(x.host::<T>()?
            .par_chunks(len)
            .map(|sample| {
                sample.iter().fold((0.0, 0.0), |(sum, mass), v| {
                    (sum + v.wide(), mass + v.wide().abs())
                })
            })
            .collect())
    })
}
