//! Steps of an optimiser: numbers changed in place, on all cores.

use rayon::prelude::*;

use super::array::Array;
use super::place::on_card;
use crate::{Error, Result};

/// Numbers of one task.
const PIECE: usize = 1 << 14;

/// Factors of a step of AdamW.
#[derive(Debug, Clone, Copy)]
pub struct Factors {
    /// What stays of the first moment, what the gradient adds.
    pub first: [f32; 2],
    /// What stays of the second moment, what the gradient's square adds.
    pub second: [f32; 2],
    /// What undoes the moments' start at 0.
    pub scales: [f32; 2],
    /// ε beside the root.
    pub epsilon: f32,
    /// What stays of the weights.
    pub stay: f32,
    /// Learning rate.
    pub rate: f32,
}

fn same(a: &Array, b: &Array, what: &str) -> Result<()> {
    if a.shape() == b.shape() { Ok(()) } else { Err(Error::shape(what, a.shape(), b.shape())) }
}

/// One step of AdamW (Loshchilov and Hutter 2019) of weights `w` with gradient `g` and moments `m`,
/// `v`, all f32 and of one shape; a gradient that is elsewhere is brought to the weights.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; [`Error::Internal`] for arrays that are not f32;
/// `E-DEVICE-003` when the card fails.
pub fn adamw(w: &mut Array, g: &Array, [m, v]: [&mut Array; 2], of: &Factors) -> Result<()> {
    same(w, g, "gradient")?;
    let Factors { first, second, scales, epsilon, stay, rate } = *of;
    on_card!(w, card => {
        let numbers = [first, second, scales].concat().into_iter().chain([epsilon, stay, rate]);
        card.adamw([w, g, m, v], &numbers.collect::<Vec<f32>>())
    });
    if !g.on_host() {
        return adamw(w, &g.fetched()?, [m, v], of);
    }
    let (w, g) = (w.host_mut::<f32>()?, g.host::<f32>()?);
    let (m, v) = (m.host_mut::<f32>()?, v.host_mut::<f32>()?);
    let moments = m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE));
    let pieces = w.par_chunks_mut(PIECE).zip(g.par_chunks(PIECE)).zip(moments);
    pieces.for_each(|((w, g), (m, v))| {
        for ((w, g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut())) {
            *m = *m * first[0] + g * first[1];
            *v = *v * second[0] + g * g * second[1];
            let update = *m * scales[0] / ((*v * scales[1]).sqrt() + epsilon);
            *w = *w * stay - update * rate;
        }
    });
    Ok(())
}

/// Moves `mean` by a share of the way towards `now`, both f32.
///
/// # Errors
/// [`Error::Shape`] when shapes differ; [`Error::Internal`] for arrays that are not f32;
/// `E-DEVICE-003` when the card fails.
pub fn towards(mean: &mut Array, now: &Array, share: f32) -> Result<()> {
    same(mean, now, "average")?;
    on_card!(mean, card => card.towards(mean, now, f64::from(share)));
    let pieces = mean.host_mut::<f32>()?.par_chunks_mut(PIECE);
    pieces.zip(now.host::<f32>()?.par_chunks(PIECE)).for_each(|(mean, now)| {
        mean.iter_mut().zip(now).for_each(|(m, v)| *m += share * (v - *m));
    });
    Ok(())
}
