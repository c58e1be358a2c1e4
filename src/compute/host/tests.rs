//! The kernels of every set of instructions against the f64 reference, over random geometries.
//! Builds with debug assertions check every range a kernel reads. Miri gets fewer and smaller cases.

use super::choice::{Conv, Sums};
use super::conv3d::Channels;
use super::correlation::{Correlation, Packed};
use super::gemm::{View, ViewMut, product};
use super::isa::Isa;
use super::kernels::Kernels;
use super::pass::Pass;
use super::{winograd, winograd_weight};
use crate::compute::{ConvGeometry, reference};
use crate::seed::{Seed, Stream};

/// Most products of one input channel in a case for Miri.
const MIRIS_MOST: usize = 4000;

/// A convolution with its numbers and the reference's answers.
struct Case {
    geometry: ConvGeometry,
    channels: Channels,
    input: [usize; 3],
    output: [usize; 3],
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
    y: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

fn three(s: &mut Stream, low: usize, high: usize) -> [usize; 3] {
    std::array::from_fn(|_| low + s.below(high - low + 1))
}

/// Every set of instructions that this processor has.
fn sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

fn draws(s: &mut Stream, n: usize) -> Vec<f32> {
    (0..n).map(|_| s.normal() as f32).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

/// Any window, or a cube of 3 with step 1; extents up to `extent`, channels up to `most`.
fn case(s: &mut Stream, cube: bool, extent: usize, most: usize) -> Option<Case> {
    let groups = if cube { 1 } else { 1 + s.below(3) };
    let any = ConvGeometry {
        kernel: three(s, 1, 4),
        stride: three(s, 1, 3),
        pad_before: three(s, 0, 4),
        pad_after: three(s, 0, 4),
        dilation: three(s, 1, 3),
        groups,
    };
    let (pad_before, pad_after) = (three(s, 0, 3), three(s, 0, 3));
    let geometry =
        if cube { ConvGeometry { pad_before, pad_after, ..ConvGeometry::same(3) } } else { any };
    let input = three(s, 1, extent);
    let channels = Channels {
        batch: 1 + s.below(2),
        input: groups * (1 + s.below(most)),
        output: groups * (1 + s.below(most)),
        groups,
    };
    of(s, geometry, channels, input)
}

/// The case of a convolution; none where the window does not fit, or that is too large for Miri.
fn of(
    s: &mut Stream,
    geometry: ConvGeometry,
    channels: Channels,
    input: [usize; 3],
) -> Option<Case> {
    let output = geometry.output(input).ok()?;
    let groups = channels.groups;
    let Channels { batch, input: c_in, output: c_out, .. } = channels;
    let len = |e: [usize; 3]| e.iter().product::<usize>();
    if cfg!(miri) && batch * c_out * len(output) * geometry.taps() > MIRIS_MOST {
        return None;
    }
    let x = draws(s, batch * c_in * len(input));
    let w = draws(s, c_out * c_in / groups * geometry.taps());
    let b = draws(s, c_out);
    let dy = draws(s, batch * c_out * len(output));
    let shape = [batch, c_in, input[0], input[1], input[2]];
    let (xw, ww, dyw) = (wide(&x), wide(&w), wide(&dy));
    let mut y = reference::conv3d(&xw, shape, &ww, c_out, &geometry).expect("reference");
    for (at, y) in y.iter_mut().enumerate() {
        *y += f64::from(b[at / len(output) % c_out]);
    }
    let dx = reference::conv3d_grad_input(&dyw, shape, &ww, c_out, &geometry).expect("reference");
    let dw = reference::conv3d_grad_weight(&xw, shape, &dyw, c_out, &geometry).expect("reference");
    Some(Case { geometry, channels, input, output, x, w, b, dy, y, dx, dw })
}

impl Case {
    /// `y`, `dx` and, where the kernels make it, `dw`.
    fn run(&self, isa: Isa, sums: Sums) -> [Vec<f32>; 3] {
        let Self { geometry, channels, input, output, .. } = self;
        let conv =
            Conv { geometry, channels: *channels, input: *input, output: *output, sums, isa };
        // What is not written would show.
        let blank = |n: usize| vec![f32::NAN; n];
        let (mut y, mut dx) = (blank(self.y.len()), blank(self.dx.len()));
        let mut dw = blank(self.dw.len());
        let room = &mut blank(if cfg!(miri) { 1 << 9 } else { 1 << 16 });
        conv.forward((&self.x, &self.w), (Some(&self.b), false), room, &mut y);
        conv.grad_input(&self.dy, &self.w, room, &mut dx);
        match conv.weight_room() {
            Some(room) => conv.grad_weight(&self.x, &self.dy, &mut blank(room), &mut dw),
            None => dw.clear(),
        }
        [y, dx, dw]
    }

    /// The same by Winograd's filtering, also where [`super::choice`] would not take it.
    fn filtered(&self, isa: Isa) -> [Vec<f32>; 3] {
        let (kernels, c, taps) = (Kernels::of(isa), self.channels, self.geometry.taps());
        let weight = |o: usize, ci: usize| &self.w[(o * c.input + ci) * taps..][..taps];
        let pass = Pass::forward(&self.geometry, self.input, self.output);
        let mut back = Pass::transposed(&self.geometry, self.input, self.output);
        let back = back.remove(0);
        assert!(winograd::fits(&pass, c) && winograd::fits(&back, c));
        let (mut y, mut dx) = (vec![f32::NAN; self.y.len()], vec![f32::NAN; self.dx.len()]);
        let mut dw = vec![f32::NAN; self.dw.len()];
        let room = |c| vec![f32::NAN; Packed::numbers(kernels, c, winograd::each(c))];
        let own = &mut room(c);
        let packed = &winograd::pack(kernels, c, &pass.taps, Some(&self.b), own, weight);
        let output_len = self.output.iter().product();
        Correlation { pass: &pass, channels: c, packed, rectify: false, output_len, kernels }
            .winograd(&self.x, &mut y);
        let partials = &mut vec![f32::NAN; winograd_weight::room(&pass, c)];
        winograd_weight::gradient(kernels, &pass, c, (&self.x, &self.dy), partials, &mut dw);
        let channels = Channels { input: c.output, output: c.input, ..c };
        let (weight, own) = (|i: usize, o: usize| weight(o, i), &mut room(channels));
        let packed = &winograd::pack(kernels, channels, &back.taps, None, own, weight);
        let output_len = self.input.iter().product();
        Correlation { pass: &back, channels, packed, rectify: false, output_len, kernels }
            .winograd(&self.dy, &mut dx);
        [y, dx, dw]
    }

    fn agrees(&self, [y, dx, dw]: &[Vec<f32>; 3]) {
        for (what, got, truth) in [("y", y, &self.y), ("dx", dx, &self.dx), ("dw", dw, &self.dw)] {
            let scale = truth.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
            for (at, (got, truth)) in got.iter().zip(truth).enumerate() {
                let apart = (f64::from(*got) - truth).abs();
                assert!(
                    apart <= 1e-5 * scale,
                    "{what}[{at}] is {got}, not {truth}: {:?} {:?} {:?}",
                    self.geometry,
                    self.channels,
                    self.input
                );
            }
        }
        // The adjoint law, on the kernels' own results: <y − b, dy> = <x, dx> = <w, dw>.
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let zero = |at: usize| {
            let len: usize = self.output.iter().product();
            f64::from(self.b[at / len % self.channels.output])
        };
        let plain: Vec<f64> =
            y.iter().enumerate().map(|(at, y)| f64::from(*y) - zero(at)).collect();
        let forward = dot(&plain, &wide(&self.dy));
        let back = dot(&wide(&self.x), &wide(dx));
        let size: f64 = plain.iter().zip(&self.dy).map(|(a, b)| (a * f64::from(*b)).abs()).sum();
        assert!((forward - back).abs() <= 1e-5 * (1.0 + size), "{forward} {back}");
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|v| v.to_bits()).collect()
}

/// Cases of one kind through every set of instructions.
fn try_all(purpose: &str, count: usize, cube: bool, extent: usize, most: usize) {
    let mut s = Seed(21).stream(purpose);
    let (count, mut tried) = (if cfg!(miri) { 4 } else { count }, 0);
    while tried < count {
        let Some(case) = case(&mut s, cube, extent, most) else { continue };
        tried += 1;
        for sums in [Sums::Any, Sums::Plain] {
            let made: Vec<(Isa, [Vec<f32>; 3])> =
                sets().map(|isa| (isa, case.run(isa, sums))).collect();
            made.iter().for_each(|(_, results)| case.agrees(results));
            let of = |isa: Isa| made.iter().find(|m| m.0 == isa).map(|m| &m.1);
            if let (Some(a), Some(b)) = (of(Isa::Avx2), of(Isa::Avx512)) {
                assert_eq!(bits(&a[0]), bits(&b[0]), "forward: {:?}", case.geometry);
                assert_eq!(bits(&a[1]), bits(&b[1]), "back: {:?}", case.geometry);
            }
        }
    }
}

#[test]
fn ten_thousand_geometries_agree_with_the_reference_on_all_instructions() {
    try_all("test/host/any", 9_000, false, 5, 2);
    if !cfg!(miri) {
        try_all("test/host/wide", 850, false, 7, 4);
        try_all("test/host/cube", 150, true, 20, 20);
    }
}

#[test]
fn winograds_filtering_agrees_with_the_reference_on_small_volumes() {
    let mut s = Seed(25).stream("test/host/small");
    let (count, extent) = if cfg!(miri) { (2, 4) } else { (300, 9) };
    let cases = std::iter::repeat_with(|| case(&mut s, true, extent, 5)).flatten();
    for case in cases.take(count) {
        sets().for_each(|isa| case.agrees(&case.filtered(isa)));
    }
}

#[test]
fn products_of_matrices_are_sums_of_products_whatever_the_strides() {
    let mut s = Seed(26).stream("test/host/product");
    for _ in 0..if cfg!(miri) { 6 } else { 200 } {
        let [m, n, k] = three(&mut s, 1, 9);
        let mut steps = |rows: usize, cols: usize| match s.below(2) {
            0 => [cols + s.below(3), 1],
            _ => [1, rows + s.below(3)],
        };
        let [[lr, lc], [rr, rc], [or, oc]] = [steps(m, k), steps(k, n), steps(m, n)];
        let reach =
            |[rows, cols]: [usize; 2], [r, c]: [usize; 2]| (rows - 1) * r + (cols - 1) * c + 1;
        let left = draws(&mut s, reach([m, k], [lr, lc]));
        let right = draws(&mut s, reach([k, n], [rr, rc]));
        let before = draws(&mut s, reach([m, n], [or, oc]));
        for accumulate in [false, true] {
            let mut data = before.clone();
            let out = ViewMut { data: &mut data, row_step: or, col_step: oc };
            let view = |data, row_step, col_step| View { data, row_step, col_step };
            product([m, n, k], view(&left, lr, lc), view(&right, rr, rc), out, accumulate);
            let mut want = wide(&before);
            for (r, c) in (0..m).flat_map(|r| (0..n).map(move |c| (r, c))) {
                let of = |i| f64::from(left[r * lr + i * lc]) * f64::from(right[i * rr + c * rc]);
                let at = &mut want[r * or + c * oc];
                *at = if accumulate { *at } else { 0.0 } + (0..k).map(of).sum::<f64>();
            }
            // what lies between the elements stays as it was
            for (got, want) in data.iter().zip(&want) {
                assert!((f64::from(*got) - want).abs() < 1e-5 * (1.0 + want.abs()), "{got} {want}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut s = Seed(22).stream("test/host/threads");
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let (one, three) = (pool(1).expect("pool"), pool(3).expect("pool"));
    let (count, extent, most) = if cfg!(miri) { (12, 4, 2) } else { (12, 24, 18) };
    for cube in [true, false].into_iter().cycle().take(count) {
        let Some(case) = case(&mut s, cube, extent, most) else { continue };
        for sums in [Sums::Any, Sums::Plain] {
            let a = one.install(|| case.run(Isa::chosen(), sums));
            let b = three.install(|| case.run(Isa::chosen(), sums));
            for (a, b) in a.iter().zip(&b) {
                assert_eq!(bits(a), bits(b), "{:?}", case.geometry);
            }
        }
    }
}

/// A 3³ window on planes so large, and between so many channels, that every kernel of
/// [`super::choice`] is worth it; odd extents and padding that differs from side to side.
fn large(s: &mut Stream) -> Case {
    let pads = |s: &mut Stream| three(s, 0, 2);
    loop {
        let (pad_before, pad_after) = (pads(s), pads(s));
        let geometry = ConvGeometry { pad_before, pad_after, ..ConvGeometry::same(3) };
        let input = [8 + s.below(3), 31 + s.below(5), 33 + s.below(4)];
        let channels = Channels { batch: 1 + s.below(2), input: 16, output: 17, groups: 1 };
        if let Some(case) = of(s, geometry, channels, input) {
            return case;
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours there; see the small volumes")]
fn winograds_weight_gradient_agrees_with_the_reference() {
    let mut s = Seed(24).stream("test/host/large");
    for _ in 0..3 {
        let case = large(&mut s);
        let pass = Pass::forward(&case.geometry, case.input, case.output);
        assert!(winograd::fits(&pass, case.channels));
        for isa in sets() {
            assert!(winograd_weight::worth(Kernels::of(isa), &pass, case.channels));
            case.agrees(&case.run(isa, Sums::Any));
        }
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let run =
            |threads| pool(threads).expect("pool").install(|| case.run(Isa::chosen(), Sums::Any));
        for (a, b) in run(1).iter().zip(&run(3)) {
            assert_eq!(bits(a), bits(b), "{:?}", case.geometry);
        }
    }
}

#[test]
fn negative_sums_become_zero_when_asked() {
    let mut s = Seed(23).stream("test/host/rectify");
    let (extent, most) = if cfg!(miri) { (4, 2) } else { (12, 9) };
    let small = std::iter::repeat_with(|| case(&mut s, false, extent, most)).flatten().next();
    let small = small.expect("a case that fits");
    let large = (!cfg!(miri)).then(|| large(&mut s));
    for case in std::iter::once(small).chain(large) {
        let Case { geometry, channels, input, output, .. } = &case;
        let (channels, input, output) = (*channels, *input, *output);
        let conv = Conv { geometry, channels, input, output, sums: Sums::Any, isa: Isa::chosen() };
        let (mut plain, mut cut) = (vec![0.0; case.y.len()], vec![0.0; case.y.len()]);
        let (given, room) = ((&*case.x, &*case.w), &mut Vec::new());
        conv.forward(given, (Some(&case.b), false), room, &mut plain);
        conv.forward(given, (Some(&case.b), true), room, &mut cut);
        let rectified: Vec<f32> = plain.iter().map(|v| v.max(0.0)).collect();
        assert_eq!(cut, rectified);
    }
}
