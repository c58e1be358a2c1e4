//! How fast the card in use is: steps of the 8-16-32-64 network and two wider ones, and of memory.
//! Best of several runs, each waited for.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::array::{Array, Real};
use super::conformance::bearable;
use super::device::Convolutions;
use super::facts::Facts;
use super::geometry::{ConvGeometry, PoolGeometry};
use super::precision::Precision;
use super::workspace::Workspace;
use super::{conv3d, device, elementwise, pool3d};
use crate::Result;
use crate::seed::Seed;

/// Time given to each step, and the fewest runs of it.
const PATIENCE: Duration = Duration::from_millis(300);
/// See [`PATIENCE`].
const RUNS: usize = 3;
/// Samples.
const BATCH: usize = 8;
/// Channels in, channels out, side.
const SHAPES: [[usize; 3]; 7] =
    [[1, 8, 96], [8, 1, 96], [8, 16, 48], [16, 32, 24], [32, 64, 12], [64, 128, 12], [64, 64, 48]];

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardRate {
    /// The operation, and how exactly or by whose kernels where it is not our own f32.
    pub op: String,
    /// Batch, channels in, channels out, side of the volume.
    pub shape: [usize; 4],
    /// Shortest time, asked for and waited for.
    pub milliseconds: f64,
    /// 10⁹ operations a second, by the definition.
    pub gflops: f64,
    /// 10⁹ bytes a second, each number read or written once.
    pub gb_per_s: f64,
    /// Of the card's highest rate of operations of f32, above which TF32 and bf16 may be; none
    /// where the driver does not say it.
    pub share_of_peak: Option<f64>,
    /// Of its highest rate of bytes.
    pub share_of_bandwidth: Option<f64>,
}

/// A step that is timed.
struct Step<'a> {
    op: String,
    shape: [usize; 4],
    flops: usize,
    numbers: usize,
    work: &'a mut dyn FnMut(&mut Workspace) -> Result<Array>,
}

/// All steps that the card can be expected to do in bearable time.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn rates(facts: &Facts) -> Result<Vec<CardRate>> {
    let mut found = Vec::new();
    for shape in SHAPES {
        let [cin, cout, side] = shape;
        let work = 2 * 27 * BATCH * cin * cout * side.pow(3);
        // With cuDNN in three precisions, and by our own kernels.
        let ways = if facts.cudnn { 4 } else { 1 };
        if bearable(Some(facts), 3 * ways * RUNS * work) {
            found.extend(of_shape(facts, BATCH, shape)?);
        }
    }
    Ok(found)
}

fn normal(shape: &[usize], purpose: &str) -> Result<Array> {
    let mut stream = Seed(0).stream(&format!("compute/card_rates/{purpose}"));
    let draw = |_| f32::of(stream.normal());
    Array::from_vec((0..shape.iter().product::<usize>()).map(draw).collect(), shape)?.at_work()
}

