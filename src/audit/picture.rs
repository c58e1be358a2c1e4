//! Slices of a case and its map, small enough for the record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::case::Case;
use super::record::{Picture, Plane, Slice};
use crate::stats::moments;
use crate::{Error, Result};

/// Cuts per plane of a subject's picture.
pub const CUTS: usize = 5;

/// The 99.5 % quantile of |R| inside the masks, over all cases.
///
/// # Errors
/// [`Error::Internal`] when a map is not finite.
pub fn colour_range<'a>(pairs: impl Iterator<Item = (&'a Case, &'a [f32])>) -> Result<f64> {
    let mut all: Vec<f64> = Vec::new();
    for (case, map) in pairs {
        all.extend(case.inside().into_iter().map(|v| f64::from(map[v].abs())));
    }
    moments::quantile(&all, 0.995).map_err(|why| Error::internal(why.0))
}

/// Some cuts of each plane at equal steps inside the mask: anatomy at 1 to 99 % of its
/// values inside the mask, relevance at ±`range`, the outline of the truth.
///
/// # Errors
/// [`Error::Internal`] when the grid is not RAS or a value is not finite.
pub fn picture(
    case: &Case,
    map: Option<&[f32]>,
    range: f64,
    per_plane: usize,
    caption: &str,
) -> Result<Picture> {
    if case.grid.axes() != "RAS" {
        let axes = case.grid.axes();
        return Err(Error::internal(format!("the grid of {} runs {axes}, not RAS", case.id)));
    }
    let inside = case.inside();
    let mut values: Vec<f64> = inside.iter().map(|&v| f64::from(case.data[v])).collect();
    moments::require_finite(&values).map_err(|why| Error::internal(why.0))?;
    values.sort_unstable_by(f64::total_cmp);
    let at = |q| moments::quantile_sorted(&values, q).map_err(|why| Error::internal(why.0));
    let window = [at(0.01)?, at(0.99)?];
    let planes =
        [(Plane::Axial, [0, 1, 2]), (Plane::Coronal, [0, 2, 1]), (Plane::Sagittal, [1, 2, 0])];
    let mut slices = Vec::new();
    for (plane, axes) in planes {
        for cut in cuts(case, &inside, axes[2], per_plane) {
            slices.push(slice(case, map, range, window, plane, axes, cut));
        }
    }
    Ok(Picture { caption: caption.to_owned(), colour_range: range, slices })
}

/// Voxel positions of the cuts along an axis.
fn cuts(case: &Case, inside: &[usize], axis: usize, number: usize) -> Vec<usize> {
    let shape = case.grid.shape();
    let step = [1, shape[0], shape[0] * shape[1]][axis];
    let at = |v: &usize| v / step % shape[axis];
    let (Some(low), Some(high)) = (inside.iter().map(at).min(), inside.iter().map(at).max()) else {
        return Vec::new();
    };
    let step = ((high - low) / (number + 1)).max(1);
    let middle = (low + high) / 2;
    (0..number)
        .filter_map(|n| (middle + n * step).checked_sub(number / 2 * step))
        .filter(|at| (low..=high).contains(at))
        .collect()
}

fn slice(
    case: &Case,
    map: Option<&[f32]>,
    range: f64,
    window: [f64; 2],
    plane: Plane,
    axes: [usize; 3],
    cut: usize,
) -> Slice {
    let (shape, spacing) = (case.grid.shape(), case.grid.spacing_mm());
    let size = [shape[axes[0]], shape[axes[1]]];
    let index = |a: usize, b: usize| {
        let mut voxel = [0; 3];
        (voxel[axes[0]], voxel[axes[1]], voxel[axes[2]]) = (a, b, cut);
        case.grid.index(voxel[0], voxel[1], voxel[2])
    };
    let pixels = |of: &dyn Fn(usize, usize) -> u8| {
        let all: Vec<u8> = (0..size[1])
            .flat_map(|b| (0..size[0]).map(move |a| (a, b)))
            .map(|(a, b)| of(a, b))
            .collect();
        STANDARD.encode(all)
    };
    let width = (window[1] - window[0]).max(f64::MIN_POSITIVE);
    let grey = |a, b| {
        let v = (f64::from(case.data[index(a, b)]) - window[0]) / width;
        (v * 255.0).round().clamp(0.0, 255.0) as u8
    };
    let relevance = |map: &[f32]| {
        pixels(&|a, b| {
            let scaled = if range > 0.0 { f64::from(map[index(a, b)]) / range } else { 0.0 };
            ((scaled * 127.0).round().clamp(-127.0, 127.0) as i8).cast_unsigned()
        })
    };
    let outline = |truth: &[bool]| {
        let edge = |a: usize, b: usize| {
            let open = a == 0 || b == 0 || a + 1 == size[0] || b + 1 == size[1];
            let near = || [(a - 1, b), (a + 1, b), (a, b - 1), (a, b + 1)];
            truth[index(a, b)] && (open || near().iter().any(|&(p, q)| !truth[index(p, q)]))
        };
        pixels(&|a, b| u8::from(edge(a, b)))
    };
    let mut at = [0.0; 3];
    at[axes[2]] = cut as f64;
    Slice {
        plane,
        position_mm: case.grid.to_world(at)[axes[2]],
        size,
        pixel_mm: [spacing[axes[0]], spacing[axes[1]]],
        anatomy: pixels(&grey),
        relevance: map.map(relevance).unwrap_or_default(),
        outline: case.truth.as_ref().map(|t| outline(t.data())).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Grid;

    #[test]
    fn a_marked_voxel_lies_where_it_should() {
        let grid = Grid::centred([9, 10, 11], [1.0, 2.0, 3.0]).expect("grid");
        let n = grid.len();
        let mut map = vec![0.0; n];
        // i = 6, j = 2 in the middle axial cut, k = 5.
        map[grid.index(6, 2, 5)] = -2.0;
        let case = Case { data: (0..n).map(|v| v as f32).collect(), ..Case::plain("a", 0, &grid) };
        let p = picture(&case, Some(&map), 1.0, CUTS, "c").expect("picture");
        assert_eq!(p.slices.len(), 15);
        let s = p.slices.iter().find(|s| s.plane == Plane::Axial && s.position_mm == 0.0);
        let s = s.expect("middle cut");
        let bytes = STANDARD.decode(&s.relevance).expect("base64");
        assert_eq!((s.size, s.pixel_mm), ([9, 10], [1.0, 2.0]));
        assert_eq!(bytes[6 + 9 * 2].cast_signed(), -127);
        assert_eq!(bytes.iter().filter(|b| **b != 0).count(), 1);
        assert!(s.outline.is_empty());
    }
}
