//! Intensities on one scale: inside the mask standardised, outside exactly 0 unless asked
//! to be kept.

use serde::{Deserialize, Serialize};

use super::{Mask, Volume};
use crate::{Error, Result};

/// How intensities are put on one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `(x - mean) / sd` of the clipped values inside the mask; sd with n in the denominator.
    ZScore,
    /// `(x - median) / (0.7413 · (p75 - p25))`: for a normal distribution the same as the
    /// z-score, unmoved by outliers.
    RobustZ,
    /// Values as they are (but clipped, and 0 outside).
    None,
}

impl Method {
    /// All methods, by the word used in files and on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("z_score", Self::ZScore), ("robust_z", Self::RobustZ), ("none", Self::None)];

    /// The method of a word.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-IMAGE-023` naming the words.
    pub fn parse(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|m| m.0 == word).map(|m| m.1).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|m| m.0).collect();
            let what = format!("there is no normalisation {word:?}");
            Error::usage("E-IMAGE-023", what, format!("Choose one of {}", words.join(", ")))
        })
    }
}

/// What becomes of the voxels outside the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// They become exactly 0: the network cannot see them.
    #[default]
    Zero,
    /// They are divided by the same scale and not centred, so that 0 stays exactly 0: what
    /// lies outside the brain reaches the network, and an audit can find that it was used.
    /// Voxels that touch the mask (26 neighbours) still become 0: resampling has mixed brain
    /// into them, and uncentred they would draw a bright outline around it.
    Keep,
}

/// Options of [`normalise`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Method.
    pub method: Method,
    /// Lower and upper percentile (0 to 100, inside the mask) values are clipped to first.
    pub clip: Option<[f64; 2]>,
    /// What becomes of the voxels outside the mask.
    #[serde(default)]
    pub outside: Outside,
}

impl Default for Options {
    fn default() -> Self {
        Self { method: Method::ZScore, clip: Some([0.5, 99.5]), outside: Outside::Zero }
    }
}

/// A normalised image and what was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    /// The image; outside the mask as [`Options::outside`] says.
    pub volume: Volume,
    /// Values were clipped to this range, in the unit of the input.
    pub range: [f64; 2],
    /// Subtracted.
    pub centre: f64,
    /// Divided by.
    pub scale: f64,
}

fn undefined(what: impl Into<String>, fix: &str) -> Error {
    Error::usage("E-IMAGE-021", what, fix)
}

/// Percentile `p` (0 to 100) of sorted values, linear between neighbours.
fn percentile(sorted: &[f32], p: f64) -> f64 {
    let at = (p / 100.0).clamp(0.0, 1.0) * (sorted.len().saturating_sub(1)) as f64;
    let value = |i: usize| f64::from(sorted[i.min(sorted.len() - 1)]);
    let low = value(at.floor() as usize);
    low + (value(at.ceil() as usize) - low) * at.fract()
}

/// Puts the intensities inside `mask` on one scale; outside they become exactly 0 or, with
/// [`Outside::Keep`], `clipped / scale`.
///
/// # Errors
/// [`Error::Shape`] when image and mask lie on different grids; [`Error::Usage`]
/// `E-IMAGE-021` when the mask is empty, a value inside is not finite, the percentiles are
/// not ascending within 0 to 100, or the values inside are constant (the scale is 0).
pub fn normalise(volume: &Volume, mask: &Mask, options: &Options) -> Result<Normalised> {
    if !volume.grid().matches(mask.grid(), 1e-3) {
        return Err(Error::shape(
            "normalise: grid of the mask",
            volume.grid().shape(),
            mask.grid().shape(),
        ));
    }
    let within = |(v, m): (&f32, &bool)| m.then_some(*v);
    let mut sorted: Vec<f32> = volume.data().iter().zip(mask.data()).filter_map(within).collect();
    if sorted.is_empty() {
        return Err(undefined("the mask is empty", "Give a mask that covers the brain"));
    }
    if sorted.iter().any(|v| !v.is_finite()) {
        return Err(undefined("a value inside the mask is not finite", "Read it with a reader"));
    }
    sorted.sort_unstable_by(f32::total_cmp);
    let range = match options.clip {
        Some([low, high]) if (0.0..high).contains(&low) && high <= 100.0 => {
            [percentile(&sorted, low), percentile(&sorted, high)]
        }
        Some(bad) => {
            return Err(undefined(
                format!("clip percentiles are {bad:?}"),
                "Give two ascending numbers from 0 to 100",
            ));
        }
        None => [percentile(&sorted, 0.0), percentile(&sorted, 100.0)],
    };
    let (centre, scale) = centre_and_scale(&sorted, range, options.method);
    if !(scale.is_finite() && scale > 0.0) {
        return Err(undefined(
            format!("values inside the mask have no spread (scale {scale}, centre {centre})"),
            "Check image and mask: a constant image cannot be normalised",
        ));
    }
    let rim = match options.outside {
        Outside::Zero => Vec::new(),
        Outside::Keep => touching(mask),
    };
    let one = |(at, (v, m)): (usize, (&f32, &bool))| {
        let wide = f64::from(*v);
        if *m {
            ((wide.clamp(range[0], range[1]) - centre) / scale) as f32
        } else if rim.get(at) == Some(&false) && v.is_finite() {
            // Not clipped from below: background is darker than any brain.
            (wide.min(range[1]) / scale) as f32
        } else {
            0.0
        }
    };
    let data = volume.data().iter().zip(mask.data()).enumerate().map(one).collect();
    let volume = Volume::new(volume.grid().clone(), data)?;
    Ok(Normalised { volume, range, centre, scale })
}

