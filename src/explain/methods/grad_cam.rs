//! Grad-CAM in three dimensions.

use super::super::backward;
use super::{Method, Question, plain};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace, blocks, five};
use crate::model::layers::reverse_axes;
use crate::{Error, Result};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "grad_cam",
    title: "Grad-CAM",
    question: "Which coarse places of the last convolution support the score?",
    formula: "max(0, Σ_c w_c A_c), w_c the mean of df/dA_c over all three axes, A the output of the last convolution",
    reading: "Coarse: the grid of that layer, not of the image.",
    misleads: "Blind to what opposes the score; as large as the layer is coarse.",
    source: "Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391",
    unit: "1",
    better: Better::Neither,
};

/// The method.
pub static METHOD: Method = Method {
    card: &CARD,
    settings: |word| plain(word, &["grad_cam", "gradcam", "gradcam_last_conv"]),
    numbers: &[],
    besides: "",
    map,
};

/// The map on the grid of the layer, its axes in the order of the input `[n, 1, k', j', i']`.
fn map(of: &Question<'_>, _: &[f64], ws: &mut Workspace) -> Result<Array> {
    let layer = of.graph.nodes().iter().rev().find(|n| n.layer.card().id == "conv3d");
    let layer = layer.ok_or_else(|| {
        Error::usage(
            "E-METHOD-001",
            "Grad-CAM of a network without a convolution",
            "Choose another method; see heatproof list methods",
        )
    })?;
    let mut found = None;
    let mut look = |node: &crate::model::graph::Node,
                    pass: &crate::model::layer::Pass<'_>,
                    _: &mut Workspace| {
        if node.name == layer.name {
            found = Some((pass.output.to_f64()?, pass.grad.to_f64()?, five(pass.output, "layer")?));
        }
        Ok(None)
    };
    let _ = backward::walk(of, of.x, backward::From::One, &mut look, ws)?;
    let (output, gradient, [n, c, k, j, i]) =
        found.ok_or_else(|| Error::internal("the walk missed the layer"))?;
    let voxels = k * j * i;
    let mut map = vec![0.0; n * voxels];
    for (channel, (a, g)) in output.chunks(voxels).zip(gradient.chunks(voxels)).enumerate() {
        let weight = g.iter().sum::<f64>() / voxels as f64;
        let sample = &mut map[channel / c * voxels..][..voxels];
        sample.iter_mut().zip(a).for_each(|(m, a)| *m += weight * a);
    }
    map.iter_mut().for_each(|m| *m = m.max(0.0));
    let mut map = Array::from_vec(map, &[n, 1, k, j, i])?;
    if of.graph.nodes()[0].layer.card().id == reverse_axes::CARD.id {
        map = blocks::reversed(&map)?;
    }
    crate::by_type!(of.x, T => map.cast::<T>())
}

/// A map `[n, 1, k', j', i']` enlarged to `[k, j, i]` by linear interpolation between the
/// centres of its cells, as the picture of a coarse layer is usually laid over an image.
///
/// # Errors
/// [`Error::Shape`] for an array that is not five-dimensional.
pub fn enlarged(map: &Array, to: [usize; 3]) -> Result<Array> {
    let [n, c, k, j, i] = five(map, "a coarse map")?;
    let from = [k, j, i];
    // Per axis: for every voxel the two cells around it and the share of the second.
    let axes: [Vec<(usize, usize, f64)>; 3] = std::array::from_fn(|a| {
        let cell = |v: usize| {
            let at = (v as f64 + 0.5) * from[a] as f64 / to[a] as f64 - 0.5;
            let at = at.clamp(0.0, (from[a] - 1) as f64);
            let low = at.floor() as usize;
            (low, (low + 1).min(from[a] - 1), at - at.floor())
        };
        (0..to[a]).map(cell).collect()
    });
    let source = map.to_f64()?;
    let mut data = Vec::with_capacity(n * c * to.iter().product::<usize>());
    for channel in source.chunks(k * j * i) {
        let at = |a: usize, b: usize, d: usize| channel[(a * j + b) * i + d];
        let mix = |(x, y): (f64, f64), share: f64| x + (y - x) * share;
        for &(a, aa, s) in &axes[0] {
            for &(b, bb, t) in &axes[1] {
                for &(d, dd, u) in &axes[2] {
                    let row = |a, b| mix((at(a, b, d), at(a, b, dd)), u);
                    let face = |a| mix((row(a, b), row(a, bb)), t);
                    data.push(mix((face(a), face(aa)), s));
                }
            }
        }
    }
    let wide = Array::from_vec(data, &[n, c, to[0], to[1], to[2]])?;
    crate::by_type!(map, T => wide.cast::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_keeps_a_constant_and_interpolates_between_cells() {
        let map = Array::from_vec(vec![1.0, 3.0], &[1, 1, 1, 1, 2]).expect("map");
        let large = enlarged(&map, [2, 1, 4]).expect("large").to_f64().expect("host");
        assert_eq!(large, [1.0, 1.5, 2.5, 3.0, 1.0, 1.5, 2.5, 3.0]);
    }
}
