//! Time of each kernel alone: `cargo bench --bench kernels [-- FILTER]`.
#![allow(dead_code, reason = "each bench uses a part of what they share")]

mod common;

use std::time::Duration;

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heatproof::compute::{
    Array, ConvGeometry, PoolGeometry, Workspace, batch_norm, conv3d, dense, pool3d,
};

use common::{Fallible, Pass, SHAPES, Work, normal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Does work that cannot fail on these shapes.
fn measure(c: &mut Criterion, group: &str, name: &str, work: Fallible<Work>, operations: f64) {
    let mut work = work.expect("built");
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(operations as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(500));
    group.bench_function(name, |b| b.iter(|| work().expect("done")));
    group.finish();
}

/// Elements per second are floating-point operations per second.
fn convolutions(c: &mut Criterion) {
    let passes = [
        ("conv_forward", Pass::Forward),
        ("conv_grad_input", Pass::GradInput),
        ("conv_grad_weight", Pass::GradWeight),
    ];
    for (group, pass) in passes {
        for shape in SHAPES {
            measure(c, group, &shape.to_string(), shape.work(pass), shape.flops());
        }
    }
}

/// Convolutions of one voxel, beside the matrix product that they are, `[outputs, inputs]` times
/// `[inputs, voxels]`: elements per second are floating-point operations per second.
fn pointwise(c: &mut Criterion) {
    for [inputs, outputs, side] in [[8, 16, 48], [64, 128, 24], [256, 256, 12]] {
        let voxels = side * side * side;
        let arrays = || -> Fallible<[Array; 2]> {
            let x = normal(&[1, inputs, side, side, side], "pointwise x")?;
            Ok([x, normal(&[outputs, inputs, 1, 1, 1], "pointwise w")?])
        };
        let convolution = || -> Fallible<Work> {
            let ([x, w], mut ws) = (arrays()?, Workspace::new());
            Ok(Box::new(move || {
                let y = conv3d::forward(&x, &w, None, &ConvGeometry::same(1), &mut ws)?;
                ws.give(y);
                Ok(())
            }))
        };
        let product = || -> Fallible<Work> {
            let [x, w] = arrays()?;
            let x = Tensor::from_slice(x.host::<f32>()?, &[inputs, voxels], &Device::Cpu)?;
            let w = Tensor::from_slice(w.host::<f32>()?, &[outputs, inputs], &Device::Cpu)?;
            Ok(Box::new(move || {
                drop(w.matmul(&x)?);
                Ok(())
            }))
        };
        let (name, flops) =
            (format!("{inputs}-{outputs}/{side}"), (2 * inputs * outputs * voxels) as f64);
        measure(c, "pointwise_convolution", &name, convolution(), flops);
        measure(c, "pointwise_product", &name, product(), flops);
    }
}

/// A layer's output of the 8-16-32-64 network at 64³, batch 8.
const LAYER: [usize; 5] = [8, 8, 64, 64, 64];

/// Elements per second are numbers read.
fn pools(c: &mut Criterion) {
    let tiles = PoolGeometry::tiles(2);
    let read = LAYER.iter().product::<usize>() as f64;
    let forward = |average: bool| -> Fallible<Work> {
        let (x, mut ws) = (normal(&LAYER, "pool")?, Workspace::new());
        Ok(Box::new(move || {
            let y = match average {
                true => pool3d::average_forward(&x, &tiles, &mut ws)?,
                false => pool3d::max_forward(&x, &tiles, &mut ws)?.output,
            };
            ws.give(y);
            Ok(())
        }))
    };
    let backward = |average: bool| -> Fallible<Work> {
        let mut ws = Workspace::new();
        let maxima = pool3d::max_forward(&normal(&LAYER, "pool")?, &tiles, &mut ws)?;
        Ok(Box::new(move || {
            let (dy, input) = (&maxima.output, [64; 3]);
            let dx = match average {
                true => pool3d::average_backward(dy, &tiles, input, &mut ws)?,
                false => pool3d::max_backward(dy, &maxima.places, &tiles, input, &mut ws)?,
            };
            ws.give(dx);
            Ok(())
        }))
    };
    for (kind, average) in [("max_pool", false), ("average_pool", true)] {
        measure(c, kind, "forward", forward(average), read);
        measure(c, kind, "backward", backward(average), read / 8.0);
    }
}

/// Elements per second are numbers read.
fn batch_norms(c: &mut Criterion) {
    let read = LAYER.iter().product::<usize>() as f64;
    let work = |backward: bool| -> Fallible<Work> {
        let (x, dy) = (normal(&LAYER, "norm x")?, normal(&LAYER, "norm dy")?);
        let (gamma, mut ws) = (vec![1.0; LAYER[1]], Workspace::new());
        let kept = batch_norm::statistics(&x)?;
        Ok(Box::new(move || {
            let made = if backward {
                batch_norm::backward(&x, &dy, &gamma, &kept, 1e-5, &mut ws)?.0
            } else {
                batch_norm::statistics(&x)?.map(&gamma, &gamma, 1e-5)?.apply(&x, &mut ws)?
            };
            ws.give(made);
            Ok(())
        }))
    };
    measure(c, "batch_norm", "forward", work(false), 2.0 * read);
    measure(c, "batch_norm", "backward", work(true), 4.0 * read);
}

/// The first dense layer of the 8-16-32-64 network at 64³, batch 8; elements per second are
/// floating-point operations per second.
fn dense_layers(c: &mut Criterion) {
    let [n, i, o] = [8, 4096, 128];
    let work = |pass: Pass| -> Fallible<Work> {
        let (x, w) = (normal(&[n, i], "dense x")?, normal(&[o, i], "dense w")?);
        let (dy, mut ws) = (normal(&[n, o], "dense dy")?, Workspace::new());
        Ok(Box::new(move || {
            let made = match pass {
                Pass::Forward => dense::forward(&x, &w, None, &mut ws)?,
                Pass::GradInput => dense::grad_input(&dy, &w, &mut ws)?,
                Pass::GradWeight => dense::grad_weight(&x, &dy, &mut ws)?,
            };
            ws.give(made);
            Ok(())
        }))
    };
    let flops = (2 * n * i * o) as f64;
    measure(c, "dense", "forward", work(Pass::Forward), flops);
    measure(c, "dense", "grad_input", work(Pass::GradInput), flops);
    measure(c, "dense", "grad_weight", work(Pass::GradWeight), flops);
}

criterion_group!(benches, convolutions, pointwise, pools, batch_norms, dense_layers);
criterion_main!(benches);
