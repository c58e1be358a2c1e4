//! The checks of randomisation: each finds maps that do not know the network, and lets a network
//! whose weights count pass.

use heatproof::audit::arms::Arm;
use heatproof::audit::bench::Bench;
use heatproof::audit::checks::Check;
use heatproof::audit::checks::randomisation::label_randomisation::LabelRandomisation;
use heatproof::audit::checks::randomisation::other_target::OtherTarget;
use heatproof::audit::checks::randomisation::rank_collapse::RankCollapse;
use heatproof::audit::checks::randomisation::weights_bottom_up::WeightsBottomUp;
use heatproof::audit::checks::randomisation::weights_cascade::{BASELINE, WeightsCascade};
use heatproof::audit::checks::randomisation::weights_complexity::WeightsComplexity;
use heatproof::audit::checks::randomisation::weights_exchangeability::{
    WeightsExchangeability, controls,
};
use heatproof::audit::checks::randomisation::weights_independent::WeightsIndependent;
use heatproof::audit::checks::randomisation::weights_permuted::WeightsPermuted;
use heatproof::audit::checks::randomisation::weights_smooth::WeightsSmooth;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::audit::judge::judge;
use heatproof::audit::policy::{Policy, Verdict};
use heatproof::compute::{Array, Workspace};
use heatproof::explain::Composite;
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Layer, Mode};
use heatproof::model::layers::{dense::Dense, flatten::Flatten, relu::Relu};
use heatproof::model::redraw::Redraw;
use heatproof::seed::Seed;

use super::audit_bench::*;
use super::nets::{canonical, heads};

fn outcome<'a>(found: &'a [Finding], quantity: &str) -> &'a Outcome {
    let own = found.iter().find(|f| f.quantity == quantity);
    &own.unwrap_or_else(|| panic!("{quantity}")).outcome
}

/// The same findings on one thread and on three.
fn on_any_threads(check: &dyn Check, net: &Graph) -> Vec<Finding> {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| measured(check, net, |_| {}))
    };
    let found = with(1);
    assert!(found == with(3), "{}: threads", check.card().id);
    found
}

#[test]
fn every_cascade_sees_maps_without_weights_and_lets_others_pass() {
    let orders: [(&dyn Check, &str); 4] = [
        (&WeightsCascade, "full"),
        (&WeightsBottomUp, "full"),
        (&WeightsPermuted, "full"),
        (&WeightsIndependent, "output_layer"),
    ];
    let (blind, sound) = (without_influence(), untrained(6));
    for (check, stage) in orders {
        let id = check.card().id;
        let found = measured(check, &blind, |_| {});
        for name in ["similarity", "ssim"] {
            let value = cohort(&found, &format!("{name}_{stage}"));
            assert!((value - 1.0).abs() < 1e-9, "{id}: {name} {value}");
        }
        // A map is more like itself than like another subject's.
        assert_eq!(cohort(&found, &format!("ssim_{stage}_p_value")), 1.0, "{id}");
        assert!(cohort(&found, &format!("ssim_{stage}_excess_high")) > 0.0, "{id}");
        let found = on_any_threads(check, &sound);
        let value = cohort(&found, &format!("similarity_{stage}"));
        let high = cohort(&found, &format!("similarity_{stage}_high"));
        assert!(value < 0.5 && high >= value, "{id}: {value} {high}");
        let change = found[0].series.iter().find(|s| s.name == "change of the score");
        let change = &change.expect("change").y;
        assert!(change[0] == 0.0 && change[1..].iter().all(|c| *c > 0.0), "{id}: {change:?}");
        let table = found[0].tables.iter().find(|t| t.name == BASELINE).expect("table");
        assert_eq!(table.rows.len(), 21, "three stages by seven measures");
        for row in &table.rows {
            let [Cell::Number(level), Cell::Number(between), Cell::Number(excess), ..] = row[2..]
            else {
                panic!("{row:?}")
            };
            assert!((level - between - excess).abs() < 1e-12, "{row:?}");
        }
    }
}

#[test]
fn a_network_of_one_layer_has_the_same_end_from_the_top_and_alone() {
    let net = without_influence();
    let names = |check: &dyn Check| measured(check, &net, |_| {})[0].series[0].labels.clone();
    assert_eq!(names(&WeightsCascade), ["none", "unread"]);
    assert_eq!(names(&WeightsIndependent), ["none", "unread"]);
    assert_eq!(
        measured(&WeightsBottomUp, &untrained(6), |_| {})[0].series[0].labels,
        ["none", "conv1", "conv2", "dense"]
    );
}

