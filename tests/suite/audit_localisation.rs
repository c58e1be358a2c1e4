//! Localisation and complexity: four oracles for every number, chance, and truths that cannot
//! be found.

use heatproof::audit::bench::Bench;
use heatproof::audit::case::Case;
use heatproof::audit::checks::complexity::map_complexity::{self, MapComplexity};
use heatproof::audit::checks::localisation::planted_localisation::{MEASURES, PlantedLocalisation};
use heatproof::audit::checks::localisation::planted_recovery::PlantedRecovery;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::audit::judge::judge;
use heatproof::audit::policy::{Policy, Verdict};
use heatproof::image::Mask;
use heatproof::seed::Seed;

use super::audit_bench::*;

/// A cube of the size of 3 × 3 × 3 voxels in the middle, or elsewhere for every other subject.
fn small(case: &Case, v: usize) -> bool {
    let [i, j, _] = case.grid.shape();
    let at = [v % i, v / i % j, v / (i * j)];
    let second = case.id.ends_with(['1', '3', '5', '7']);
    let corner = if second { [2, 9, 7] } else { [6, 3, 3] };
    (0..3).all(|a| (corner[a]..corner[a] + 3).contains(&at[a]))
}

fn cases(truth: impl Fn(&Case, usize) -> bool) -> Vec<Case> {
    let with = |case: &Case| {
        let data = (0..case.grid.len()).map(|v| truth(case, v)).collect();
        Case { truth: Some(Mask::new(case.grid.clone(), data).expect("mask")), ..case.clone() }
    };
    HEADS.iter().map(with).collect()
}

fn random(case: &Case, v: usize) -> f32 {
    Seed(73).stream(&format!("test/localisation/{}/{v}", case.id)).normal() as f32
}

/// What a check of maps alone says of maps drawn by a rule.
fn of_maps(
    check: &dyn heatproof::audit::checks::Check,
    cases: &[Case],
    seed: u64,
    value: &dyn Fn(&Case, usize) -> f32,
) -> Vec<Finding> {
    let blank = cases.iter().map(|c| vec![0.0; c.grid.len()]).collect();
    let mut bench = Bench::of_maps(cases, blank, "drawn", &CLASSES, Seed(seed)).expect("bench");
    draw(&mut bench, value);
    check.measure(&bench).expect("measured")
}

#[test]
fn four_oracles_of_every_measure_of_localisation() {
    let cases = cases(small);
    let of = |value: &dyn Fn(&Case, usize) -> f32| of_maps(&PlantedLocalisation, &cases, 3, value);
    let truth = |case: &Case, v: usize| f32::from(u8::from(small(case, v)));
    let share = 27.0 / HEADS[0].mask.count() as f64;
    let (exact, inverted) = (of(&truth), of(&|c, v| 1.0 - truth(c, v)));
    for m in MEASURES {
        let (want, least) = match m {
            "enrichment" => (1.0 / share, 0.0),
            "auprc" => (1.0, share),
            _ => (1.0, 0.0),
        };
        for suffix in ["", "_positive"] {
            let name = format!("{m}{suffix}");
            assert!((cohort(&exact, &name) - want).abs() < 1e-9, "{name}");
            // Pointing: the whole rest of the brain ties, and some of it is near enough.
            let away = if m == "pointing" { 1.0 } else { least };
            assert!((cohort(&inverted, &name) - away).abs() < 1e-9, "{name}");
        }
    }
    let noise = of(&random);
    let constant = of(&|_, _| 2.0);
    for (name, chance, slack) in [
        ("auroc", 0.5, 0.1),
        ("auprc", share, 0.04),
        ("mass_accuracy", share, 0.01),
        ("enrichment", 1.0, 0.3),
        ("rank_accuracy", share, 0.05),
    ] {
        assert!((cohort(&noise, name) - chance).abs() < slack, "{name}");
        assert!((cohort(&constant, name) - chance).abs() < 1e-9, "{name}");
    }
    let unmeasured = |found: &[Finding], q: &str| {
        let found = found.iter().find(|f| f.quantity == q).expect("finding");
        matches!(found.outcome, Outcome::Unmeasurable { .. })
    };
    assert!(unmeasured(&constant, "pointing"), "a constant map points nowhere");
    // Against the truth: sizes see it, the positive part does not.
    let against = of(&|c, v| 0.5 - truth(c, v));
    assert!(cohort(&against, "auroc") == 0.5 && cohort(&against, "auroc_positive") == 0.0);
    let p = |found: &[Finding]| cohort(found, "p_value");
    assert_eq!((p(&exact), p(&inverted), p(&constant)), (1.0 / 200.0, 1.0, 1.0));
    for found in [&exact, &inverted, &noise, &constant] {
        assert!(cohort(found, "control_constant") < 1e-12, "the control is beside every map");
    }
}

#[test]
fn placements_give_uniform_p_for_maps_that_know_nothing() {
    let cases = cases(small);
    let all: Vec<f64> = (0..40)
        .map(|n| {
            let value = |case: &Case, v: usize| {
                Seed(n).stream(&format!("test/null/{}/{v}", case.id)).normal() as f32
            };
            cohort(&of_maps(&PlantedLocalisation, &cases, n, &value), "p_value")
        })
        .collect();
    let below = |q: f64| all.iter().filter(|p| **p <= q).count();
    assert!(below(0.05) <= 6 && (10..=30).contains(&below(0.5)), "{all:?}");
}

