//! Laws that every explanation of every network obeys, on random networks; and that each law
//! catches what breaks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use heatproof::Result as Made;
use heatproof::card::Card;
use heatproof::compute::{Array, ConvGeometry, Workspace};
use heatproof::explain::composite::Choice;
use heatproof::explain::ledger::LedgerLine;
use heatproof::explain::methods::{Chosen, Question};
use heatproof::explain::rules::{Applied, Convention};
use heatproof::explain::{Composite, Explanation, Start, explain};
use heatproof::model::Graph;
use heatproof::model::graph::From;
use heatproof::model::layer::{Gradients, Layer, Mode, Pass, Role, Saved};
use heatproof::model::layers::{flatten::Flatten, relu, relu::Relu, tanh};
use heatproof::seed::Seed;
use proptest::prelude::*;

use super::nets::{conv, dense, random, randomised};
use super::random_graphs::{CLASSES, Family, config, plan};

/// Nothing, or how a law is broken.
type Law = Result<(), String>;

/// A network with images and a rule.
struct Case {
    graph: Graph,
    x: Array,
    composite: Composite,
}

impl Case {
    fn explained(&self, x: &Array, start: Start, ws: &mut Workspace) -> Explanation {
        explain(&self.graph, x, &self.composite, start, ws).expect("explained")
    }

    /// What rounding is worth beside the relevance that goes through a layer.
    fn rounding(&self) -> f64 {
        if self.x.host::<f64>().is_ok() { 1e-13 } else { 1e-6 }
    }
}

fn numbers(array: &Array) -> Vec<f64> {
    array.to_f64().expect("host")
}

/// Largest Σ|R| of any layer: what rounding is relative to.
fn mass(ledger: &[LedgerLine]) -> f64 {
    ledger.iter().map(|l| l.mass.max(l.mass_handed_on)).fold(0.0, f64::max)
}

/// Every layer accounts for all relevance it receives, and so does the whole walk.
fn closes(case: &Case) -> Law {
    let e = case.explained(&case.x, Start::Margin, &mut Workspace::new());
    let map = numbers(&e.relevance);
    let size = map.len() / e.scores.len();
    for (n, ledger) in e.ledgers.iter().enumerate() {
        if ledger.len() != case.graph.nodes().len() {
            return Err(format!("{} lines for {} layers", ledger.len(), case.graph.nodes().len()));
        }
        if let Some(open) = ledger.iter().find(|l| l.residual() > case.rounding()) {
            return Err(format!("sample {n}: {:e} {open:?}", open.residual()));
        }
        // what the layers hand over to each other is lost nowhere in between
        let taken: f64 = ledger.iter().map(|l| l.bias + l.stabiliser + l.degenerate).sum();
        let reached: f64 = map[n * size..][..size].iter().sum();
        let (gap, layers) = ((e.scores[n] - reached - taken).abs(), ledger.len() as f64);
        if gap > case.rounding() * layers * mass(ledger) {
            return Err(format!("sample {n}: {gap:e} lost"));
        }
    }
    Ok(())
}

/// The map of a weighted sum of logits is the weighted sum of the logits' maps.
fn linear_in_the_start(case: &Case) -> Law {
    let of = |start| case.explained(&case.x, start, &mut Workspace::new());
    let classes: Vec<Explanation> = (0..CLASSES).map(|c| of(Start::Class(c))).collect();
    let maps: Vec<Vec<f64>> = classes.iter().map(|e| numbers(&e.relevance)).collect();
    for class in 0..CLASSES {
        let whole = of(Start::MarginOf(class));
        let size = whole.relevance.len() / whole.scores.len();
        for (at, value) in numbers(&whole.relevance).into_iter().enumerate() {
            let others: f64 = (0..CLASSES).filter(|c| *c != class).map(|c| maps[c][at]).sum();
            let sum = maps[class][at] - others / (CLASSES - 1) as f64;
            let ledgers = classes.iter().chain([&whole]).map(|e| mass(&e.ledgers[at / size]));
            if (value - sum).abs() > 10.0 * case.rounding() * ledgers.fold(0.0, f64::max) {
                return Err(format!("class {class}, place {at}: {value} instead of {sum}"));
            }
        }
    }
    Ok(())
}

/// Score, map and ledger per sample, to the last bit.
type Bits = Vec<(u64, Vec<u64>, Vec<LedgerLine>)>;

fn bits(e: Explanation) -> Bits {
    let map: Vec<u64> = numbers(&e.relevance).into_iter().map(f64::to_bits).collect();
    let maps = map.chunks(map.len() / e.scores.len()).map(<[u64]>::to_vec);
    e.scores
        .iter()
        .map(|s| s.to_bits())
        .zip(maps)
        .zip(e.ledgers)
        .map(|((s, m), l)| (s, m, l))
        .collect()
}

