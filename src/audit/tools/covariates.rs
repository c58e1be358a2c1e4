//! What the table of participants says of the audited subjects, as numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::case::Case;
use crate::cohort::Participant;
use crate::image::{Mask, Volume};
use crate::stats::moments::median;

/// Name of the size of the head in ml, measured from the brain mask.
pub const HEAD: &str = "mask_ml";
/// Name of the gain of an image: the median intensity inside the brain mask as the file has it,
/// before any normalisation.
pub const GAIN: &str = "raw_median_intensity";

/// Gives each case the columns of the table that are numbers for all, and those of two values,
/// the first in the order of the alphabet as 0 (named `column=second`). `label` is the column
/// that tells the classes: it is no covariate. The size of the mask comes along as [`HEAD`]; what a
/// case has already, as its gain ([`gain`]), stays.
pub(in crate::audit) fn fill(cases: &mut [Case], people: &[&Participant], label: &str) {
    let names: BTreeSet<&String> = people.iter().flat_map(|p| p.covariates.keys()).collect();
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    for name in names.into_iter().filter(|name| *name != label) {
        let words: Option<Vec<&str>> =
            people.iter().map(|p| p.covariates.get(name).map(|v| v.trim())).collect();
        let Some(words) = words else { continue };
        found.extend(numbers(name, &words));
    }
    for (n, case) in cases.iter_mut().enumerate() {
        let ml = case.mask.count() as f64 * case.grid.voxel_mm3() / 1000.0;
        case.covariates.extend(found.iter().map(|(name, v)| (name.clone(), v[n])));
        case.covariates.insert(HEAD.to_owned(), ml);
    }
}

/// The gain of an image by its name ([`GAIN`]); nothing where the mask lies on another grid.
pub(in crate::audit) fn gain(image: &Volume, mask: &Mask) -> BTreeMap<String, f64> {
    let same = image.grid().shape() == mask.grid().shape();
    let inside = image.data().iter().zip(mask.data()).filter(|(_, m)| same && **m);
    let values: Vec<f64> = inside.map(|(v, _)| f64::from(*v)).collect();
    median(&values).ok().map(|gain| (GAIN.to_owned(), gain)).into_iter().collect()
}

/// A column as numbers, where it can be read as such.
fn numbers(name: &str, words: &[&str]) -> Option<(String, Vec<f64>)> {
    let parsed: Option<Vec<f64>> =
        words.iter().map(|w| w.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    if let Some(values) = parsed {
        return Some((name.to_owned(), values));
    }
    let kinds: BTreeMap<&str, usize> = words.iter().map(|w| (*w, 0)).collect();
    let missing = ["", "n/a", "NA", "nan"];
    match kinds.keys().copied().collect::<Vec<_>>()[..] {
        [first, second] if !missing.contains(&first) && !missing.contains(&second) => {
            let values = words.iter().map(|w| f64::from(u8::from(*w == second))).collect();
            Some((format!("{name}={second}"), values))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Grid;

    #[test]
    fn numbers_and_pairs_are_read_and_gaps_are_not() {
        let read = |words: &[&str]| numbers("x", words);
        assert_eq!(read(&["1", "2.5", "-3"]), Some(("x".to_owned(), vec![1.0, 2.5, -3.0])));
        assert_eq!(read(&["M", "F", "M"]), Some(("x=M".to_owned(), vec![1.0, 0.0, 1.0])));
        assert_eq!(read(&["M", "n/a", "M"]), None);
        assert_eq!(read(&["1", "n/a", "2"]), None);
        assert_eq!(read(&["a", "b", "c"]), None);
        assert_eq!(read(&["1", "inf", "2"]), None);
    }

    #[test]
    fn the_gain_is_the_median_of_the_brain_as_the_file_has_it_and_stays_beside_the_table() {
        let grid = Grid::centred([4, 2, 1], [1.0; 3]).expect("grid");
        let image = Volume::new(grid.clone(), vec![900.0, 7.0, 5.0, 6.0, 0.0, 0.0, 8.0, 9.0]);
        let inside = [false, true, true, true, false, false, true, true];
        let mask = Mask::new(grid.clone(), inside.to_vec()).expect("mask");
        let found = gain(&image.expect("image"), &mask);
        assert_eq!(found, BTreeMap::from([(GAIN.to_owned(), 7.0)]));
        let mut case = Case { mask, covariates: found, ..Case::plain("a", 0, &grid) };
        fill(std::slice::from_mut(&mut case), &[], "group");
        assert_eq!(case.covariates.keys().collect::<Vec<_>>(), [HEAD, GAIN]);
    }
}