#[test]
fn what_lies_before_the_first_layer_drawn_is_the_same_to_the_last_bit() {
    let net = untrained(21);
    let x = heads(&mut Seed(22).stream("test/redraw"), 3, INPUT);
    let mut ws = Workspace::new();
    let mut trace = |net: &Graph| {
        let trace = net.trace(x.duplicate().expect("copy"), &mut Mode::Infer, &mut ws);
        let outputs = trace.expect("trace").outputs;
        outputs.iter().map(|o| o.to_f64().expect("numbers")).collect::<Vec<_>>()
    };
    let before = trace(&net);
    for (how, layer) in [(Redraw::Fresh, "conv2"), (Redraw::Permuted, "conv2")] {
        let layers = [layer.to_owned(), "dense".to_owned()];
        let drawn = net.redrawn(how, &layers, Seed(23), Some(&x), &mut Workspace::new());
        let after = trace(&drawn.expect("drawn"));
        let first = net.nodes().iter().position(|n| n.name == layer).expect("layer");
        assert!(first > 1 && before[..first] == after[..first], "{how:?}");
        assert!((first..before.len()).all(|n| before[n] != after[n]), "{how:?}");
    }
}

#[test]
fn permuted_layers_keep_their_numbers_and_lose_their_places() {
    let net = canonical("compact", INPUT, 24);
    let layers = ["conv1".to_owned()];
    let mut ws = Workspace::new();
    let drawn = net.redrawn(Redraw::Permuted, &layers, Seed(25), None, &mut ws).expect("drawn");
    let numbers = |a: &Array| a.to_f64().expect("numbers");
    for ((name, old), (_, new)) in net.parameters().into_iter().zip(drawn.parameters()) {
        let (old, new) = (numbers(old), numbers(new));
        let own = name.starts_with("conv1.");
        assert_eq!(old != new, own, "{name}");
        let sorted = |mut v: Vec<f64>| {
            v.sort_by(f64::total_cmp);
            v
        };
        assert_eq!(sorted(old), sorted(new), "{name}");
    }
}

const BLIND: [&str; 3] = ["control_sobel_p", "control_image_p", "control_constant_p"];

/// What the built-in policy says of a quantity.
fn verdict(check: &dyn Check, found: &[Finding], quantity: &str) -> Verdict {
    let policy = Policy::default_policy().expect("policy");
    let own = policy.limits.into_iter().filter(|l| l.check == check.card().id);
    let policy = Policy { name: "own".into(), limits: own.collect(), waivers: Vec::new() };
    let (judgements, _, _) = judge(&policy, found, &[check.card()], None).expect("judged");
    judgements.iter().find(|j| j.quantity == quantity).expect(quantity).verdict
}

/// A network whose output layer reads one place.
fn of_one_place() -> Graph {
    changed(&untrained(4), "dense.weight", |w| {
        let (half, places) = (w.len() / 2, w.len() / 2 / 16);
        for (n, weight) in w.iter_mut().enumerate() {
            let here = n % places == places / 2 + 1;
            *weight = if here { [-0.5, 0.5][n / half] } else { 0.0 };
        }
    })
}

#[test]
fn controls_without_a_network_never_stand_out_and_the_gradient_does_not_stay() {
    let net = of_one_place();
    let check = &WeightsExchangeability;
    let arms = Arm::list("gradient_x_input,smooth_grad_n2_s0.1,guided_backprop").expect("arms");
    let found = measured(check, &net, |bench| {
        bench.draws = 39;
        bench.compare_with(&arms).expect("arms");
    });
    for quantity in BLIND {
        assert_eq!(cohort(&found, quantity), 1.0, "{quantity}");
        assert_eq!(verdict(check, &found, quantity), Verdict::Pass);
    }
    assert!(cohort(&found, "control_gradient_similarity") < 0.2);
    assert_eq!(verdict(check, &found, "control_gradient_similarity"), Verdict::Pass);
    assert!((0.0..=1.0).contains(&cohort(&found, "control_gradient_p")));
    let table = found[0].tables.iter().find(|t| t.name == controls::ARMS).expect("table");
    let words: Vec<String> = table.rows.iter().map(|r| format!("{:?}", r[0])).collect();
    assert_eq!(words, ["Text(\"gradient_x_input\")", "Text(\"smooth_grad_n2_s0.1\")"]);
    for row in &table.rows {
        let [Cell::Number(p), .., Cell::Number(networks)] = row[1..] else { panic!("{row:?}") };
        assert!(networks == controls::FEW as f64 && (0.05..=1.0).contains(&p), "{row:?}");
    }
}