#[test]
fn a_truth_that_is_nothing_or_all_is_no_number() {
    let said = |truth: &dyn Fn(&Case, usize) -> bool, quantity: &str| {
        let cases = cases(truth);
        let found = of_maps(&PlantedLocalisation, &cases, 1, &|_, v| v as f32);
        found.iter().rfind(|f| f.quantity == quantity).expect("finding").outcome.clone()
    };
    for quantity in ["p_value", "control_constant"] {
        let Outcome::Unmeasurable { why } = said(&|_, _| true, quantity) else { panic!() };
        assert!(why.contains("whole brain"), "{why}");
        let empty = said(&|_, _| false, quantity);
        assert!(matches!(empty, Outcome::NotApplicable { .. }), "{empty:?}");
    }
    // One subject without: told for that subject, and the others are measured.
    let cases = cases(|case, v| small(case, v) && case.id != "sub-3");
    let found = of_maps(&PlantedLocalisation, &cases, 1, &|_, v| v as f32);
    assert_eq!((found[0].subject.as_str(), found[0].quantity.as_str()), ("sub-3", "auroc"));
    assert!(matches!(&found[0].outcome, Outcome::Unmeasurable { why } if why.contains("empty")));
    assert!(cohort(&found, "p_value") > 0.0);
}

#[test]
fn the_interval_of_the_cohort_fails_and_a_single_subject_only_warns() {
    let policy = Policy::default_policy().expect("policy");
    let policy = Policy {
        limits: policy.limits.into_iter().filter(|l| l.check == "planted_recovery").collect(),
        ..policy
    };
    let verdict = |value: &dyn Fn(&Case, usize) -> f32| {
        let found = of_maps(&PlantedRecovery, &HEADS, 1, value);
        judge(&policy, &found, &[], None).expect("judged").1
    };
    assert_eq!(verdict(&truth), Verdict::Pass);
    let one = |case: &Case, v: usize| {
        let n: f32 = case.id.trim_start_matches("sub-").parse().expect("number");
        let signal = if n == 2.0 { -0.1 } else { 0.6 + 0.1 * n };
        signal * truth(case, v) + random(case, v)
    };
    assert_eq!(verdict(&one), Verdict::Warn, "one of eight lies below chance");
    assert_eq!(verdict(&|case, v| 1.0 - truth(case, v)), Verdict::Fail);
    assert_eq!(verdict(&random), Verdict::Fail, "chance is not enough");
}

#[test]
fn four_oracles_of_every_measure_of_complexity() {
    let of = |value: &dyn Fn(&Case, usize) -> f32| of_maps(&MapComplexity, &HEADS, 4, value);
    let n = HEADS[0].mask.count() as f64;
    let exact = |case: &Case, v: usize| f32::from(u8::from(small(case, v)));
    let found = of(&exact);
    // 27 equal voxels: Gini 1 − 27/n, entropy ln 27, nine tenths of them, one blob of 27 · 27 mm³.
    for (name, want) in [
        ("gini", 1.0 - 27.0 / n),
        ("entropy", 27f64.ln()),
        ("share_90", 25.0 / n),
        ("effective_complexity", 27.0),
        ("blobs", 1.0),
        ("largest_blob_ml", 27.0 * 27.0 / 1000.0),
    ] {
        assert!((cohort(&found, name) - want).abs() < 1e-9, "{name}");
    }
    let inverted = of(&|c, v| 1.0 - exact(c, v));
    let constant = of(&|_, _| -3.0);
    for (name, of_inverted, of_constant) in [
        ("gini", 27.0 / n, 0.0),
        ("entropy", (n - 27.0).ln(), n.ln()),
        ("effective_complexity", n - 27.0, n),
        ("blobs", 1.0, 1.0),
        ("largest_blob_ml", (n - 27.0) * 0.027, n * 0.027),
    ] {
        assert!((cohort(&inverted, name) - of_inverted).abs() < 1e-9, "{name}");
        assert!((cohort(&constant, name) - of_constant).abs() < 1e-9, "{name}");
    }
    // |normal|: a Gini coefficient of √2 − 1, and many small blobs.
    let noise = of(&random);
    assert!((cohort(&noise, "gini") - (2f64.sqrt() - 1.0)).abs() < 0.01);
    assert!(cohort(&noise, "share_90") < 0.9 * cohort(&constant, "share_90"));
    let zero = of(&|_, _| 0.0);
    assert!(zero.iter().all(|f| matches!(f.outcome, Outcome::Unmeasurable { .. })));
    // The controls stand in the table whatever the map is.
    let rows = |found: &[Finding]| -> Vec<String> {
        let table =
            found[0].tables.iter().find(|t| t.name == map_complexity::TABLE).expect("table");
        let name = |row: &Vec<Cell>| match &row[0] {
            Cell::Text(name) => name.clone(),
            _ => String::new(),
        };
        table.rows.iter().map(name).collect()
    };
    let want = ["drawn (audited)", "control: |x|", "control: random", "control: constant"];
    assert_eq!(rows(&found), want);
}
