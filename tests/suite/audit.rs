//! Each check on networks and maps whose truth is known: it finds what is there, and nothing
//! where nothing is.

use heatproof::audit::arms::{Arm, Compared};
use heatproof::audit::bench::Bench;
use heatproof::audit::case::Case;
use heatproof::audit::checks::anatomy::region_mass::RegionMass;
use heatproof::audit::checks::conservation::ledger_closure::LedgerClosure;
use heatproof::audit::checks::conservation::ledger_leakage::LedgerLeakage;
use heatproof::audit::checks::localisation::planted_recovery::PlantedRecovery;
use heatproof::audit::checks::performance::model_performance::ModelPerformance;
use heatproof::audit::checks::randomisation::weights_cascade::WeightsCascade;
use heatproof::audit::checks::randomisation::weights_exchangeability::WeightsExchangeability;
use heatproof::audit::checks::stability::arm_agreement::ArmAgreement;
use heatproof::audit::finding::{Interval, Outcome};
use heatproof::model::Graph;
use heatproof::seed::Seed;

use super::audit_bench::*;

#[test]
fn performance_is_the_lower_end_of_the_interval_and_is_not_made_up() {
    let net = untrained(1);
    let found = measured(&ModelPerformance, &net, |_| {});
    assert!(matches!(found[0].outcome, Outcome::Unmeasurable { .. }), "{found:?}");
    let known = Interval { low: 0.72, high: 0.9, level: 0.95, method: "test".into() };
    let found = measured(&ModelPerformance, &net, |b| b.performance = Ok(known.clone()));
    assert_eq!(cohort(&found, "auc_low"), 0.72);
}

#[test]
fn a_ledger_that_does_not_close_is_seen_for_that_subject_alone() {
    let net = untrained(2);
    let sound = values(&measured(&LedgerClosure, &net, |_| {}), "residual", false);
    assert!(sound.len() == CASES && sound.iter().all(|r| *r <= 1e-6), "{sound:?}");
    let found = measured(&LedgerClosure, &net, |bench| {
        let line = &mut bench.explainer.as_mut().expect("rule").ledgers[3][2];
        line.handed_on += 1e-3 * line.mass.max(line.mass_handed_on);
    });
    let open = values(&found, "residual", false);
    assert!((open[3] - 1e-3).abs() < 1e-4, "{open:?}");
    assert_eq!((&open[..3], &open[4..]), (&sound[..3], &sound[4..]));
}

#[test]
fn biases_that_decide_are_leaks_and_a_network_without_them_has_none() {
    let bare = untrained(3);
    // γ = 1 and β = 0 still leave the running mean as a bias: it is taken out, too
    let state = bare.state().into_iter().map(|(name, array)| {
        let mut array = array.duplicate().expect("copy");
        if name.ends_with("running_mean") {
            array.host_mut::<f32>().expect("f32").fill(0.0);
        }
        (name, array)
    });
    let bare = bare.with_state(state.collect()).expect("state");
    let leaks = |net: &Graph| values(&measured(&LedgerLeakage, net, |_| {}), "leak_share", false);
    let none = leaks(&bare);
    assert!(none.len() == CASES && none.iter().all(|l| *l < 1e-3), "{none:?}");
    let biased = changed(&bare, "dense.bias", |b| b.copy_from_slice(&[-100.0, 100.0]));
    let all = leaks(&biased);
    assert!(all.iter().all(|l| *l > 0.5), "{all:?}");
    // biases below the output leak as well
    let shifted = changed(&bare, "norm2.beta", |b| b.fill(50.0));
    let all = leaks(&shifted);
    assert!(all.iter().all(|l| *l > 0.5), "{all:?}");
}

#[test]
fn an_untrained_network_is_one_among_others() {
    let p =
        |seed: u64| cohort(&measured(&WeightsExchangeability, &untrained(seed), |_| {}), "p_value");
    let all: Vec<f64> = (10..15).map(p).collect();
    assert!(all.iter().filter(|p| **p <= 0.05).count() <= 1, "{all:?}");
    assert!(all.iter().sum::<f64>() / 5.0 > 0.2, "{all:?}");
}

#[test]
fn a_network_that_looks_at_one_place_stands_out() {
    let net = changed(&untrained(4), "dense.weight", |w| {
        // two classes, 16 channels, and a weight per place
        let (half, places) = (w.len() / 2, w.len() / 2 / 16);
        for (n, weight) in w.iter_mut().enumerate() {
            let here = n % places == places / 2 + 1;
            *weight = if here { [-0.5, 0.5][n / half] } else { 0.0 };
        }
    });
    let found = measured(&WeightsExchangeability, &net, |bench| bench.draws = 39);
    let p = cohort(&found, "p_value");
    assert!(p <= 0.05, "{p}");
}

