//! Permutation p-values. Small p speaks against exchangeability; none is ever zero.

use super::moments::{mean, require_finite, sum};
use super::{Stat, Undefined, undefined};
use crate::seed::Stream;

/// Which side of the null speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Small values are extreme.
    Less,
    /// Large values are extreme.
    Greater,
    /// Values far from zero are extreme.
    TwoSided,
}

/// A p-value and how it was got.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValue {
    /// The p-value, above 0 and at most 1.
    pub p: f64,
    /// Arrangements looked at.
    pub arrangements: usize,
    /// True when these are all there are.
    pub exact: bool,
}

/// Relative slack within which two statistics count as equal: the same sum in another
/// order must not fall on the other side.
const TIE: f64 = 1e-12;

pub(super) fn extreme(value: f64, observed: f64, tail: Tail) -> bool {
    let slack = TIE * observed.abs().max(value.abs());
    match tail {
        Tail::Less => value <= observed + slack,
        Tail::Greater => value >= observed - slack,
        Tail::TwoSided => value.abs() >= observed.abs() - slack,
    }
}

/// Rank test p = (1 + #{k: null_k as extreme as observed}) / (K + 1); valid when observed
/// and null values are exchangeable under the hypothesis (Phipson & Smyth 2010). Ties
/// count as extreme. The smallest attainable p is 1/(K + 1).
///
/// # Errors
/// Undefined without null values or for values that are not finite.
pub fn rank_p(observed: f64, null: &[f64], tail: Tail) -> Stat {
    require_finite(&[observed])?;
    require_finite(null)?;
    if null.is_empty() {
        return undefined("a rank test against no draws");
    }
    let count = null.iter().filter(|v| extreme(**v, observed, tail)).count();
    Ok((1 + count) as f64 / (null.len() + 1) as f64)
}

/// Sign-flip test of paired differences: the statistic is Σd, the arrangements are all
/// signs. Exact for at most `most` arrangements, otherwise `most` random ones.
///
/// # Errors
/// Undefined without differences, for values that are not finite, or when all are zero.
pub fn sign_flip(
    differences: &[f64],
    tail: Tail,
    most: usize,
    stream: &mut Stream,
) -> Result<PValue, Undefined> {
    require_finite(differences)?;
    if differences.iter().all(|d| *d == 0.0) {
        return undefined("a sign-flip test without any difference");
    }
    let n = differences.len();
    let observed = sum(differences);
    let flipped = |negative: &dyn Fn(usize) -> bool| -> f64 {
        let signed: Vec<f64> = differences
            .iter()
            .enumerate()
            .map(|(i, d)| if negative(i) { -d } else { *d })
            .collect();
        sum(&signed)
    };
    if n < 40 && (1usize << n) <= most {
        let all = 1usize << n;
        let hits = (0..all)
            .filter(|bits| extreme(flipped(&|i| bits >> i & 1 == 1), observed, tail))
            .count();
        return Ok(PValue { p: hits as f64 / all as f64, arrangements: all, exact: true });
    }
    let null: Vec<f64> = (0..most)
        .map(|_| {
            let signs: Vec<bool> = (0..n).map(|_| stream.chance(0.5)).collect();
            flipped(&|i| signs[i])
        })
        .collect();
    Ok(PValue { p: rank_p(observed, &null, tail)?, arrangements: most, exact: false })
}

