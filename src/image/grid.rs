//! Where voxels lie: extent and voxel-to-world transform.

use crate::{Error, Result};

/// A regular grid of voxels. Voxel `(i, j, k)` lies at world `affine · (i, j, k, 1)`,
/// in RAS+ millimetres; the centre of voxel `(0, 0, 0)` is the last column.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Grid {
    shape: [usize; 3],
    affine: [[f64; 4]; 3],
}

impl Grid {
    /// A grid of `shape` voxels with the upper three rows of its affine.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-GRID-001` when an extent is zero, the affine is not finite or
    /// its determinant is (nearly) zero.
    pub fn new(shape: [usize; 3], affine: [[f64; 4]; 3]) -> Result<Self> {
        let grid = Self { shape, affine };
        let finite = affine.iter().flatten().all(|v| v.is_finite());
        let scale: f64 = grid.spacing_mm().iter().product();
        if shape.contains(&0) || !finite || grid.determinant().abs() <= 1e-9 * scale.max(1e-300) {
            return Err(Error::usage(
                "E-GRID-001",
                format!("a grid of {shape:?} voxels with affine {affine:?} has no inverse"),
                "Give positive extents and an affine with independent columns",
            ));
        }
        Ok(grid)
    }

    /// An axis-aligned RAS grid of isotropic or anisotropic `spacing_mm`, centred on the
    /// world origin.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn centred(shape: [usize; 3], spacing_mm: [f64; 3]) -> Result<Self> {
        let mut affine = [[0.0; 4]; 3];
        for a in 0..3 {
            affine[a][a] = spacing_mm[a];
            affine[a][3] = -spacing_mm[a] * (shape[a] as f64 - 1.0) / 2.0;
        }
        Self::new(shape, affine)
    }

    /// Voxels along i, j, k.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Upper three rows of the voxel-to-world matrix (RAS+ mm).
    pub fn affine(&self) -> &[[f64; 4]; 3] {
        &self.affine
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: a grid has at least one voxel.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Position of voxel `(i, j, k)` in the data, i fastest.
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.shape[0] * (j + self.shape[1] * k)
    }

    /// Distance between neighbouring voxel centres along i, j, k, in mm.
    pub fn spacing_mm(&self) -> [f64; 3] {
        std::array::from_fn(|c| (0..3).map(|r| self.affine[r][c].powi(2)).sum::<f64>().sqrt())
    }

    /// Volume of a voxel in mm³.
    pub fn voxel_mm3(&self) -> f64 {
        self.determinant().abs()
    }

    /// Determinant of the 3×3 part; negative for left-handed storage.
    pub fn determinant(&self) -> f64 {
        let m = &self.affine;
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
            - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    }

    /// World position (RAS+ mm) of a voxel position (may be fractional).
    pub fn to_world(&self, voxel: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|r| {
            let m = &self.affine[r];
            m[0] * voxel[0] + m[1] * voxel[1] + m[2] * voxel[2] + m[3]
        })
    }

    /// The inverse matrix: world RAS+ mm to fractional voxel.
    pub fn inverse(&self) -> [[f64; 4]; 3] {
        let m = &self.affine;
        let d = self.determinant();
        let cof = |r: usize, c: usize| {
            let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
            m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
        };
        let mut inv = [[0.0; 4]; 3];
        for (r, row) in inv.iter_mut().enumerate() {
            for (c, value) in row.iter_mut().take(3).enumerate() {
                *value = cof(c, r) / d;
            }
            row[3] = -(0..3).map(|c| row[c] * m[c][3]).sum::<f64>();
        }
        inv
    }

    /// Fractional voxel position of a world position (RAS+ mm).
    pub fn to_voxel(&self, world: [f64; 3]) -> [f64; 3] {
        let inv = self.inverse();
        std::array::from_fn(|r| {
            inv[r][0] * world[0] + inv[r][1] * world[1] + inv[r][2] * world[2] + inv[r][3]
        })
    }

    /// Three letters naming the world direction in which i, j, k grow, for example `RAS`
    /// or `PSR`: the assignment of voxel axes to world axes with the largest total cosine.
    pub fn axes(&self) -> String {
        self.orientation()
            .iter()
            .map(|&(world, positive)| match (world, positive) {
                (0, true) => 'R',
                (0, false) => 'L',
                (1, true) => 'A',
                (1, false) => 'P',
                (2, true) => 'S',
                _ => 'I',
            })
            .collect()
    }

    /// For each voxel axis: the world axis it runs along, and whether it grows with it.
    pub fn orientation(&self) -> [(usize, bool); 3] {
        const ORDERS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let spacing = self.spacing_mm();
        let cosine = |w: usize, v: usize| self.affine[w][v] / spacing[v];
        let total = |o: &[usize; 3]| (0..3).map(|v| cosine(o[v], v).abs()).sum::<f64>();
        let mut best = ORDERS[0];
        for order in &ORDERS[1..] {
            if total(order) > total(&best) + 1e-9 {
                best = *order;
            }
        }
        std::array::from_fn(|v| (best[v], cosine(best[v], v) >= 0.0))
    }

    /// True when extents agree and no voxel corner lies further apart than `tolerance_mm`.
    pub fn matches(&self, other: &Self, tolerance_mm: f64) -> bool {
        if self.shape != other.shape {
            return false;
        }
        let far = self.shape.map(|n| n as f64 - 1.0);
        (0..8).all(|corner| {
            let v: [f64; 3] =
                std::array::from_fn(|a| if corner >> a & 1 == 1 { far[a] } else { 0.0 });
            let (p, q) = (self.to_world(v), other.to_world(v));
            (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>().sqrt() <= tolerance_mm
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn world_and_voxel_are_inverse_on_an_oblique_left_handed_grid() {
        let g = Grid::new(
            [3, 5, 7],
            [[-0.9, 0.1, 0.3, 10.0], [0.2, 2.0, -0.1, -20.0], [0.3, 0.05, 1.1, 5.0]],
        )
        .expect("invertible");
        let v = [1.25, 3.5, -0.75];
        let back = g.to_voxel(g.to_world(v));
        assert!((0..3).all(|a| (back[a] - v[a]).abs() < 1e-12), "{back:?}");
        assert_eq!(g.axes(), "LAS");
    }

    #[test]
    fn a_singular_affine_is_refused() {
        let error = Grid::new([2, 2, 2], [[0.0; 4], [0.0; 4], [0.0, 0.0, 1.0, 0.0]])
            .expect_err("no inverse");
        assert_eq!(error.code(), "E-GRID-001");
    }
}
