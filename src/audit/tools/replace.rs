//! What stands in for voxels that are taken out of an image. No choice is right: each makes
//! another image the network never saw, so every number says which one it used.

use super::impute;
use crate::audit::case::Case;
use crate::seed::Seed;
use crate::stats::{Undefined, moments, undefined};

/// Standard deviation of the blur, mm.
pub const BLUR_MM: f64 = 8.0;
/// Noise of the imputation, in standard deviations of the image inside its mask.
pub const NOISE: f64 = 0.05;

/// A declared replacement of voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The median outside the mask, 0 where the mask is the whole grid.
    Background,
    /// The image, blurred within its mask by a Gaussian of [`BLUR_MM`].
    Blur,
    /// The mean of the other subjects at the same place of the grid.
    CohortMean,
    /// Another subject, of another class, at the same place of the grid.
    Donor,
    /// Noisy linear imputation from what is left, see [`impute`].
    Imputed,
}

impl Replacement {
    /// All of them; the first is the one used unless said otherwise.
    pub const ALL: [Self; 5] =
        [Self::Background, Self::Blur, Self::CohortMean, Self::Donor, Self::Imputed];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Blur => "blur",
            Self::CohortMean => "cohort_mean",
            Self::Donor => "donor",
            Self::Imputed => "noisy_imputation",
        }
    }
}

/// A replacement made ready for one subject.
#[derive(Debug)]
pub enum Filler {
    /// The same value for a voxel whatever else is taken out.
    Fixed(Vec<f32>),
    /// Solved for what is taken out, plus noise of this much per voxel.
    Imputed(Vec<f32>),
}

impl Filler {
    /// Makes a replacement ready for case `n`. Random choices come from streams named after the
    /// subject.
    ///
    /// # Errors
    /// Undefined where there is no other subject, or none of another class.
    pub fn new(of: Replacement, cases: &[Case], n: usize, seed: Seed) -> Result<Self, Undefined> {
        let case = &cases[n];
        let mut stream = seed.stream(&format!("audit/replace/{}/{}", of.word(), case.id));
        let fixed = match of {
            Replacement::Background => vec![background(case) as f32; case.data.len()],
            Replacement::Blur => blurred(case, BLUR_MM),
            Replacement::CohortMean => mean_of_others(cases, n)?,
            Replacement::Donor => {
                let others: Vec<&Case> = cases.iter().filter(|c| c.class != case.class).collect();
                if others.is_empty() {
                    return undefined("no subject of another class was audited");
                }
                others[stream.below(others.len())].data.clone()
            }
            Replacement::Imputed => {
                let own: Vec<f64> =
                    case.inside().iter().map(|&v| f64::from(case.data[v])).collect();
                let size = NOISE * moments::sd(&own)?;
                let noise = (0..case.data.len()).map(|_| (size * stream.normal()) as f32);
                return Ok(Self::Imputed(noise.collect()));
            }
        };
        Ok(Self::Fixed(fixed))
    }

    /// The image of the case with some voxels (each once) replaced.
    ///
    /// # Errors
    /// Those of [`impute::linear`].
    pub fn without(&self, case: &Case, voxels: &[usize]) -> Result<Vec<f32>, Undefined> {
        let mut image = case.data.clone();
        match self {
            Self::Fixed(fill) => voxels.iter().for_each(|&v| image[v] = fill[v]),
            Self::Imputed(noise) => {
                let values = impute::linear(&case.grid, &case.data, voxels)?;
                for (&v, value) in voxels.iter().zip(values) {
                    image[v] = (value + f64::from(noise[v])) as f32;
                }
            }
        }
        Ok(image)
    }
}

/// The median outside the mask, 0 where the mask is the whole grid; in the unit of the image.
pub fn background(case: &Case) -> f64 {
    let outside = case.data.iter().zip(case.mask.data()).filter(|(_, inside)| !**inside);
    moments::median(&outside.map(|(x, _)| f64::from(*x)).collect::<Vec<_>>()).unwrap_or(0.0)
}

fn mean_of_others(cases: &[Case], n: usize) -> Result<Vec<f32>, Undefined> {
    let others: Vec<&Case> =
        cases.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, c)| c).collect();
    if others.is_empty() {
        return undefined("there is no other subject");
    }
    let mean = |v: usize| {
        let sum: f64 = others.iter().map(|c| f64::from(c.data[v])).sum();
        (sum / others.len() as f64) as f32
    };
    Ok((0..cases[n].data.len()).map(mean).collect())
}

/// The image blurred by a Gaussian (standard deviation in mm) over the voxels of the mask alone:
/// blur(x·m) / blur(m). Outside the mask it stays as it is.
fn blurred(case: &Case, sigma_mm: f64) -> Vec<f32> {
    let inside: Vec<f64> = case.mask.data().iter().map(|m| f64::from(u8::from(*m))).collect();
    let mut sums: Vec<f64> =
        case.data.iter().zip(&inside).map(|(x, m)| f64::from(*x) * m).collect();
    let mut weights = inside.clone();
    for axis in 0..3 {
        along(&mut sums, case, axis, sigma_mm);
        along(&mut weights, case, axis, sigma_mm);
    }
    let value = |v: usize| {
        if inside[v] > 0.0 { (sums[v] / weights[v]) as f32 } else { case.data[v] }
    };
    (0..sums.len()).map(value).collect()
}

