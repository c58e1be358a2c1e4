//! The parts in the middle and below: ventricles, deep nuclei, callosum, brainstem and
//! cerebellum, as signed distances (mm) in the anatomy's frame.
//!
//! Frame: RAS+ mm, the anterior commissure at the origin. Sizes are adult positions in MNI
//! space times 0.67, then adjusted by eye on a term-equivalent template.

use super::proportions::Traits;
use super::shape::{Point, ellipsoid, minus, smooth_min, tube};

/// Frontal horn, body, atrium and occipital horn; x counted outwards.
const VENTRICLE: [(Point, f32); 7] = [
    ([9.0, 23.0, 5.0], 2.0),
    ([6.6, 14.0, 9.0], 3.3),
    ([6.6, 1.0, 12.7], 3.1),
    ([9.5, -14.0, 13.5], 3.2),
    ([15.5, -25.5, 9.5], 4.5),
    ([17.3, -36.0, 5.5], 3.4),
    ([15.0, -47.0, 3.0], 1.6),
];

/// Temporal horn, from the atrium.
const TEMPORAL_HORN: [(Point, f32); 4] = [
    ([16.0, -25.5, 8.5], 3.2),
    ([21.5, -23.0, -1.0], 2.2),
    ([22.0, -13.0, -9.0], 1.7),
    ([21.0, -5.0, -11.0], 1.3),
];

/// Distance to a lateral ventricle; `p` with x counted outwards, `thick` the factor of
/// its diameter.
pub(crate) fn lateral_ventricle(p: Point, thick: f32) -> f32 {
    // Far away nobody asks how far.
    if p[2] < -29.0 || p[2] > 35.0 || p[0] > 40.0 || p[1] > 42.0 || p[1] < -66.0 {
        return 18.0;
    }
    tube(p, &VENTRICLE, 0.72, thick).min(tube(p, &TEMPORAL_HORN, 0.9, thick))
}

/// Distance to the third ventricle, a narrow slot between the thalami.
pub(crate) fn third_ventricle(p: Point) -> f32 {
    ellipsoid(p, [0.0, -9.0, -1.0], [1.5, 11.0, 7.0])
}

/// Distance to the fourth ventricle, between pons and vermis.
pub(crate) fn fourth_ventricle(p: Point) -> f32 {
    ellipsoid(p, [0.0, -26.5, -21.0], [4.2, 2.4, 6.0])
}

/// Distance to the thalamus; x counted outwards, `size` the factor of its length.
pub(crate) fn thalamus(p: Point, size: f32) -> f32 {
    let centre = [9.0, -13.5, 3.0];
    let q = turned(minus(p, centre), 0.35);
    ellipsoid(q, [0.0; 3], [7.3 * size, 11.5 * size, 7.8 * size])
}

/// Distance to the lentiform nucleus: a wedge lateral of the internal capsule.
pub(crate) fn lentiform(p: Point, size: f32) -> f32 {
    let q = turned(minus(p, [17.8, -0.5, 0.5]), -0.3);
    let s = [5.2 * size, 11.5 * size, 8.3 * size];
    // The medial face is cut obliquely, so that the internal capsule runs past it.
    let cut = -(q[0] + 3.3 * size) * 0.94 + 0.34 * (q[1].abs() - 4.0 * size).max(0.0);
    ellipsoid(q, [0.0; 3], s).max(cut)
}

/// Distance to the caudate nucleus: head beside the frontal horn, body and tail above.
pub(crate) fn caudate(p: Point, size: f32) -> f32 {
    let head = ellipsoid(p, [11.5, 14.0, 4.0], [3.8 * size, 7.0 * size, 6.2 * size]);
    const BODY: [(Point, f32); 3] =
        [([12.0, 11.0, 7.5], 2.6), ([12.3, -2.0, 13.5], 2.0), ([15.0, -14.0, 13.5], 1.4)];
    smooth_min(head, tube(p, &BODY, 1.0, size), 2.0)
}

/// Distance to the internal capsule's posterior limb, the first white matter to
/// myelinate.
pub(crate) fn internal_capsule(p: Point) -> f32 {
    const LIMB: [(Point, f32); 2] = [([13.5, -2.0, 3.0], 1.1), ([20.0, -14.0, 5.0], 1.3)];
    let mut q = p;
    q[2] = 4.0 + (p[2] - 4.0) * 0.25;
    tube(q, &LIMB, 1.0, 1.0)
}

