//! Signed distances of simple solids, in mm: negative inside, roughly the distance to the
//! surface near it. All points are in the anatomy's own frame (RAS+ mm).

/// A point or a vector, in mm.
pub(crate) type Point = [f32; 3];

/// Length of a vector.
pub(crate) fn length(v: Point) -> f32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

/// Difference of two points.
pub(crate) fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// An axis-aligned ellipsoid with its semi-axes in mm. The distance is first order: exact
/// on the surface, good near it.
pub(crate) fn ellipsoid(p: Point, centre: Point, semi: Point) -> f32 {
    let d = minus(p, centre);
    let q = [d[0] / semi[0], d[1] / semi[1], d[2] / semi[2]];
    let k0 = length(q);
    let k1 = length([q[0] / semi[0], q[1] / semi[1], q[2] / semi[2]]);
    if k1 < 1e-9 { -semi[0].min(semi[1]).min(semi[2]) } else { k0 * (k0 - 1.0) / k1 }
}

/// A tube along straight pieces, its radius (mm) changing linearly from knot to knot.
/// `flat` divides the x distance, so that values below one make the section tall; `thick`
/// multiplies the radii.
pub(crate) fn tube(p: Point, knots: &[(Point, f32)], flat: f32, thick: f32) -> f32 {
    let mut best = f32::INFINITY;
    for pair in knots.windows(2) {
        let ((a, ra), (b, rb)) = (pair[0], pair[1]);
        let (pa, ba) = (minus(p, a), minus(b, a));
        let dot = pa[0] * ba[0] + pa[1] * ba[1] + pa[2] * ba[2];
        let t = (dot / (ba[0] * ba[0] + ba[1] * ba[1] + ba[2] * ba[2])).clamp(0.0, 1.0);
        let away = [(pa[0] - t * ba[0]) / flat, pa[1] - t * ba[1], pa[2] - t * ba[2]];
        best = best.min(length(away) - thick * (ra + t * (rb - ra)));
    }
    best
}

/// The smaller of two distances, rounded over `k` mm where they meet.
pub(crate) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - 0.25 * h * h * k
}

/// The larger of two distances, rounded over `k` mm where they meet.
pub(crate) fn smooth_max(a: f32, b: f32, k: f32) -> f32 {
    -smooth_min(-a, -b, k)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn ramp(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_zero_on_the_surface_and_change_sign_through_it() {
        let e = |x| ellipsoid([x, 0.0, 0.0], [1.0, 0.0, 0.0], [4.0, 2.0, 3.0]);
        assert!(e(5.0).abs() < 1e-5 && e(4.9) < 0.0 && e(5.1) > 0.0);
        let t =
            |y| tube([0.0, y, 0.0], &[([-5.0, 0.0, 0.0], 1.0), ([5.0, 0.0, 0.0], 3.0)], 1.0, 1.0);
        assert!(t(2.0).abs() < 1e-5 && t(1.9) < 0.0);
    }

    #[test]
    fn smooth_minimum_is_never_above_the_minimum() {
        assert!(smooth_min(1.0, 1.0, 2.0) < 1.0);
        assert_eq!(smooth_min(1.0, 9.0, 2.0), 1.0);
    }
}
