//! The mean image and the mean map of each class.

use super::bench::Bench;
use super::case::Case;
use super::picture::{CUTS, colour_range, picture};
use super::record::Picture;
use crate::Result;
use crate::image::Mask;

/// One picture per class with at least two subjects: mean image under mean map. Subjects are
/// aligned by the centre of their brains only, so that what moves between heads blurs. None where
/// subjects lie on grids of different extents.
///
/// # Errors
/// As [`picture`].
pub fn group_pictures(bench: &Bench<'_>) -> Result<Vec<Picture>> {
    let shape = bench.cases.first().map(|c| c.grid.shape());
    if bench.cases.iter().any(|c| Some(c.grid.shape()) != shape) {
        return Ok(Vec::new());
    }
    let mut means: Vec<(Case, Vec<f32>, usize)> = Vec::new();
    for class in 0..bench.classes.len() {
        let members: Vec<usize> =
            (0..bench.cases.len()).filter(|&n| bench.cases[n].class == class).collect();
        if members.len() >= 2 {
            let (case, map) = mean(bench, &members)?;
            if case.mask.count() > 0 {
                means.push((case, map, members.len()));
            }
        }
    }
    if means.is_empty() {
        return Ok(Vec::new());
    }
    let range = colour_range(means.iter().map(|(case, map, _)| (case, map.as_slice())))?;
    let one = |(case, map, n): &(Case, Vec<f32>, usize)| {
        let class = &bench.classes[case.class];
        let caption =
            format!("Mean of {n} subjects of class {class}, aligned by the centre of the brain");
        picture(case, Some(map), range, CUTS, &caption)
    };
    means.iter().map(one).collect()
}

/// Mean image and map of some subjects; the mask holds the voxels most of them have.
fn mean(bench: &Bench<'_>, members: &[usize]) -> Result<(Case, Vec<f32>)> {
    let first = &bench.cases[members[0]];
    let n = members.len() as f64;
    let over = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..first.data.len()).map(|v| members.iter().map(|&m| of(m, v)).sum::<f64>() / n).collect()
    };
    let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    let inside = over(&|m, v| f64::from(u8::from(bench.cases[m].mask.data()[v])));
    let case = Case {
        id: format!("mean of class {}", bench.classes[first.class]),
        data: narrow(over(&|m, v| f64::from(bench.cases[m].data[v]))),
        mask: Mask::new(first.grid.clone(), inside.iter().map(|s| *s > 0.5).collect())?,
        labels: None,
        truth: None,
        image_sha256: String::new(),
        ..first.clone()
    };
    Ok((case, narrow(over(&|m, v| f64::from(bench.maps[m][v])))))
}
