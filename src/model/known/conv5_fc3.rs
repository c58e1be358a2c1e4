//! ClinicaDL's `Conv5_FC3` (Wen et al. 2020, <https://doi.org/10.1016/j.media.2020.101694>).

use super::parts::{Parts, Steps};
use super::{Choice, Known};
use crate::Result;
use crate::compute::PoolGeometry;
use crate::model::assembly::Signal;
use crate::model::layers::{dropout::Dropout, flatten::Flatten, max_pool::MaxPool, pad::Pad};

/// As ClinicaDL builds it: five blocks of convolution, norm, ReLU and a pool that puts a zero
/// before an odd extent, then three dense layers.
pub const CONV5_FC3: Known = Known {
    id: "conv5_fc3",
    title: "Conv5_FC3 of ClinicaDL",
    marks: &["convolutions.0.weight", "convolutions.16.weight", "fc.2.weight", "fc.6.weight"],
    build,
};

fn build(parts: &mut Parts, x: Signal, _: &Choice) -> Result<Signal> {
    let mut x = x;
    for n in 0..5 {
        let place = |p: usize| format!("convolutions.{}", 4 * n + p);
        x = parts.conv(&place(0), &x, Steps::SAME)?;
        x = parts.norm(&place(1), &x)?;
        x = parts.relu(&place(2), &x)?;
        let odd = [x.dims[2] % 2, x.dims[3] % 2, x.dims[4] % 2];
        if odd != [0; 3] {
            let before = [0, odd[0], odd[1], odd[2]];
            let pad = Pad { before, after: [0; 4], value: 0.0 };
            x = parts.push(&format!("{}.pad", place(3)), pad, &[&x])?;
        }
        x = parts.push(&place(3), MaxPool { geometry: PoolGeometry::tiles(2) }, &[&x])?;
    }
    x = parts.push("fc.0", Flatten, &[&x])?;
    x = parts.push("fc.1", Dropout { rate: 0.5 }, &[&x])?;
    x = parts.dense("fc.2", &x)?;
    x = parts.relu("fc.3", &x)?;
    x = parts.dense("fc.4", &x)?;
    x = parts.relu("fc.5", &x)?;
    parts.dense("fc.6", &x)
}