#[test]
fn a_control_that_misbehaves_makes_nothing_pass() {
    let check = &WeightsExchangeability;
    // A network without influence: its gradient is constant whatever is drawn. And one whose
    // gradient stays, as drawn networks would give the trained one's.
    let gradient = "control_gradient_similarity";
    let mut found = measured(check, &without_influence(), |_| {});
    assert_eq!(verdict(check, &found, gradient), Verdict::Inconclusive);
    let own = found.iter_mut().find(|f| f.quantity == gradient).expect("control");
    own.outcome = Outcome::measured(1.0);
    assert_eq!(verdict(check, &found, gradient), Verdict::Inconclusive);
    // A test that would call a map special that is the same under every network.
    for quantity in BLIND {
        let mut found = found.clone();
        let own = found.iter_mut().find(|f| f.quantity == quantity).expect("control");
        own.outcome = Outcome::measured(0.05);
        assert_eq!(verdict(check, &found, quantity), Verdict::Inconclusive);
    }
    // No network, no control: too few give no p at all.
    let few = measured(check, &untrained(5), |bench: &mut Bench<'_>| bench.draws = 3);
    for quantity in ["control_sobel_p", "control_image_p"] {
        assert_eq!(verdict(check, &few, quantity), Verdict::Inconclusive, "{quantity}");
    }
}

#[test]
fn smoothed_maps_without_weights_stay_and_others_go() {
    let found = measured(&WeightsSmooth, &without_influence(), |_| {});
    assert!((cohort(&found, "similarity_full") - 1.0).abs() < 1e-9);
    let found = on_any_threads(&WeightsSmooth, &untrained(6));
    assert!(cohort(&found, "similarity_full") < 0.5, "{found:?}");
    // Less grain leaves more likeness.
    assert!(cohort(&found, "similarity_plain") < 0.3, "{found:?}");
}

#[test]
fn complexity_rises_from_a_map_of_few_voxels_and_not_without_weights() {
    let found = measured(&WeightsComplexity, &without_influence(), |_| {});
    assert_eq!(cohort(&found, "rise"), 0.0);
    assert_eq!(cohort(&found, "output_entropy_rise"), 0.0);
    let net = untrained(6);
    // A voxel apart from all others: H = −(1/n) ln(1/n) − ((n−1)/n) ln((n−1)/n), far below
    // that of any other map.
    let plant = |bench: &mut Bench<'_>| {
        draw(bench, |case, v| f32::from(u8::from(v == case.inside()[7])));
    };
    let found = measured(&WeightsComplexity, &net, plant);
    assert!(cohort(&found, "rise") > 10.0, "{found:?}");
    // The other way: as many voxels in each bin is as high as entropy gets.
    let plant = |bench: &mut Bench<'_>| {
        draw(bench, |case, v| case.inside().iter().position(|i| *i == v).unwrap_or(0) as f32);
    };
    let found = measured(&WeightsComplexity, &net, plant);
    let rise = cohort(&found, "rise");
    assert!(rise < 0.0 && rise > -1.0, "{rise}");
    // A map without any entropy has no relative rise.
    let found = measured(&WeightsComplexity, &net, |bench| draw(bench, |_, _| 1.0));
    assert!(matches!(outcome(&found, "rise"), Outcome::Unmeasurable { .. }));
    on_any_threads(&WeightsComplexity, &net);
}

/// The network with the second class reading what the first reads.
fn of_one_answer(net: &Graph, turn: f32) -> Graph {
    changed(net, "dense.weight", |w| {
        let half = w.len() / 2;
        for n in 0..half {
            w[half + n] = turn * w[n];
        }
    })
}

#[test]
fn maps_that_do_not_know_their_class_are_seen() {
    let net = untrained(6);
    // Logits that are the same explain the same; opposite ones the same with the sign turned.
    let same = measured(&OtherTarget, &of_one_answer(&net, 1.0), |_| {});
    assert!((cohort(&same, "similarity") - 1.0).abs() < 1e-6, "{same:?}");
    let opposed = measured_by(
        &Composite::named("lrp_0").expect("rule"),
        &OtherTarget,
        &of_one_answer(&net, -1.0),
        |_| {},
    );
    assert!((cohort(&opposed, "similarity") + 1.0).abs() < 1e-6, "{opposed:?}");
    assert!((cohort(&opposed, "similarity_unsigned") - 1.0).abs() < 1e-6);
    let sound = on_any_threads(&OtherTarget, &net);
    assert!(cohort(&sound, "similarity_unsigned") < 0.9, "{sound:?}");
}

