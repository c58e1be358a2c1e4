//! What the table of participants says of the audited subjects, as numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use crate::cohort::Participant;

/// Name of the size of the head in ml, measured from the brain mask.
pub const HEAD: &str = "mask_ml";

/// Gives each case the columns of the table that are numbers for all, and those of two values,
/// the first in the order of the alphabet as 0 (named `column=second`). `label` is the column
/// that tells the classes: it is no covariate. The size of the mask comes along as [`HEAD`].
pub(super) fn fill(cases: &mut [Case], people: &[&Participant], label: &str) {
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
        case.covariates = found.iter().map(|(name, v)| (name.clone(), v[n])).collect();
        case.covariates.insert(HEAD.to_owned(), ml);
    }
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
}
