//! Which convolutions cuDNN serves, and how exactly. Those of f32, where it serves them, are held to the
//! nested loops in `convolution::tests`.

use super::super::super::geometry::ConvGeometry;
use super::super::super::reference;
use super::super::elementwise::Lent;
use super::*;
use crate::seed::{Seed, Stream};

fn served(g: &ConvGeometry) -> Option<[bool; 3]> {
    let card = Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok()?;
    let of = Of { g, input: [7, 8, 9], channels: [4, 4] };
    let [x, w, dy] = of.extents().map(|shape| card.zeros(DType::F32, &shape).expect("array"));
    let pass = |pass, arrays| of.pass(card, pass, arrays, Precision::F32).is_some();
    Some([
        pass(Pass3d::Forward, [&x, &w]),
        pass(Pass3d::ByInput, [&dy, &w]),
        pass(Pass3d::ByWeight, [&x, &dy]),
    ])
}

/// A convolution of two samples.
struct Of<'a> {
    g: &'a ConvGeometry,
    input: [usize; 3],
    channels: [usize; 2],
}

impl Of<'_> {
    /// Of input, weights and output.
    fn extents(&self) -> [[usize; 5]; 3] {
        let ([k, j, i], [a, b, c], [from, to]) = (self.input, self.g.kernel, self.channels);
        let [d, e, f] = self.g.output(self.input).expect("geometry");
        [[2, from, k, j, i], [to, from / self.g.groups, a, b, c], [2, to, d, e, f]]
    }

    /// Input, weights and gradient of the output: normal numbers.
    fn draws(&self, stream: &mut Stream) -> [Array; 3] {
        self.extents().map(|shape| {
            let data = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
            Array::from_vec(data, &shape).expect("array")
        })
    }

    /// What a pass makes of arrays of the host or the card.
    fn pass(
        &self,
        card: &Card,
        pass: Pass3d,
        arrays: [&Array; 2],
        precision: Precision,
    ) -> Option<Vec<f64>> {
        let output = self.g.output(self.input).expect("geometry");
        let Self { g: geometry, input, channels } = *self;
        let shapes = Shapes { geometry, batch: 2, channels, input, output, precision };
        let made = made(card, pass, arrays, &shapes).expect("made")?;
        Some(made.to_f64().expect("numbers"))
    }

    /// All three.
    fn passes(&self, card: &Card, [x, w, dy]: [&Array; 3], precision: Precision) -> [Vec<f64>; 3] {
        [(Pass3d::Forward, [x, w]), (Pass3d::ByInput, [dy, w]), (Pass3d::ByWeight, [x, dy])]
            .map(|(pass, arrays)| self.pass(card, pass, arrays, precision).expect("served"))
    }
}

/// The same with each number changed.
fn each(x: &Array, change: impl Fn(f32) -> f32) -> Array {
    let data = x.host::<f32>().expect("f32").iter().map(|v| change(*v)).collect();
    Array::from_vec(data, x.shape()).expect("array")
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
    let of = Of { g: &ConvGeometry::same(3), input: [4, 5, 6], channels: [3, 3] };
    let arrays = of.draws(&mut Seed(8).stream("tf32"));
    let short = arrays.each_ref().map(|a| each(a, rounded));
    let full = of.passes(card, arrays.each_ref(), Precision::F32);
    let tf32 = of.passes(card, arrays.each_ref(), Precision::Tf32);
    assert_eq!(tf32, of.passes(card, short.each_ref(), Precision::F32));
    for (full, tf32) in full.iter().zip(&tf32) {
        let top = full.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let apart = full.iter().zip(tf32).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / top;
        assert!((1e-6..1e-2).contains(&apart), "{apart:e}");
    }
}

/// The numbers of an array as a pass in bf16 is given them.
fn bits(card: &Card, x: &Array) -> Vec<u16> {
    let lent = bf16::lent(card, x).expect("rounded");
    let there = card.download(numbers::<bf16>(lent.array()).expect("bf16"), x.len());
    there.expect("numbers").into_iter().map(bf16::to_bits).collect()
}

