//! Relevance maps averaged over boxes: small enough for a repository, close enough to see a
//! map move.

use crate::audit::baseline::{COARSE_EDGE, CoarseMap};
use crate::image::Volume;

impl CoarseMap {
    /// The mean relevance of boxes of equal size, at most [`COARSE_EDGE`] along each axis of
    /// the file (voxel frame); the last box of an axis may be smaller.
    pub fn of(subject: &str, map: &Volume) -> Self {
        let shape = map.grid().shape();
        let edge = shape.map(|n| n.div_ceil(COARSE_EDGE).max(1));
        let boxes: [usize; 3] = std::array::from_fn(|a| shape[a].div_ceil(edge[a]));
        let mut sums = vec![(0.0f64, 0u32); boxes.iter().product()];
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    let at = (i / edge[0] * boxes[1] + j / edge[1]) * boxes[2] + k / edge[2];
                    sums[at].0 += f64::from(map.at(i, j, k));
                    sums[at].1 += 1;
                }
            }
        }
        let values = sums.into_iter().map(|(sum, n)| sum / f64::from(n.max(1))).collect();
        Self { subject: subject.to_owned(), shape: boxes, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Grid;

    #[test]
    fn boxes_hold_their_mean_and_the_sum_is_kept() {
        let grid = Grid::centred([33, 16, 5], [1.0, 2.0, 3.0]).expect("grid");
        let mut map = Volume::new(grid.clone(), vec![0.0; grid.len()]).expect("map");
        let at = grid.index(32, 3, 4);
        map.data_mut()[at] = 6.0;
        let at = grid.index(4, 3, 4);
        map.data_mut()[at] = 3.0;
        let coarse = CoarseMap::of("a", &map);
        assert_eq!(coarse.shape, [11, 16, 5]);
        // i 3..6 share a box; the last box of i has three voxels, too.
        assert_eq!(coarse.values[(10 * 16 + 3) * 5 + 4], 2.0);
        assert_eq!(coarse.values[(16 + 3) * 5 + 4], 1.0);
        assert_eq!(coarse.values.iter().filter(|v| **v != 0.0).count(), 2);
    }
}
