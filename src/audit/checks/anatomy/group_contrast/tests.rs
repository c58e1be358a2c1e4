use std::collections::BTreeMap;

use super::*;
use crate::audit::case::Case;
use crate::audit::tools::covariates::HEAD;
use crate::image::{Grid, Labels};
use crate::seed::{Seed, Stream};

/// Regions: slabs of 36 voxels.
const REGIONS: usize = 6;

fn classes() -> Vec<String> {
    vec!["term".into(), "preterm".into()]
}

/// Subjects whose class is `class(n)`, with covariates.
fn cases(n: usize, class: &dyn Fn(usize) -> usize, age: &dyn Fn(usize) -> f64) -> Vec<Case> {
    let grid = Grid::centred([6, 6, 6], [10.0; 3]).expect("grid");
    let labels: Vec<i32> = (0..216).map(|v| v / 36 + 1).collect();
    let of = |n: usize| Case {
        labels: Some(Labels::new(grid.clone(), labels.clone()).expect("labels")),
        covariates: BTreeMap::from([
            ("age_at_scan_weeks".to_owned(), age(n)),
            (HEAD.to_owned(), 300.0 + (n * 7 % 11) as f64),
        ]),
        ..Case::plain(&format!("sub-{n:02}"), class(n), &grid)
    };
    (0..n).map(of).collect()
}

/// Maps with noise in every region, and more in region 3 by `gain(n)`.
fn maps(n: usize, gain: &dyn Fn(usize) -> f64) -> Vec<Vec<f32>> {
    let mut s = Seed(41).stream("test/group_contrast");
    let map = |n: usize, s: &mut Stream| -> Vec<f32> {
        let level: Vec<f64> = (0..REGIONS).map(|_| 3.0 + 0.3 * s.normal()).collect();
        let more = |r: usize| if r == 2 { gain(n) } else { 0.0 };
        (0..216).map(|v| (level[v / 36] + more(v / 36)) as f32).collect()
    };
    (0..n).map(|n| map(n, &mut s)).collect()
}

fn measured(cases: &[Case], maps: Vec<Vec<f32>>) -> Vec<Finding> {
    let classes = classes();
    let mut bench = Bench::of_maps(cases, maps, "test", &classes, Seed(5)).expect("bench");
    let atlas = Atlas::of_labels(cases[0].labels.as_ref().expect("labels"));
    bench.atlas = Some(&atlas);
    GroupContrast.measure(&bench).expect("findings")
}

fn share(found: &[Finding]) -> &Finding {
    found.iter().find(|f| f.quantity == "true_share").expect("share")
}

fn number(finding: &Finding, row: usize, name: &str) -> f64 {
    let table = &finding.tables[0];
    let at = table.columns.iter().position(|c| c.name == name).expect("column");
    match table.rows[row][at] {
        Cell::Number(v) => v,
        ref other => panic!("{name}: {other:?}"),
    }
}

fn wobble(n: usize) -> f64 {
    (n * 5 % 7) as f64 / 3.0
}

#[test]
fn a_planted_shift_is_found_in_its_region_and_shuffled_labels_find_none() {
    let planted = maps(24, &|n| (n % 2) as f64);
    let found = measured(&cases(24, &|n| n % 2, &|n| 38.0 + wobble(n)), planted.clone());
    let finding = share(&found);
    assert!(number(finding, 2, "p_fwe") <= 0.01, "{:?}", finding.tables[0].rows[2]);
    assert!(number(finding, 2, "g_low") > 0.5 && number(finding, 2, "t") > 3.0);
    assert!(number(finding, 2, "mean_preterm") > number(finding, 2, "mean_term"));
    assert!((0..REGIONS).filter(|r| *r != 2).all(|r| number(finding, r, "t") < 0.0));
    assert_eq!(number(finding, 2, "n"), 24.0);
    // Half of the labels of each class change sides: the shift is in both.
    let shuffled = cases(24, &|n| (n / 2) % 2, &|n| 38.0 + wobble(n));
    let finding = measured(&shuffled, planted);
    assert_eq!(share(&finding).outcome, Outcome::measured(0.0));
}

#[test]
fn a_difference_that_age_makes_is_gone_when_age_is_known_and_the_confounding_is_said() {
    let age = |n: usize| 38.0 + 2.0 * (n % 2) as f64 + 1.5 * wobble(n);
    let by_age = maps(32, &|n| 0.5 * (age(n) - 38.0));
    let known = cases(32, &|n| n % 2, &age);
    let mut unknown = known.clone();
    unknown.iter_mut().for_each(|c| _ = c.covariates.remove("age_at_scan_weeks"));
    let (given, not) = (measured(&known, by_age.clone()), measured(&unknown, by_age));
    assert!(number(share(&not), 2, "p_fwe") <= 0.05);
    assert!(number(share(&given), 2, "p_fwe") > 0.1, "{:?}", share(&given).tables[0].rows[2]);
    let says = |f: &Finding, word: &str| f.notes.iter().any(|n| n.contains(word));
    assert!(says(share(&given), "age_at_scan_weeks goes with the class"));
    assert!(says(share(&not), "No age at the scan"));
}

#[test]
fn a_covariate_that_is_the_class_is_left_out_and_said() {
    let found = measured(
        &cases(16, &|n| n % 2, &|n| 30.0 + (n % 2) as f64),
        maps(16, &|n| 2.0 * (n % 2) as f64),
    );
    let finding = share(&found);
    let said = |word: &str| finding.notes.iter().any(|n| n.contains(word));
    assert!(said("age_at_scan_weeks is left out: it is a combination"), "{:?}", finding.notes);
    assert!(number(finding, 2, "p_fwe") <= 0.05);
}

#[test]
fn few_subjects_later_scans_and_missing_networks_have_their_reasons() {
    let few = measured(&cases(10, &|n| usize::from(n < 3), &wobble), maps(10, &|_| 0.0));
    let Outcome::NotApplicable { why } = &share(&few).outcome else { panic!("{few:?}") };
    assert!(why.contains("3 of preterm"), "{why}");
    let told = |found: &[Finding], name: &str| {
        let of = found.iter().find(|f| f.quantity == name).expect("finding");
        matches!(of.outcome, Outcome::NotApplicable { .. })
    };
    assert!(told(&few, "predicted_share") && few.len() == 6);
    let mut twice = cases(12, &|n| n % 2, &wobble);
    twice.extend(twice.clone());
    for (n, case) in twice.iter_mut().enumerate() {
        case.id = format!("{}_ses-{}", case.id, n / 12);
    }
    let found = measured(&twice, maps(24, &|_| 0.0));
    assert!(share(&found).notes.iter().any(|n| n.contains("12 later scans")));
    assert_eq!(number(share(&found), 0, "n"), 12.0);
}