/// Convolves along an axis with a Gaussian cut at three standard deviations; nothing comes from
/// beyond the border.
fn along(values: &mut [f64], case: &Case, axis: usize, sigma_mm: f64) {
    let shape = case.grid.shape();
    let (n, step) = (shape[axis], [1, shape[0], shape[0] * shape[1]][axis]);
    let sigma = sigma_mm / case.grid.spacing_mm()[axis];
    let reach = ((3.0 * sigma).ceil() as usize).min(n - 1);
    let kernel: Vec<f64> = (0..=reach).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    for start in (0..values.len()).filter(|v| v / step % n == 0) {
        let row: Vec<f64> = (0..n).map(|x| values[start + x * step]).collect();
        for x in 0..n {
            let near = x.saturating_sub(reach)..(x + reach + 1).min(n);
            values[start + x * step] = near.map(|y| kernel[x.abs_diff(y)] * row[y]).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Grid, Mask};

    fn case(id: &str, class: usize, value: impl Fn(usize) -> f32) -> Case {
        let grid = Grid::centred([8, 6, 5], [2.0, 3.0, 4.0]).expect("grid");
        let inside = (0..grid.len()).map(|v| v % 8 > 1).collect();
        Case {
            data: (0..grid.len()).map(value).collect(),
            mask: Mask::new(grid.clone(), inside).expect("mask"),
            ..Case::plain(id, class, &grid)
        }
    }

    fn cohort() -> Vec<Case> {
        let value =
            |n: usize| move |v: usize| if v % 8 > 1 { (10 * n + v % 7) as f32 } else { -1.0 };
        (0..4).map(|n| case(&format!("s{n}"), n / 2, value(n))).collect()
    }

    #[test]
    fn each_replaces_what_it_was_given_and_nothing_else() {
        let cases = cohort();
        let voxels = [10, 11, 75, 100];
        for of in Replacement::ALL {
            let filler = Filler::new(of, &cases, 1, Seed(4)).expect("ready");
            let image = filler.without(&cases[1], &voxels).expect("image");
            let changed = |v: &usize| image[*v] != cases[1].data[*v];
            let changed: Vec<usize> = (0..image.len()).filter(changed).collect();
            assert!(changed.iter().all(|v| voxels.contains(v)), "{}", of.word());
            assert!(!changed.is_empty() && image.iter().all(|x| x.is_finite()), "{}", of.word());
            let again = Filler::new(of, &cases, 1, Seed(4)).expect("ready");
            assert_eq!(image, again.without(&cases[1], &voxels).expect("image"));
            let none = filler.without(&cases[1], &[]).expect("image");
            assert_eq!(none, cases[1].data);
        }
    }

    #[test]
    fn values_are_those_that_were_declared() {
        let cases = cohort();
        let at = |of| {
            let filler = Filler::new(of, &cases, 1, Seed(4)).expect("ready");
            filler.without(&cases[1], &[75]).expect("image")[75]
        };
        let value = |n: usize| cases[n].data[75];
        assert_eq!(at(Replacement::Background), -1.0);
        assert_eq!(at(Replacement::CohortMean), (value(0) + value(2) + value(3)) / 3.0);
        let donors = [value(2), value(3)];
        assert!(donors.contains(&at(Replacement::Donor)), "of the other class");
    }

    #[test]
    fn a_blur_is_one_of_the_mask_in_millimetres() {
        // A constant stays, whatever lies outside the mask.
        let flat = case("flat", 0, |v| if v % 8 > 1 { 3.0 } else { 99.0 });
        assert!(
            blurred(&flat, 8.0)
                .iter()
                .zip(flat.mask.data())
                .all(|(x, m)| !m || (x - 3.0).abs() < 1e-5)
        );
        // A point spreads by exp(−d²/2σ²) with d in mm: 2 voxels along i are 1 along k.
        let middle = (2 * 6 + 3) * 8 + 5;
        let mut whole = case("point", 0, |v| f32::from(u8::from(v == middle)));
        whole.mask = Mask::new(whole.grid.clone(), vec![true; whole.grid.len()]).expect("mask");
        let mut sums: Vec<f64> = whole.data.iter().map(|x| f64::from(*x)).collect();
        (0..3).for_each(|axis| along(&mut sums, &whole, axis, 4.0));
        assert!((sums[middle + 2] - sums[middle + 48]).abs() < 1e-12);
        assert!((sums[middle + 2] - (-0.5f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn nobody_else_is_no_replacement() {
        let cases = cohort();
        let alone = &cases[..1];
        assert!(Filler::new(Replacement::CohortMean, alone, 0, Seed(1)).is_err());
        assert!(Filler::new(Replacement::Donor, &cases[..2], 0, Seed(1)).is_err());
        assert!(Filler::new(Replacement::Background, alone, 0, Seed(1)).is_ok());
    }
}
