//! Stability: maps that stay, maps that do not, and draws that turn the decision.

use heatproof::audit::bench::{Bench, Kin};
use heatproof::audit::checks::stability::input_stability::{self, InputStability};
use heatproof::audit::checks::stability::network_agreement::NetworkAgreement;
use heatproof::audit::checks::stability::rule_agreement::RuleAgreement;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::audit::tools::disturb::DISTURBANCES;
use heatproof::model::Graph;
use heatproof::seed::Seed;

use super::audit_bench::*;

fn outcome<'a>(found: &'a [Finding], quantity: &str) -> &'a Outcome {
    &found.iter().find(|f| f.quantity == quantity).unwrap_or_else(|| panic!("{quantity}")).outcome
}

/// Numbers of a row of the table of disturbances: strength, flips, and what follows.
fn numbers(found: &[Finding], id: &str, strength: usize) -> Vec<Option<f64>> {
    let tables = found.iter().flat_map(|f| &f.tables);
    let table = tables.into_iter().find(|t| t.name == input_stability::TABLE).expect("table");
    let named =
        |row: &&Vec<Cell>| matches!(&row[0], Cell::Text(t) if t.starts_with(&format!("{id}:")));
    let row = table.rows.iter().filter(named).nth(strength).expect("row");
    let number = |cell: &Cell| match cell {
        Cell::Number(v) => Some(*v),
        _ => None,
    };
    row[1..].iter().map(number).collect()
}

#[test]
fn a_map_that_is_the_image_changes_as_the_image_does() {
    let found = measured(&InputStability, &halves(), |_| {});
    // A gain of 1.05, or its inverse, scales the map: the order stays.
    assert!((cohort(&found, "similarity_gain") - 1.0).abs() < 1e-9);
    let gain = numbers(&found, "gain", 1);
    assert!((gain[5].expect("max") - 0.05).abs() < 1e-4, "{gain:?}");
    let avg = 0.5 * (0.05 + (1.0 - 1.0 / 1.05));
    assert!((cohort(&found, "sensitivity_avg_gain") - avg).abs() < 1e-4);
    // The map is ± the image over half the voxels: one step of the image is as much of the map.
    let half = (HEADS[0].grid.len() / 2) as f64;
    let lipschitz = gain[7].expect("Lipschitz");
    assert!((lipschitz * half - 1.0).abs() < 1e-3, "{lipschitz}");
    // A whole voxel there and back is exact.
    let floor = |id: &str| numbers(&found, id, 1)[3].expect("floor");
    assert!((floor("shift_voxels") - 1.0).abs() < 1e-9);
    assert!(floor("shift") < 0.999 && floor("rotation") < 0.9999, "interpolation costs");
    assert!((floor("noise") - 1.0).abs() < 1e-12, "nothing is carried");
    // A moved image has no distance; every disturbance has a curve, and more of it leaves less.
    assert!(numbers(&found, "shift", 1)[7].is_none());
    let series: usize = found.iter().map(|f| usize::from(!f.series.is_empty())).sum();
    assert_eq!(series, DISTURBANCES.len());
    // What whole voxels move out of view is not compared, so theirs need not fall.
    for d in DISTURBANCES.iter().filter(|d| d.id != "shift_voxels") {
        let weak = numbers(&found, d.id, 0)[2].expect("similarity");
        let strong = numbers(&found, d.id, 2)[2].expect("similarity");
        assert!(weak >= strong - 0.02 && weak <= 1.0, "{}: {weak} {strong}", d.id);
    }
    assert!(cohort(&found, "margin") > 0.0);
}

#[test]
fn maps_that_were_not_of_these_images_have_no_margin() {
    let net = untrained(30);
    let sound = cohort(&measured(&InputStability, &net, |_| {}), "margin");
    // The audited maps swapped between subjects: what a disturbance leaves is another's.
    let found = measured(&InputStability, &net, |bench| bench.maps.rotate_left(1));
    let swapped = cohort(&found, "margin");
    assert!(sound > 0.0 && swapped < 0.1 * sound, "{sound} {swapped}");
    let constant = measured(&InputStability, &net, |bench| draw(bench, |_, _| 1.0));
    assert!(matches!(outcome(&constant, "margin"), Outcome::Unmeasurable { .. }));
    let zero = measured(&InputStability, &net, |bench| draw(bench, |_, _| 0.0));
    assert!(matches!(outcome(&zero, "sensitivity_max_noise"), Outcome::Unmeasurable { .. }));
    let noise = Seed(5);
    let random = measured(&InputStability, &net, |bench| {
        draw(bench, |case, v| {
            noise.stream(&format!("test/random/{}/{v}", case.id)).normal() as f32
        });
    });
    assert!(cohort(&random, "similarity_noise").abs() < 0.1);
}

#[test]
fn draws_that_turn_the_decision_are_counted_and_not_mixed_in() {
    let net = untrained(31);
    let calm = measured(&InputStability, &net, |_| {});
    // Answers said to be of the other class: every draw flips.
    let found = measured(&InputStability, &net, |bench| {
        for answer in &mut bench.network.as_mut().expect("network").answers {
            answer.logits.reverse();
        }
    });
    for d in DISTURBANCES {
        let (flips, similarity) = (format!("flips_{}", d.id), format!("similarity_{}", d.id));
        assert!((cohort(&calm, &flips) + cohort(&found, &flips) - 1.0).abs() < 1e-12);
        if cohort(&calm, &flips) == 0.0 {
            let Outcome::Unmeasurable { why } = outcome(&found, &similarity) else {
                panic!("{similarity} of no draw");
            };
            assert!(why.contains("flipped"), "{why}");
        }
    }
}