/// Every number of bf16 with what makes the next one nearer or not: halves to even, infinities,
/// what becomes one, what is below all normal numbers, NaN.
#[test]
fn numbers_are_rounded_to_the_nearest_of_bf16_and_come_back_as_they_are() {
    let Some(card) = Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok() else { return };
    for rest in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
        let all: Vec<f32> =
            (0..=u16::MAX).map(|high| f32::from_bits(u32::from(high) << 16 | rest)).collect();
        let nearest: Vec<u16> = all.iter().map(|v| bf16::from_f32(*v).to_bits()).collect();
        let x = Array::from_vec(all, &[1 << 16]).expect("array");
        assert!(bits(card, &x) == nearest, "rest {rest:x}");
        if rest == 0 {
            let there = bf16::lent(card, &x).expect("rounded");
            let Lent::Brought(there) = there else { panic!("not a copy") };
            let back = bf16::given(card, there).expect("widened");
            let back = card.give(&back).expect("numbers");
            let back = back.host::<f32>().expect("f32").iter().map(|v| v.to_bits() >> 16);
            assert!(back.zip(&nearest).all(|(back, v)| back == u32::from(*v)));
        }
    }
    let known = [f32::MAX, -f32::MAX, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 1e-45, f32::NAN];
    let x = Array::from_vec(known.to_vec(), &[known.len()]).expect("array");
    assert_eq!(bits(card, &x), [0x7f80, 0xff80, 0x3f80, 0x3f82, 0, 0x7fc0]);
}

/// In bf16 a pass is the definition, in f64, of rounded factors, and what it makes is of bf16: apart
/// by one rounding. The same bits again.
#[test]
fn bf16_rounds_factors_and_what_is_made() {
    let Some(card) = emulated() else { return };
    let same = ConvGeometry::same(3);
    let strided = ConvGeometry { stride: [2, 1, 2], dilation: [1, 2, 1], ..same };
    let short = |v: f32| bf16::from_f32(v).to_f32();
    for (g, channels) in [(same, [3, 5]), (strided, [2, 4]), (ConvGeometry::valid(1), [6, 1])] {
        let of = Of { g: &g, input: [5, 6, 7], channels };
        let arrays = of.draws(&mut Seed(9).stream("bf16"));
        let [x, w, dy] = arrays.each_ref().map(|a| each(a, short).to_f64().expect("numbers"));
        let (xs, out) = (of.extents()[0], channels[1]);
        let truth = [
            reference::conv3d(&x, xs, &w, out, &g),
            reference::conv3d_grad_input(&dy, xs, &w, out, &g),
            reference::conv3d_grad_weight(&x, xs, &dy, out, &g),
        ];
        let made = of.passes(card, arrays.each_ref(), Precision::Bf16);
        assert_eq!(made, of.passes(card, arrays.each_ref(), Precision::Bf16));
        for (made, truth) in made.iter().zip(truth.map(|truth| truth.expect("reference"))) {
            assert!(made.iter().all(|v| f64::from(bf16::from_f64(*v)) == *v), "{g:?}");
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= b.abs() / 256.0;
            assert!(made.len() == truth.len() && made.iter().zip(&truth).all(near), "{g:?}");
        }
    }
}

/// What the emulator refuses in bf16 alone.
#[test]
fn what_cudnn_does_not_support_in_bf16_is_made_in_f32() {
    let Some(card) = emulated() else { return };
    let g = ConvGeometry { groups: 2, ..ConvGeometry::same(3) };
    let of = Of { g: &g, input: [4, 5, 6], channels: [4, 2] };
    let arrays = of.draws(&mut Seed(10).stream("refused"));
    let [full, tried] = [Precision::F32, Precision::Bf16]
        .map(|precision| of.passes(card, arrays.each_ref(), precision));
    assert_eq!(tried, full);
}

/// The emulator, whose rounding is known; a card's may be another.
fn emulated() -> Option<&'static Card> {
    let card = Card::open(0).ok().filter(|card| card.name.starts_with("emulated"));
    if card.is_none() {
        eprintln!("skipped: not the emulator");
    }
    card
}
