//! The truth the kernels are held to: nested loops in f64, no cleverness. Slow; for tests
//! and the conformance table only. Layouts as in [`super::conv3d`] and [`super::pool3d`].

use super::geometry::{ConvGeometry, PoolGeometry};
use crate::Result;

/// Calls `visit(output index, input index, weight index)` for every product of a
/// convolution with input `[n, c, k, j, i]` and `out` output channels.
fn products(
    x: [usize; 5],
    out: usize,
    g: &ConvGeometry,
    visit: &mut dyn FnMut(usize, usize, usize),
) -> Result<()> {
    let o = g.output([x[2], x[3], x[4]])?;
    let (cin, cout) = (x[1] / g.groups, out / g.groups);
    let [kk, kj, ki] = g.kernel;
    for n in 0..x[0] {
        for oc in 0..out {
            for p in 0..o[0] * o[1] * o[2] {
                let place = [p / (o[1] * o[2]), p / o[2] % o[1], p % o[2]];
                for c in 0..cin {
                    for t in 0..kk * kj * ki {
                        let tap = [t / (kj * ki), t / ki % kj, t % ki];
                        let at: [isize; 3] = std::array::from_fn(|a| {
                            (place[a] * g.stride[a] + tap[a] * g.dilation[a]) as isize
                                - g.pad_before[a] as isize
                        });
                        if (0..3).any(|a| at[a] < 0 || at[a] >= x[a + 2] as isize) {
                            continue;
                        }
                        let channel = n * x[1] + oc / cout * cin + c;
                        let voxel =
                            (at[0] as usize * x[3] + at[1] as usize) * x[4] + at[2] as usize;
                        visit(
                            (n * out + oc) * o[0] * o[1] * o[2] + p,
                            channel * x[2] * x[3] * x[4] + voxel,
                            (oc * cin + c) * kk * kj * ki + t,
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

/// `y = conv(x, w)` without bias; `out` output channels.
///
/// # Errors
/// As [`ConvGeometry::output`].
pub fn conv3d(
    x: &[f64],
    xs: [usize; 5],
    w: &[f64],
    out: usize,
    g: &ConvGeometry,
) -> Result<Vec<f64>> {
    let o = g.output([xs[2], xs[3], xs[4]])?;
    let mut y = vec![0.0; xs[0] * out * o.iter().product::<usize>()];
    products(xs, out, g, &mut |a, b, c| y[a] += x[b] * w[c])?;
    Ok(y)
}

/// Gradient with respect to the input.
///
/// # Errors
/// As [`ConvGeometry::output`].
pub fn conv3d_grad_input(
    dy: &[f64],
    xs: [usize; 5],
    w: &[f64],
    out: usize,
    g: &ConvGeometry,
) -> Result<Vec<f64>> {
    let mut dx = vec![0.0; xs.iter().product()];
    products(xs, out, g, &mut |a, b, c| dx[b] += dy[a] * w[c])?;
    Ok(dx)
}

/// Gradient with respect to the weight.
///
/// # Errors
/// As [`ConvGeometry::output`].
pub fn conv3d_grad_weight(
    x: &[f64],
    xs: [usize; 5],
    dy: &[f64],
    out: usize,
    g: &ConvGeometry,
) -> Result<Vec<f64>> {
    let mut dw = vec![0.0; out * xs[1] / g.groups * g.taps()];
    products(xs, out, g, &mut |a, b, c| dw[c] += dy[a] * x[b])?;
    Ok(dw)
}

/// For every pool window of one channel `[k, j, i]`: the input indices it covers.
///
/// # Errors
/// As [`PoolGeometry::output`].
pub fn windows(input: [usize; 3], g: &PoolGeometry) -> Result<Vec<Vec<usize>>> {
    let o = g.output(input)?;
    let mut all = Vec::with_capacity(o.iter().product());
    for p in 0..o[0] * o[1] * o[2] {
        let place = [p / (o[1] * o[2]), p / o[2] % o[1], p % o[2]];
        let mut covered = Vec::new();
        for t in 0..g.kernel.iter().product() {
            let tap =
                [t / g.kernel[2] / g.kernel[1], t / g.kernel[2] % g.kernel[1], t % g.kernel[2]];
            let at: [Option<usize>; 3] = std::array::from_fn(|a| {
                let at = place[a] * g.stride[a] + tap[a] * g.dilation[a];
                at.checked_sub(g.pad_before[a]).filter(|v| *v < input[a])
            });
            if let [Some(k), Some(j), Some(i)] = at {
                covered.push((k * input[1] + j) * input[2] + i);
            }
        }
        all.push(covered);
    }
    Ok(all)
}
