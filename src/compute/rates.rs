//! How fast this machine is, measured: the ceilings of a core and what convolutions reach of
//! them. Best of several short runs: other work on the machine can only take away.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::array::{Array, Real};
use super::conv3d;
use super::geometry::ConvGeometry;
use super::host::ceiling::{Burst, bursts};
use super::workspace::Workspace;
use crate::seed::Seed;
use crate::{Error, Result};

/// Rounds of a burst: a fraction of a millisecond, so that some run undisturbed.
const ROUNDS: usize = 50_000;
/// Bursts tried.
const BURSTS: usize = 300;
/// Bytes copied: more than the caches hold.
const COPIED: usize = 128 << 20;
/// Time given to each convolution.
const PATIENCE: Duration = Duration::from_millis(150);

/// Multiply-adds on registers, one core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Instruction set.
    pub instruction_set: &'static str,
    /// 10⁹ floating-point operations per second, a multiply-add counted as two.
    pub gflops: f64,
}

/// A 3³ convolution on one core.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvRate {
    /// `forward`, `grad_input` or `grad_weight`.
    pub pass: &'static str,
    /// Channels in, channels out, side of the volume.
    pub shape: [usize; 3],
    /// 10⁹ floating-point operations per second of the definition (27 multiply-adds per output
    /// and input channel); algorithms that need fewer may exceed the peak.
    pub gflops: f64,
}

/// Convolutions of the 8-16-32-64 network and two wider ones.
const SHAPES: [[usize; 3]; 6] =
    [[1, 8, 96], [8, 16, 96], [16, 32, 48], [32, 32, 48], [32, 64, 24], [64, 128, 12]];

/// Shortest time of `work`.
fn best(runs: usize, mut work: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(once).fold(f64::INFINITY, f64::min)
}

/// Peak of each instruction set this processor has, narrowest first.
pub fn fma_peaks() -> Vec<Peak> {
    let measure = |burst: Burst| {
        let run = || {
            let _ = black_box((burst.run)(black_box(ROUNDS)));
        };
        let seconds = best(BURSTS, run);
        let gflops = (burst.flops * ROUNDS) as f64 / seconds / 1e9;
        Peak { instruction_set: burst.name, gflops }
    };
    bursts().into_iter().map(measure).collect()
}

/// 10⁹ bytes read and written per second by one core that copies memory.
pub fn copy_bandwidth() -> f64 {
    let from = vec![1u8; COPIED];
    let mut to = vec![0u8; COPIED];
    let seconds = best(6, || {
        to.copy_from_slice(black_box(&from));
        let _ = black_box(&mut to);
    });
    2.0 * COPIED as f64 / seconds / 1e9
}

/// Each pass of each convolution, on one thread.
///
/// # Errors
/// [`Error::Internal`] when no thread can be started.
pub fn convolutions() -> Result<Vec<ConvRate>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| Error::internal(format!("a thread cannot be started: {e}")))?;
    let rates: Vec<_> = pool.install(|| SHAPES.into_iter().map(rates).collect::<Result<_>>())?;
    Ok(rates.into_iter().flat_map(|r: Vec<ConvRate>| r).collect())
}

fn normal(shape: &[usize], purpose: &str) -> Result<Array> {
    let mut stream = Seed(0).stream(&format!("compute/rates/{purpose}"));
    let draw = |_| f32::of(stream.normal());
    Array::from_vec((0..shape.iter().product::<usize>()).map(draw).collect(), shape)
}

fn rates([cin, cout, side]: [usize; 3]) -> Result<Vec<ConvRate>> {
    let geometry = ConvGeometry::same(3);
    let x = normal(&[1, cin, side, side, side], "x")?;
    let dy = normal(&[1, cout, side, side, side], "dy")?;
    let w = normal(&[cout, cin, 3, 3, 3], "w")?;
    let flops = (2 * geometry.macs(cin) * cout * side.pow(3)) as f64;
    let rate = |pass, work: &mut dyn FnMut(&mut Workspace) -> Result<Array>| -> Result<ConvRate> {
        let mut ws = Workspace::new();
        let (begun, mut seconds) = (Instant::now(), f64::INFINITY);
        while begun.elapsed() < PATIENCE || seconds.is_infinite() {
            let start = Instant::now();
            let made = work(&mut ws)?;
            seconds = seconds.min(start.elapsed().as_secs_f64());
            ws.give(made);
        }
        Ok(ConvRate { pass, shape: [cin, cout, side], gflops: flops / seconds / 1e9 })
    };
    Ok(vec![
        rate("forward", &mut |ws| conv3d::forward(&x, &w, None, &geometry, ws))?,
        rate("grad_input", &mut |ws| conv3d::grad_input(&dy, &w, &geometry, [side; 3], ws))?,
        rate("grad_weight", &mut |ws| conv3d::grad_weight(&x, &dy, &geometry, ws))?,
    ])
}
