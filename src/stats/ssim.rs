//! Structural similarity of two volumes.

use super::moments::{finite, require_finite, require_paired, sum};
use super::{Stat, Undefined, undefined};

/// Window over which local means and variances are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// All voxels of a cube of this odd edge count the same; variances divide by n − 1.
    Uniform(usize),
    /// Gaussian of this standard deviation in voxels, cut at 3.5 σ; variances divide by n.
    Gaussian(f64),
}

impl Window {
    fn weights(self) -> Result<Vec<f64>, Undefined> {
        match self {
            Self::Uniform(edge) if edge % 2 == 1 && edge > 1 => Ok(vec![1.0 / edge as f64; edge]),
            Self::Gaussian(sigma) if sigma.is_finite() && sigma > 0.0 && sigma < 1e3 => {
                let radius = (3.5 * sigma + 0.5) as i32;
                let bell = |d: i32| (-0.5 * (f64::from(d) / sigma).powi(2)).exp();
                let raw: Vec<f64> = (-radius..=radius).map(bell).collect();
                let total = sum(&raw);
                Ok(raw.iter().map(|w| w / total).collect())
            }
            other => undefined(format!("no window {other:?}")),
        }
    }

    /// n / (n − 1) for the sample covariance, or 1.
    fn correction(self) -> f64 {
        match self {
            Self::Uniform(edge) => {
                let n = (edge * edge * edge) as f64;
                n / (n - 1.0)
            }
            Self::Gaussian(_) => 1.0,
        }
    }
}

/// max − min over both volumes: the data range of [`ssim`] when none is given. Unit of
/// the volumes.
///
/// # Errors
/// Undefined without voxels or for values that are not finite.
pub fn shared_range(a: &[f64], b: &[f64]) -> Stat {
    require_finite(a)?;
    require_finite(b)?;
    if a.is_empty() || b.is_empty() {
        return undefined("the range of no voxels");
    }
    let ends = a.iter().chain(b).fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(*x), h.max(*x)));
    finite(ends.1 - ends.0, "the range")
}

/// Mean over voxels of
/// (2μₐμ_b + C₁)(2σₐ_b + C₂) / ((μₐ² + μ_b² + C₁)(σₐ² + σ_b² + C₂)),
/// C₁ = (0.01 L)², C₂ = (0.03 L)², L the data range (Wang et al. 2004; conventions of
/// scikit-image: only voxels whose whole window lies inside the volume count). With a
/// mask, only its voxels count; windows still reach beyond it. `shape` gives the three
/// axes, last one fastest. No unit, at most 1.
///
/// # Errors
/// Undefined when lengths disagree, a value is not finite, the volume is smaller than the
/// window, the data range is not positive, or no voxel of the mask counts.
pub fn ssim(
    a: &[f64],
    b: &[f64],
    shape: [usize; 3],
    window: Window,
    data_range: f64,
    mask: Option<&[bool]>,
) -> Stat {
    let [same, _] = ssim_of_signs(a, b, shape, window, data_range, mask)?;
    Ok(same)
}

/// [`ssim`] of a with b, and of a with −b, for the work of one. The larger of the two is what
/// Sixt et al. 2020 compare maps by whose sign is a coin toss.
///
/// # Errors
/// As [`ssim`].
pub fn ssim_of_signs(
    a: &[f64],
    b: &[f64],
    shape: [usize; 3],
    window: Window,
    data_range: f64,
    mask: Option<&[bool]>,
) -> Result<[f64; 2], Undefined> {
    require_paired(a.len(), b.len())?;
    require_paired(a.len(), shape.iter().product())?;
    require_finite(a)?;
    require_finite(b)?;
    if !(data_range.is_finite() && data_range > 0.0) {
        return undefined(format!("a data range of {data_range}"));
    }
    let weights = window.weights()?;
    if shape.iter().any(|n| *n < weights.len()) {
        return undefined(format!("the volume {shape:?} is smaller than {}³", weights.len()));
    }
    let local = |values: Vec<f64>| blur_inside(values, shape, &weights);
    let times = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).collect::<Vec<_>>();
    let (ma, mb) = (local(a.to_vec()), local(b.to_vec()));
    let (aa, bb, ab) = (local(times(a, a)), local(times(b, b)), local(times(a, b)));
    let (c1, c2) = ((0.01 * data_range).powi(2), (0.03 * data_range).powi(2));
    let n = window.correction();
    let at = |i: usize, sign: f64| {
        let (x, y) = (ma[i], sign * mb[i]);
        let (vx, vy) = (n * (aa[i] - x * x), n * (bb[i] - y * y));
        let cov = n * (sign * ab[i] - x * y);
        (2.0 * x * y + c1) * (2.0 * cov + c2) / ((x * x + y * y + c1) * (vx + vy + c2))
    };
    let kept: Vec<usize> = match mask {
        None => (0..ma.len()).collect(),
        Some(mask) => {
            require_paired(a.len(), mask.len())?;
            let inside = centres(shape, weights.len());
            inside.enumerate().filter(|(_, v)| mask[*v]).map(|(i, _)| i).collect()
        }
    };
    if kept.is_empty() {
        return undefined("no voxel of the mask has its whole window inside the volume");
    }
    let mean = |sign: f64| {
        let all: Vec<f64> = kept.iter().map(|&i| at(i, sign)).collect();
        finite(sum(&all) / all.len() as f64, "the similarity")
    };
    Ok([mean(1.0)?, mean(-1.0)?])
}

