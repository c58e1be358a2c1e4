//! Many tests at once: p-values adjusted so that those below a level hold at most that share
//! of false discoveries, or ([`holm`]) hold none but with that probability.

use super::{Undefined, undefined};

/// Adjusted p-values min over j ≥ i of factor·m·p₍ⱼ₎/j, at most 1, in the order given.
fn step_up(p: &[f64], factor: f64) -> Result<Vec<f64>, Undefined> {
    if let Some(bad) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return undefined(format!("{bad} is not a p-value"));
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let (mut out, mut least) = (vec![0.0; p.len()], 1.0f64);
    for (place, i) in order.into_iter().enumerate() {
        least = least.min(p[i] * factor * p.len() as f64 / (p.len() - place) as f64);
        out[i] = least;
    }
    Ok(out)
}

/// Benjamini & Hochberg's adjusted p-values min over j ≥ i of m·p₍ⱼ₎/j (1995): calling what
/// is at most q keeps the expected share of false discoveries at q, for tests that are
/// independent or positively dependent. In the order given, 0 to 1.
///
/// # Errors
/// Undefined when a value lies outside [0, 1].
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, Undefined> {
    step_up(p, 1.0)
}

/// Benjamini & Yekutieli's adjusted p-values (2001): those of [`benjamini_hochberg`] times
/// Σ 1/i over i = 1 … m, valid under any dependence. In the order given, 0 to 1.
///
/// # Errors
/// As [`benjamini_hochberg`].
pub fn benjamini_yekutieli(p: &[f64]) -> Result<Vec<f64>, Undefined> {
    step_up(p, (1..=p.len()).map(|i| 1.0 / i as f64).sum())
}

/// Holm's adjusted p-values max over j ≤ i of (m − j + 1)·p₍ⱼ₎, at most 1 (1979): calling what is
/// at most α keeps the probability of any false call at α, under any dependence. In the order
/// given, 0 to 1.
///
/// # Errors
/// As [`benjamini_hochberg`].
pub fn holm(p: &[f64]) -> Result<Vec<f64>, Undefined> {
    if let Some(bad) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return undefined(format!("{bad} is not a p-value"));
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut out, mut most) = (vec![0.0; p.len()], 0.0f64);
    for (place, i) in order.into_iter().enumerate() {
        most = most.max(p[i] * (p.len() - place) as f64).min(1.0);
        out[i] = most;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn near(got: &[f64], want: &[f64]) {
        let apart = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
        assert!(got.len() == want.len() && apart < 1e-15, "{got:?} {want:?}");
    }

    #[test]
    fn hand_worked() {
        // 4p/i by rank: 0.01·4, 0.02·2, 0.03·4/3 → 0.04, and 0.5.
        let p = [0.5, 0.03, 0.01, 0.02];
        near(&benjamini_hochberg(&p).expect("q"), &[0.5, 0.04, 0.04, 0.04]);
        let h = 25.0 / 12.0;
        near(&benjamini_yekutieli(&p).expect("q"), &[1.0, 0.04 * h, 0.04 * h, 0.04 * h]);
        assert_eq!(benjamini_hochberg(&[]), Ok(vec![]));
        // 4·0.01, 3·0.02 and 2·0.03 → 0.06, and 0.5.
        near(&holm(&p).expect("p"), &[0.5, 0.06, 0.04, 0.06]);
        near(&holm(&[0.6, 0.7]).expect("p"), &[1.0, 1.0]);
        assert!(holm(&[]) == Ok(vec![]) && holm(&[f64::NAN]).is_err());
        assert!(benjamini_hochberg(&[1.1]).is_err() && benjamini_yekutieli(&[f64::NAN]).is_err());
    }

    #[test]
    fn four_oracles() {
        let m = 200;
        let strong = vec![1e-9; m];
        let weak = vec![1.0 - 1e-9; m];
        let constant = vec![0.3; m];
        let called = |p: &[f64]| {
            let q = benjamini_hochberg(p).expect("q");
            q.iter().filter(|q| **q <= 0.05).count()
        };
        assert_eq!((called(&strong), called(&weak), called(&constant)), (m, 0, 0));
        near(&benjamini_hochberg(&constant).expect("q"), &constant);
        // Under the null any call is false: in 5 % of families of independent tests.
        let any = |adjust: fn(&[f64]) -> Result<Vec<f64>, Undefined>| {
            let family = |trial: u64| {
                let mut s = Seed(trial).stream("discovery");
                let p: Vec<f64> = (0..20).map(|_| s.uniform()).collect();
                adjust(&p).expect("q").iter().any(|q| *q <= 0.05)
            };
            (0..2000).filter(|trial| family(*trial)).count()
        };
        let (bh, by) = (any(benjamini_hochberg), any(benjamini_yekutieli));
        assert!((65..=137).contains(&bh) && by < 65, "{bh} and {by} of 2000 at 5 %");
    }
}