/// The three passes of a convolution in each way, and steps that memory bounds on what it makes.
fn of_shape(facts: &Facts, batch: usize, [cin, cout, side]: [usize; 3]) -> Result<Vec<CardRate>> {
    let g = ConvGeometry::same(3);
    let x = normal(&[batch, cin, side, side, side], "x")?;
    let dy = normal(&[batch, cout, side, side, side], "dy")?;
    let w = normal(&[cout, cin, 3, 3, 3], "w")?;
    let shape = [batch, cin, cout, side];
    let flops = 2 * g.macs(cin) * dy.len();
    let all = x.len() + dy.len() + w.len();
    let timed =
        |op: String, flops, numbers, work: &mut dyn FnMut(&mut Workspace) -> Result<Array>| {
            measure(facts, Step { op, shape, flops, numbers, work })
        };
    let passes = |more: &str, precision: Precision| -> Result<[CardRate; 3]> {
        Ok([
            timed(format!("conv3d forward{more}"), flops, all, &mut |ws| {
                conv3d::forward_as(&x, &w, None, &g, precision, ws)
            })?,
            timed(format!("conv3d grad_input{more}"), flops, all, &mut |ws| {
                conv3d::grad_input_as(&dy, &w, &g, [side; 3], precision, ws)
            })?,
            timed(format!("conv3d grad_weight{more}"), flops, all, &mut |ws| {
                conv3d::grad_weight_in(precision, &x, &dy, &g, ws)
            })?,
        ])
    };
    let mut found = passes("", Precision::F32)?.to_vec();
    if facts.cudnn {
        let cudnn = |more: &str, precision| Convolutions::Cudnn.during(|| passes(more, precision));
        found.extend(cudnn(", cuDNN", Precision::F32)?);
        found.extend(cudnn(", cuDNN tf32", Precision::Tf32)?);
        found.extend(cudnn(", cuDNN bf16", Precision::Bf16)?);
    }
    let tiles = PoolGeometry::tiles(2);
    found.extend([
        timed("relu".into(), dy.len(), 2 * dy.len(), &mut |ws| elementwise::relu(&dy, ws))?,
        timed("max_pool".into(), dy.len(), dy.len() + dy.len() / 8, &mut |ws| {
            Ok(pool3d::max_forward(&dy, &tiles, ws)?.output)
        })?,
        timed("copy".into(), 0, 2 * dy.len(), &mut |_| dy.duplicate())?,
    ]);
    Ok(found)
}

fn measure(facts: &Facts, step: Step<'_>) -> Result<CardRate> {
    let mut ws = Workspace::new();
    // The first time kernels are compiled, tables made, memory taken.
    let warm = (step.work)(&mut ws)?;
    ws.give(warm);
    device::finish()?;
    let (begun, mut runs, mut best) = (Instant::now(), 0, f64::INFINITY);
    while runs < RUNS || begun.elapsed() < PATIENCE {
        let start = Instant::now();
        let made = (step.work)(&mut ws)?;
        device::finish()?;
        best = best.min(start.elapsed().as_secs_f64());
        ws.give(made);
        runs += 1;
    }
    let best = best.max(1e-9);
    let (gflops, gb_per_s) =
        (step.flops as f64 / best / 1e9, 4.0 * step.numbers as f64 / best / 1e9);
    Ok(CardRate {
        op: step.op,
        shape: step.shape,
        milliseconds: best * 1e3,
        gflops,
        gb_per_s,
        share_of_peak: facts.peak_gflops().map(|peak| gflops / peak),
        share_of_bandwidth: facts.peak_gb_per_s().map(|peak| gb_per_s / peak),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_time_and_its_shares() {
        let facts = Facts {
            device: "cpu".into(),
            name: "this".into(),
            compute_capability: "9.0".into(),
            memory_bytes: 0,
            multiprocessors: Some(1),
            clock_mhz: Some(1000.0),
            memory_clock_mhz: None,
            memory_bus_bits: None,
            cudnn: false,
        };
        let rates = of_shape(&facts, 2, [2, 4, 6]).expect("rates");
        let ops: Vec<_> = rates.iter().map(|r| r.op.as_str()).collect();
        let convolutions = ["conv3d forward", "conv3d grad_input", "conv3d grad_weight"];
        assert_eq!((&ops[..3], &ops[3..]), (&convolutions[..], &["relu", "max_pool", "copy"][..]));
        for rate in &rates {
            assert!(rate.milliseconds > 0.0 && rate.gb_per_s > 0.0, "{rate:?}");
            // 256 GFLOP/s, so the share is the rate over it.
            assert_eq!(rate.share_of_peak, Some(rate.gflops / 256.0));
            assert_eq!(rate.share_of_bandwidth, None);
        }
        // 54 operations for each of 2 input channels and 2 · 4 · 6³ outputs.
        let work = rates[0].gflops * 1e9 * rates[0].milliseconds / 1e3;
        assert!((work / 186_624.0 - 1.0).abs() < 1e-9, "{work}");
    }
}
