//! The checks of shortcuts: a network that reads the background is caught, one that reads one
//! place of the brain is not.

use heatproof::audit::bench::Bench;
use heatproof::audit::case::Case;
use heatproof::audit::checks::Check;
use heatproof::audit::checks::shortcuts::covariates_followed::CovariatesFollowed;
use heatproof::audit::checks::shortcuts::poor_inputs::PoorInputs;
use heatproof::audit::checks::shortcuts::sides_swapped::SidesSwapped;
use heatproof::audit::finding::Finding;
use heatproof::compute::{Array, Workspace};
use heatproof::explain::Start;
use heatproof::image::atlas::Atlas;
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::{dense::Dense, flatten::Flatten};
use heatproof::seed::Seed;

use super::audit_bench::*;

/// A linear network whose margin is the sum of some voxels.
fn looks_at(which: impl Fn(&Case, usize) -> bool) -> Graph {
    let voxels = HEADS[0].grid.len();
    let row = |sign: f32| (0..voxels).map(move |v| (v, sign)).collect::<Vec<_>>();
    let weights: Vec<f32> = [row(-0.5), row(0.5)]
        .concat()
        .into_iter()
        .map(|(v, sign)| if which(&HEADS[0], v) { sign } else { 0.0 })
        .collect();
    let weight = Array::from_vec(weights, &[2, voxels]).expect("weights");
    let bias = Array::from_vec(vec![0.0f32; 2], &[2]).expect("bias");
    let mut graph = Graph::default();
    let flat = graph.push("flatten", Box::new(Flatten), vec![From::Input]);
    let _ = graph.push(
        "head",
        Box::new(Dense::new(weight, bias).expect("dense")),
        vec![From::Node(flat)],
    );
    let x = Array::from_vec(vec![0.0f32; voxels], &[1, 1, 12, 16, 12]).expect("x");
    let _ = graph.forward(&x, &mut Workspace::new()).expect("runs");
    graph
}

fn found(check: &dyn Check, graph: &Graph, cases: &[Case]) -> Vec<Finding> {
    let (start, seed) = (Start::Margin, Seed(74));
    let bench = Bench::new(graph, graph, cases, &CLASSES, &COMPOSITE, start, seed).expect("bench");
    check.measure(&bench).expect("measured")
}

/// Heads whose background (`true`) or one brain voxel is brighter in class 1.
fn labelled(background: bool) -> Vec<Case> {
    let mut cases = HEADS.clone();
    for (n, case) in cases.iter_mut().enumerate() {
        let place = if background { 0 } else { case.inside()[40] };
        case.data[place] = if case.class == 1 { 5.0 } else { 0.0 } + n as f32 / 100.0;
    }
    cases
}

#[test]
fn a_network_that_reads_the_background_is_told_from_one_that_reads_the_brain() {
    let corner = looks_at(|_, v| v == 0);
    let caught = found(&PoorInputs, &corner, &labelled(true));
    // All 4 of 4 above: one of 70 orders.
    assert!((cohort(&caught, "background_p") - 1.0 / 70.0).abs() < 1e-12);
    assert_eq!(cohort(&caught, "background_auc"), 1.0);
    assert!((cohort(&caught, "background_kept") - 1.0).abs() < 1e-12);
    let place = HEADS[0].inside()[40];
    let voxel = looks_at(|_, v| v == place);
    let sound = found(&PoorInputs, &voxel, &labelled(false));
    assert!(cohort(&sound, "background_p") > 0.05, "{sound:?}");
}

#[test]
fn sides_that_count_alike_may_be_swapped_and_a_marker_on_one_may_not() {
    let both = looks_at(|case, v| case.mask.data()[v]);
    let one = looks_at(|case, v| case.mask.data()[v] && v % 12 < 6);
    let same = found(&SidesSwapped, &both, &HEADS);
    assert!(cohort(&same, "score_change") < 1e-4, "{same:?}");
    let other = found(&SidesSwapped, &one, &HEADS);
    assert!(cohort(&other, "score_change") > 0.3, "{other:?}");
    // Relevance of the one-sided network lies on one side only.
    let all = values(&other, "asymmetry", false);
    assert!(all.iter().all(|a| (a - 1.0).abs() < 1e-6), "{all:?}");
    assert!(cohort(&same, "asymmetry") < 0.9);
}

#[test]
fn maps_that_follow_a_covariate_more_than_the_label_are_told() {
    let mut cases = HEADS.clone();
    for (n, case) in cases.iter_mut().enumerate() {
        let size = [3.0, 1.0, 7.0, 5.0, 2.0, 8.0, 6.0, 4.0][n];
        case.covariates.insert("size".to_owned(), size);
        case.covariates.insert("other".to_owned(), f64::from(u8::from(n % 4 < 2)));
    }
    let atlas = Atlas::of_labels(cases[0].labels.as_ref().expect("labels"));
    let told = |value: &dyn Fn(&Case) -> f32| {
        let maps = cases.iter().map(|c| {
            let labels = c.labels.as_ref().expect("labels").data();
            labels.iter().map(|l| if *l == 1 { value(c) } else { 1.0 }).collect()
        });
        let (maps, seed) = (maps.collect(), Seed(75));
        let mut bench = Bench::of_maps(&cases, maps, "test", &CLASSES, seed).expect("bench");
        bench.atlas = Some(&atlas);
        CovariatesFollowed.measure(&bench).expect("measured")
    };
    let by_size = told(&|c| 1.0 + c.covariates["size"] as f32);
    assert!(cohort(&by_size, "covariate_size_p") <= 0.05, "{by_size:?}");
    assert!(cohort(&by_size, "covariate_size") > cohort(&by_size, "label"));
    assert!(by_size[0].notes[0].contains("covariate_size"));
    let by_label = told(&|c| 1.0 + c.class as f32);
    assert!(cohort(&by_label, "label_p") <= 0.05, "{by_label:?}");
    assert!(by_label[0].notes[0].starts_with("No covariate"), "{by_label:?}");
}
