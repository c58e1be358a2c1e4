//! Checks of faithfulness on a linear network, whose truth is its weights times the image: four
//! oracles each (exact, inverted, random, constant), in the order the definition demands.

use std::cell::RefCell;
use std::sync::LazyLock;

use heatproof::audit::bench::Bench;
use heatproof::audit::case::Case;
use heatproof::audit::checks::Check;
use heatproof::audit::checks::faithfulness::FAMILY;
use heatproof::audit::checks::faithfulness::infidelity::Infidelity;
use heatproof::audit::checks::faithfulness::noisy_imputation::NoisyImputation;
use heatproof::audit::checks::faithfulness::region_ablation::RegionAblation;
use heatproof::audit::checks::faithfulness::region_perturbation::RegionPerturbation;
use heatproof::audit::checks::faithfulness::sensitivity_n::SensitivityN;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::audit::tools::removal::Removal;
use heatproof::audit::tools::replace::background;
use heatproof::audit::tools::rivals::{CONSTANT, RANDOM};
use heatproof::compute::{Array, Workspace};
use heatproof::explain::Start;
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::{dense::Dense, flatten::Flatten};
use heatproof::seed::Seed;

use super::audit_bench::*;

const VOXELS: usize = INPUT[0] * INPUT[1] * INPUT[2];

/// Weights that change from place to place: waves as long as a few blobs, so that blobs differ.
static WEIGHTS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let [_, j, i] = INPUT;
    let wave = |v: usize| {
        let at = [v % i, v / i % j, v / (i * j)].map(|x| x as f64);
        // One wave is that of the heads, whose phase differs: their scores have both signs.
        let theirs = (5.0 * ((at[2] + 0.5) / 6.0 - 1.0)).sin();
        let own = (0.7 * at[0]).sin() + (0.5 * at[1] + 1.0).cos() * (0.6 * at[2]).sin();
        0.05 * (own + 1.5 * theirs)
    };
    (0..VOXELS).map(|v| wave(v) as f32).collect()
});

/// Logits that are weighted sums of the voxels, a row of weights and a bias each.
fn linear(rows: &[(&[f32], f32)]) -> Graph {
    let weight = rows.iter().flat_map(|r| r.0.iter().copied()).collect();
    let weight = Array::from_vec(weight, &[rows.len(), VOXELS]).expect("weights");
    let bias = Array::from_vec(rows.iter().map(|r| r.1).collect(), &[rows.len()]).expect("bias");
    let mut graph = Graph::default();
    let flat = graph.push("flat", Box::new(Flatten), vec![From::Input]);
    let dense = Dense::new(weight, bias).expect("dense");
    let _ = graph.push("dense", Box::new(dense), vec![From::Node(flat)]);
    graph
}

/// One logit, sometimes below and sometimes above 0.
fn network() -> Graph {
    linear(&[(&WEIGHTS, 0.0)])
}

fn negative(values: &[f32]) -> Vec<f32> {
    values.iter().map(|w| -w).collect()
}

type Map<'a> = &'a dyn Fn(&Case, usize) -> f32;

fn exact(case: &Case, v: usize) -> f32 {
    WEIGHTS[v] * case.data[v]
}

fn inverted(case: &Case, v: usize) -> f32 {
    -exact(case, v)
}

fn random(case: &Case, v: usize) -> f32 {
    Seed(73).stream(&format!("test/faithfulness/{}/{v}", case.id)).normal() as f32
}

fn constant(_: &Case, _: usize) -> f32 {
    0.25
}

const ORACLES: [Map<'static>; 4] = [&exact, &inverted, &random, &constant];

fn of(check: &dyn Check, map: Map<'_>) -> Vec<Finding> {
    measured(check, &network(), |bench| draw(bench, map))
}

fn outcome<'a>(found: &'a [Finding], quantity: &str) -> &'a Outcome {
    &found.iter().rfind(|f| f.quantity == quantity).expect(quantity).outcome
}

