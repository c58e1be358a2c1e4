//! What passes hold of a card's memory.

use std::process::Command;
use std::sync::Barrier;

use heatproof::compute::{Array, Workspace, device};
use heatproof::explain::batch::held;
use heatproof::explain::methods::{Chosen, Question};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::{ArchitectureSpec, Graph, build};
use heatproof::seed::Seed;

use super::super::nets::{canonical, ids, random};
use super::waits::{carded, plain, residual};

/// Walks of so many samples are compared.
const SAMPLES: [usize; 2] = [1, 3];

/// Whether a test has a card and a process to itself. Where it has not the process it is started once more,
/// alone, and held to pass: what other tests take of the card would count.
fn alone(test: &str) -> bool {
    const MARK: &str = "HEATPROOF_TEST_ALONE";
    if !carded() || std::env::var_os(MARK).is_some() {
        return carded();
    }
    let program = std::env::current_exe().expect("this program");
    let test = format!("{}::{test}", module_path!().split_once("::").expect("a path").1);
    let found = Command::new(program)
        .args([&test, "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("started");
    let told = String::from_utf8_lossy(&found.stdout);
    let errors = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success() && told.contains("1 passed"), "{told}{errors}");
    eprint!("{errors}");
    false
}

/// Bytes that `body` takes of the card for each sample more.
fn of_a_sample(mut body: impl FnMut(usize)) -> usize {
    let [few, many] = SAMPLES.map(|n| {
        let ((), most) = device::held_during(|| {
            body(n);
            Ok(())
        })
        .expect("card");
        most.expect("work is done on a card")
    });
    many.saturating_sub(few) / (SAMPLES[1] - SAMPLES[0])
}

/// Walks of every kind hold what [`held`] says at most, and not so much less that a card stays empty.
#[test]
fn a_walk_holds_no_more_than_is_said_beforehand() {
    if !alone("a_walk_holds_no_more_than_is_said_beforehand") {
        return;
    }
    let extents = [18, 15, 20];
    let networks: [(&str, Graph); 3] = [
        ("compact", canonical("compact", extents, 3)),
        ("residual", residual(5)),
        ("plain", plain(4)),
    ];
    let [k, j, i] = extents;
    let x = random(&mut Seed(5).stream("x"), &[SAMPLES[1], 1, k, j, i], false);
    let first = |n: usize| -> Array { x.rows(0, n).expect("rows") };
    for (name, graph) in &networks {
        let said = held(graph, &x.shape()[1..], 4).expect("known");
        let mut most = 0;
        let mut ws = Workspace::new();
        for id in ids() {
            let composite = Composite::named(id).expect("known");
            let taken = of_a_sample(|n| {
                let found = explain(graph, &first(n), &composite, Start::Class(0), &mut ws);
                drop(found.expect("explained"));
            });
            eprintln!("{name} {id} {:.2}", taken as f64 / said as f64);
            assert!(taken <= said, "{name}, {id}: {taken} bytes a sample, {said} said");
            most = most.max(taken);
        }
        for word in ["gradient", "guided_backprop", "grad_cam"] {
            let chosen = Chosen::named(word).expect("known");
            let taken = of_a_sample(|n| {
                let (x, starts) = (first(n), vec![Start::Class(0); n]);
                let question = Question::new(graph, &x, &starts, Seed(1));
                drop(chosen.map(&question, &mut ws).expect("map"));
            });
            eprintln!("{name} {word} {:.2}", taken as f64 / said as f64);
            assert!(taken <= said, "{name}, {word}: {taken} bytes a sample, {said} said");
        }
        assert!(said <= 4 * most, "{name}: {most} bytes a sample at most, {said} said");
    }
}

/// Threads that begin passes together hold what four passes hold.
#[test]
fn many_threads_hold_as_much_as_four_passes() {
    if !alone("many_threads_hold_as_much_as_four_passes") {
        return;
    }
    let (graph, composite) = (plain(4), Composite::named("epsilon_plus").expect("known"));
    let x = random(&mut Seed(5).stream("x"), &[3, 1, 22, 19, 24], false);
    let one = || {
        let found = explain(&graph, &x, &composite, Start::Class(0), &mut Workspace::new());
        drop(found.expect("explained"));
    };
    // The network and the tables of its windows stay.
    one();
    let [alone, many] = [1, 16].map(|threads| together(threads, &one));
    assert!(many <= 4 * alone + alone / 4, "one pass {alone} bytes, sixteen {many}");
}

/// Networks drawn anew take their statistics from images by passes as well, beside their own weights.
#[test]
fn many_threads_draw_networks_with_the_memory_of_four_passes() {
    if !alone("many_threads_draw_networks_with_the_memory_of_four_passes") {
        return;
    }
    let spec = ArchitectureSpec::named("compact", [22, 19, 24], 2).expect("known");
    let graph = build(&spec, Seed(4)).expect("built");
    let x = random(&mut Seed(5).stream("x"), &[3, 1, 22, 19, 24], false);
    let layers = graph.weighted_layers();
    let one = || {
        let ws = &mut Workspace::new();
        drop(graph.reinitialised(&layers, Seed(1), Some(&x), ws).expect("drawn"));
    };
    one();
    let weights: usize = graph.parameters().iter().map(|(_, a)| 4 * a.len()).sum();
    let [alone, many] = [1, 16].map(|threads| together(threads, &one));
    let most = 4 * alone + alone / 4 + 16 * weights;
    assert!(16 * alone > most, "{alone} bytes, {weights} of weights: nothing would show");
    assert!(many <= most, "one pass {alone} bytes, sixteen {many}, weights {weights}");
}

/// Bytes that so many threads hold that begin together.
fn together(threads: usize, one: &(dyn Fn() + Sync)) -> usize {
    let begin = Barrier::new(threads);
    let all = || {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let _ = begin.wait();
                    one();
                });
            }
        });
        Ok(())
    };
    device::held_during(all).expect("card").1.expect("work is done on a card")
}
