//! Time of what a user waits for: `cargo bench --bench end_to_end [-- FILTER]`.
#![allow(dead_code, reason = "each bench uses a part of what they share")]

mod common;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use common::networks::{forward, images, plain, relevance, train};
use common::{Fallible, Work};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Side and batch of the images.
const SIZES: [(usize, usize); 2] = [(96, 2), (64, 8)];

/// Does work that cannot fail on these sizes.
fn measure(c: &mut Criterion, group: &str, name: &str, work: Fallible<Work>) {
    let mut work = work.expect("built");
    let mut group = c.benchmark_group(group);
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.warm_up_time(Duration::from_secs(1));
    group.bench_function(name, |b| b.iter(|| work().expect("done")));
    group.finish();
}

fn training(c: &mut Criterion) {
    for (side, batch) in SIZES {
        let work = plain(side).and_then(|net| train(net, images(side, batch)?));
        measure(c, "training_step", &format!("{side}x{batch}"), work);
    }
}

/// Explanations of one large image or of a batch of smaller ones.
fn explanations(c: &mut Criterion) {
    for (side, batch) in [(96, 1), (64, 8)] {
        let name = format!("{side}x{batch}");
        let work = plain(side).and_then(|net| forward(net, images(side, batch)?));
        measure(c, "forward", &name, work);
        for composite in ["epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box"] {
            let work = plain(side).and_then(|net| relevance(&net, images(side, batch)?, composite));
            measure(c, composite, &name, work);
        }
    }
}

criterion_group!(benches, training, explanations);
criterion_main!(benches);
