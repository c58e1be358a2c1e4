//! MONAI's dense networks (Huang et al. 2017, <https://arxiv.org/abs/1608.06993>): DenseNet121
//! and its kin, told from the weights.

use super::Known;
use super::parts::{Parts, Steps};
use crate::Result;
use crate::compute::PoolGeometry;
use crate::model::assembly::Signal;
use crate::model::layers::{average_pool::AveragePool, concat::Concat};

/// As MONAI builds them.
pub const MONAI: Known = Known {
    id: "monai_densenet",
    title: "a dense network of MONAI (monai.networks.nets.densenet)",
    marks: &[
        "features.conv0.weight",
        "features.denseblock1.denselayer1.layers.conv1.weight",
        "features.norm5.weight",
        "class_layers.out.weight",
    ],
    build: |parts, x, _| dense(parts, x),
};

fn dense(parts: &mut Parts, x: Signal) -> Result<Signal> {
    let x = parts.conv("features.conv0", &x, Steps::by(2))?;
    let x = parts.norm("features.norm0", &x)?;
    let x = parts.relu("features.relu0", &x)?;
    let mut x = parts.max_pool("features.pool0", &x, [3, 2, 1])?;
    let mut b = 1;
    while parts.has(&format!("features.denseblock{b}.denselayer1.layers.norm1.weight")) {
        let mut n = 1;
        loop {
            let name = format!("features.denseblock{b}.denselayer{n}");
            if !parts.has(&format!("{name}.layers.norm1.weight")) {
                break;
            }
            let y = activated(parts, &format!("{name}.layers"), "1", &x)?;
            let y = activated(parts, &format!("{name}.layers"), "2", &y)?;
            x = parts.push(&format!("{name}.cat"), Concat, &[&x, &y])?;
            n += 1;
        }
        let name = format!("features.transition{b}");
        if parts.has(&format!("{name}.conv.weight")) {
            let y = activated(parts, &name, "", &x)?;
            let pool = AveragePool { geometry: Some(PoolGeometry::tiles(2)) };
            x = parts.push(&format!("{name}.pool"), pool, &[&y])?;
        }
        b += 1;
    }
    let x = parts.norm("features.norm5", &x)?;
    let x = parts.relu("class_layers.relu", &x)?;
    let x = parts.global_mean("class_layers.pool", &x)?;
    parts.dense("class_layers.out", &x)
}

/// Norm, ReLU, convolution.
fn activated(parts: &mut Parts, name: &str, number: &str, x: &Signal) -> Result<Signal> {
    let y = parts.norm(&format!("{name}.norm{number}"), x)?;
    let y = parts.relu(&format!("{name}.relu{number}"), &y)?;
    parts.conv(&format!("{name}.conv{number}"), &y, Steps::SAME)
}