fn dense(reads: usize, gives: usize, purpose: &str) -> Box<dyn Layer> {
    let mut stream = Seed(26).stream(purpose);
    let scale = (2.0 / reads as f64).sqrt();
    let draw = |n: usize, of: &mut heatproof::seed::Stream| -> Vec<f32> {
        (0..n).map(|_| (scale * of.normal()) as f32).collect()
    };
    let weight = Array::from_vec(draw(reads * gives, &mut stream), &[gives, reads]);
    let bias = Array::zeros::<f32>(&[gives]);
    Box::new(Dense::new(weight.expect("weight"), bias).expect("dense"))
}

/// Dense layers of these widths with ReLUs between them.
fn perceptron(widths: &[usize]) -> Graph {
    let mut graph = Graph::default();
    let mut below = graph.push("flat", Box::new(Flatten), vec![From::Input]);
    let mut reads = INPUT.iter().product();
    for (n, &gives) in widths.iter().enumerate() {
        let name = format!("dense{n}");
        below = graph.push(&name, dense(reads, gives, &name), vec![From::Node(below)]);
        if n + 1 < widths.len() {
            below = graph.push(&format!("relu{n}"), Box::new(Relu), vec![From::Node(below)]);
        }
        reads = gives;
    }
    graph
}

#[test]
fn a_rule_of_rank_one_is_seen_and_one_that_keeps_its_starts_passes() {
    // All that is above one neuron reaches the input as one number.
    // The neuron is kept awake, so that something arrives of every subject.
    let narrow = changed(&perceptron(&[1, 16, 2]), "dense0.bias", |b| b.fill(50.0));
    let found = measured(&RankCollapse, &narrow, |_| {});
    let seen = &found[0].series[0];
    assert_eq!(seen.labels, ["start", "dense1", "dense0", "input"]);
    assert!(seen.y[0] < 0.5 && seen.y[1] == seen.y[0], "{:?}", seen.y);
    assert!((cohort(&found, "cosine_input") - 1.0).abs() < 1e-6, "{found:?}");
    let wide = perceptron(&[64, 64, 2]);
    let found = on_any_threads(&RankCollapse, &wide);
    assert!(cohort(&found, "cosine_input") < 0.5, "{found:?}");
    // z-plus forgets more than LRP-0 in the same network (Sixt et al. 2020).
    let by = |rule: &str, net: &Graph| {
        let rule = Composite::named(rule).expect("rule");
        cohort(&measured_by(&rule, &RankCollapse, net, |_| {}), "cosine_input")
    };
    let deep = perceptron(&[64, 64, 64, 64, 2]);
    assert!(by("z_plus", &deep) > by("lrp_0", &deep) + 0.2);
    // A convolutional network, where relevance passes through pools.
    assert!(by("epsilon_plus", &untrained(6)) < 0.99);
    let found = measured(&RankCollapse, &without_influence(), |_| {});
    assert!(matches!(found[0].outcome, Outcome::NotApplicable { .. }), "{found:?}");
}

#[test]
fn maps_that_labels_did_not_make_are_seen() {
    let net = of_one_place();
    let with = |draw: &dyn Fn(u64) -> Graph| {
        measured(&LabelRandomisation, &net, |bench| {
            bench.label_randomised = (0..19).map(draw).collect();
        })
    };
    // The labels made no difference: every network is the audited one.
    let found = with(&|_| net.duplicate().expect("copy"));
    assert_eq!(cohort(&found, "p_value"), 1.0);
    assert!((cohort(&found, "similarity") - 1.0).abs() < 1e-9);
    // Networks that learned nothing, and one that looks at one place.
    let found = with(&|n| untrained(30 + n));
    assert_eq!(cohort(&found, "p_value"), 0.05);
    assert!(cohort(&found, "similarity") < 0.5, "{found:?}");
    let none = measured(&LabelRandomisation, &net, |_| {});
    assert!(none.iter().all(|f| matches!(f.outcome, Outcome::NotApplicable { .. })), "{none:?}");
    let few = measured(&LabelRandomisation, &net, |bench| {
        bench.label_randomised = vec![untrained(31)];
    });
    assert!(matches!(outcome(&few, "p_value"), Outcome::Unmeasurable { .. }), "{few:?}");
}
