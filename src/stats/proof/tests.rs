use super::*;
use crate::progress::Silent;

/// Few simulations, wide limits: what breaks here is broken badly. `heatproof calibrate` looks
/// closely.
#[test]
fn what_is_shown_holds_roughly_and_does_not_depend_on_threads() {
    let proof = prove(Seed(2), 100, &Silent).expect("proof");
    assert_eq!(proof.tests.len(), uniformity::TESTS.len());
    for test in &proof.tests {
        assert!(test.p > 1e-3 && test.rejected <= 0.15, "{} {}", test.test, test.p);
        assert!(test.values.iter().all(|v| (0.0..=1.0).contains(v)) && test.values.is_sorted());
    }
    assert!(proof.rates.iter().all(|r| r.value <= 0.12), "{:?}", proof.rates);
    let find = |interval: &str, statistic: &str, n: usize| {
        let of = |c: &&Coverage| c.interval == interval && c.statistic == statistic && c.n == n;
        let found: Vec<f64> = proof.coverage.iter().filter(of).map(|c| c.coverage).collect();
        assert!(!found.is_empty(), "{interval} {statistic} {n}");
        found.into_iter().fold(1.0, f64::min)
    };
    let used = proof.coverage.iter().filter(|c| c.used && c.n >= 8);
    assert!(used.clone().count() > 30 && used.clone().all(|c| c.coverage > 0.87));
    // What audits used before is seen to fail.
    assert!(find("percentile", "mean", 5) < 0.87 && find("percentile", "AUC", 8) < 0.7);
    assert!(find("Newcombe over scans, wrongly", "AUC", 60) < 0.9);
    assert!(find("BCa over maps, wrongly", "effect size g", 60) < 0.88);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    assert_eq!(one.install(|| prove(Seed(2), 100, &Silent)).expect("again"), proof);
    assert!(prove(Seed(2), 99, &Silent).is_err());
}
