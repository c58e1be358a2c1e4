//! Convolutions on the card (or the emulator) against nested loops in f64.

use candle_core::DType;

use super::super::super::precision::Precision;
use super::super::Card;
use super::super::divider::Divider;
use super::*;
use crate::compute::array::Real;
use crate::compute::geometry::ConvGeometry;
use crate::compute::{Workspace, conv3d, reference};
use crate::seed::{Seed, Stream};

/// The card, or none with a word about it.
fn card() -> Option<&'static Card> {
    Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok()
}

/// Input `[n, c, k, j, i]`, output channels, window.
#[derive(Debug, Clone)]
struct Case {
    input: [usize; 5],
    output: usize,
    geometry: ConvGeometry,
}

/// Numbers of a case, the same in f32 and f64, and what loops make of them.
struct Truth {
    case: Case,
    output: [usize; 5],
    weight: [usize; 5],
    x: Vec<f64>,
    w: Vec<f64>,
    b: Vec<f64>,
    dy: Vec<f64>,
    y: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

/// What a place makes of the same: output with bias and rectified, both gradients.
struct Made {
    y: Vec<f64>,
    rectified: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

impl Case {
    fn truth(self, s: &mut Stream) -> Truth {
        let ConvGeometry { kernel: [a, b, c], groups, .. } = self.geometry;
        let (xs, out, g) = (self.input, self.output, &self.geometry);
        let [k, j, i] = g.output([xs[2], xs[3], xs[4]]).expect("geometry");
        let (output, weight) = ([xs[0], out, k, j, i], [out, xs[1] / groups, a, b, c]);
        let mut draw = |n: usize| (0..n).map(|_| f64::from(s.normal() as f32)).collect::<Vec<_>>();
        let (x, w) = (draw(xs.iter().product()), draw(weight.iter().product()));
        let (b, dy) = (draw(out), draw(output.iter().product()));
        let mut y = reference::conv3d(&x, xs, &w, out, g).expect("reference");
        let voxels = k * j * i;
        y.iter_mut().enumerate().for_each(|(at, y)| *y += b[at / voxels % out]);
        let dx = reference::conv3d_grad_input(&dy, xs, &w, out, g).expect("reference");
        let dw = reference::conv3d_grad_weight(&x, xs, &dy, out, g).expect("reference");
        Truth { case: self, output, weight, x, w, b, dy, y, dx, dw }
    }
}

impl Truth {
    /// On the card, as it chooses, or on the host.
    fn made<T: Real>(&self, card: Option<&Card>) -> Made {
        let g = &self.case.geometry;
        let put = |data: &[f64], shape: &[usize]| {
            let data = data.iter().map(|v| T::of(*v)).collect::<Vec<_>>();
            let array = Array::from_vec(data, shape).expect("array");
            card.map_or_else(|| array.duplicate(), |card| card.take(&array)).expect("array")
        };
        let (x, w) = (put(&self.x, &self.case.input), put(&self.w, &self.weight));
        let (b, dy) = (put(&self.b, &[self.case.output]), put(&self.dy, &self.output));
        let extent: [usize; 3] = std::array::from_fn(|a| self.case.input[a + 2]);
        let (ws, sums) = (&mut Workspace::new(), conv3d::Sums::Plain);
        let y = conv3d::forward_as(&x, &w, Some(&b), g, sums, ws).expect("forward");
        let rectified = conv3d::forward_rectified(&x, &w, Some(&b), g, ws).expect("forward");
        let dx = conv3d::grad_input_as(&dy, &w, g, extent, sums, ws).expect("by input");
        let dw = conv3d::grad_weight(&x, &dy, g, ws).expect("by weight");
        assert_eq!(y.on_host(), card.is_none());
        assert_eq!((y.shape(), dx.shape()), (&self.output[..], &self.case.input[..]));
        let [y, rectified, dx, dw] = [y, rectified, dx, dw].map(|a| a.to_f64().expect("host"));
        Made { y, rectified, dx, dw }
    }

