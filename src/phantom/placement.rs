//! How a head lies in the scanner: size, pose and an individual smooth warp.

use super::noise::Noise;
use super::shape::Point;

/// Size of the smooth folds of the individual warp (mm).
const WAVE_MM: f32 = 42.0;

/// World (RAS+ mm, the grid's) to the frame of the anatomy.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// Factor of the length of the whole head.
    pub(crate) scale: f32,
    /// Rotations about x, y, z (radians).
    pub(crate) turn: Point,
    /// Shift (mm).
    pub(crate) shift: Point,
    /// Strength of the individual warp (standard deviation about a third of it, mm).
    pub(crate) warp_mm: f32,
    /// The individual warp, one noise for each axis.
    pub(crate) warp: [Noise; 3],
}

/// A placement made ready for many points.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    matrix: [Point; 3],
    placement: Placement,
    centre: Point,
    middle: Point,
}

impl Placement {
    /// Makes the matrix; `centre` is the middle of the field of view in world mm, `middle`
    /// the place in the anatomy's frame that lies there.
    pub(crate) fn ready(&self, centre: Point, middle: Point) -> Placed {
        let [(sx, cx), (sy, cy), (sz, cz)] = self.turn.map(f32::sin_cos);
        let rotation = [
            [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
            [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
            [-sy, sx * cy, cx * cy],
        ];
        let matrix = rotation.map(|row| row.map(|v| v / self.scale));
        Placed { matrix, placement: self.clone(), centre, middle }
    }
}

impl Placed {
    /// A world displacement in the anatomy's frame, without the warp.
    pub(crate) fn rotated(&self, v: Point) -> Point {
        std::array::from_fn(|r| (0..3).map(|c| self.matrix[r][c] * v[c]).sum())
    }

    /// A world point in the anatomy's frame.
    pub(crate) fn anatomy(&self, world: Point) -> Point {
        let p = &self.placement;
        let moved = std::array::from_fn(|a| world[a] - self.centre[a] - p.shift[a]);
        let q = self.rotated(moved);
        let q: Point = std::array::from_fn(|a| q[a] + self.middle[a]);
        let at = q.map(|v| v / WAVE_MM);
        std::array::from_fn(|a| q[a] + p.warp_mm * p.warp[a].at(at))
    }
}
