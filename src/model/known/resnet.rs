//! Residual networks of MONAI and of MedicalNet (He et al. 2016; Hara et al. 2018; Chen et al.
//! 2019, <https://arxiv.org/abs/1904.00625>): 10, 18, 34, 50 and more layers, told from the
//! weights.

use super::parts::{Parts, Steps};
use super::{Choice, Known};
use crate::compute::PoolGeometry;
use crate::model::assembly::Signal;
use crate::model::layers::{add::Add, average_pool::AveragePool, pad::Pad};
use crate::{Error, Result};

const MARKS: &[&str] =
    &["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer4.0.conv2.weight", "fc.weight"];

/// As MONAI builds them.
pub const MONAI: Known = Known {
    id: "monai_resnet",
    title: "a residual network of MONAI (monai.networks.nets.resnet)",
    marks: MARKS,
    build: |parts, x, choice| {
        let plan = Plan { first_stride: 1, strides: [1, 2, 2, 2], dilations: [1; 4] };
        residual(parts, x, choice, plan)
    },
};

/// As MedicalNet builds them: the last two stages dilated instead of strided. MedicalNet ends
/// in a segmentation; a mean and the dense layer `fc` are taken for its end.
pub const MEDICALNET: Known = Known {
    id: "medicalnet_resnet",
    title: "a residual network of MedicalNet with a mean and a dense layer at its end",
    marks: MARKS,
    build: |parts, x, choice| {
        let plan = Plan { first_stride: 2, strides: [1, 2, 1, 1], dilations: [1, 1, 2, 4] };
        residual(parts, x, choice, plan)
    },
};

/// What the weights do not say.
struct Plan {
    first_stride: usize,
    strides: [usize; 4],
    dilations: [usize; 4],
}

fn residual(parts: &mut Parts, x: Signal, choice: &Choice, plan: Plan) -> Result<Signal> {
    let stride = choice.first_stride.unwrap_or(plan.first_stride);
    let pooled = choice.max_pool.unwrap_or(true);
    if stride == 0 {
        let what = "first_stride = 0 in [architecture]";
        return Err(Error::model("E-MODEL-022", what, "A stride is 1 or more"));
    }
    let said = choice.first_stride.is_some() && choice.max_pool.is_some();
    if !said {
        parts.notes.push(format!(
            "weights do not say it: the first convolution is taken with stride {stride} and {} \
             max pool; first_stride and max_pool under [architecture] in model.toml say otherwise",
            if pooled { "a" } else { "no" }
        ));
    }
    let x = parts.conv("conv1", &x, Steps::by(stride))?;
    let x = parts.norm("bn1", &x)?;
    let mut x = parts.relu("relu", &x)?;
    if pooled {
        x = parts.max_pool("maxpool", &x, [3, 2, 1])?;
    }
    for (s, (&stride, &dilation)) in plan.strides.iter().zip(&plan.dilations).enumerate() {
        let mut n = 0;
        while parts.has(&format!("layer{}.{n}.conv1.weight", s + 1)) {
            let stride = if n == 0 { stride } else { 1 };
            x = block(parts, &format!("layer{}.{n}", s + 1), x, stride, dilation)?;
            n += 1;
        }
    }
    let x = parts.global_mean("avgpool", &x)?;
    parts.dense("fc", &x)
}

/// A basic block, or a bottleneck when it has three convolutions: its last relu.
fn block(
    parts: &mut Parts,
    name: &str,
    x: Signal,
    stride: usize,
    dilation: usize,
) -> Result<Signal> {
    let part = |p: &str| format!("{name}.{p}");
    let bottleneck = parts.has(&part("conv3.weight"));
    let dilated = |stride| Steps { stride, padding: None, dilation };
    let (first, second) = match bottleneck {
        true => (Steps::SAME, dilated(stride)),
        false => (dilated(stride), dilated(1)),
    };
    let mut y = parts.conv(&part("conv1"), &x, first)?;
    y = parts.norm(&part("bn1"), &y)?;
    y = parts.relu(&part("relu1"), &y)?;
    y = parts.conv(&part("conv2"), &y, second)?;
    y = parts.norm(&part("bn2"), &y)?;
    if bottleneck {
        y = parts.relu(&part("relu2"), &y)?;
        y = parts.conv(&part("conv3"), &y, Steps::SAME)?;
        y = parts.norm(&part("bn3"), &y)?;
    }
    let straight = shortcut(parts, name, x, stride, y.dims[1])?;
    let sum = parts.push(&part("add"), Add, &[&y, &straight])?;
    parts.relu(&part("relu_out"), &sum)
}

/// The other way: as it is, through a convolution (type B), or every `stride`-th voxel with
/// channels of zeros added (type A).
fn shortcut(
    parts: &mut Parts,
    name: &str,
    x: Signal,
    stride: usize,
    channels: usize,
) -> Result<Signal> {
    let conv = format!("{name}.downsample.0");
    if parts.has(&format!("{conv}.weight")) {
        let y = parts.conv(&conv, &x, Steps::by(stride))?;
        return parts.norm(&format!("{name}.downsample.1"), &y);
    }
    let mut y = x;
    if stride > 1 {
        let geometry = PoolGeometry { stride: [stride; 3], ..PoolGeometry::tiles(1) };
        let pool = AveragePool { geometry: Some(geometry) };
        y = parts.push(&format!("{name}.shortcut_pool"), pool, &[&y])?;
    }
    if y.dims[1] < channels {
        let pad = Pad { before: [0; 4], after: [channels - y.dims[1], 0, 0, 0], value: 0.0 };
        y = parts.push(&format!("{name}.shortcut_pad"), pad, &[&y])?;
    }
    Ok(y)
}