/// The number in the row of a control, in a column counted from 0 after the name.
fn control(found: &[Finding], table: &str, row: &str, column: usize) -> f64 {
    let tables = found.iter().flat_map(|f| &f.tables);
    let rows = &tables.into_iter().find(|t| t.name == table).expect(table).rows;
    let named = |r: &&Vec<Cell>| r[0] == Cell::Text(row.to_owned());
    match &rows.iter().find(named).expect(row)[1 + column] {
        Cell::Number(v) => *v,
        other => panic!("{row}: {other:?}"),
    }
}

#[test]
fn the_heads_are_called_both_ways_and_have_no_background() {
    // What the other tests rest on.
    let score = |case: &Case| -> f64 { (0..VOXELS).map(|v| f64::from(exact(case, v))).sum() };
    let scores: Vec<f64> = HEADS.iter().map(score).collect();
    assert!(scores.iter().any(|s| *s > 0.1) && scores.iter().any(|s| *s < -0.1), "{scores:?}");
    assert!(HEADS.iter().all(|case| background(case) == 0.0));
}

/// ABPC of the truth from weights and image alone: per part of the brain what the score loses with
/// it, and areas by the trapezoid rule.
fn area_of_truth(case: &Case, removal: &Removal) -> f64 {
    let loss =
        |p: &usize| -> f64 { removal.parts[*p].iter().map(|&v| f64::from(exact(case, v))).sum() };
    let size = |p: &usize| removal.parts[*p].len() as f64;
    let inside = case.inside().len() as f64;
    let points = |order: &[usize]| -> Vec<[f64; 2]> {
        let sum = |n: &usize, of: &dyn Fn(&usize) -> f64| order[..*n].iter().map(of).sum::<f64>();
        removal.counts.iter().map(|n| [sum(n, &size) / inside, sum(n, &loss)]).collect()
    };
    let mut extent = [0.0f64; 2];
    let looked_at = removal.orders.iter().flat_map(|o| points(o)).map(|p| p[1]);
    for fall in looked_at.chain((0..removal.parts.len()).map(|p| loss(&p))) {
        extent = [extent[0].min(fall), extent[1].max(fall)];
    }
    let sign = removal.whole.score.signum();
    let mut order: Vec<usize> = (0..removal.parts.len()).collect();
    order.sort_by(|a, b| {
        let density = |p: &usize| sign * loss(p) / size(p);
        density(b).total_cmp(&density(a))
    });
    let area = |order: &[usize]| -> f64 {
        let pairs = points(order);
        pairs.windows(2).map(|w| (w[1][0] - w[0][0]) * (w[0][1] + w[1][1]) / 2.0).sum()
    };
    let reverse: Vec<usize> = order.iter().rev().copied().collect();
    sign * (area(&order) - area(&reverse)) / (extent[1] - extent[0])
}

#[test]
fn areas_of_a_linear_network_are_those_of_its_weights() {
    let want = RefCell::new(Vec::new());
    let found = measured(&RegionPerturbation, &network(), |bench| {
        draw(bench, exact);
        for (case, removal) in HEADS.iter().zip(bench.removals().expect("removals")) {
            let mut all: Vec<usize> = removal.parts.iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, case.inside(), "the blobs are the mask, once");
            for (part, fall) in removal.parts.iter().zip(&removal.singles) {
                let loss: f64 = part.iter().map(|&v| f64::from(exact(case, v))).sum();
                assert!((fall - loss).abs() < 1e-3, "{fall} {loss}");
            }
            assert_eq!(removal.orders.len(), 100);
            assert_eq!(removal.sign < 0.0, removal.whole.score < 0.0);
            want.borrow_mut().push(area_of_truth(case, removal));
        }
    });
    for (got, want) in values(&found, "abpc", false).iter().zip(want.into_inner()) {
        assert!(want > 0.2 && (got - want).abs() < 1e-4, "{got} {want}");
    }
}

