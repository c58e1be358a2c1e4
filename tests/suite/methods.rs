//! Methods beside relevance: occlusion by region against its closed form on a linear network,
//! and maps that do not depend on how many images share a pass.

use heatproof::compute::{Array, Workspace};
use heatproof::explain::Start;
use heatproof::explain::methods::{Chosen, METHODS, Question, Regions};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layers::dense::Dense;
use heatproof::model::layers::flatten::Flatten;
use heatproof::seed::Seed;

use super::nets::{array, canonical, draws, random};

/// `[k, j, i]`.
const SHAPE: [usize; 3] = [3, 4, 5];
const VOXELS: usize = 60;

/// Labels 3 and 7 with a gap, and a brain that reaches beyond them.
fn regions(turn: usize) -> Regions {
    let label = |v: usize| [0, 3, 3, 7, 0, 7][(v / 5 + turn) % 6];
    let labels: Vec<i32> = (0..VOXELS).map(label).collect();
    let inside = (0..VOXELS).map(|v| labels[v] != 0 || v % 2 == 0).collect();
    Regions { labels, inside }
}

/// One logit, a weighted sum of the voxels.
fn linear(weight: &[f64]) -> Graph {
    let mut graph = Graph::default();
    let flat = graph.push("flat", Box::new(Flatten), vec![From::Input]);
    let bias = array(vec![0.7], &[1], true);
    let dense = Dense::new(array(weight.to_vec(), &[1, VOXELS], true), bias).expect("dense");
    let _ = graph.push("dense", Box::new(dense), vec![From::Node(flat)]);
    graph
}

#[test]
fn a_region_of_a_linear_network_takes_what_its_weights_and_voxels_say() {
    let mut stream = Seed(90).stream("test/methods/linear");
    let weight = draws(&mut stream, VOXELS);
    let graph = linear(&weight);
    let [k, j, i] = SHAPE;
    let x = random(&mut stream, &[2, 1, k, j, i], true);
    let image = x.to_f64().expect("host");
    let regions = [regions(0), regions(2)];
    let starts = [Start::Margin; 2];
    for (word, mean, rest) in [
        ("occlusion_region", false, false),
        ("occlusion_region_zero_rest", false, true),
        ("occlusion_region_mean", true, false),
        ("occlusion_region_mean_rest", true, true),
    ] {
        let question =
            Question { regions: &regions, ..Question::new(&graph, &x, &starts, Seed(1)) };
        let chosen = Chosen::named(word).expect("known");
        let map = chosen.map(&question, &mut Workspace::new()).expect("map");
        let map = map.to_f64().expect("host");
        for (s, own) in regions.iter().enumerate() {
            let (x, map) = (&image[s * VOXELS..][..VOXELS], &map[s * VOXELS..][..VOXELS]);
            let inside: Vec<f64> = (0..VOXELS).filter(|v| own.inside[*v]).map(|v| x[v]).collect();
            let value = if mean { inside.iter().sum::<f64>() / inside.len() as f64 } else { 0.0 };
            for label in [0, 3, 7] {
                let holds = |v: &usize| own.labels[*v] == label && (label != 0 || own.inside[*v]);
                let voxels: Vec<usize> = (0..VOXELS).filter(holds).collect();
                // f(x) − f(x without) of a weighted sum.
                let fall: f64 = voxels.iter().map(|&v| weight[v] * (x[v] - value)).sum();
                let told = label != 0 || rest;
                let density = if told { fall / voxels.len() as f64 } else { 0.0 };
                for &v in &voxels {
                    assert!((map[v] - density).abs() < 1e-12, "{word} {s} {label} {v}");
                }
            }
            let beyond = (0..VOXELS).filter(|v| own.labels[*v] == 0 && !own.inside[*v]);
            assert!(beyond.clone().count() > 0 && beyond.into_iter().all(|v| map[v] == 0.0));
            let narrow: Vec<f32> = map.iter().map(|v| *v as f32).collect();
            let sums = own.sums(&narrow);
            let labels: Vec<i32> = sums.iter().map(|s| s.label).collect();
            assert_eq!(labels, [0, 3, 7]);
            let of_three = (0..VOXELS).filter(|v| own.labels[*v] == 3);
            let fall: f64 = of_three.clone().map(|v| weight[v] * (x[v] - value)).sum();
            assert!((sums[1].sum - fall).abs() < 1e-5 && sums[1].voxels == of_three.count());
        }
    }
}

#[test]
fn occlusion_by_region_without_regions_says_what_it_needs() {
    let graph = linear(&[1.0; VOXELS]);
    let [k, j, i] = SHAPE;
    let x = array(vec![1.0; VOXELS], &[1, 1, k, j, i], true);
    let chosen = Chosen::named("occlusion_region").expect("known");
    let question = Question::new(&graph, &x, &[Start::Margin], Seed(1));
    let error = chosen.map(&question, &mut Workspace::new()).expect_err("no regions");
    assert_eq!(error.code(), "E-METHOD-002");
    assert!(error.to_string().contains("--labels"), "{error}");
}

#[test]
fn no_map_depends_on_the_bound_on_memory() {
    let input = [12, 16, 12];
    let graph = canonical("compact", input, 91);
    let [k, j, i] = input;
    let x = random(&mut Seed(92).stream("test/methods/images"), &[3, 1, k, j, i], false);
    let voxels = k * j * i;
    let one = |s: usize| Regions {
        labels: (0..voxels).map(|v| ((v / (i * j) + s) % 4) as i32).collect(),
        inside: vec![true; voxels],
    };
    let regions: Vec<Regions> = (0..3).map(one).collect();
    let starts = [Start::Margin, Start::Class(0), Start::Class(1)];
    let whole = Question { regions: &regions, ..Question::new(&graph, &x, &starts, Seed(5)) };
    assert!(whole.at_once().expect("some") > 30, "the default holds all passes of this test");
    let per_sample = whole.memory / whole.at_once().expect("some");
    for method in METHODS {
        let word = match method.card.id {
            "occlusion" => "occlusion_w6_s6",
            "smooth_grad" => "smooth_grad_n5_s0.1",
            "smooth_grad_squared" => "smooth_grad_squared_n5_s0.1",
            "integrated_gradients" => "integrated_gradients_gausslegendre5",
            id => id,
        };
        let chosen = Chosen::named(word).expect("known");
        let map = |memory: usize| -> Vec<u64> {
            let question = Question { memory, ..whole };
            let map: Array = chosen.map(&question, &mut Workspace::new()).expect("map");
            map.to_f64().expect("host").iter().map(|v| v.to_bits()).collect()
        };
        let free = map(whole.memory);
        for samples in [0, 1, 2, 4] {
            assert!(free == map(samples * per_sample + samples), "{word}, {samples} at once");
        }
    }
}