fn equal(a: &[(u64, Vec<u64>, Vec<LedgerLine>)], b: &Bits) -> Law {
    if a == b { Ok(()) } else { Err("other bits".to_owned()) }
}

/// A sample's map is the same in a batch and alone.
fn alone_as_in_the_batch(case: &Case) -> Law {
    let of = |x: &Array| bits(case.explained(x, Start::Class(1), &mut Workspace::new()));
    let together = of(&case.x);
    (0..together.len())
        .try_for_each(|n| equal(&together[n..=n], &of(&case.x.rows(n, n + 1).expect("row"))))
}

/// The second map is the first, also from buffers full of old numbers.
fn the_same_again(case: &Case) -> Law {
    let mut ws = Workspace::new();
    let mut of = || bits(case.explained(&case.x, Start::Class(0), &mut ws));
    let first = of();
    equal(&first, &of())
}

/// One thread and two give the same.
fn whatever_the_threads(case: &Case) -> Law {
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| bits(case.explained(&case.x, Start::Margin, &mut Workspace::new())))
    };
    equal(&of(1), &of(2))
}

/// Ancona et al. 2018, proposition 1: in networks of rectifiers LRP-0 is gradient × input.
/// Biases take their own share, `b ∇b`.
fn lrp_0_is_gradient_times_input(case: &Case) -> Law {
    let method = Chosen::named("gradient_x_input").expect("known");
    let (graph, x, ws) = (&case.graph, &case.x, &mut Workspace::new());
    for class in 0..CLASSES {
        let starts = vec![Start::Class(class); x.shape()[0]];
        let question = Question::new(graph, x, &starts, Seed(1));
        let truth = numbers(&method.map(&question, ws).expect("map"));
        let e = case.explained(x, Start::Class(class), ws);
        let size = truth.len() / e.scores.len();
        for (at, (got, want)) in numbers(&e.relevance).iter().zip(&truth).enumerate() {
            // sums near 0 are divided by: what they cost is relative to what they amplify
            if (got - want).abs() > 1e-9 * mass(&e.ledgers[at / size]) {
                return Err(format!("class {class}, place {at}: {got} instead of {want}"));
            }
        }
    }
    Ok(())
}

