//! Pure statistics on slices of `f64`. Undefined is a value with a reason
//! ([`Undefined`]), never NaN and never 0.

pub mod agreement;
pub mod auc_interval;
pub mod bootstrap;
pub mod calibration;
pub mod complexity;
pub mod curve;
pub mod delong;
pub mod discovery;
pub mod effect_size;
pub mod freedman_lane;
pub mod kolmogorov;
pub mod linear_model;
pub mod localisation;
pub mod logistic;
pub mod mean_interval;
pub mod moments;
pub mod normal;
pub mod permutation;
pub mod proof;
pub mod rank;
pub mod rank_test;
pub mod region;
pub mod reliability;
pub mod ssim;
pub mod student;

/// Why a statistic has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("undefined: {0}")]
pub struct Undefined(pub String);

/// A statistic: a number, or the reason why there is none.
pub type Stat = std::result::Result<f64, Undefined>;

/// Shorthand for an undefined statistic.
pub fn undefined<T>(why: impl Into<String>) -> std::result::Result<T, Undefined> {
    Err(Undefined(why.into()))
}

/// A test statistic and the p-value it gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// The statistic, unit as the test says.
    pub statistic: f64,
    /// The p-value, 0 to 1; one that is smaller than any f64 is 0.
    pub p: f64,
}
