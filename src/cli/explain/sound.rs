//! No map is handed out whose numbers are none or whose ledger does not close.

use crate::compute::Array;
use crate::explain::ledger::LedgerLine;
use crate::{Error, Result};

/// Largest share of a layer's relevance that may be unaccounted for: far above the rounding of
/// f32, about 1e-7, and far below what a reader of a map would see.
const LARGEST: f64 = 1e-3;

/// The layer with the largest unaccounted share, and that share; a share that is not a number
/// is the largest of all.
fn worst<'l>(lines: impl IntoIterator<Item = &'l LedgerLine>) -> (&'l str, f64) {
    let shares = lines.into_iter().map(|line| (line.layer.as_str(), line.residual()));
    shares.fold(("", 0.0), |worst, one| {
        let none = one.1.is_nan() && !worst.1.is_nan();
        if none || one.1 > worst.1 { one } else { worst }
    })
}

/// The largest unaccounted share of any layer's relevance.
///
/// # Errors
/// [`Error::Model`] `E-RULE-012` naming rule and layer when it is too large or not a number.
pub(super) fn residual<'l>(
    name: &str,
    lines: impl IntoIterator<Item = &'l LedgerLine>,
) -> Result<f64> {
    let (layer, share) = worst(lines);
    if share <= LARGEST {
        return Ok(share);
    }
    Err(Error::model(
        "E-RULE-012",
        format!(
            "by {name} a share of {share:.1e} of the relevance of '{layer}' is unaccounted for"
        ),
        format!("At most {LARGEST:.0e} may be; look for weights or inputs too large for f32"),
    ))
}

/// Refuses numbers that are not finite.
///
/// # Errors
/// [`Error::Model`] `E-RULE-011` with the first of them and its place.
pub(super) fn finite(what: &str, array: &Array) -> Result<()> {
    let values = array.to_f64()?;
    let Some(at) = values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
    Err(Error::model(
        "E-RULE-011",
        format!("{what} of shape {:?} is {} at number {at}", array.shape(), values[at]),
        "All must be finite; look for weights or inputs too large for f32",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(layer: &str, handed_on: f64) -> LedgerLine {
        LedgerLine {
            layer: layer.into(),
            kind: "dense".into(),
            rule: "epsilon".into(),
            received: 1.0,
            handed_on,
            bias: 0.0,
            stabiliser: 0.0,
            degenerate: 0.0,
            mass: 1.0,
            mass_handed_on: 1.0,
        }
    }

    #[test]
    fn a_share_that_is_no_number_or_too_large_is_told_with_its_layer() {
        let [closed, open, none] = [line("a", 1.0), line("b", 0.75), line("c", f64::NAN)];
        assert_eq!(worst([&closed, &open, &closed]), ("b", 0.25));
        for lines in [[&closed, &open, &none], [&none, &open, &closed], [&open, &none, &open]] {
            let (layer, share) = worst(lines);
            assert!(layer == "c" && share.is_nan(), "{layer} {share}");
            let error = residual("epsilon", lines).expect_err("no number");
            assert!(error.code() == "E-RULE-012" && error.to_string().contains("'c'"), "{error}");
        }
        assert!(residual("epsilon", [&closed, &open]).is_err());
        assert!(matches!(residual("epsilon", [&closed]), Ok(0.0)));
    }

    #[test]
    fn a_map_with_a_number_that_is_none_is_told_with_its_place() {
        let map = |last: f32| Array::from_vec(vec![1.0, last], &[2]).expect("map");
        finite("map", &map(2.0)).expect("finite");
        for bad in [f32::NAN, f32::INFINITY] {
            let error = finite("map", &map(bad)).expect_err("not finite");
            assert!(error.to_string().contains("at number 1"), "{error}");
        }
    }
}
