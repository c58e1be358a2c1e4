//! The hemispheres: their outline, and how deep below the folded surface a point lies.

use super::folds::{Folds, HULL};
use super::proportions::Traits;
use super::shape::{Point, ellipsoid, ramp, smooth_max, smooth_min};

/// Middle of a hemisphere, from which sulci radiate (x counted outwards, mm).
const MIDDLE: Point = [17.0, -10.0, 10.0];

/// Distance to the unfolded outline of a hemisphere (mm, negative inside); x outwards.
pub(crate) fn outline(p: Point) -> f32 {
    // Heads are wider behind than in front.
    let wide = 1.0 - 0.0015 * (p[1] + 20.0).clamp(-40.0, 60.0);
    let main = ellipsoid([p[0] / wide, p[1], p[2]], [0.0, -10.0, 13.0], [44.0, 56.0, 38.0]);
    // Orbital surface in front, the tentorium's slope behind.
    let floor = -11.0 + 5.5 * ramp(6.0, -22.0, p[1])
        - 7.5 * ramp(-26.0, -56.0, p[1])
        - 0.16 * p[0] * ramp(-10.0, -30.0, p[1]);
    let upper = smooth_max(main, floor - p[2], 6.0);
    let temporal = ellipsoid(p, [26.5, -5.0, -10.5], [15.5, 27.0, 14.5]);
    smooth_min(upper, temporal, 3.0).max(0.8 - p[0])
}

/// Distance to the inside of the skull (mm, negative inside).
pub(crate) fn skull(p: Point) -> f32 {
    let x = p[0].abs();
    let wide = 1.0 - 0.0015 * (p[1] + 20.0).clamp(-40.0, 60.0);
    let main = ellipsoid([x / wide, p[1], p[2]], [0.0, -10.0, 12.0], [45.9, 58.0, 40.4]);
    let base = -14.5 - 26.0 * ramp(6.0, -12.0, p[1]);
    let upper = smooth_max(main, base - p[2], 8.0);
    let temporal = ellipsoid([x, p[1], p[2]], [26.5, -5.0, -10.5], [17.0, 28.6, 16.2]);
    let fossa = ellipsoid([x, p[1], p[2]], [0.0, -35.0, -18.0], [30.0, 23.5, 18.5]);
    let canal = ellipsoid([x, p[1], p[2]], [0.0, -23.0, -34.0], [9.5, 9.0, 14.0]);
    smooth_min(smooth_min(upper, temporal, 4.0), smooth_min(fossa, canal, 5.0), 6.0)
}

/// Depth (mm) of a point below the folded surface of its hemisphere: negative in the
/// fluid outside and in the sulci, 0 on the pia, above the cortical thickness in white
/// matter. `p` with x outwards.
pub(crate) fn depth(p: Point, hull: f32, folds: &Folds, traits: &Traits) -> f32 {
    // Beside the midline nothing withdraws: the falx is near.
    let outer = -hull - traits.fluid_mm * ramp(1.0, 9.0, p[0]);
    if outer < -1.5 {
        return outer;
    }
    // The ganglia and the stem of the hemisphere have no cortex.
    let core = ellipsoid(p, [0.0, -7.0, 3.0], [25.5, 27.0, 13.5]);
    if core < -4.0 {
        return 8.0;
    }
    let folded = smooth_min(outer, sulcus_distance(p, outer, folds, traits), 1.6);
    smooth_max(smooth_min(folded, sylvian(p), 1.0), -core, 2.0)
}

/// Distance to the nearest sulcus, negative in its fluid.
fn sulcus_distance(p: Point, outer: f32, folds: &Folds, traits: &Traits) -> f32 {
    let q: Point = std::array::from_fn(|a| (p[a] - MIDDLE[a]) / HULL[a]);
    let rho = super::shape::length(q);
    let sulci = folds.look(q);
    // The inner face of the hemisphere is thin: its sulci are shallower.
    let room = (0.45 + 0.55 * ramp(4.0, 16.0, p[0])) * (0.65 + 0.35 * ramp(-14.0, 2.0, p[2]));
    let deep = traits.sulci_mm * sulci.depth * room;
    let shallow = 0.4 * traits.sulci_mm * sulci.depth.powi(2) * room;
    let open = |bottom: f32| 0.25 + 0.75 * ramp(0.75 * bottom, 0.0, outer);
    let one = below(sulci.deep_at * rho, outer - deep) - open(deep);
    let two = below(sulci.shallow_at * rho, outer - shallow) - open(shallow);
    one.min(two)
}

/// Distance to a sheet at sideways distance `across` whose lower edge is `under` mm above.
fn below(across: f32, under: f32) -> f32 {
    if under <= 0.0 { across } else { (across * across + under * under).sqrt() }
}

/// Distance to the Sylvian fissure, wide open over the insula as in newborns.
fn sylvian(p: Point) -> f32 {
    let [x, y, z] = p;
    let across = (z - (-4.5 + 0.27 * (14.0 - y))).abs() * 0.96;
    let beyond = (y - 17.0).max(-27.0 - y).max(0.0);
    let inward = (27.5 + 7.0 * ramp(-8.0, -26.0, y) - x).max(0.0);
    // The insula: fluid spreads up and down behind the opercula.
    let plate = 3.6 * ramp(33.0, 28.0, x) * ramp(-20.0, -6.0, y) * ramp(18.0, 8.0, y);
    let up = (across - plate).max(0.0);
    let width = 0.6 + 0.7 * ramp(-18.0, 12.0, y);
    (up * up + beyond * beyond + inward * inward).sqrt() - width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skull_holds_the_hemispheres() {
        for i in 0..60 {
            for j in 0..70 {
                for k in 0..60 {
                    let p = [i as f32, 2.0 * j as f32 - 80.0, 2.0 * k as f32 - 60.0];
                    if outline(p) < 0.0 {
                        assert!(skull(p) < 0.5, "{p:?} {} {}", outline(p), skull(p));
                    }
                }
            }
        }
    }

    #[test]
    fn depth_is_negative_outside_and_deep_in_the_white_matter() {
        let (folds, traits) = (Folds::new(4), Traits::default());
        let at = |p: Point| depth(p, outline(p), &folds, &traits);
        assert!(at([50.0, 0.0, 20.0]) < 0.0);
        assert!(at([22.0, -12.0, 22.0]) > traits.cortex_mm);
    }
}
