//! Carrying images from one grid to another through world coordinates.

use rayon::prelude::*;

use super::{Grid, Labels, Mask, Volume};
use crate::Result;

/// Positions this close to a voxel centre (in voxels) count as on it, so that grids that
/// share voxels copy them exactly.
const ON_CENTRE: f64 = 1e-9;
/// Positions this close to a voxel face count as on it: files hold their transform in
/// float32, so the same place in two stored orders differs by a few millionths of a voxel.
const ON_FACE: f64 = 1e-4;
/// At most this many sub-samples per target axis.
const MOST_SAMPLES: usize = 16;

/// Target voxel to source voxel: the upper three rows of `source⁻¹ · target`.
fn between(source: &Grid, target: &Grid) -> [[f64; 4]; 3] {
    let (inverse, t) = (source.inverse(), target.affine());
    std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            let last = if c == 3 { inverse[r][3] } else { 0.0 };
            (0..3).map(|m| inverse[r][m] * t[m][c]).sum::<f64>() + last
        })
    })
}

/// The nearest integer, but not of what lies half way between two. As below, without a call of the
/// library: it is asked for three times a voxel.
fn whole(p: f64) -> f64 {
    (p + 0.5_f64.copysign(p)) as i64 as f64
}

/// The next integer below.
fn floor(p: f64) -> f64 {
    let whole = p as i64 as f64;
    if whole > p { whole - 1.0 } else { whole }
}

fn apply(m: &[[f64; 4]; 3], v: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|r| {
        let p = m[r][0] * v[0] + m[r][1] * v[1] + m[r][2] * v[2] + m[r][3];
        if (p - whole(p)).abs() < ON_CENTRE { whole(p) } else { p }
    })
}

/// Sub-samples per target axis: one where the target is as fine as the source, else about
/// one per source voxel crossed by a target step.
fn samples(m: &[[f64; 4]; 3]) -> [usize; 3] {
    std::array::from_fn(|c| {
        let step = (0..3).map(|r| m[r][c].abs()).fold(0.0, f64::max);
        ((step - 0.1).ceil().max(1.0) as usize).min(MOST_SAMPLES)
    })
}

/// A place along an axis of the source: the voxel before it, and how far it is on the way to the next.
type Place = (usize, f64);

/// The place of a source position (voxels) along an axis of so many voxels, none further than half a voxel
/// outside. Within that half voxel the edge value holds.
fn place(p: f64, extent: usize) -> Option<Place> {
    let (last, reach) = (extent as f64 - 1.0, 0.5 + ON_FACE);
    if !(-reach..=last + reach).contains(&p) {
        return None;
    }
    let q = p.clamp(0.0, last);
    let low = (q as usize).min(extent.saturating_sub(2));
    Some((low, q - low as f64))
}

/// Trilinear value between the eight voxels about a place.
fn blend(source: &Volume, place: [Place; 3]) -> f64 {
    let ([x, y, z], along) = (place.map(|(low, _)| low), place.map(|(_, part)| [1.0 - part, part]));
    let mut value = 0.0;
    for corner in 0..8usize {
        let [i, j, k] = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
        let weight = along[0][i] * along[1][j] * along[2][k];
        // Corners of weight 0 may lie outside, or hold what must not spread.
        if weight != 0.0 {
            value += weight * f64::from(source.at(x + i, y + j, z + k));
        }
    }
    value
}

/// The axis of the target that each axis of the source runs along; none where one runs askew.
fn along(m: &[[f64; 4]; 3]) -> Option<[usize; 3]> {
    let only = |row: &[f64; 4]| {
        let mut axes = (0..3).filter(|c| row[*c] != 0.0);
        axes.next().filter(|_| axes.next().is_none())
    };
    let [Some(x), Some(y), Some(z)] = m.each_ref().map(only) else { return None };
    Some([x, y, z])
}