#[test]
fn an_order_of_relevance_beats_random_orders_when_it_is_one() {
    let [good, bad, noise, flat] = ORACLES.map(|map| of(&RegionPerturbation, map));
    let [abpc, worst, none] = [&good, &bad, &noise].map(|f| cohort(f, "abpc"));
    assert!(abpc > none && none > worst, "{abpc} {none} {worst}");
    assert!((abpc + worst).abs() < 1e-6, "{abpc} {worst}");
    let [p, of_worst, of_noise] = [&good, &bad, &noise].map(|f| cohort(f, "abpc_p"));
    assert!((p - 1.0 / 102.0).abs() < 1e-12, "{p}");
    assert_eq!(of_worst, 1.0);
    assert!(of_noise > 0.02, "{of_noise}");
    assert!(cohort(&good, "aopc_most") > cohort(&good, "aopc_least"));
    // Under every replacement the reversed order is as bad as the order is good.
    for word in ["blur", "cohort_mean", "donor", "noisy_imputation"] {
        let [good, bad] = [&good, &bad].map(|f| cohort(f, &format!("abpc_p_{word}")));
        assert!((good + bad - 1.0).abs() < 0.1, "{word} {good} {bad}");
    }
    for quantity in ["abpc", "abpc_p", "abpc_p_blur"] {
        assert!(matches!(outcome(&flat, quantity), Outcome::Unmeasurable { .. }), "{quantity}");
    }
    for p in values(&good, "abpc_rank_p", false) {
        assert!((p - 1.0 / 102.0).abs() < 1e-12, "{p}");
    }
    let [regions, against] = [&good, &bad].map(|f| cohort(f, "regions_abpc"));
    assert!(regions > 0.0 && (regions + against).abs() < 1e-6, "{regions} {against}");
    for found in [&good, &bad, &noise] {
        assert!(cohort(found, "control_random_p") > 0.0099);
        assert!(cohort(found, "off_distribution") > 0.0);
    }
    // every replacement gives an order that is right a positive area
    let tables = good.iter().flat_map(|f| &f.tables);
    let other = tables.into_iter().find(|t| t.name.contains("replacement")).expect("table");
    let word = |row: &Vec<Cell>| match &row[0] {
        Cell::Text(word) => word.clone(),
        other => panic!("{other:?}"),
    };
    let words: Vec<String> = other.rows.iter().map(word).collect();
    assert_eq!(words, ["background", "blur", "cohort_mean", "donor", "noisy_imputation"]);
    assert!(matches!(other.rows[0][1], Cell::Number(a) if (a - abpc).abs() < 1e-9));
    let curves = |f: &&Finding| f.quantity == "abpc" && f.subject == "cohort";
    let series = &good.iter().find(curves).expect("cohort").series;
    assert_eq!(series.len(), 3);
    let [most, least, random] = [0, 1, 2].map(|n| &series[n]);
    for s in 1..most.y.len() - 1 {
        assert!(most.y[s] > random.high[s] && least.y[s] < random.low[s], "step {s}");
    }
    assert_eq!((most.y[0], most.x[0]), (0.0, 0.0));
    assert!((most.y.last().expect("end") - least.y.last().expect("end")).abs() < 1e-9);
}

#[test]
fn the_other_side_of_the_same_score_has_the_same_areas() {
    // −f explained by −R: those called class 0 become those called class 1.
    let other = linear(&[(&negative(&WEIGHTS), 0.0)]);
    let one = of(&RegionPerturbation, &exact);
    let two = measured(&RegionPerturbation, &other, |bench| draw(bench, inverted));
    for quantity in ["abpc", "aopc_most", "aopc_least"] {
        let (a, b) = (cohort(&one, quantity), cohort(&two, quantity));
        assert!((a - b).abs() < 1e-6, "{quantity}: {a} {b}");
    }
    // The sign is the map's: the wrong one is found for either class.
    let wrong = measured(&RegionPerturbation, &other, |bench| draw(bench, exact));
    assert!(values(&wrong, "abpc", false).iter().all(|a| *a < 0.0));
}

