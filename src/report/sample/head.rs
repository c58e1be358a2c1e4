//! Fake heads: nested ellipsoids with ventricles and two spots of relevance.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::audit::record::{Picture, Plane, Slice};

/// Five cuts in each plane.
pub(super) fn picture(seed: usize, caption: &str) -> Picture {
    let planes = [Plane::Axial, Plane::Coronal, Plane::Sagittal];
    let cuts =
        planes.iter().flat_map(|p| (-2..=2).map(move |c| slice(*p, 10.0 * f64::from(c), seed)));
    Picture { caption: caption.to_owned(), colour_range: 0.012_34, slices: cuts.collect() }
}

/// A cut through nested ellipsoids with ventricles and two spots of relevance.
fn slice(plane: Plane, at: f64, seed: usize) -> Slice {
    let size = if plane == Plane::Axial {
        [48, 56]
    } else if plane == Plane::Coronal {
        [48, 48]
    } else {
        [56, 48]
    };
    let (mut anatomy, mut relevance, mut outline) = (vec![], vec![], vec![]);
    for v in 0..size[1] {
        for u in 0..size[0] {
            let (a, b) =
                (2.0 * (u as f64 + 0.5) - size[0] as f64, 2.0 * (v as f64 + 0.5) - size[1] as f64);
            let [x, y, z] = match plane {
                Plane::Axial => [a, b, at],
                Plane::Coronal => [a, at, b],
                Plane::Sagittal => [at, a, b],
            };
            let ball = |c: [f64; 3], r: [f64; 3]| {
                ((x - c[0]) / r[0]).powi(2)
                    + ((y - c[1]) / r[1]).powi(2)
                    + ((z - c[2]) / r[2]).powi(2)
            };
            let noise = ((u * 73 + v * 151 + seed * 31) % 17) as f64;
            let fold = 6.0 * ((x * 0.5).sin() * (y * 0.43).cos() * (z * 0.47).cos());
            let ventricle = ball([x.signum() * 9.0, -2.0, 4.0], [5.0, 17.0, 8.0]);
            let grey = match ball([0.0; 3], [40.0, 50.0, 40.0]) {
                _ if ventricle < 1.0 => 225.0,
                r if r < 0.72 + 0.01 * fold => 150.0 + noise,
                r if r < 0.9 => 95.0 + noise,
                r if r < 1.0 => 210.0,
                r if r < 1.12 => 40.0,
                _ => 3.0,
            };
            anatomy.push(grey as u8);
            let spot = (-ball([18.0, 14.0, 6.0], [9.0, 9.0, 9.0])).exp()
                - 0.7 * (-ball([-20.0, -16.0, -4.0], [8.0, 10.0, 8.0])).exp();
            let haze = 0.04 * (noise - 8.0) / 8.0;
            relevance.push(((spot + haze).clamp(-1.0, 1.0) * 127.0) as i8 as u8);
            outline.push(u8::from(ball([18.0, 14.0, 6.0], [9.0, 9.0, 9.0]) < 1.0));
        }
    }
    Slice {
        plane,
        position_mm: at,
        size,
        pixel_mm: [2.0, 2.0],
        anatomy: STANDARD.encode(anatomy),
        relevance: STANDARD.encode(relevance),
        outline: STANDARD.encode(outline),
    }
}