/// Fills a target slab by slab along k, in parallel; every voxel is computed alone, so the
/// result does not depend on the number of threads.
fn fill<V: Copy + Default + Send>(target: &Grid, voxel: impl Fn([f64; 3]) -> V + Sync) -> Vec<V> {
    let [ni, nj, _] = target.shape();
    let mut data = vec![V::default(); target.len()];
    data.par_chunks_mut(ni * nj).enumerate().for_each(|(k, slab)| {
        for (at, out) in slab.iter_mut().enumerate() {
            *out = voxel([(at % ni) as f64, (at / ni) as f64, k as f64]);
        }
    });
    data
}

/// Resamples an image onto `target`: trilinear in world space, `outside` beyond the source
/// (further than half a voxel from its outermost centres).
///
/// Where the target is coarser the value is the mean of trilinear samples spread evenly
/// over the target voxel, about one per source voxel and axis (a box filter), so that fine
/// structure is averaged instead of aliased. Linear ramps are reproduced exactly either way
/// and an image on its own grid is returned unchanged.
///
/// # Errors
/// [`crate::Error::Shape`] never in practice; it is passed on from the volume.
pub fn resample(source: &Volume, target: &Grid, outside: f32) -> Result<Volume> {
    if source.grid() == target {
        return Ok(source.clone());
    }
    let m = between(source.grid(), target);
    let n = samples(&m);
    let offset = |s: usize, axis: usize| (s as f64 + 0.5) / n[axis] as f64 - 0.5;
    let shape = source.grid().shape();
    // Where axes run along axes, a place is worked out once for each line of voxels.
    let lines = along(&m).map(|axes| {
        let line = |r: usize| -> Vec<Option<Place>> {
            let axis = axes[r];
            let of = |at: usize| {
                let mut v = [0.0; 3];
                v[axis] = (at / n[axis]) as f64 + offset(at % n[axis], axis);
                place(apply(&m, v)[r], shape[r])
            };
            (0..target.shape()[axis] * n[axis]).map(of).collect()
        };
        ([0, 1, 2].map(line), axes)
    });
    let count = (n[0] * n[1] * n[2]) as f64;
    let data = fill(target, |voxel| {
        let mut sum = 0.0;
        for c in 0..n[2] {
            for b in 0..n[1] {
                for a in 0..n[0] {
                    let s = [a, b, c];
                    let places = match &lines {
                        Some((lines, axes)) => [0, 1, 2].map(|r| {
                            let axis = axes[r];
                            lines[r][voxel[axis] as usize * n[axis] + s[axis]]
                        }),
                        None => {
                            let v = [0, 1, 2].map(|axis| voxel[axis] + offset(s[axis], axis));
                            let p = apply(&m, v);
                            [0, 1, 2].map(|r| place(p[r], shape[r]))
                        }
                    };
                    sum += match places {
                        [Some(x), Some(y), Some(z)] => blend(source, [x, y, z]),
                        _ => f64::from(outside),
                    };
                }
            }
        }
        (sum / count) as f32
    });
    Volume::new(target.clone(), data)
}

/// For every target voxel the value of the source voxel whose centre is nearest, the default
/// outside. Half way between two it is the one to the right, anterior or superior: decided in
/// the world, so that the stored order changes nothing.
fn nearest<V: Copy + Default + Send + Sync>(source: &Grid, data: &[V], target: &Grid) -> Vec<V> {
    let (m, order) = (between(source, target), source.orientation());
    fill(target, |v| {
        let p = apply(&m, v);
        let mut at = [0usize; 3];
        for a in 0..3 {
            let half = whole(2.0 * p[a]) / 2.0;
            let p = if (p[a] - half).abs() < ON_FACE { half } else { p[a] };
            let (_, rising) = order[a];
            let q = if rising { floor(p + 0.5) } else { -floor(0.5 - p) };
            if !(q >= 0.0 && q < source.shape()[a] as f64) {
                return V::default();
            }
            at[a] = q as usize;
        }
        data[source.index(at[0], at[1], at[2])]
    })
}