#[test]
fn maps_that_ignore_the_weights_pass_no_test_of_the_weights() {
    let net = without_influence();
    assert_eq!(net.weighted_layers(), ["unread"]);
    let found = measured(&WeightsCascade, &net, |_| {});
    assert!(cohort(&found, "similarity_full") > 0.999);
    let found = measured(&WeightsExchangeability, &net, |_| {});
    let p = found.iter().find(|f| f.quantity == "p_value").expect("finding");
    match &p.outcome {
        Outcome::Measured { value, .. } => assert_eq!(*value, 1.0),
        Outcome::Unmeasurable { .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_few_networks_give_no_p() {
    let found = measured(&WeightsExchangeability, &untrained(5), |b| b.draws = NETWORKS - 1);
    let p = found.iter().find(|f| f.quantity == "p_value").expect("finding");
    assert!(matches!(p.outcome, Outcome::Unmeasurable { .. }), "{:?}", p.outcome);
}

#[test]
fn a_cascade_ends_far_from_the_map_of_a_network_whose_weights_count() {
    let found = measured(&WeightsCascade, &untrained(6), |_| {});
    let full = cohort(&found, "similarity_full");
    assert!(full < 0.3, "{full}");
    let signed = &found[0].series[0];
    assert_eq!(signed.labels, ["none", "dense", "conv2", "conv1"]);
    assert!((signed.y[0] - 1.0).abs() < 1e-9, "with nothing drawn anew the map is the same");
    assert!(signed.y[1].abs() < 0.9, "{:?}", signed.y);
}

#[test]
fn relevance_outside_the_mask_is_counted_and_inside_is_not() {
    let net = untrained(7);
    let share = |level: f32| {
        let found = measured(&RegionMass, &net, |bench| {
            draw(bench, |case, v| if case.mask.data()[v] { 1.0 } else { -level });
        });
        let own = values(&found, "background_share", false);
        assert_eq!(own.len(), CASES);
        let whole = cohort(&found, "background_share");
        assert!(own.iter().all(|s| (s - whole).abs() < 1e-12), "{own:?}");
        whole
    };
    assert_eq!(share(0.0), 0.0);
    let (within, voxels) = (HEADS[0].mask.count() as f64, HEADS[0].grid.len() as f64);
    let outside = voxels - within;
    let want = 0.5 * outside / (within + 0.5 * outside);
    assert!(want >= 0.1 && (share(0.5) - want).abs() < 1e-9, "{want}");
}

#[test]
fn relevance_at_the_surface_raises_the_boundary_ratio() {
    let net = untrained(7);
    let ratio = |surface: f32| {
        let found = measured(&RegionMass, &net, |bench| {
            draw(bench, |case, v| {
                let [i, j, k] = case.grid.shape();
                let at = [v % i, v / i % j, v / (i * j)];
                let deep = (0..3).all(|a| at[a] > 2 && at[a] + 3 < [i, j, k][a]);
                if deep { 1.0 } else { surface }
            });
        });
        cohort(&found, "boundary_share_ratio")
    };
    assert!((ratio(1.0) - 1.0).abs() < 1e-9 && (ratio(3.0) - 3.0).abs() < 1e-9);
}

#[test]
fn four_oracles_recover_a_planted_effect_as_well_as_they_should() {
    let net = untrained(8);
    let recovered = |value: &dyn Fn(&Case, usize) -> f32| {
        let found = measured(&PlantedRecovery, &net, |bench| draw(bench, value));
        let own = values(&found, "enrichment_auc", false);
        assert_eq!(own.len(), CASES);
        let mean = own.iter().sum::<f64>() / CASES as f64;
        assert!((cohort(&found, "enrichment_auc") - mean).abs() < 1e-12);
        (mean, values(&found, "region_hit", false))
    };
    // signs do not count: relevance against the class is evidence, too
    let (exact, hit) = recovered(&|case, v| -truth(case, v));
    assert!((exact - 1.0).abs() < 1e-12 && hit == [1.0; CASES], "{exact} {hit:?}");
    let (inverted, hit) = recovered(&|case, v| 1.0 - truth(case, v));
    assert!(inverted.abs() < 1e-12 && hit == [0.0; CASES], "{inverted} {hit:?}");
    let (constant, _) = recovered(&|_, _| 1.0);
    assert!((constant - 0.5).abs() < 1e-12, "{constant}");
    let noise = Seed(72);
    let (random, _) =
        recovered(&|case, v| noise.stream(&format!("test/audit/{}/{v}", case.id)).normal() as f32);
    assert!((random - 0.5).abs() < 0.05, "{random}");
}

#[test]
fn agreement_of_other_methods_is_what_their_maps_are() {
    let net = untrained(9);
    let word = |n: usize| ["gradient", "gradient_x_input", "guided_backprop", "grad_cam"][n];
    let plant = |bench: &mut Bench<'_>| {
        let own: Vec<Vec<f32>> = bench.maps.clone();
        let change = |to: fn(f32) -> f32| {
            Ok(own.iter().map(|m| m.iter().map(|v| to(*v)).collect()).collect())
        };
        // the same order, the opposite, no order at all, and no map
        let maps = [change(|v| 3.0 * v), change(|v| -v), change(|_| 1.0), Err("why not".into())];
        bench.arms = maps
            .into_iter()
            .enumerate()
            .map(|(n, maps)| Compared { arm: Arm::list(word(n)).expect("arm").remove(0), maps })
            .collect();
    };
    let found = measured(&ArmAgreement, &net, plant);
    let of = |n: usize| found.iter().find(|f| f.quantity == format!("agreement_{}", word(n)));
    let value = |n: usize| of(n).and_then(|f| f.outcome.value()).expect("a number");
    assert!((value(0) - 1.0).abs() < 1e-9 && (value(1) + 1.0).abs() < 1e-9);
    assert!(matches!(of(2).expect("third").outcome, Outcome::Unmeasurable { .. }));
    assert!(
        matches!(&of(3).expect("last").outcome, Outcome::NotApplicable { why } if why == "why not")
    );
    // |R|, cosine and regions, each with its interval, stand in the table
    let table = serde_json::to_value(&found[0].tables[0]).expect("json");
    let number = |row: usize, column: usize| table["rows"][row][column]["number"].as_f64();
    for (row, want) in [(0, [1.0, 1.0, 1.0, 1.0]), (1, [-1.0, 1.0, -1.0, 1.0])] {
        for (m, want) in want.iter().enumerate() {
            let got = number(row, 1 + 3 * m).expect("a number");
            assert!((got - want).abs() < 1e-6, "{row} {m}: {got}");
        }
    }
    assert_eq!(table["rows"][3][1]["missing"], "why not");
    let none = measured(&ArmAgreement, &net, |_| {});
    assert!(matches!(none[0].outcome, Outcome::NotApplicable { .. }), "{none:?}");
}

#[test]
fn other_methods_are_held_against_their_own_maps_of_drawn_networks() {
    let arms = Arm::list("gradient,occlusion_region,grad_cam").expect("arms");
    let with = |bench: &mut Bench<'_>| bench.compare_with(&arms).expect("maps");
    let full = |net: &Graph, word: &str| {
        cohort(&measured(&WeightsCascade, net, with), &format!("similarity_full_{word}"))
    };
    let blind = without_influence();
    assert!(full(&blind, "gradient") > 0.999 && full(&blind, "occlusion_region") > 0.999);
    assert!(full(&untrained(6), "gradient") < 0.3);
    // what regions take from the score of a mean of halves is known: the sum of its voxels
    let found = measured(&ArmAgreement, &blind, with);
    let falls = &found[0].tables.last().expect("falls");
    assert_eq!(falls.rows.len(), 4);
    let half = (HEADS[0].grid.len() / 2) as f64;
    for (region, row) in falls.rows.iter().enumerate() {
        let label = region as i32 + 1;
        let sum = |case: &Case| -> f64 {
            let labels = case.labels.as_ref().expect("labels").data().iter();
            let own = labels.zip(&case.data).enumerate().filter(|(_, (l, _))| **l == label);
            // the margin is the upper mean minus the lower one
            own.map(|(v, (_, x))| if v < HEADS[0].grid.len() / 2 { -x } else { *x })
                .map(f64::from)
                .sum::<f64>()
                / half
        };
        let want = HEADS.iter().map(sum).sum::<f64>() / CASES as f64;
        let got = serde_json::to_value(&row[2]).expect("json")["number"].as_f64().expect("number");
        assert!((got - want).abs() < 1e-4, "region {label}: {got} {want}");
    }
}
