//! This program's own architectures ([`crate::model::architecture`]), from a weights file
//! without its description or from the same network written in PyTorch.
//!
//! `compact`: `conv1`, `norm1`, `conv2`, … (convolutions of 3³ with padding 1, each followed by
//! ReLU and a max pool of 2), `dense`. `boehle2019`: four such blocks without padding (pools of
//! 2, 3, 2, 3), `dense1`, ReLU, `dense2`.

use super::parts::{Parts, Steps};
use super::{Choice, Known};
use crate::Result;
use crate::model::assembly::Signal;
use crate::model::layers::{dropout::Dropout, flatten::Flatten};

/// As `train --architecture compact` makes it.
pub const COMPACT: Known = Known {
    id: "compact",
    title: "compact, of this program",
    marks: &["conv1.weight", "norm1.running_mean", "dense.weight"],
    build: |parts, x, _| {
        let x = blocks(parts, x, None, [2, 2])?;
        let x = parts.push("flat", Flatten, &[&x])?;
        let x = parts.push("drop", Dropout { rate: 0.2 }, &[&x])?;
        parts.dense("dense", &x)
    },
};

/// As `train --architecture boehle2019` makes it.
pub const BOEHLE2019: Known = Known {
    id: "boehle2019",
    title: "boehle2019, of this program",
    marks: &["conv1.weight", "norm1.running_mean", "dense1.weight", "dense2.weight"],
    build: boehle2019,
};

fn boehle2019(parts: &mut Parts, x: Signal, _: &Choice) -> Result<Signal> {
    let x = blocks(parts, x, Some(0), [2, 3])?;
    let x = parts.push("flat", Flatten, &[&x])?;
    let x = parts.push("drop1", Dropout { rate: 0.4 }, &[&x])?;
    let x = parts.dense("dense1", &x)?;
    let x = parts.relu("relu5", &x)?;
    let x = parts.push("drop2", Dropout { rate: 0.4 }, &[&x])?;
    parts.dense("dense2", &x)
}

/// Convolution, norm, ReLU, pool, with `pools` in turn, for as long as there are weights.
fn blocks(
    parts: &mut Parts,
    mut x: Signal,
    padding: Option<usize>,
    pools: [usize; 2],
) -> Result<Signal> {
    let mut n = 1;
    while parts.has(&format!("conv{n}.weight")) {
        // Members side by side are groups of channels.
        let steps = Steps { padding, ..Steps::SAME };
        x = parts.grouped_conv(&format!("conv{n}"), &x, steps)?;
        x = parts.norm(&format!("norm{n}"), &x)?;
        x = parts.relu(&format!("relu{n}"), &x)?;
        let size = pools[(n - 1) % 2];
        x = parts.max_pool(&format!("pool{n}"), &x, [size, size, 0])?;
        n += 1;
    }
    Ok(x)
}