/// Resamples a label map onto `target`: the label of the nearest voxel, 0 outside.
///
/// # Errors
/// As [`resample`].
pub fn resample_labels(source: &Labels, target: &Grid) -> Result<Labels> {
    Labels::new(target.clone(), nearest(source.grid(), source.data(), target))
}

/// Resamples a mask onto `target`: inside where the nearest voxel is, outside elsewhere.
///
/// # Errors
/// As [`resample`].
pub fn resample_mask(source: &Mask, target: &Grid) -> Result<Mask> {
    Mask::new(target.clone(), nearest(source.grid(), source.data(), target))
}

/// Carries a map made on the model's grid to the grid of the input file, 0 where the model
/// did not look. Values are interpolated, not redistributed: the sum over voxels changes
/// with the ratio of the voxel volumes.
///
/// # Errors
/// As [`resample`].
pub fn resample_back(map: &Volume, input: &Grid) -> Result<Volume> {
    resample(map, input, 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::reorient::reorient;
    use super::*;

    fn ramp(grid: &Grid) -> Volume {
        let data = fill(grid, |v| {
            let w = grid.to_world(v);
            (3.0 + 0.5 * w[0] - 0.25 * w[1] + 2.0 * w[2]) as f32
        });
        Volume::new(grid.clone(), data).expect("ramp")
    }

    fn oblique() -> Grid {
        let (c, s) = (0.9, 0.19_f64.sqrt());
        Grid::new(
            [31, 31, 22],
            [[-1.1 * c, 1.0 * s, 0.0, 8.3], [1.1 * s, c, 0.0, -20.7], [0.0, 0.0, 1.3, -14.0]],
        )
        .expect("grid")
    }

    #[test]
    fn linear_ramps_are_reproduced_on_finer_and_coarser_grids() {
        let source = ramp(&oblique());
        for spacing in [0.5, 1.0, 2.7] {
            let target = Grid::centred([5, 4, 3], [spacing; 3]).expect("grid");
            let (got, want) = (resample(&source, &target, 0.0).expect("ok"), ramp(&target));
            for (g, w) in got.data().iter().zip(want.data()) {
                assert!((g - w).abs() < 2e-5, "{spacing}: {g} {w}");
            }
        }
    }

    #[test]
    fn the_own_grid_and_its_axis_orders_are_exact() {
        let grid = Grid::new(
            [4, 5, 6],
            [[0.0, -0.7, 0.0, 3.3], [0.0, 0.0, 1.1, -7.9], [0.9, 0.0, 0.0, 0.123]],
        )
        .expect("grid");
        let source = ramp(&grid);
        let canonical = reorient(&source).expect("ok");
        assert_eq!(canonical.grid().axes(), "RAS");
        assert_eq!(resample(&source, canonical.grid(), 0.0).expect("ok"), canonical);
        assert_eq!(resample(&canonical, &grid, 0.0).expect("ok"), source);
    }

    #[test]
    fn a_checkerboard_averages_out_instead_of_aliasing() {
        let fine = Grid::centred([32, 32, 32], [1.0; 3]).expect("grid");
        let data = fill(&fine, |[i, j, k]| ((i + j + k) as i64 % 2) as f32);
        let source = Volume::new(fine, data).expect("volume");
        let coarse = Grid::centred([8, 8, 8], [4.0; 3]).expect("grid");
        let got = resample(&source, &coarse, 0.0).expect("ok");
        assert!(got.data().iter().all(|v| (v - 0.5).abs() < 1e-6), "{:?}", &got.data()[..8]);
    }

    #[test]
    fn outside_is_the_background_and_labels_stay_labels() {
        let grid = Grid::centred([3, 3, 3], [1.0; 3]).expect("grid");
        let source = Volume::new(grid.clone(), vec![7.0; 27]).expect("volume");
        let wide = Grid::centred([7, 3, 3], [1.0; 3]).expect("grid");
        let got = resample(&source, &wide, -1.0).expect("ok");
        assert_eq!(&got.data()[..7], &[-1.0, -1.0, 7.0, 7.0, 7.0, -1.0, -1.0]);
        let labels = Labels::new(grid, (0..27).collect()).expect("labels");
        let half = Grid::centred([6, 6, 6], [0.5; 3]).expect("grid");
        let fine = resample_labels(&labels, &half).expect("ok");
        assert_eq!((fine.at(0, 0, 0), fine.at(5, 5, 5), fine.at(2, 0, 0)), (0, 26, 1));
    }

    /// By the definition: at every sample of a voxel the eight voxels about it, whatever the axes.
    #[test]
    fn numbers_are_those_of_the_definition_along_axes_and_askew() {
        let value = |grid: &Grid| {
            let data = fill(grid, |[i, j, k]| (0.3 * i - 0.7 * j).sin() as f32 + (1.9 * k) as f32);
            Volume::new(grid.clone(), data).expect("volume")
        };
        let turned = [[0.0, -0.7, 0.0, 3.3], [0.0, 0.0, 1.1, -7.9], [0.9, 0.0, 0.0, 0.123]];
        let mirrored = [[-0.7, 0.0, 0.0, 3.3], [0.0, 1.1, 0.0, -7.9], [0.0, 0.0, -0.9, 4.5]];
        let [turned, mirrored] =
            [turned, mirrored].map(|m| Grid::new([14, 15, 16], m).expect("grid"));
        for (source, askew) in [(oblique(), true), (turned, false), (mirrored, false)] {
            let source = value(&source);
            for spacing in [0.4, 0.9, 2.3] {
                let target = Grid::centred([7, 6, 5], [spacing, 1.1 * spacing, spacing]);
                let target = target.expect("grid");
                let (m, got) = (between(source.grid(), &target), resample(&source, &target, -9.0));
                assert_eq!(along(&m).is_none(), askew);
                let n = samples(&m);
                let want = fill(&target, |v| {
                    let mut sum = 0.0;
                    for s in 0..n[0] * n[1] * n[2] {
                        let s = [s % n[0], s / n[0] % n[1], s / (n[0] * n[1])];
                        let at = |c: usize| v[c] + (s[c] as f64 + 0.5) / n[c] as f64 - 0.5;
                        let p: [f64; 3] = std::array::from_fn(|r| {
                            let p = (0..3).map(|c| m[r][c] * at(c)).sum::<f64>() + m[r][3];
                            if (p - p.round()).abs() < ON_CENTRE { p.round() } else { p }
                        });
                        let shape = source.grid().shape();
                        let reached = |r: usize| {
                            p[r] >= -0.5 - ON_FACE && p[r] <= shape[r] as f64 - 0.5 + ON_FACE
                        };
                        if !(0..3).all(reached) {
                            sum += -9.0;
                            continue;
                        }
                        for corner in 0..8 {
                            let mut weight = 1.0;
                            let voxel: [usize; 3] = std::array::from_fn(|r| {
                                let p = p[r].clamp(0.0, shape[r] as f64 - 1.0);
                                let low = p.floor().min(shape[r] as f64 - 2.0);
                                let bit = corner >> r & 1;
                                weight *= if bit == 1 { p - low } else { 1.0 - (p - low) };
                                low as usize + bit
                            });
                            sum += weight * f64::from(source.at(voxel[0], voxel[1], voxel[2]));
                        }
                    }
                    (sum / (n[0] * n[1] * n[2]) as f64) as f32
                });
                assert_eq!(got.expect("ok").data(), want, "{spacing}");
            }
        }
    }

    #[test]
    fn integers_below_and_nearest_are_those_of_the_library() {
        for p in [-3.0, -2.75, -1.0, -0.2, -0.0, 0.0, 0.3, 0.75, 1.0, 7.999, 8.0, 1e9 + 0.25] {
            assert_eq!((floor(p), whole(p)), (p.floor(), p.round()), "{p}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let source = ramp(&oblique());
        let target = Grid::centred([9, 9, 9], [2.3; 3]).expect("grid");
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("pool");
            pool.install(|| resample(&source, &target, 0.0)).expect("ok")
        };
        assert_eq!(with(1), with(3));
    }
}