#[test]
fn numbers_do_not_hang_on_threads_or_on_the_order_of_subjects() {
    let net = untrained(32);
    let of = |plant: &dyn Fn(&mut Bench<'_>)| {
        let found = measured(&InputStability, &net, plant);
        let value = |f: &Finding| (f.quantity.clone(), f.outcome.value());
        found.iter().map(value).collect::<Vec<_>>()
    };
    let whole = of(&|_| {});
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    assert_eq!(whole, pool.install(|| of(&|_| {})));
}

#[test]
fn rules_that_are_the_same_agree_and_rules_that_differ_do_not() {
    // Without a layer with weights every rule is the same.
    let found = measured(&RuleAgreement, &halves(), |_| {});
    let of = |word: &str| cohort(&found, &format!("agreement_{word}"));
    for word in ["lrp_0", "epsilon_0_25", "gamma_0_25", "epsilon_alpha2_beta1"] {
        assert!((of(word) - 1.0).abs() < 1e-6, "{word}");
    }
    assert!((cohort(&found, "region_ranks") - 1.0).abs() < 1e-9);
    assert!(!found.iter().any(|f| f.quantity == "agreement_epsilon_plus"), "the audited rule");
    let net = untrained(33);
    let found = measured(&RuleAgreement, &net, |_| {});
    let (close, far) =
        (cohort(&found, "agreement_epsilon_alpha2_beta1"), cohort(&found, "agreement_lrp_0"));
    assert!(close < 1.0 && far < close, "{close} {far}");
    // Maps turned upside down are opposed to all rules; a constant has no order.
    let turned = measured(&RuleAgreement, &halves(), |bench| {
        bench.maps.iter_mut().flatten().for_each(|v| *v = -*v);
    });
    assert!((cohort(&turned, "agreement_lrp_0") + 1.0).abs() < 1e-6);
    let flat = measured(&RuleAgreement, &halves(), |bench| draw(bench, |_, _| 2.0));
    assert!(matches!(outcome(&flat, "agreement_lrp_0"), Outcome::Unmeasurable { .. }));
}

#[test]
fn networks_that_are_copies_agree_and_strangers_do_not() {
    let (own, stranger) = (untrained(34), untrained(35));
    let copies = measured(&NetworkAgreement, &own, |b| others(b, &[&own, &own]));
    assert!((cohort(&copies, "agreement_fold_2") - 1.0).abs() < 1e-9);
    assert!((cohort(&copies, "region_ranks") - 1.0).abs() < 1e-9);
    assert!(cohort(&copies, "margin") > 0.1);
    let found = measured(&NetworkAgreement, &own, |b| others(b, &[&stranger, &own]));
    let far = cohort(&found, "agreement_fold_1");
    assert!(far < 0.8 && (cohort(&found, "agreement_fold_2") - 1.0).abs() < 1e-9, "{far}");
    assert!(found[0].notes[0].contains("fold_1 3, fold_2 4"), "{:?}", found[0].notes);
    let table = serde_json::to_value(&found[0].tables[0]).expect("json");
    assert_eq!(table["rows"][1][1]["number"], 4.0, "had seen");
    assert_eq!(table["rows"][1][2]["number"], CASES as f64, "the same class");
    let turned = measured(&NetworkAgreement, &own, |b| {
        others(b, &[&own]);
        b.maps.iter_mut().flatten().for_each(|v| *v = -*v);
    });
    assert!(cohort(&turned, "margin") < -1.0);
    let none = measured(&NetworkAgreement, &own, |_| {});
    assert!(
        matches!(outcome(&none, "margin"), Outcome::NotApplicable { why } if why.contains("one network"))
    );
}

#[test]
fn members_are_compared_with_each_other_and_apart_from_folds() {
    let (own, stranger) = (untrained(34), untrained(35));
    let plant = |b: &mut Bench<'_>, members: [&Graph; 2], folds: &[&Graph]| {
        others(b, &[folds, &members].concat());
        for (n, member) in b.others.iter_mut().skip(folds.len()).enumerate() {
            (member.name, member.kin) = (format!("member_{n}"), Kin::Seed);
        }
    };
    let found = measured(&NetworkAgreement, &own, |b| plant(b, [&own, &own], &[&stranger]));
    assert!((cohort(&found, "agreement_member_0_member_1") - 1.0).abs() < 1e-9);
    assert!((cohort(&found, "seed_region_ranks") - 1.0).abs() < 1e-9);
    // Equal starts and another fold: the map hangs on who was fitted.
    assert!(cohort(&found, "seed_margin") > cohort(&found, "margin") + 0.1);
    let found = measured(&NetworkAgreement, &own, |b| plant(b, [&own, &stranger], &[&own]));
    assert!(cohort(&found, "margin") > cohort(&found, "seed_margin") + 0.1);
    let none = measured(&NetworkAgreement, &own, |b| others(b, &[&stranger]));
    let told = outcome(&none, "seed_margin");
    assert!(matches!(told, Outcome::NotApplicable { why } if why.contains("--members 2")));
}
