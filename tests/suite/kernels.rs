//! Kernels against the f64 reference, over random geometries, and the adjoint law.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace, conv3d, pool3d, reference};
use heatproof::seed::{Seed, Stream};

fn draws(stream: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| stream.normal()).collect()
}

fn three(s: &mut Stream, low: usize, high: usize) -> [usize; 3] {
    std::array::from_fn(|_| low + s.below(high - low + 1))
}

fn random_case(s: &mut Stream) -> Option<([usize; 5], usize, ConvGeometry)> {
    let groups = 1 + s.below(3);
    let g = ConvGeometry {
        kernel: three(s, 1, 4),
        stride: three(s, 1, 3),
        pad_before: three(s, 0, 2),
        pad_after: three(s, 0, 2),
        dilation: three(s, 1, 2),
        groups,
    };
    let e = three(s, 1, 9);
    let x = [1 + s.below(2), groups * (1 + s.below(3)), e[0], e[1], e[2]];
    let out = groups * (1 + s.below(3));
    g.output(e).ok().map(|_| (x, out, g))
}

fn close(kernel: &Array, truth: &[f64], tolerance: f64, what: &str) {
    let got = kernel.to_f64().expect("host");
    let scale = truth.iter().fold(1e-30, |m: f64, v| m.max(v.abs()));
    assert_eq!(got.len(), truth.len(), "{what}");
    let worst = got.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale;
    assert!(worst <= tolerance, "{what}: {worst:e}");
}

#[test]
fn convolution_and_both_gradients_agree_with_the_reference() {
    let mut s = Seed(11).stream("test/kernels/conv3d");
    let mut ws = Workspace::new();
    let mut tried = 0;
    while tried < 400 {
        let Some((xs, out, g)) = random_case(&mut s) else { continue };
        tried += 1;
        let wsh = [out, xs[1] / g.groups, g.kernel[0], g.kernel[1], g.kernel[2]];
        let (x, w) = (draws(&mut s, xs.iter().product()), draws(&mut s, wsh.iter().product()));
        let y = reference::conv3d(&x, xs, &w, out, &g).expect("reference");
        let o = g.output([xs[2], xs[3], xs[4]]).expect("fits");
        let ys = [xs[0], out, o[0], o[1], o[2]];
        let dy = draws(&mut s, y.len());
        let dx = reference::conv3d_grad_input(&dy, xs, &w, out, &g).expect("reference");
        let dw = reference::conv3d_grad_weight(&x, xs, &dy, out, &g).expect("reference");
        // adjoint law of the reference itself: <Wx, dy> = <x, W'dy> = <w, dw>
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (a, b, c) = (dot(&y, &dy), dot(&x, &dx), dot(&w, &dw));
        assert!((a - b).abs() + (a - c).abs() < 1e-9 * (1.0 + a.abs()), "{g:?}");
        for wide in [true, false] {
            let make = |data: &[f64], shape: &[usize]| {
                let array = Array::from_vec(data.to_vec(), shape).expect("shape");
                if wide { array } else { array.cast::<f32>().expect("cast") }
            };
            let tolerance = if wide { 1e-12 } else { 2e-5 };
            let (xa, wa, dya) = (make(&x, &xs), make(&w, &wsh), make(&dy, &ys));
            let input = [xs[2], xs[3], xs[4]];
            let ya = conv3d::forward(&xa, &wa, None, &g, &mut ws).expect("forward");
            close(&ya, &y, tolerance, "forward");
            let dxa = conv3d::grad_input(&dya, &wa, &g, input, &mut ws).expect("grad input");
            close(&dxa, &dx, tolerance, "grad input");
            let dwa = conv3d::grad_weight(&xa, &dya, &g, &mut ws).expect("grad weight");
            close(&dwa, &dw, tolerance, "grad weight");
        }
    }
}

#[test]
fn pools_agree_with_their_windows_and_conserve() {
    let mut s = Seed(12).stream("test/kernels/pool3d");
    let mut ws = Workspace::new();
    let mut tried = 0;
    while tried < 200 {
        let kernel = three(&mut s, 1, 3);
        let g = PoolGeometry {
            kernel,
            stride: three(&mut s, 1, 3),
            pad_before: kernel.map(|k| k / 2),
            pad_after: kernel.map(|k| k / 2),
            dilation: three(&mut s, 1, 2),
            count_padding: s.chance(0.5),
        };
        let e = three(&mut s, 1, 7);
        let Ok(windows) = reference::windows(e, &g) else { continue };
        if windows.iter().any(Vec::is_empty) {
            continue;
        }
        tried += 1;
        let x = draws(&mut s, e.iter().product());
        let xa = Array::from_vec(x.clone(), &[1, 1, e[0], e[1], e[2]]).expect("shape");
        let maxima = pool3d::max_forward(&xa, &g, &mut ws).expect("max");
        let truth: Vec<f64> = windows
            .iter()
            .map(|w| w.iter().map(|&v| x[v]).fold(f64::NEG_INFINITY, f64::max))
            .collect();
        close(&maxima.output, &truth, 0.0, "max pool");
        let r = pool3d::max_backward(&maxima.output, &maxima.places, &g, e, &mut ws).expect("back");
        let (a, b) = (maxima.output.sums().expect("sum").0, r.sums().expect("sum").0);
        assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()));
        let all = g.kernel.iter().product::<usize>() as f64;
        let mean = |w: &Vec<usize>| {
            let n = if g.count_padding { all } else { w.len() as f64 };
            w.iter().map(|&v| x[v]).sum::<f64>() / n
        };
        let averages: Vec<f64> = windows.iter().map(mean).collect();
        let ya = pool3d::average_forward(&xa, &g, &mut ws).expect("average");
        close(&ya, &averages, 1e-13, "average pool");
        // adjoint law
        let dy = draws(&mut s, averages.len());
        let dya = Array::from_vec(dy.clone(), ya.shape()).expect("shape");
        let dx =
            pool3d::average_backward(&dya, &g, e, &mut ws).expect("back").to_f64().expect("host");
        let left: f64 = averages.iter().zip(&dy).map(|(a, b)| a * b).sum();
        let right: f64 = x.iter().zip(&dx).map(|(a, b)| a * b).sum();
        assert!((left - right).abs() < 1e-10 * (1.0 + left.abs()));
    }
}

#[test]
fn a_nan_is_a_maximum_only_of_a_window_of_nans() {
    let n = f64::NAN;
    let x = [n, 1.0, 3.0, n, 2.0, 2.0, n, n, n, f64::NEG_INFINITY];
    let g = PoolGeometry { kernel: [1, 1, 2], stride: [1, 1, 2], ..PoolGeometry::tiles(1) };
    let x = Array::from_vec(x.to_vec(), &[1, 1, 1, 1, 10]).expect("shape");
    let m = pool3d::max_forward(&x, &g, &mut Workspace::new()).expect("max");
    let y = m.output.to_f64().expect("host");
    assert_eq!((&y[..3], y[4]), (&[1.0, 3.0, 2.0][..], f64::NEG_INFINITY));
    assert!(y[3].is_nan());
    let places = m.places.host().expect("host");
    assert_eq!((&places[..3], places[4]), (&[1, 2, 4][..], 9));
}