/// Srinivas and Fleuret 2019: `f(x) = Σ x ∇x f + Σ b ∇b f`, over all biases b.
fn gradients_of_input_and_biases_are_the_score(case: &Case) -> Law {
    let ws = &mut Workspace::new();
    let products = |a: &Array, b: &Array| -> Vec<f64> {
        numbers(a).iter().zip(numbers(b)).map(|(a, b)| a * b).collect()
    };
    for sample in 0..case.x.shape()[0] {
        let x = case.x.rows(sample, sample + 1).expect("row");
        let trace = case.graph.trace(x, &mut Mode::Infer, ws).expect("trace");
        let logits = numbers(trace.outputs.last().expect("logits"));
        for (class, logit) in logits.iter().enumerate() {
            let mut one = vec![0.0; logits.len()];
            one[class] = 1.0;
            let start = Array::from_vec(one, &[1, logits.len()]).expect("start");
            let (dx, gradients) = case.graph.backward(&trace, start, true, ws).expect("gradients");
            let mut parts = products(&trace.input, &dx.expect("input"));
            for ((name, value), gradient) in case.graph.parameters().iter().zip(&gradients) {
                if name.ends_with(".bias") {
                    parts.extend(products(value, gradient));
                }
            }
            let (sum, size) =
                parts.iter().fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
            if (sum - logit).abs() > 1e-12 * size {
                return Err(format!("sample {sample}, class {class}: {sum} instead of {logit}"));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn explanations_obey_the_laws(plan in plan()) {
        let (graph, x) = plan.grown(Family::Any);
        let case = Case { graph, x, composite: plan.composite() };
        for law in [closes, linear_in_the_start, alone_as_in_the_batch, the_same_again, whatever_the_threads] {
            prop_assert_eq!(law(&case), Ok(()));
        }
    }

    #[test]
    fn of_rectifiers_lrp_0_is_gradient_times_input(mut plan in plan()) {
        plan.wide = true;
        for family in [Family::WithoutBiases, Family::PiecewiseLinear] {
            let (graph, x) = plan.grown(family);
            let case = Case { graph, x, composite: undamped() };
            prop_assert_eq!(lrp_0_is_gradient_times_input(&case), Ok(()));
        }
    }

    #[test]
    fn the_full_gradient_is_the_score(mut plan in plan()) {
        plan.wide = true;
        let (graph, x) = plan.grown(Family::PiecewiseLinear);
        prop_assert_eq!(
            gradients_of_input_and_biases_are_the_score(&Case { graph, x, composite: undamped() }),
            Ok(())
        );
    }
}

/// LRP-0 in every layer, sums and average pools undamped too.
fn undamped() -> Composite {
    let applied = Applied::named("lrp_0", Convention::Own).expect("known").expect("numbers");
    let any = Choice { kinds: Vec::new(), name: None, position: None, applied };
    let mut composite = Composite::of("lrp_0", vec![any], Convention::Own);
    composite.stabiliser = composite.stabiliser.with(0.0);
    composite
}

/// What goes wrong in a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Nothing,
    /// It sees the first sample of the batch.
    Batch,
    /// It counts how often it was called.
    Calls,
    /// It sees the number of threads.
    Threads,
    /// Half of the relevance is lost.
    Halved,
    /// Relevance is squared.
    Squared,
}

/// A layer that hands on what it is given, but for a fault.
#[derive(Debug, Clone)]
struct Planted {
    fault: Fault,
    calls: Arc<AtomicU32>,
}

impl Layer for Planted {
    fn card(&self) -> &'static Card {
        &relu::CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Made<Vec<usize>> {
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &[&Array],
        _: &mut Mode<'_>,
        _: &mut Workspace,
    ) -> Made<(Array, Saved)> {
        let mut y = inputs[0].duplicate()?;
        let more = match self.fault {
            Fault::Batch => y.host::<f64>()?[0],
            Fault::Calls => f64::from(self.calls.fetch_add(1, Ordering::Relaxed)),
            Fault::Threads => rayon::current_num_threads() as f64,
            _ => return Ok((y, Saved::Nothing)),
        };
        y.host_mut::<f64>()?.iter_mut().for_each(|v| *v += 0.01 * more);
        Ok((y, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, _: bool, _: &mut Workspace) -> Made<Gradients> {
        let mut r = pass.grad.duplicate()?;
        r.host_mut::<f64>()?.iter_mut().for_each(|v| match self.fault {
            Fault::Halved => *v *= 0.5,
            Fault::Squared => *v *= *v,
            _ => {}
        });
        Ok(Gradients { inputs: vec![r], parameters: Vec::new() })
    }

    fn duplicate(&self) -> Made<Box<dyn Layer>> {
        Ok(Box::new(self.clone()))
    }

    fn role(&self) -> Role<'_> {
        Role::Routing
    }
}

/// A convolution, the layer, a dense one.
fn around(layer: Box<dyn Layer>, composite: Composite) -> Case {
    let mut s = Seed(71).stream("test/laws");
    let mut graph = Graph::default();
    let a = graph.push("conv", conv(2, 3, ConvGeometry::same(3)), vec![From::Input]);
    let b = graph.push("layer", layer, vec![From::Node(a)]);
    let c = graph.push("flat", Box::new(Flatten), vec![From::Node(b)]);
    let _ = graph.push("dense", dense(3 * 5 * 3 * 4, CLASSES), vec![From::Node(c)]);
    let graph = randomised(&graph, &mut s, true);
    let x = random(&mut s, &[3, 2, 5, 3, 4], true);
    Case { graph, x, composite }
}

#[test]
fn each_law_catches_what_breaks_it() {
    type Of = fn(&Case) -> Law;
    let laws: [(Of, Fault); 5] = [
        (closes, Fault::Halved),
        (linear_in_the_start, Fault::Squared),
        (alone_as_in_the_batch, Fault::Batch),
        (the_same_again, Fault::Calls),
        (whatever_the_threads, Fault::Threads),
    ];
    let composite = || Composite::named("epsilon").expect("known");
    for (law, fault) in laws {
        let case = |fault| around(Box::new(Planted { fault, calls: Arc::default() }), composite());
        assert_eq!(law(&case(Fault::Nothing)), Ok(()), "{fault:?}");
        assert!(law(&case(fault)).is_err(), "{fault:?}");
    }
}

#[test]
fn the_laws_of_gradients_fail_where_they_do_not_hold() {
    let times_input = lrp_0_is_gradient_times_input;
    let full = gradients_of_input_and_biases_are_the_score;
    for law in [times_input, full] {
        assert_eq!(law(&around(Box::new(Relu), undamped())), Ok(()));
        assert!(law(&around(Box::new(tanh::layer()), undamped())).is_err());
    }
    // damping takes relevance that gradient × input gives
    let damped = Composite::named("epsilon_0.25").expect("known");
    assert!(times_input(&around(Box::new(Relu), damped)).is_err());
}