#[test]
fn relevance_of_parts_goes_with_the_loss_when_it_is_the_loss() {
    let [good, bad, noise, flat] = ORACLES.map(|map| of(&RegionAblation, map));
    for quantity in ["blob_spearman", "blob_pearson", "region_spearman", "region_pearson"] {
        let [right, wrong] = [&good, &bad].map(|f| cohort(f, quantity));
        assert!(right > 0.999 && wrong < -0.999, "{quantity}: {right} {wrong}");
    }
    for found in [&noise, &flat] {
        assert!(cohort(found, "blob_spearman").abs() < 0.4);
    }
    let table = "loss and relevance by method";
    assert!(control(&good, table, RANDOM, 0).abs() < 0.4);
    let constant = control(&good, table, CONSTANT, 0);
    assert!((constant - cohort(&flat, "blob_spearman")).abs() < 1e-9, "{constant}");
}

#[test]
fn infidelity_is_0_for_the_truth_1_for_nothing_and_worse_for_its_opposite() {
    let [good, bad, noise, flat] = ORACLES.map(|map| of(&Infidelity, map));
    let none = of(&Infidelity, &|_, _| 0.0);
    for kind in ["infidelity_blobs", "infidelity_noise"] {
        let scaled = format!("{kind}_scaled");
        let [right, wrong, empty] = [&good, &bad, &none].map(|f| cohort(f, kind));
        // (p − d)² with p = d, −d and 0
        assert!(right < 1e-4 && (wrong - 4.0).abs() < 1e-3, "{kind}: {right} {wrong}");
        assert!((empty - 1.0).abs() < 1e-12 && cohort(&none, &scaled) == 1.0);
        // the best factor forgives the sign, and says so
        assert!(cohort(&good, &scaled) < 1e-4 && cohort(&bad, &scaled) < 1e-4);
        for found in [&noise, &flat] {
            let scaled = cohort(found, &scaled);
            assert!((1e-3..=1.0).contains(&scaled), "{kind}: {scaled}");
        }
    }
    for name in ["factor_blobs", "factor_noise"] {
        let [one, minus] = [&good, &bad].map(|f| cohort(f, name));
        assert!((one - 1.0).abs() < 1e-2 && (minus + 1.0).abs() < 1e-2, "{one} {minus}");
    }
    // Twice the truth: (2d − d)² / d² = 1, and exact once scaled by a half.
    let twice = of(&Infidelity, &|case, v| 2.0 * exact(case, v));
    assert!((cohort(&twice, "infidelity_blobs") - 1.0).abs() < 1e-3);
    assert!((cohort(&twice, "factor_blobs") - 0.5).abs() < 1e-3);
}

#[test]
fn sensitivity_n_of_the_truth_is_1_for_every_n() {
    let [good, bad, noise, flat] = ORACLES.map(|map| of(&SensitivityN, map));
    let [right, wrong] = [&good, &bad].map(|f| cohort(f, "sensitivity_n"));
    assert!(right > 0.9999 && wrong < -0.9999, "{right} {wrong}");
    for found in [&noise, &flat] {
        assert!(cohort(found, "sensitivity_n").abs() < 0.5);
    }
    let series = &good.iter().find(|f| f.subject == "cohort").expect("cohort").series;
    assert_eq!(series[0].y.len(), 5);
    assert!(series[0].y.iter().all(|r| *r > 0.9999), "{:?}", series[0].y);
    assert_eq!(series.len(), 3, "the audited map, noise and a constant");
}

#[test]
fn imputing_what_the_answer_hangs_on_changes_it_first() {
    let [good, bad, noise, flat] = ORACLES.map(|map| of(&NoisyImputation, map));
    let [right, wrong, none] = [&good, &bad, &noise].map(|f| cohort(f, "fall_difference"));
    assert!(right > 0.05 && wrong < -0.05 && none.abs() < 0.3 * right, "{right} {none} {wrong}");
    assert!(cohort(&flat, "fall_difference").abs() < 0.3 * right);
    let [right, wrong] = [&good, &bad].map(|f| cohort(f, "kept_difference"));
    assert!(right > 0.0 && wrong < 0.0, "{right} {wrong}");
    // 8 subjects: 1 of 2^8 flips of signs
    assert!((cohort(&good, "fall_difference_p") - 1.0 / 256.0).abs() < 1e-12);
    assert_eq!(cohort(&bad, "fall_difference_p"), 1.0);
    assert!(cohort(&good, "control_random_p") > 0.0099);
}

