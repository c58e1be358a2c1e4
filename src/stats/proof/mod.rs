//! The statistics shown to hold, by simulation: p-values of permutation tests are uniform under
//! their hypothesis, corrections keep the error they promise, and intervals cover what they
//! should. Everything is drawn from named streams, so equal seeds give equal numbers.

mod coverage;
mod family;
mod uniformity;

use serde::Serialize;

use super::Undefined;
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::{Error, Result};

/// Kolmogorov's p below which p-values are called not uniform.
pub const LEAST_P: f64 = 0.01;
/// Greatest share of families with a false discovery at 0.05.
pub const MOST_ERRORS: f64 = 0.06;
/// Least and greatest coverage of an interval of 95 %.
pub const BAND: [f64; 2] = [0.93, 0.97];
/// Level of tests.
const ALPHA: f64 = 0.05;
/// Level of intervals.
const LEVEL: f64 = 0.95;

/// p-values of one test under its hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uniform {
    /// The test.
    pub test: String,
    /// What was drawn.
    pub data: String,
    /// Kolmogorov's D.
    pub distance: f64,
    /// Kolmogorov's p.
    pub p: f64,
    /// Share of p-values, not randomised, that are at most 0.05.
    pub rejected: f64,
    /// p is at least [`LEAST_P`].
    pub holds: bool,
    /// The randomised p-values, ascending.
    pub values: Vec<f64>,
}

/// An error rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rate {
    /// What is counted.
    pub rate: String,
    /// What was drawn.
    pub data: String,
    /// The rate.
    pub value: f64,
    /// Its standard error over the simulations.
    pub error: f64,
    /// Greatest value allowed.
    pub most: f64,
    /// The value is at most that.
    pub holds: bool,
}

/// How often an interval of 95 % holds the true value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// What the interval is of.
    pub statistic: String,
    /// How the interval is made.
    pub interval: String,
    /// Audits use it.
    pub used: bool,
    /// What was drawn.
    pub data: String,
    /// Subjects.
    pub n: usize,
    /// Share of the simulations with an interval.
    pub defined: f64,
    /// Share of those whose interval holds the true value.
    pub coverage: f64,
    /// Standard error of the coverage over the simulations.
    pub error: f64,
    /// Mean width, unit of the statistic.
    pub width: f64,
    /// The coverage is within [`BAND`], or outside it by no more than two standard errors, and
    /// every simulation has an interval.
    pub holds: bool,
}

/// Everything shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// Seed of all draws.
    pub seed: u64,
    /// Simulations of each test; error rates and coverages have twice as many.
    pub simulations: usize,
    /// Tests.
    pub tests: Vec<Uniform>,
    /// Corrections for many tests.
    pub rates: Vec<Rate>,
    /// Intervals.
    pub coverage: Vec<Coverage>,
}

impl Proof {
    /// Whether all tests and corrections hold, and all intervals that audits use at `n` subjects
    /// or more.
    pub fn holds(&self, n: usize) -> bool {
        let used = self.coverage.iter().filter(|c| c.used && c.n >= n);
        let tests = self.tests.iter().map(|t| t.holds);
        tests.chain(self.rates.iter().map(|r| r.holds)).chain(used.map(|c| c.holds)).all(|h| h)
    }
}

/// One piece of work.
enum Piece {
    Test(&'static uniformity::Test),
    Family(family::Family),
    Coverage(coverage::Cell),
}

/// What comes of one.
enum Shown {
    Test(Uniform),
    Rates(Vec<Rate>),
    Coverage(Vec<Coverage>),
}

/// Simulates everything, `simulations` times each test and twice as often each error rate and
/// coverage.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Usage`] `E-STATS-001` for fewer than 100 simulations.
pub fn prove(seed: Seed, simulations: usize, progress: &dyn Progress) -> Result<Proof> {
    if simulations < 100 {
        let what = format!("{simulations} simulations, at least 100 are needed");
        return Err(Error::usage("E-STATS-001", what, "Ask for more simulations"));
    }
    let tests = uniformity::TESTS.iter().map(Piece::Test);
    let families = family::Family::ALL.into_iter().map(Piece::Family);
    // The longest first, so that no thread waits at the end.
    let cells = coverage::cells().into_iter().map(Piece::Coverage);
    let pieces: Vec<Piece> = families.chain(cells).chain(tests).collect();
    let name = |piece: &Piece| match piece {
        Piece::Test(test) => test.id.to_owned(),
        Piece::Family(family) => family.words().to_owned(),
        Piece::Coverage(cell) => cell.name(),
    };
    let shown = in_parallel(&pieces, "simulating", progress, name, |piece| {
        let shown = match piece {
            Piece::Test(test) => test.show(seed, simulations).map(Shown::Test),
            Piece::Family(family) => family.show(seed, 2 * simulations).map(Shown::Rates),
            Piece::Coverage(cell) => Ok(Shown::Coverage(cell.show(seed, 2 * simulations))),
        };
        shown.map_err(|Undefined(why)| Error::internal(format!("{}: {why}", name(piece))))
    })?;
    let mut proof =
        Proof { seed: seed.0, simulations, tests: vec![], rates: vec![], coverage: vec![] };
    for one in shown {
        match one {
            Shown::Test(test) => proof.tests.push(test),
            Shown::Rates(rates) => proof.rates.extend(rates),
            Shown::Coverage(cells) => proof.coverage.extend(cells),
        }
    }
    Ok(proof)
}

#[cfg(test)]
mod tests;