    /// By our own kernels.
    fn made_by_ours<T: Real>(&self, card: &Card) -> Made {
        let put = |data: &[f64], shape: &[usize]| {
            let data = data.iter().map(|v| T::of(*v)).collect::<Vec<_>>();
            card.take(&Array::from_vec(data, shape).expect("array")).expect("array")
        };
        let (x, w) = (put(&self.x, &self.case.input), put(&self.w, &self.weight));
        let (b, dy) = (put(&self.b, &[self.case.output]), put(&self.dy, &self.output));
        let shapes = self.shapes();
        let forward = |rectify| own_forward(card, [&x, &w], Some(&b), &shapes, rectify);
        let made = [
            forward(false),
            forward(true),
            own_grad_input(card, [&dy, &w], &shapes),
            own_grad_weight(card, [&x, &dy], &shapes),
        ];
        let [y, rectified, dx, dw] = made.map(|a| a.expect("made").to_f64().expect("host"));
        Made { y, rectified, dx, dw }
    }

    fn shapes(&self) -> Shapes<'_> {
        let [batch, inputs, input @ ..] = self.case.input;
        let [_, outputs, output @ ..] = self.output;
        let channels = [inputs, outputs];
        Shapes {
            geometry: &self.case.geometry,
            batch,
            channels,
            input,
            output,
            precision: Precision::F32,
        }
    }

    /// Largest differences over largest numbers: output, gradients.
    fn gaps(&self, made: &Made) -> [f64; 3] {
        [(&made.y, &self.y), (&made.dx, &self.dx), (&made.dw, &self.dw)].map(|(a, b)| gap(a, b))
    }

    /// All that must hold, within `limit`.
    fn hold<T: Real>(&self, card: &Card, limit: f64) {
        for made in [self.made::<T>(Some(card)), self.made_by_ours::<T>(card)] {
            self.hold_made(&made, limit);
        }
        #[cfg(feature = "cudnn")]
        self.hold_cudnn(card, limit);
    }

    /// What cuDNN makes in f32, where it serves.
    #[cfg(feature = "cudnn")]
    fn hold_cudnn(&self, card: &Card, limit: f64) {
        let put = |data: &[f64], shape: &[usize]| {
            let data = data.iter().map(|v| *v as f32).collect::<Vec<_>>();
            card.take(&Array::from_vec(data, shape).expect("array")).expect("array")
        };
        let (x, w) = (put(&self.x, &self.case.input), put(&self.w, &self.weight));
        let (dy, shapes) = (put(&self.dy, &self.output), self.shapes());
        let voxels: usize = self.output[2..].iter().product();
        let linear = |(at, y): (usize, &f64)| y - self.b[at / voxels % self.case.output];
        let y: Vec<f64> = self.y.iter().enumerate().map(linear).collect();
        for (pass, arrays, truth) in [
            (Pass3d::Forward, [&x, &w], &y),
            (Pass3d::ByInput, [&dy, &w], &self.dx),
            (Pass3d::ByWeight, [&x, &dy], &self.dw),
        ] {
            let made = super::super::cudnn::made(card, pass, arrays, &shapes).expect("asked");
            let Some(made) = made else { continue };
            let apart = gap(&made.to_f64().expect("host"), truth);
            // Its sums are its own: 4e-6 off on a card, of weights that 18468 voxels go into.
            assert!(apart <= limit.max(1e-5), "{pass:?} {apart} {:?}", self.case);
        }
    }