/// Index in the whole volume of each voxel whose window of `edge` lies inside.
fn centres(shape: [usize; 3], edge: usize) -> impl Iterator<Item = usize> {
    let r = edge / 2;
    let span = move |axis: usize| r..shape[axis] - r;
    span(0).flat_map(move |i| {
        span(1).flat_map(move |j| span(2).map(move |k| (i * shape[1] + j) * shape[2] + k))
    })
}

/// Weighted local mean, axis by axis, only where the window lies inside.
fn blur_inside(mut values: Vec<f64>, mut shape: [usize; 3], weights: &[f64]) -> Vec<f64> {
    for axis in 0..3 {
        let stride: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let kept = shape[axis] + 1 - weights.len();
        let mut out = vec![0.0; outer * kept * stride];
        for (block, target) in out.chunks_exact_mut(kept * stride).enumerate() {
            let source = &values[block * shape[axis] * stride..];
            for (t, w) in weights.iter().enumerate() {
                let shifted = &source[t * stride..];
                target.iter_mut().zip(shifted).for_each(|(o, v)| *o += w * v);
            }
        }
        shape[axis] = kept;
        values = out;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    const SHAPE: [usize; 3] = [9, 8, 10];

    fn noise(name: &str) -> Vec<f64> {
        let mut s = Seed(3).stream(name);
        (0..720).map(|_| s.normal()).collect()
    }

    #[test]
    fn four_oracles() {
        let x = noise("x");
        let inverted: Vec<f64> = x.iter().map(|v| -v).collect();
        let f = |y: &[f64]| {
            let range = shared_range(&x, y).expect("range");
            ssim(&x, y, SHAPE, Window::Uniform(7), range, None).expect("ssim")
        };
        assert!((f(&x) - 1.0).abs() < 1e-12);
        assert!(f(&inverted) < -0.5, "{}", f(&inverted));
        assert!(f(&noise("y")).abs() < 0.1 && f(&[0.0; 720]).abs() < 0.1);
        let w = Window::Uniform(7);
        let [same, turned] = ssim_of_signs(&x, &noise("y"), SHAPE, w, 8.0, None).expect("both");
        let of = |y: Vec<f64>| ssim(&x, &y, SHAPE, w, 8.0, None).expect("one");
        let flipped: Vec<f64> = noise("y").iter().map(|v| -v).collect();
        assert!((same, turned) == (of(noise("y")), of(flipped)));
        let flat = ssim(&[1.0; 720], &[1.0; 720], SHAPE, Window::Uniform(7), 0.0, None);
        assert!(flat.is_err(), "two constants have no range");
    }

    #[test]
    fn hand_worked_single_window() {
        // One window of 27: a = 0 … 26, b = a + 1: means 13, 14; all variances 63 (n − 1).
        let a: Vec<f64> = (0..27).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|v| v + 1.0).collect();
        let (c1, c2) = (0.01, 0.09);
        let want = (2.0 * 13.0 * 14.0 + c1) * (126.0 + c2)
            / ((13.0f64 * 13.0 + 14.0 * 14.0 + c1) * (126.0 + c2));
        let got = ssim(&a, &b, [3, 3, 3], Window::Uniform(3), 10.0, None).expect("one window");
        assert!((got - want).abs() < 1e-12);
    }

    #[test]
    fn a_mask_restricts_and_a_full_mask_does_not() {
        let (x, mut y) = (noise("x"), noise("x"));
        y[..80].fill(0.0); // the first slab differs
        let far: Vec<bool> = (0..720).map(|i| i / 80 >= 4).collect();
        let w = Window::Uniform(3);
        let masked = ssim(&x, &y, SHAPE, w, 1.0, Some(&far)).expect("masked");
        assert!((masked - 1.0).abs() < 1e-12);
        let whole = ssim(&x, &y, SHAPE, w, 1.0, None).expect("whole");
        assert!(whole < 0.99);
        assert_eq!(ssim(&x, &y, SHAPE, w, 1.0, Some(&[true; 720])), Ok(whole));
        assert!(ssim(&x, &y, SHAPE, w, 1.0, Some(&[false; 720])).is_err());
    }

    #[test]
    fn undefined_cases() {
        let x = noise("x");
        let f = |w, r| ssim(&x, &x, SHAPE, w, r, None);
        assert!(f(Window::Uniform(9), 1.0).is_err() && f(Window::Uniform(4), 1.0).is_err());
        assert!(f(Window::Gaussian(0.0), 1.0).is_err() && f(Window::Uniform(7), -1.0).is_err());
        assert!(ssim(&x, &x[1..], SHAPE, Window::Uniform(7), 1.0, None).is_err());
    }
}
