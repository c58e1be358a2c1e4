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
    let shapes = Shapes { geometry: g, batch: 2, channels: [4, 4], input, output };
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
    if !Card::open(0).is_ok_and(|card| card.name.starts_with("emulated")) {
        eprintln!("skipped: not the emulator");
        return;
    }
    // Only the slower algorithm does the first.
    let spread = ConvGeometry { dilation: [1, 2, 1], ..same };
    assert_eq!(served(&spread), Some([true; 3]));
    assert_eq!(served(&ConvGeometry { groups: 2, ..spread }), Some([false, true, false]));
    assert_eq!(served(&ConvGeometry { stride: [1, 1, 3], ..same }), Some([true, false, true]));
}
