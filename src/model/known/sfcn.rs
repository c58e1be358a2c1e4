//! Simple Fully Convolutional Network (Peng et al. 2021,
//! <https://doi.org/10.1016/j.media.2020.101871>).

use super::parts::{Parts, Steps};
use super::{Choice, Known};
use crate::compute::PoolGeometry;
use crate::model::assembly::Signal;
use crate::model::layers::{average_pool::AveragePool, dropout::Dropout, flatten::Flatten};
use crate::{Error, Result};

/// Window of the average pool in the authors' network, made for 160 × 192 × 160 voxels.
const WINDOW: [usize; 3] = [5, 6, 5];

/// As its authors build it; its log-softmax is left out, explanations start below it.
pub const SFCN: Known = Known {
    id: "sfcn",
    title: "SFCN of Peng et al. 2021, read up to the logits below its log-softmax",
    marks: &["feature_extractor.conv_0.0.weight", "classifier.conv_6.weight"],
    build: fully_convolutional,
};

fn fully_convolutional(parts: &mut Parts, x: Signal, choice: &Choice) -> Result<Signal> {
    let mut x = x;
    let mut n = 0;
    loop {
        let name = format!("feature_extractor.conv_{n}");
        if !parts.has(&format!("{name}.0.weight")) {
            break;
        }
        let last = !parts.has(&format!("feature_extractor.conv_{}.0.weight", n + 1));
        x = parts.conv(&format!("{name}.0"), &x, Steps::SAME)?;
        x = parts.norm(&format!("{name}.1"), &x)?;
        // The pool comes before the ReLU; which of the two comes first changes nothing.
        if !last {
            x = parts.max_pool(&format!("{name}.pool"), &x, [2, 2, 0])?;
        }
        x = parts.relu(&format!("{name}.relu"), &x)?;
        n += 1;
    }
    let volume = [x.dims[2], x.dims[3], x.dims[4]];
    let window = choice.average_pool.unwrap_or(WINDOW);
    if window != volume {
        let what = format!(
            "SFCN's average pool has a window of {window:?} and gets a volume of {volume:?}"
        );
        let fix = "Set average_pool under [architecture] in model.toml to the window the network \
                   was trained with, or the input to its size (160 x 192 x 160 for [5, 6, 5])";
        return Err(Error::model("E-MODEL-022", what, fix));
    }
    let geometry = PoolGeometry { kernel: window, stride: window, ..PoolGeometry::tiles(1) };
    x = parts.push("classifier.average_pool", AveragePool { geometry: Some(geometry) }, &[&x])?;
    x = parts.push("classifier.dropout", Dropout { rate: 0.5 }, &[&x])?;
    x = parts.conv("classifier.conv_6", &x, Steps::SAME)?;
    parts.push("output_row", Flatten, &[&x])
}