/// Two-sample test on mean(a) − mean(b): the arrangements are the ways to deal the values
/// into groups of these sizes. Exact for at most `most` arrangements, otherwise `most`
/// random ones.
///
/// # Errors
/// Undefined for an empty group or values that are not finite.
pub fn two_sample(
    a: &[f64],
    b: &[f64],
    tail: Tail,
    most: usize,
    stream: &mut Stream,
) -> Result<PValue, Undefined> {
    let observed = mean(a)? - mean(b)?;
    let mut pool: Vec<f64> = a.iter().chain(b).copied().collect();
    let (n, m) = (pool.len(), a.len());
    let gap = |first: &[f64], rest: &[f64]| {
        sum(first) / first.len() as f64 - sum(rest) / rest.len() as f64
    };
    if let Some(all) = binomial(n, m).filter(|all| *all <= most) {
        let mut hits = 0;
        let mut chosen: Vec<usize> = (0..m).collect();
        loop {
            let picked: Vec<f64> = chosen.iter().map(|&i| pool[i]).collect();
            let rest: Vec<f64> =
                (0..n).filter(|i| chosen.binary_search(i).is_err()).map(|i| pool[i]).collect();
            hits += usize::from(extreme(gap(&picked, &rest), observed, tail));
            if !next_choice(&mut chosen, n) {
                break;
            }
        }
        return Ok(PValue { p: hits as f64 / all as f64, arrangements: all, exact: true });
    }
    let null: Vec<f64> = (0..most)
        .map(|_| {
            stream.shuffle(&mut pool);
            gap(&pool[..m], &pool[m..])
        })
        .collect();
    Ok(PValue { p: rank_p(observed, &null, tail)?, arrangements: most, exact: false })
}

/// n over k, or `None` when it does not fit.
fn binomial(n: usize, k: usize) -> Option<usize> {
    (0..k.min(n - k)).try_fold(1usize, |all, i| Some(all.checked_mul(n - i)? / (i + 1)))
}

/// The next ascending choice out of 0..n; false after the last.
fn next_choice(chosen: &mut [usize], n: usize) -> bool {
    let k = chosen.len();
    let Some(i) = (0..k).rev().find(|&i| chosen[i] < n - k + i) else { return false };
    chosen[i] += 1;
    (i + 1..k).for_each(|j| chosen[j] = chosen[j - 1] + 1);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn hand_worked() {
        let null: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(rank_p(0.0, &null, Tail::Less), Ok(0.05));
        assert_eq!(rank_p(0.0, &null, Tail::Greater), Ok(1.0));
        assert_eq!(rank_p(10.0, &null, Tail::Less), Ok(11.0 / 20.0));
        assert!(rank_p(0.0, &[], Tail::Less).is_err());
        assert!(rank_p(f64::NAN, &null, Tail::Less).is_err());
        let mut s = Seed(1).stream("p");
        let p = sign_flip(&[1.0, 2.0, 3.0], Tail::Greater, 1000, &mut s).expect("p");
        assert_eq!(p, PValue { p: 1.0 / 8.0, arrangements: 8, exact: true });
        let p = two_sample(&[4.0, 5.0], &[1.0, 2.0, 3.0], Tail::Greater, 1000, &mut s);
        assert_eq!(p, Ok(PValue { p: 0.1, arrangements: 10, exact: true }));
        assert!(sign_flip(&[0.0, 0.0], Tail::Less, 10, &mut s).is_err());
        assert!(two_sample(&[], &[1.0], Tail::Less, 10, &mut s).is_err());
        assert_eq!((binomial(10, 3), binomial(500, 250)), (Some(120), None));
    }

    #[test]
    fn drawn_and_exact_agree() {
        let mut s = Seed(2).stream("p");
        let d: Vec<f64> = (0..12).map(|_| s.normal() + 0.4).collect();
        let exact = sign_flip(&d, Tail::TwoSided, 4096, &mut s).expect("exact");
        let drawn = sign_flip(&d, Tail::TwoSided, 4000, &mut s).expect("drawn");
        assert!(exact.exact && !drawn.exact && (exact.p - drawn.p).abs() < 0.03);
        let exact = two_sample(&d[..6], &d[6..], Tail::TwoSided, 924, &mut s).expect("exact");
        let drawn = two_sample(&d[..6], &d[6..], Tail::TwoSided, 923, &mut s).expect("drawn");
        assert!(exact.exact && !drawn.exact && (exact.p - drawn.p).abs() < 0.06);
    }

    #[test]
    fn the_rank_test_keeps_its_size() {
        let mut hits = 0;
        for trial in 0..2000 {
            let mut s = Seed(trial).stream("size");
            let null: Vec<f64> = (0..19).map(|_| s.normal()).collect();
            hits += u32::from(rank_p(s.normal(), &null, Tail::Less).expect("p") <= 0.05);
        }
        assert!((65..=137).contains(&hits), "{hits} of 2000 at 5 %");
    }
}
