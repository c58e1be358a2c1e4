//! p-values of permutation tests under their hypothesis.
//!
//! A permutation p-value lies on steps: of all arrangements, or of the draws and one. It is
//! made continuous by taking a uniform share of one step off it; the result is exactly uniform
//! when the test is exact and no two arrangements tie.

use super::{ALPHA, LEAST_P, Uniform};
use crate::seed::{Seed, Stream};
use crate::stats::freedman_lane::{self, Exchange};
use crate::stats::permutation::{PValue, Tail, rank_p, sign_flip, two_sample};
use crate::stats::{Undefined, kolmogorov};

/// Arrangements of the tests that draw them.
const DRAWS: usize = 199;

/// One test on data for which its hypothesis holds.
pub(super) struct Test {
    pub(super) id: &'static str,
    name: &'static str,
    data: &'static str,
    /// p of one simulation.
    p: fn(&mut Stream) -> Result<PValue, Undefined>,
}

/// Every permutation test of the program, drawn and exact.
pub(super) static TESTS: &[Test] = &[
    Test {
        id: "two_sample",
        name: "two samples",
        data: "9 and 15 exponential values, 199 arrangements",
        p: |s| {
            let (a, b) = (skewed(s, 9), skewed(s, 15));
            two_sample(&a, &b, Tail::TwoSided, DRAWS, s)
        },
    },
    Test {
        id: "two_sample_exact",
        name: "two samples, exact",
        data: "5 and 6 exponential values, all 462 arrangements",
        p: |s| {
            let (a, b) = (skewed(s, 5), skewed(s, 6));
            two_sample(&a, &b, Tail::TwoSided, 500, s)
        },
    },
    Test {
        id: "sign_flip",
        name: "sign flips",
        data: "16 cubed normal differences, 199 arrangements",
        p: |s| sign_flip(&cubed(s, 16), Tail::TwoSided, DRAWS, s),
    },
    Test {
        id: "sign_flip_exact",
        name: "sign flips, exact",
        data: "9 cubed normal differences, all 512 arrangements, one side",
        p: |s| sign_flip(&cubed(s, 9), Tail::Greater, 512, s),
    },
    Test {
        id: "rank",
        name: "rank among draws",
        data: "1 value among 99, exponential with a common part",
        p: |s| {
            let common = 2.0 * s.normal();
            let all: Vec<f64> = skewed(s, 100).into_iter().map(|x| x + common).collect();
            let p = rank_p(all[0], &all[1..], Tail::Less)?;
            Ok(PValue { p, arrangements: 99, exact: false })
        },
    },
    Test {
        id: "freedman_lane",
        name: "Freedman–Lane",
        data: "12 and 12 subjects, exponential noise, a covariate that follows the group",
        p: |s| {
            let age: Vec<f64> = (0..24).map(|i| half(i) + s.normal()).collect();
            let noise = skewed(s, 24);
            let y: Vec<f64> = age.iter().zip(noise).map(|(a, e)| 2.0 * a + e).collect();
            let group: Vec<f64> = (0..24).map(half).collect();
            lane(&group, &[age], y, Exchange::Free, s)
        },
    },
    Test {
        id: "freedman_lane_strata",
        name: "Freedman–Lane, strata",
        data: "3 sites of 8 subjects with noise of their own size, exchanged within sites",
        p: |s| {
            let site: Vec<usize> = (0..24).map(|i| i / 8).collect();
            let noise = skewed(s, 24);
            let y = site.iter().zip(noise).map(|(k, e)| (1.0 + 2.0 * *k as f64) * e).collect();
            let is = |k: usize| site.iter().map(|s| f64::from(u8::from(*s == k))).collect();
            let group: Vec<f64> = (0..24).map(half).collect();
            lane(&group, &[is(1), is(2)], y, Exchange::Within(&site), s)
        },
    },
    Test {
        id: "freedman_lane_blocks",
        name: "Freedman–Lane, blocks",
        data: "16 subjects of 3 maps that share a part, subjects exchanged as wholes",
        p: |s| {
            let subject: Vec<usize> = (0..48).map(|i| i / 3).collect();
            let (own, noise) = (skewed(s, 16), skewed(s, 48));
            let y = subject.iter().zip(noise).map(|(k, e)| 2.0 * own[*k] + e).collect();
            let group: Vec<f64> = subject.iter().map(|k| half(*k)).collect();
            lane(&group, &[], y, Exchange::Whole(&subject), s)
        },
    },
];

/// 0 for even numbers, 1 for odd ones.
fn half(i: usize) -> f64 {
    (i % 2) as f64
}

/// Exponential values: mean 1, skewness 2.
pub(super) fn skewed(s: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| -(1.0 - s.uniform()).ln()).collect()
}

/// Symmetric about 0 with long tails.
fn cubed(s: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| s.normal().powi(3)).collect()
}

fn lane(
    group: &[f64],
    nuisance: &[Vec<f64>],
    y: Vec<f64>,
    exchange: Exchange<'_>,
    s: &mut Stream,
) -> Result<PValue, Undefined> {
    let found = freedman_lane::test(group, nuisance, &[y], exchange, DRAWS, s)?;
    let p = found.outcomes.into_iter().next().map_or_else(|| Ok(1.0), |f| Ok(f?.p))?;
    Ok(PValue { p, arrangements: DRAWS, exact: false })
}

impl Test {
    pub(super) fn show(&self, seed: Seed, simulations: usize) -> Result<Uniform, Undefined> {
        let (mut values, mut rejected) = (Vec::with_capacity(simulations), 0);
        for n in 0..simulations {
            let mut stream = seed.stream(&format!("proof/{}/{n}", self.id));
            let found = (self.p)(&mut stream)?;
            let steps = found.arrangements + usize::from(!found.exact);
            rejected += usize::from(found.p <= ALPHA);
            values.push((found.p - stream.uniform() / steps as f64).max(0.0));
        }
        let tested = kolmogorov::uniform(&values)?;
        values.sort_unstable_by(f64::total_cmp);
        Ok(Uniform {
            test: self.name.to_owned(),
            data: self.data.to_owned(),
            distance: tested.statistic,
            p: tested.p,
            rejected: rejected as f64 / simulations as f64,
            holds: tested.p >= LEAST_P,
            values,
        })
    }
}