#[test]
fn a_gradient_is_told_from_a_share_of_the_score() {
    // w predicts w·(x − background); taken for a share of the score it would be wrong.
    use heatproof::audit::arms::Arm;
    let arms = Arm::list("gradient,gradient_x_input").expect("arms");
    let found = measured(&Infidelity, &network(), |bench| {
        draw(bench, |_, v| WEIGHTS[v]);
        bench.compare_with(&arms).expect("maps");
    });
    let table = "infidelity by method";
    for arm in ["gradient", "gradient_x_input"] {
        let raw = control(&found, table, arm, 0);
        assert!(raw < 1e-4, "{arm}: {raw}");
    }
    assert!(cohort(&found, "infidelity_blobs") > 0.1, "the audited map counts as a share");
}

#[test]
fn the_class_that_is_explained_stays_when_another_grows_larger() {
    // Three logits; the largest one of the whole image is what all others are asked about.
    let other = negative(&WEIGHTS);
    let net = linear(&[(&WEIGHTS, 0.0), (&other, 0.0), (&[0.0; VOXELS], 0.01)]);
    let _ = measured(&RegionAblation, &net, |bench| {
        draw(bench, exact);
        for (case, removal) in HEADS.iter().zip(bench.removals().expect("removals")) {
            let score: f64 = (0..VOXELS).map(|v| f64::from(exact(case, v))).sum();
            let largest = usize::from(score < 0.0);
            assert_eq!((removal.start, removal.sign), (Start::MarginOf(largest), 1.0));
            // z_c − (−z_c + 0.01)/2 falls to −0.005 with all blobs out: by 1.5 z_c of the mask
            let inside: f64 = case.inside().iter().map(|&v| f64::from(exact(case, v))).sum();
            let want = 1.5 * inside * if largest == 1 { -1.0 } else { 1.0 };
            let got = removal.falls[0].last().expect("end");
            assert!((got - want).abs() < 1e-3, "{got} {want}");
        }
    });
}

#[test]
fn numbers_do_not_depend_on_batches_or_threads() {
    let net = untrained(11);
    let images: Vec<Vec<f32>> =
        HEADS.iter().map(|c| c.data.clone()).chain([vec![0.5; VOXELS]]).collect();
    let _ = measured(&RegionAblation, &net, |bench| {
        let mut ws = Workspace::new();
        let all: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let together = bench.scores(&all, &mut ws).expect("scores");
        let one = |image: &Vec<f32>| bench.scores(&[image.as_slice()], &mut Workspace::new());
        let alone: Vec<f64> = images.iter().flat_map(|i| one(i).expect("score")).collect();
        assert_eq!(together, alone);
    });
    let under = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let all = RefCell::new(Vec::new());
        let every = |bench: &mut Bench<'_>| {
            let found = pool.install(|| {
                let bench = &*bench;
                FAMILY
                    .checks
                    .iter()
                    .map(|c| c.measure(bench).expect("measured"))
                    .collect::<Vec<_>>()
            });
            all.borrow_mut().extend(found);
        };
        let _ = measured(&SensitivityN, &net, every);
        serde_json::to_string(&all.into_inner()).expect("json")
    };
    assert!(under(1) == under(3), "the same findings");
}

#[test]
fn a_score_that_nothing_moves_has_no_faithfulness() {
    let net = linear(&[(&[0.0; VOXELS], 1.0)]);
    let plant = |bench: &mut Bench<'_>| draw(bench, random);
    let checks: [(&dyn Check, &str); 5] = [
        (&RegionPerturbation, "abpc"),
        (&RegionAblation, "blob_spearman"),
        (&Infidelity, "infidelity_blobs"),
        (&SensitivityN, "sensitivity_n"),
        (&NoisyImputation, "fall_difference"),
    ];
    for (check, quantity) in checks {
        let found = measured(check, &net, plant);
        assert!(matches!(outcome(&found, quantity), Outcome::Unmeasurable { .. }), "{quantity}");
    }
}