    fn hold_made(&self, made: &Made, limit: f64) {
        let gaps = self.gaps(made);
        // A NaN is not below a limit.
        assert!(gaps.iter().all(|gap| *gap <= limit), "{gaps:?} {:?}", self.case);
        let positive = |v: &f64| if *v > 0.0 { *v } else { 0.0 };
        assert_eq!(made.rectified, made.y.iter().map(positive).collect::<Vec<_>>());
        // ⟨Wx, dy⟩ = ⟨x, Wᵀdy⟩ = ⟨W, ∂W⟩, the bias taken off.
        let voxels: usize = self.output[2..].iter().product();
        let linear = |(at, y): (usize, &f64)| y - self.b[at / voxels % self.case.output];
        let y: Vec<f64> = made.y.iter().enumerate().map(linear).collect();
        let scale = (dot(&y, &y) * dot(&self.dy, &self.dy)).sqrt().max(f64::MIN_POSITIVE);
        for other in [dot(&self.x, &made.dx), dot(&self.w, &made.dw)] {
            assert!((dot(&y, &self.dy) - other).abs() <= limit * scale, "{:?}", self.case);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn gap(got: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(got.len(), truth.len());
    let scale = truth.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let worse = |m: f64, d: f64| if m.is_nan() || d <= m { m } else { d };
    got.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, worse) / scale
}

fn case(input: [usize; 5], output: usize, geometry: ConvGeometry) -> Case {
    Case { input, output, geometry }
}

/// Any window, step, distance, padding and groups.
fn random(s: &mut Stream) -> Case {
    let mut from = |low: usize, high: usize| low + s.below(high - low + 1);
    let groups = [1, 1, 1, 2, 3][from(0, 4)];
    let mut three = |low, high| [from(low, high), from(low, high), from(low, high)];
    let (kernel, stride, dilation) = (three(1, 4), three(1, 3), three(1, 3));
    let (pad_before, pad_after, more) = (three(0, 3), three(0, 3), three(0, 6));
    let geometry = ConvGeometry { kernel, stride, dilation, pad_before, pad_after, groups };
    let reach = |a: usize| dilation[a] * (kernel[a] - 1) + 1;
    let extent =
        |a: usize| (reach(a) + more[a]).saturating_sub(pad_before[a] + pad_after[a]).max(1);
    let (batch, inputs, outputs) = (from(1, 2), from(1, 4), [1, 2, 3, 5, 8, 11][from(0, 5)]);
    let input = [batch, inputs * groups, extent(0), extent(1), extent(2)];
    case(input, outputs * groups, geometry)
}

#[test]
fn any_geometry_is_as_nested_loops_have_it() {
    let Some(card) = card() else { return };
    let mut s = Seed(6).stream("cuda/convolution/any");
    for _ in 0..60 {
        let truth = random(&mut s).truth(&mut s);
        truth.hold::<f64>(card, 1e-13);
        truth.hold::<f32>(card, 3e-6);
    }
}

/// One case or more for each kernel, with all of the channels that it may have.
#[test]
fn every_kernel_is_as_nested_loops_have_it() {
    let Some(card) = card() else { return };
    let mut s = Seed(6).stream("cuda/convolution/kernels");
    let same = ConvGeometry::same;
    let cases = [
        case([1, 1, 7, 9, 11], 1, same(3)),
        case([2, 2, 7, 9, 11], 8, same(3)),
        case([2, 19, 5, 6, 7], 16, same(3)),
        case([1, 16, 5, 7, 6], 33, same(3)),
        case([1, 64, 3, 3, 3], 70, same(3)),
        // Enough voxels for the large tiles, and for many parts of the gradient by the weights.
        case([1, 1, 41, 41, 41], 16, same(1)),
        case([1, 2, 33, 32, 33], 20, same(1)),
        case([2, 1, 26, 26, 26], 40, same(1)),
        // More products than one level of a sum, 17 channels of each of two groups.
        case([1, 34, 4, 4, 5], 34, ConvGeometry { groups: 2, ..same(3) }),
        // Windows whose places need more bits than a word has.
        case([2, 2, 6, 5, 7], 3, same(11)),
        case([1, 4, 12, 12, 12], 6, ConvGeometry { groups: 2, ..ConvGeometry::valid(12) }),
        // A step larger than the window: inputs that nothing reads have gradient 0.
        case([1, 3, 8, 9, 10], 4, ConvGeometry { stride: [3, 4, 2], ..same(1) }),
    ];
    for case in cases {
        let truth = case.truth(&mut s);
        truth.hold::<f64>(card, 1e-13);
        truth.hold::<f32>(card, 3e-6);
    }
}

/// Windows side by side, in volumes and channels that do and do not fill boxes, fours and bands; many
/// samples, so that blocks suffice.
#[test]
fn windows_side_by_side_are_as_nested_loops_have_it() {
    let Some(card) = card() else { return };
    let mut s = Seed(6).stream("cuda/convolution/near");
    let same = ConvGeometry::same(3);
    let uneven = ConvGeometry { pad_before: [0, 1, 2], pad_after: [2, 0, 1], ..same };
    for (case, gradient) in [
        (case([24, 30, 3, 4, 5], 32, same), true),
        (case([96, 4, 4, 5, 8], 16, same), true),
        (case([24, 27, 2, 3, 8], 26, uneven), true),
        (case([48, 12, 4, 2, 3], 18, ConvGeometry { groups: 2, ..same }), true),
        (case([96, 1, 5, 7, 9], 8, same), true),
        // Several boxes along every axis.
        (case([11, 1, 16, 16, 32], 8, same), true),
        (case([48, 4, 5, 3, 6], 10, ConvGeometry { groups: 2, ..uneven }), true),
        (case([3, 4, 9, 19, 37], 31, uneven), false),
        // Several boxes of a sample to a block of the gradient by the weights.
        (case([3, 16, 9, 19, 36], 32, same), true),
        (case([1, 1, 40, 17, 52], 23, same), false),
    ] {
        let truth = case.truth(&mut s);
        let near = |work: &Work, outputs: usize| {
            let boxes = work.near().map(|places| Boxes::of(places, &truth.shapes(), outputs));
            boxes.flatten().is_some()
        };
        let (shapes, [inputs, outputs]) = (truth.shapes(), truth.shapes().grouped());
        assert!(near(&shapes.forward(), outputs), "{:?}", truth.case);
        assert_eq!(near(&shapes.backward()[0], inputs), gradient, "{:?}", truth.case);
        let boxes = shapes.forward().near().map(Boxes::cover).expect("windows side by side");
        assert!(boxes.parts(&shapes, DType::F32).is_some(), "{:?}", truth.case);
        assert!(boxes.parts(&shapes, DType::F64).is_some(), "{:?}", truth.case);
        truth.hold::<f64>(card, 1e-13);
        truth.hold::<f32>(card, 3e-6);
    }
    let stepping = ConvGeometry { stride: [1, 2, 1], ..same };
    assert!(case([24, 3, 4, 4, 4], 32, stepping).truth(&mut s).shapes().forward().near().is_none());
}

#[cfg(feature = "cudnn")]
#[test]
fn cudnn_is_asked_for_less_than_f32_where_it_pays_and_for_wide_windows() {
    let asked = |precision, channels, groups, window: usize| {
        let geometry = ConvGeometry { groups, ..ConvGeometry::same(window) };
        let (input, output) = ([12; 3], [12; 3]);
        let shapes = Shapes { geometry: &geometry, batch: 1, channels, input, output, precision };
        asked_of_cudnn(&shapes)
    };
    for less in [Precision::Tf32, Precision::Bf16] {
        assert_eq!(asked(less, [32, 32], 1, 3), Some(less));
        for (channels, groups) in [([31, 32], 1), ([32, 31], 1), ([32, 32], 2)] {
            assert_eq!(asked(less, channels, groups, 3), None, "{channels:?}");
        }
        // Few channels are f32 also where our tiles are not wide enough.
        assert_eq!(asked(less, [1, 8], 1, 11), Some(Precision::F32));
        assert_eq!(asked(less, [32, 32], 1, 11), Some(less));
    }
    assert_eq!(asked(Precision::F32, [64, 64], 1, 3), None);
    assert_eq!(asked(Precision::F32, [64, 64], 1, 11), Some(Precision::F32));
}

#[test]
fn tiles_are_chosen_by_channels_and_made_smaller_where_few_would_be_made() {
    let kernel = |outputs: usize, voxels: usize| {
        let blocks = |t: &Tile| outputs.div_ceil(t.outputs) * voxels.div_ceil(t.voxels);
        choose(TILES, outputs, blocks).kernel
    };
    let few = [1, 2, 3, 8, 9, 17, 64].map(|outputs| kernel(outputs, 1000));
    let small = "convolve_32x64";
    assert_eq!(few[..4], ["convolve_2", "convolve_2", "convolve_8", "convolve_8"]);
    assert_eq!(few[4..], [small, small, small]);
    let many = [1, 8, 16, 32, 64, 512].map(|outputs| kernel(outputs, 1 << 20));
    let wide = "convolve_64x128";
    assert_eq!(many[..3], ["convolve_2", "convolve_8", "convolve_16x256"]);
    assert_eq!(many[3..], ["convolve_32x128", wide, wide]);
    assert_eq!(kernel(64, 132 * 128), "convolve_32x128");
}

#[test]
fn division_by_multiplication_is_division() {
    let mut s = Seed(6).stream("cuda/convolution/division");
    let edge = (1u64 << 31) - 1;
    let some: Vec<u64> = (0..200).map(|_| 1 + s.below(edge as usize) as u64).collect();
    for by in (1..300).chain((0..31).flat_map(|e| [1 << e, (1 << e) + 1])).chain(some.clone()) {
        let Divider { times, shift, .. } = Divider::new(by as usize);
        let divided = |n: u64| (n * u64::from(times)) >> shift;
        let near = [edge / by * by, (edge / by * by).saturating_sub(1), by - 1, by.min(edge), edge];
        for n in near.into_iter().chain(some.iter().copied()) {
            assert_eq!(divided(n), n / by, "{n} / {by}");
        }
    }
}

#[test]
fn the_same_bits_come_again() {
    let Some(card) = card() else { return };
    let (mut s, mut cases) = (Seed(6).stream("cuda/convolution/again"), Vec::new());
    for (channels, side) in [([1, 8], 16), ([8, 16], 11), ([33, 40], 5)] {
        let [inputs, outputs] = channels;
        let g = ConvGeometry { stride: [1, 2, 1], ..ConvGeometry::same(3) };
        cases.push(case([2, inputs, side, side + 1, side + 2], outputs, g));
    }
    // Boxes, many parts of several.
    cases.push(case([48, 12, 4, 2, 3], 18, ConvGeometry { groups: 2, ..ConvGeometry::same(3) }));
    for case in cases {
        let truth = case.truth(&mut s);
        let [one, two, three] = [(); 3].map(|()| truth.made_by_ours::<f32>(card));
        for other in [two, three] {
            assert_eq!(one.y, other.y);
            assert_eq!(one.dx, other.dx);
            assert_eq!(one.dw, other.dw);
        }
    }
}

#[test]
fn sums_of_f32_are_no_worse_than_on_the_host() {
    let Some(card) = card() else { return };
    let mut s = Seed(6).stream("cuda/convolution/error");
    for (batch, inputs, outputs, extent) in [
        (1, 1, 8, [16, 15, 17]),
        (1, 32, 8, [6, 7, 8]),
        (1, 64, 40, [5, 4, 4]),
        // Boxes: many channels of enough samples, and parts of sixteen boxes.
        (24, 30, 32, [4, 5, 6]),
        (80, 32, 32, [2, 3, 4]),
    ] {
        let input = [batch, inputs, extent[0], extent[1], extent[2]];
        let truth = case(input, outputs, ConvGeometry::same(3)).truth(&mut s);
        let there = truth.gaps(&truth.made_by_ours::<f32>(card));
        let here = truth.gaps(&truth.made::<f32>(None));
        println!("{inputs} to {outputs}: card {there:?}, host {here:?}");
        for (there, here) in there.into_iter().zip(here) {
            // Largest of a few thousand rounding errors, which differ by chance; 2e-7 is three
            // halves of the last bit of the largest number.
            assert!(there <= 1.5 * here.max(2e-7), "{there} {here}");
        }
    }
}
