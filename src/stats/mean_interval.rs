//! The interval of a mean over subjects, few or many.

use super::bootstrap::{Bounds, studentised};
use super::{Undefined, student, undefined};
use crate::seed::Stream;

/// From so many values on the bootstrap-t interval is used: fewer have too few different draws.
pub const FEWEST: usize = 5;

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`student::mean_interval`].
    Student,
    /// [`studentised`].
    Studentised,
}

impl Kind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Student => "Student's t interval",
            Self::Studentised => "bootstrap-t interval",
        }
    }
}

/// The interval of a mean that audits use, unit of the values: bootstrap-t from [`FEWEST`]
/// values on, Student's below, where it is exact for normal values only, and for constant ones,
/// whose interval is a point. Coverage: `docs/calibration.md`.
///
/// # Errors
/// Undefined for fewer than three values, fewer than 100 draws, values that are not finite or a
/// level outside (0, 1).
pub fn mean_interval(
    values: &[f64],
    level: f64,
    draws: usize,
    stream: &mut Stream,
) -> Result<(Bounds, Kind), Undefined> {
    if values.len() < 3 {
        return undefined(format!("an interval of {} value(s)", values.len()));
    }
    let constant = values.iter().all(|v| *v == values[0]);
    if values.len() < FEWEST || constant {
        return Ok((student::mean_interval(values, level)?, Kind::Student));
    }
    Ok((studentised(values, level, draws, stream)?, Kind::Studentised))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_kind_follows_the_number_of_values() {
        let mut s = Seed(31).stream("mean");
        let xs: Vec<f64> = (0..6).map(|_| s.normal()).collect();
        let mut of = |values: &[f64]| mean_interval(values, 0.95, 500, &mut s);
        let (few, kind) = of(&xs[..4]).expect("four");
        assert_eq!(
            (few, kind),
            (student::mean_interval(&xs[..4], 0.95).expect("t"), Kind::Student)
        );
        assert_eq!(of(&xs).expect("six").1, Kind::Studentised);
        let (point, _) = of(&[0.25; 6]).expect("constant");
        assert_eq!((point.low, point.high), (0.25, 0.25));
        assert!(of(&xs[..2]).is_err() && of(&[1.0, f64::NAN, 2.0, 3.0, 4.0, 5.0]).is_err());
    }
}
