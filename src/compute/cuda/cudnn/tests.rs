//! Which convolutions cuDNN is asked for. That they are right is tested with those of our kernels.

use super::super::super::geometry::ConvGeometry;
use super::*;

fn served(g: &ConvGeometry) -> Option<[bool; 3]> {
    let card = Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok()?;
    let input = [7, 8, 9];
    let output = g.output(input).expect("geometry");
    let zeros = |shape: &[usize]| card.zeros(DType::F32, shape).expect("array");
    let [x, dy] = [input, output].map(|[k, j, i]| zeros(&[2, 4, k, j, i]));
    let [a, b, c] = g.kernel;
    let w = zeros(&[4, 4 / g.groups, a, b, c]);
    let (channels, precision) = ([4, 4], Precision::F32);
    let shapes = Shapes { geometry: g, batch: 2, channels, input, output, precision };
    let made = [
        forward(card, [&x, &w], &shapes),
        grad_input(card, [&dy, &w], &shapes),
        grad_weight(card, [&x, &dy], &shapes),
    ];
    Some(made.map(|made| made.expect("made").is_some()))
}

#[test]
fn symmetric_windows_are_given_to_cudnn_and_others_are_not() {
    let same = ConvGeometry::same(3);
    let Some(plain) = served(&same) else { return };
    assert_eq!(plain, [true; 3]);
    let lopsided = ConvGeometry { pad_before: [1, 1, 0], ..same };
    assert_eq!(served(&lopsided), Some([false; 3]));
}

/// What the emulator refuses (`tools/cuda/emulator/cudnn.cpp`) is refused, not an error.
#[test]
fn what_cudnn_does_not_support_is_left_to_us() {
    let same = ConvGeometry::same(3);
    if emulated().is_none() {
        return;
    }
    // Only the slower algorithm does the first.
    let spread = ConvGeometry { dilation: [1, 2, 1], ..same };
    assert_eq!(served(&spread), Some([true; 3]));
    assert_eq!(served(&ConvGeometry { groups: 2, ..spread }), Some([false, true, false]));
    assert_eq!(served(&ConvGeometry { stride: [1, 1, 3], ..same }), Some([true, false, true]));
}

/// The nearest number with 10 bits after the point.
fn rounded(v: f32) -> f32 {
    let unit = 2f64.powi(f64::from(v.abs()).log2().floor() as i32 - 10);
    ((f64::from(v) / unit).round_ties_even() * unit) as f32
}

/// In TF32 a pass makes of its arrays what it makes in f32 of their rounded numbers; in f32 it makes
/// something else.
#[test]
fn tf32_rounds_factors_and_f32_does_not() {
    let Some(card) = emulated() else { return };
    let g = ConvGeometry::same(3);
    let extent = [4, 5, 6];
    let mut s = crate::seed::Seed(8).stream("tf32");
    let mut draws = |shape: &[usize]| -> Array {
        let data = (0..shape.iter().product()).map(|_| s.normal() as f32).collect();
        Array::from_vec(data, shape).expect("array")
    };
    let [x, dy] = [0; 2].map(|_| draws(&[2, 3, 4, 5, 6]));
    let w = draws(&[3, 3, 3, 3, 3]);
    let short = |a: &Array| {
        let data = a.host::<f32>().expect("f32").iter().map(|v| rounded(*v)).collect();
        Array::from_vec(data, a.shape()).expect("array")
    };
    let passes =
        [(Pass3d::Forward, [&x, &w]), (Pass3d::ByInput, [&dy, &w]), (Pass3d::ByWeight, [&x, &dy])];
    for (pass, arrays) in passes {
        let make = |arrays: [&Array; 2], precision: Precision| {
            let (channels, input, output) = ([3, 3], extent, extent);
            let shapes = Shapes { geometry: &g, batch: 2, channels, input, output, precision };
            let [a, b] = arrays.map(|a| card.take(a).expect("card"));
            let made = made(card, pass, [&a, &b], &shapes).expect("made").expect("served");
            made.to_f64().expect("numbers")
        };
        let [a, b] = arrays.map(short);
        let full = make(arrays, Precision::F32);
        let tf32 = make(arrays, Precision::Tf32);
        assert_eq!(tf32, make([&a, &b], Precision::F32), "{pass:?}");
        let top = full.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let apart = full.iter().zip(&tf32).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / top;
        assert!((1e-6..1e-2).contains(&apart), "{pass:?}: {apart:e}");
    }
}

/// The emulator, whose rounding is known; a card's may be another.
fn emulated() -> Option<&'static Card> {
    let card = Card::open(0).ok().filter(|card| card.name.starts_with("emulated"));
    if card.is_none() {
        eprintln!("skipped: not the emulator");
    }
    card
}
