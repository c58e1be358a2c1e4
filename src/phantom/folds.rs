//! Where the sulci run on a hemisphere: for every direction from its middle, how far the
//! next sulcus is and how deep it cuts.
//!
//! Sulci are the zero lines of warped noise on the hemisphere's surface. A part of the
//! noise is common to all heads and mirrored (the primary sulci everybody has), the rest
//! belongs to the subject and the side. Sampled once per subject on the faces of a cube,
//! because the noise is too slow to evaluate at every sample of the image.

use super::noise::Noise;
use super::shape::Point;

/// Points along an edge of a cube face.
const EDGE: usize = 40;
/// Semi-axes (mm) of the ellipsoid on which distances along the surface are measured.
pub(crate) const HULL: Point = [30.0, 56.0, 38.0];
/// Seed of the part of the folding that all heads share.
const COMMON: u64 = 0x5eed_f01d;

/// Sulci seen in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sulci {
    /// Distance along the surface to the next deep sulcus (mm).
    pub(crate) deep_at: f32,
    /// Distance along the surface to the next shallow sulcus (mm).
    pub(crate) shallow_at: f32,
    /// Local depth of folding relative to its mean, 0.5 to 1.4.
    pub(crate) depth: f32,
}

/// The folding pattern of one hemisphere.
#[derive(Debug, Clone)]
pub(crate) struct Folds {
    faces: Vec<Sulci>,
}

struct Pattern {
    common: Noise,
    own: Noise,
    warp: Noise,
    frequency: f32,
}

impl Pattern {
    fn at(&self, d: Point) -> f32 {
        let w = 0.22 * self.warp.at([d[0] * 2.1 + 11.0, d[1] * 2.1, d[2] * 2.1]);
        let q = [
            (d[0] + w) * self.frequency,
            (d[1] - 0.8 * w) * self.frequency,
            (d[2] + 0.6 * w) * self.frequency,
        ];
        self.common.at(q) + 0.45 * self.own.at([q[0] + 31.0, q[1], q[2]])
    }

    /// Distance on the hull, in mm, to the nearest zero of the pattern.
    fn distance(&self, d: Point) -> f32 {
        const STEP: f32 = 0.6;
        let here = self.at(d);
        let p = [d[0] * HULL[0], d[1] * HULL[1], d[2] * HULL[2]];
        let slope = (0..3)
            .map(|a| {
                let mut q = p;
                q[a] += STEP;
                let there = self.at(unit([q[0] / HULL[0], q[1] / HULL[1], q[2] / HULL[2]]));
                ((there - here) / STEP).powi(2)
            })
            .sum::<f32>()
            .sqrt();
        (here.abs() / slope.max(0.012)).min(20.0)
    }
}

fn unit(v: Point) -> Point {
    let n = super::shape::length(v).max(1e-6);
    [v[0] / n, v[1] / n, v[2] / n]
}

impl Folds {
    /// The pattern of a subject's side. `x` of directions points to the outside of the
    /// head on both sides, so that the common part is mirrored.
    pub(crate) fn new(seed: u64) -> Self {
        let deep = Pattern {
            common: Noise::new(COMMON),
            own: Noise::new(seed),
            warp: Noise::new(seed.rotate_left(17)),
            frequency: 2.15,
        };
        let shallow = Pattern {
            common: Noise::new(COMMON + 1),
            own: Noise::new(seed.rotate_left(29)),
            warp: Noise::new(seed.rotate_left(41)),
            frequency: 3.9,
        };
        let depth = Noise::new(seed.rotate_left(53));
        let mut faces = Vec::with_capacity(6 * EDGE * EDGE);
        for face in 0..6 {
            for v in 0..EDGE {
                for u in 0..EDGE {
                    let d = direction(face, u, v);
                    let local = 1.0 + 0.9 * depth.at([d[0] * 3.0, d[1] * 3.0, d[2] * 3.0]);
                    faces.push(Sulci {
                        deep_at: deep.distance(d),
                        shallow_at: shallow.distance(d),
                        depth: local.clamp(0.5, 1.4),
                    });
                }
            }
        }
        Self { faces }
    }

    /// The sulci in a direction (any length but zero).
    pub(crate) fn look(&self, d: Point) -> Sulci {
        let size = d.map(f32::abs);
        let axis = if size[0] >= size[1] && size[0] >= size[2] {
            0
        } else if size[1] >= size[2] {
            1
        } else {
            2
        };
        let face = 2 * axis + usize::from(d[axis] < 0.0);
        let scale = 0.5 * (EDGE - 1) as f32;
        let main = size[axis].max(1e-6);
        let place = |c: f32| ((c / main + 1.0) * scale).clamp(0.0, (EDGE - 1) as f32 - 1e-3);
        let (u, v) = (place(d[(axis + 1) % 3]), place(d[(axis + 2) % 3]));
        let (iu, iv) = (u as usize, v as usize);
        let (fu, fv) = (u - iu as f32, v - iv as f32);
        let start = (face * EDGE + iv) * EDGE + iu;
        let corner = [0, 1, EDGE, EDGE + 1].map(|o| self.faces[start + o]);
        let weight = [(1.0 - fu) * (1.0 - fv), fu * (1.0 - fv), (1.0 - fu) * fv, fu * fv];
        let mix = |f: fn(&Sulci) -> f32| (0..4).map(|c| weight[c] * f(&corner[c])).sum();
        Sulci {
            deep_at: mix(|s| s.deep_at),
            shallow_at: mix(|s| s.shallow_at),
            depth: mix(|s| s.depth),
        }
    }
}

fn direction(face: usize, u: usize, v: usize) -> Point {
    let axis = face / 2;
    let mut d = [0.0; 3];
    d[axis] = if face.is_multiple_of(2) { 1.0 } else { -1.0 };
    d[(axis + 1) % 3] = 2.0 * u as f32 / (EDGE - 1) as f32 - 1.0;
    d[(axis + 2) % 3] = 2.0 * v as f32 / (EDGE - 1) as f32 - 1.0;
    unit(d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_is_continuous_across_the_edges_of_the_cube() {
        let folds = Folds::new(9);
        for t in 0..20 {
            let z = t as f32 / 10.0 - 1.0;
            let (a, b) = (folds.look([1.0, 0.9999, z]), folds.look([0.9999, 1.0, z]));
            assert!((a.deep_at - b.deep_at).abs() < 0.2, "{a:?} {b:?}");
        }
    }

    #[test]
    fn sides_share_the_primary_sulci_but_are_not_equal() {
        let (one, two) = (Folds::new(1), Folds::new(2));
        let pairs: Vec<(f32, f32)> =
            one.faces.iter().zip(&two.faces).map(|(a, b)| (a.deep_at, b.deep_at)).collect();
        let n = pairs.len() as f32;
        let mean = |f: &dyn Fn(&(f32, f32)) -> f32| pairs.iter().map(f).sum::<f32>() / n;
        let (ma, mb) = (mean(&|p| p.0), mean(&|p| p.1));
        let cov = mean(&|p| (p.0 - ma) * (p.1 - mb));
        let va = mean(&|p| (p.0 - ma).powi(2));
        let vb = mean(&|p| (p.1 - mb).powi(2));
        let r = cov / (va * vb).sqrt();
        assert!((0.1..0.9).contains(&r), "{r}");
    }
}