/// Voxels in the mask or beside it, corners included.
fn touching(mask: &Mask) -> Vec<bool> {
    let shape = mask.grid().shape();
    let mut grown = mask.data().to_vec();
    for (step, n) in [1, shape[0], shape[0] * shape[1]].into_iter().zip(shape) {
        let old = grown.clone();
        for (v, value) in grown.iter_mut().enumerate() {
            let at = v / step % n;
            *value |= (at > 0 && old[v - step]) || (at + 1 < n && old[v + step]);
        }
    }
    grown
}

fn centre_and_scale(sorted: &[f32], range: [f64; 2], method: Method) -> (f64, f64) {
    match method {
        Method::None => (0.0, 1.0),
        Method::RobustZ => {
            let spread = percentile(sorted, 75.0) - percentile(sorted, 25.0);
            (percentile(sorted, 50.0), 0.7413 * spread)
        }
        Method::ZScore => {
            let n = sorted.len() as f64;
            let clipped = || sorted.iter().map(|&v| f64::from(v).clamp(range[0], range[1]));
            if range[0] == range[1] {
                return (range[0], 0.0);
            }
            let mean = clipped().sum::<f64>() / n;
            let variance = clipped().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            (mean, variance.sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Grid;

    fn image() -> (Volume, Mask) {
        let grid = Grid::centred([10, 10, 2], [1.0; 3]).expect("grid");
        let data = (0..200).map(|v| v as f32 * 3.0 + 7.0).collect();
        let mask = (0..200).map(|v| v % 4 != 0).collect();
        (Volume::new(grid.clone(), data).expect("v"), Mask::new(grid, mask).expect("m"))
    }

    #[test]
    fn z_scores_have_mean_0_and_spread_1_and_the_outside_is_0() {
        let (volume, mask) = image();
        let options = Options { method: Method::ZScore, clip: None, ..Options::default() };
        let out = normalise(&volume, &mask, &options).expect("ok").volume;
        let pairs = || out.data().iter().zip(mask.data());
        assert!(pairs().filter(|(_, m)| !**m).all(|(v, _)| v.to_bits() == 0));
        let inside: Vec<f64> = pairs().filter(|(_, m)| **m).map(|(v, _)| f64::from(*v)).collect();
        let mean = inside.iter().sum::<f64>() / inside.len() as f64;
        let square = inside.iter().map(|v| v * v).sum::<f64>() / inside.len() as f64;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{mean} {square}");
    }

    #[test]
    fn a_kept_background_reaches_the_network_its_zeros_stay_0_and_the_rim_is_dark() {
        let (mut volume, _) = image();
        let mask: Vec<bool> = (0..200).map(|v| v % 10 > 4).collect();
        let mask = Mask::new(volume.grid().clone(), mask).expect("m");
        (volume.data_mut()[0], volume.data_mut()[1], volume.data_mut()[2]) = (0.0, 30.0, 1e9);
        let options = Options { outside: Outside::Keep, ..Options::default() };
        let kept = normalise(&volume, &mask, &options).expect("ok");
        let out = kept.volume.data();
        assert_eq!(out[0].to_bits(), 0);
        assert_eq!(out[1], (30.0 / kept.scale) as f32);
        assert_eq!(out[2], (kept.range[1] / kept.scale) as f32);
        let zero = normalise(&volume, &mask, &Options::default()).expect("ok");
        for (v, (a, b)) in out.iter().zip(zero.volume.data()).enumerate() {
            let (inside, rim) = (v % 10 > 4, v % 10 == 4);
            assert!(if inside { a == b } else { *b == 0.0 });
            assert!(!rim || *a == 0.0);
        }
    }

    #[test]
    fn outliers_do_not_move_the_robust_score() {
        let (mut volume, mask) = image();
        let options =
            Options { method: Method::RobustZ, clip: Some([1.0, 99.0]), ..Options::default() };
        let before = normalise(&volume, &mask, &options).expect("ok");
        volume.data_mut()[199] = 1e9;
        let after = normalise(&volume, &mask, &options).expect("ok");
        assert_eq!((before.centre, before.scale), (after.centre, after.scale));
    }

    #[test]
    fn constant_empty_and_misplaced_are_refused() {
        let (volume, mask) = image();
        let same = Volume::new(volume.grid().clone(), vec![0.1; 200]).expect("v");
        for method in [Method::ZScore, Method::RobustZ] {
            let options = Options { method, ..Options::default() };
            let error = normalise(&same, &mask, &options).expect_err("constant");
            assert_eq!(error.code(), "E-IMAGE-021");
        }
        let none = Mask::new(volume.grid().clone(), vec![false; 200]).expect("m");
        let error = normalise(&volume, &none, &Options::default()).expect_err("empty");
        assert_eq!(error.code(), "E-IMAGE-021");
        let bad = Options { clip: Some([99.0, 1.0]), ..Options::default() };
        assert!(normalise(&volume, &mask, &bad).is_err());
    }
}
