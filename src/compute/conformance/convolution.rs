//! Convolutions and dense layers against nested loops.

use half::bf16;

use super::{LIMIT, Row, apart, draws, gap, narrow};
use crate::Result;
use crate::compute::array::Array;
use crate::compute::geometry::ConvGeometry;
use crate::compute::precision::Precision;
use crate::compute::workspace::Workspace;
use crate::compute::{conv3d, dense, reference};
use crate::seed::Stream;

/// A convolution: what it is for, input `[n, c, k, j, i]`, output channels, window.
struct Case {
    why: &'static str,
    input: [usize; 5],
    output: usize,
    geometry: ConvGeometry,
}

fn case(why: &'static str, input: [usize; 5], output: usize, geometry: ConvGeometry) -> Case {
    Case { why, input, output, geometry }
}

/// Each corner that a kernel may turn otherwise: few and many channels, extents that fill no
/// vector, any window.
fn cases() -> Vec<Case> {
    let same = ConvGeometry::same;
    let valid = ConvGeometry::valid;
    vec![
        case("an image's first layer", [1, 1, 16, 16, 16], 8, same(3)),
        case("even extents", [2, 8, 8, 10, 12], 16, same(3)),
        case("odd extents", [1, 16, 9, 11, 13], 16, same(3)),
        case("many channels", [1, 32, 8, 8, 8], 32, same(3)),
        case("channels that fill no block", [1, 5, 9, 8, 10], 7, same(3)),
        case("into one channel", [1, 8, 10, 11, 12], 1, same(3)),
        case("a volume smaller than the window", [3, 4, 2, 1, 2], 4, same(3)),
        case("long rows", [1, 2, 3, 4, 67], 9, same(3)),
        case("no padding", [1, 8, 9, 9, 9], 8, valid(3)),
        case("window of 1", [2, 12, 7, 6, 5], 10, same(1)),
        case("window of 5", [1, 4, 9, 8, 11], 8, same(5)),
        case("window of 7", [1, 1, 12, 12, 12], 8, same(7)),
        case("window of 11", [1, 2, 6, 5, 7], 3, same(11)),
        case("many samples", [96, 4, 4, 5, 8], 16, same(3)),
        case("even window", [1, 4, 7, 8, 9], 4, valid(2)),
        case(
            "windows of three extents",
            [1, 3, 8, 9, 10],
            8,
            ConvGeometry { kernel: [1, 3, 5], pad_before: [0, 1, 2], ..same(3) },
        ),
        case("stride 2", [1, 8, 9, 10, 11], 8, ConvGeometry { stride: [2; 3], ..same(3) }),
        case(
            "window of 7, stride 2",
            [1, 1, 13, 12, 14],
            16,
            ConvGeometry { stride: [2; 3], ..same(7) },
        ),
        case(
            "window of 1, stride 2",
            [1, 8, 8, 9, 10],
            16,
            ConvGeometry { stride: [2; 3], ..same(1) },
        ),
        case("three strides", [1, 4, 9, 9, 9], 6, ConvGeometry { stride: [1, 2, 3], ..same(3) }),
        case(
            "dilation 2",
            [1, 8, 10, 9, 11],
            8,
            ConvGeometry { dilation: [2; 3], pad_before: [2; 3], pad_after: [2; 3], ..same(3) },
        ),
        case(
            "dilation and stride",
            [1, 4, 12, 11, 13],
            8,
            ConvGeometry { dilation: [2, 1, 3], stride: [2, 3, 1], ..same(3) },
        ),
        case(
            "padding on one side",
            [1, 8, 8, 9, 10],
            8,
            ConvGeometry { pad_before: [2, 0, 1], pad_after: [0, 2, 0], ..same(3) },
        ),
        case("groups", [2, 12, 8, 9, 8], 8, ConvGeometry { groups: 4, ..same(3) }),
        case("one channel a group", [1, 8, 9, 8, 10], 8, ConvGeometry { groups: 8, ..same(3) }),
        case(
            "groups and stride",
            [1, 6, 9, 8, 10],
            9,
            ConvGeometry { groups: 3, stride: [2; 3], ..same(3) },
        ),
    ]
}

/// Inputs and outputs of dense layers, after the number of samples.
const DENSE: [[usize; 3]; 4] = [[1, 7, 3], [5, 129, 2], [8, 1024, 128], [3, 33, 65]];

/// Dense layers.
pub fn dense_layers(stream: &mut Stream) -> Result<Vec<Row>> {
    DENSE.into_iter().map(|sizes| dense_layer(sizes, stream)).collect()
}

/// Convolutions in a precision.
pub fn convolutions(precision: Precision, stream: &mut Stream) -> Result<Vec<Row>> {
    cases().into_iter().map(|case| convolution(&case, precision, stream)).collect()
}

