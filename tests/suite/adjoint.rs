//! The adjoint law of convolutions, in f64 and f32, for every geometry. That ledgers close is in
//! `laws.rs`.

use heatproof::compute::{Array, Workspace};
use heatproof::model::layer::{Affine, Layer, Role};
use heatproof::seed::Seed;
use proptest::prelude::*;

use super::nets::{conv, random};
use super::random_graphs::{config, convolution};

fn dot(a: &Array, b: &Array) -> f64 {
    let (a, b) = (a.to_f64().expect("host"), b.to_f64().expect("host"));
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

fn affine(layer: &dyn Layer) -> &dyn Affine {
    match layer.role() {
        Role::Affine(affine) => affine,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// `⟨W x, y⟩ = ⟨x, Wᵀ y⟩` as the rules call it, for weights that are not the layer's own.
    #[test]
    fn the_transpose_is_the_adjoint(
        geometry in convolution(),
        extent in proptest::array::uniform3(1..=9usize),
        channels in (1..=3usize, 1..=3usize),
        (seed, wide) in (any::<u64>(), any::<bool>()),
    ) {
        let (cin, cout) = (channels.0 * geometry.groups, channels.1 * geometry.groups);
        let layer = conv(cin, cout, geometry);
        let [k, j, i] = extent;
        let Ok(out) = layer.out_shape(&[&[cin, k, j, i]]) else { return Ok(()) };
        let (mut s, mut ws) = (Seed(seed).stream("test/adjoint"), Workspace::new());
        let layer = affine(&*layer);
        let w = random(&mut s, layer.weight().shape(), wide);
        let x = random(&mut s, &[2, cin, k, j, i], wide);
        let y = random(&mut s, &[&[2], &out[..]].concat(), wide);
        let forward = layer.apply(&x, &w, None, &mut ws).expect("fits");
        let back = layer.transpose(&y, &w, &x, &mut ws).expect("fits");
        let (left, right) = (dot(&forward, &y), dot(&x, &back));
        let size = (dot(&forward, &forward) * dot(&y, &y)).sqrt();
        let tolerance = if wide { 1e-13 } else { 2e-6 };
        prop_assert!((left - right).abs() <= tolerance * (1.0 + size), "{left} {right}");
    }
}