/// Distance to the corpus callosum; `thick` the factor of its thickness. It ends where it
/// merges with the white matter of the hemispheres.
pub(crate) fn callosum(p: Point, thick: f32) -> f32 {
    const ARCH: [(Point, f32); 8] = [
        ([0.0, 17.0, 2.0], 0.9),
        ([0.0, 22.0, 6.5], 2.0),
        ([0.0, 20.0, 12.0], 1.7),
        ([0.0, 12.0, 15.5], 1.45),
        ([0.0, 0.0, 17.5], 1.4),
        ([0.0, -14.0, 17.0], 1.35),
        ([0.0, -24.0, 13.5], 1.7),
        ([0.0, -27.5, 9.5], 2.2),
    ];
    // The arch rises sideways over the ventricles.
    let bend = 0.012 * p[0] * p[0];
    let thin = thick * (1.0 - 0.55 * (p[0] / 10.0).powi(2).min(1.0));
    tube([0.0, p[1], p[2] - bend], &ARCH, 1.0, thin).max(p[0].abs() - 10.5)
}

/// Distance to the brainstem: midbrain, pons and medulla.
pub(crate) fn brainstem(p: Point) -> f32 {
    let midbrain = ellipsoid(p, [0.0, -15.5, -9.0], [10.5, 7.5, 7.5]);
    let pons = ellipsoid(p, [0.0, -16.5, -20.0], [10.5, 8.0, 9.0]);
    const MEDULLA: [(Point, f32); 2] = [([0.0, -20.0, -26.0], 6.3), ([0.0, -24.0, -43.0], 4.3)];
    smooth_min(smooth_min(midbrain, pons, 3.0), tube(p, &MEDULLA, 1.15, 1.0), 3.0)
}

/// The cerebellum at one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cerebellum {
    /// Distance to the hemisphere of this side (mm).
    pub(crate) hemisphere: f32,
    /// Distance to the vermis (mm).
    pub(crate) vermis: f32,
    /// Brightness factor: a pale core and folia.
    pub(crate) light: f32,
}

/// The cerebellum; x counted outwards, `size` the factor of its length.
pub(crate) fn cerebellum(p: Point, size: f32) -> Cerebellum {
    // Shrinks towards its stalk on the pons, where it is held.
    let stalk = [0.0, -29.0, -18.5];
    let q = minus(p, stalk).map(|v| v / size);
    let centre = [12.8, -9.5, -2.0];
    let semi = [13.5, 14.5, 11.5];
    let hemisphere = ellipsoid(q, centre, semi) * size;
    let vermis = ellipsoid(q, [0.0, -8.5, 0.5], [5.0, 12.0, 12.5]) * size;
    let inside = -hemisphere.min(vermis);
    let core = super::shape::ramp(3.5, 6.5, inside);
    // Folia follow the surface; the wave fades where the core begins.
    let turn = q[2] * 1.05 + 0.35 * q[1];
    let folia = 0.09 * (turn * 1.35).sin() * (1.0 - core);
    Cerebellum { hemisphere, vermis, light: 1.0 + folia + 0.24 * core }
}

/// All distances that decide what a point of the middle is; x counted outwards.
pub(crate) struct Middle {
    pub(crate) ventricle: f32,
    pub(crate) third: f32,
    pub(crate) fourth: f32,
    pub(crate) thalamus: f32,
    pub(crate) caudate: f32,
    pub(crate) lentiform: f32,
    pub(crate) callosum: f32,
    pub(crate) brainstem: f32,
}

/// Evaluates the middle at a point; `side` is 0 for left, 1 for right.
pub(crate) fn middle(p: Point, side: usize, traits: &Traits) -> Middle {
    Middle {
        ventricle: lateral_ventricle(p, traits.ventricle[side]),
        third: third_ventricle(p),
        fourth: fourth_ventricle(p),
        thalamus: thalamus(p, traits.deep_grey),
        caudate: caudate(p, traits.deep_grey),
        lentiform: lentiform(p, traits.deep_grey),
        callosum: callosum(p, traits.callosum),
        brainstem: brainstem(p),
    }
}

/// Turns a vector about the vertical axis (radians, small angles).
fn turned(v: Point, angle: f32) -> Point {
    let (s, c) = angle.sin_cos();
    [c * v[0] + s * v[1], -s * v[0] + c * v[1], v[2]]
}