fn words(case: &Case) -> String {
    let by = |e: &[usize]| e.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let [n, c, extent @ ..] = case.input;
    format!("{}: {n}x{c} channels to {}, {}", case.why, case.output, by(&extent))
}

/// Name of the operation, and the most that a row may be off by: one rounding of what is made in bf16,
/// and sums of f32.
fn expected(precision: Precision) -> (&'static str, f64) {
    match precision {
        Precision::F32 => ("conv3d", LIMIT),
        Precision::Tf32 => ("conv3d, tf32", LIMIT),
        Precision::Bf16 => ("conv3d, bf16", 1.0 / 256.0 + LIMIT),
    }
}

/// In less than f32 of numbers that bf16 has, which no rounding of factors changes.
fn convolution(case: &Case, precision: Precision, stream: &mut Stream) -> Result<Row> {
    let &Case { input: xs, output: out, geometry: ref g, .. } = case;
    let extent = [xs[2], xs[3], xs[4]];
    let [k, j, i] = g.output(extent)?;
    let (ws, ys) =
        ([out, xs[1] / g.groups, g.kernel[0], g.kernel[1], g.kernel[2]], [xs[0], out, k, j, i]);
    let mut draw = |shape: [usize; 5]| {
        let mut drawn = draws(stream, shape.iter().product());
        if precision != Precision::F32 {
            drawn.iter_mut().for_each(|v| *v = bf16::from_f64(*v).to_f64());
        }
        drawn
    };
    let (x, w, dy) = (draw(xs), draw(ws), draw(ys));
    let (xa, wa, dya) = (narrow(&x, &xs)?, narrow(&w, &ws)?, narrow(&dy, &ys)?);
    let mut work = Workspace::new();
    let y = conv3d::forward_as(&xa, &wa, None, g, precision, &mut work)?;
    let dx = conv3d::grad_input_as(&dya, &wa, g, extent, precision, &mut work)?;
    let dw = conv3d::grad_weight_in(precision, &xa, &dya, g, &mut work)?;
    let (op, limit) = expected(precision);
    let whole = match precision {
        Precision::Bf16 => in_f32([&y, &dx, &dw])?,
        Precision::F32 | Precision::Tf32 => Vec::new(),
    };
    let (said, limit) = match whole.len() {
        0 => (String::new(), limit),
        3 => ("; made in f32".to_owned(), LIMIT),
        _ => (format!("; made in f32: {}", whole.join(", ")), limit),
    };
    Ok(Row {
        op,
        case: words(case) + &said,
        forward: gap(&y, &reference::conv3d(&x, xs, &w, out, g)?)?,
        grad_input: gap(&dx, &reference::conv3d_grad_input(&dy, xs, &w, out, g)?)?,
        grad_weight: Some(gap(&dw, &reference::conv3d_grad_weight(&x, xs, &dy, out, g)?)?),
        adjoint: Some(apart(&y, &dy, (&x, &dx))?.max(apart(&y, &dy, (&w, &dw))?)),
        limit,
    })
}

/// Which passes were made in f32, as cuDNN refused them in bf16 or was not asked: what they made has
/// numbers that bf16 has not.
fn in_f32(made: [&Array; 3]) -> Result<Vec<&'static str>> {
    let mut passes = Vec::new();
    for (pass, made) in ["output", "by input", "by weight"].into_iter().zip(made) {
        let rounded = |v: f64| v.is_nan() || bf16::from_f64(v).to_f64() == v;
        if !made.to_f64()?.into_iter().all(rounded) {
            passes.push(pass);
        }
    }
    Ok(passes)
}

/// A dense layer is a convolution of one voxel with a window of 1.
fn dense_layer([n, i, o]: [usize; 3], stream: &mut Stream) -> Result<Row> {
    let (x, w, dy) = (draws(stream, n * i), draws(stream, o * i), draws(stream, n * o));
    let (xa, wa, dya) = (narrow(&x, &[n, i])?, narrow(&w, &[o, i])?, narrow(&dy, &[n, o])?);
    let mut work = Workspace::new();
    let y = dense::forward(&xa, &wa, None, &mut work)?;
    let dx = dense::grad_input(&dya, &wa, &mut work)?;
    let dw = dense::grad_weight(&xa, &dya, &mut work)?;
    let (g, xs) = (ConvGeometry::valid(1), [n, i, 1, 1, 1]);
    Ok(Row {
        op: "dense",
        case: format!("{n} samples, {i} to {o}"),
        forward: gap(&y, &reference::conv3d(&x, xs, &w, o, &g)?)?,
        grad_input: gap(&dx, &reference::conv3d_grad_input(&dy, xs, &w, o, &g)?)?,
        grad_weight: Some(gap(&dw, &reference::conv3d_grad_weight(&x, xs, &dy, o, &g)?)?),
        adjoint: Some(apart(&y, &dy, (&x, &dx))?.max(apart(&y, &dy, (&w, &dw))?)),
        limit: LIMIT,
    })
}
