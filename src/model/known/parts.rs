//! Layers made from named weights, and the check that none was forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::compute::{Array, ConvGeometry, PoolGeometry};
use crate::model::assembly::{Assembly, Signal};
use crate::model::graph::{From, Graph};
use crate::model::layer::Layer;
use crate::model::layers::batch_norm::{BatchNorm, EPSILON};
use crate::model::layers::{
    average_pool::AveragePool, conv3d::Conv3d, dense::Dense, flatten::Flatten, max_pool::MaxPool,
    relu::Relu,
};
use crate::{Error, Result};

/// A network under construction and the weights not yet used.
#[derive(Debug)]
pub struct Parts {
    path: PathBuf,
    assembly: Assembly,
    arrays: BTreeMap<String, Array>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Scale, shift, mean and variance of a batch norm, as PyTorch names them.
const TORCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
/// The same as this program names them.
const OWN_NORM: [&str; 4] = ["gamma", "beta", "running_mean", "running_variance"];

/// Stride, padding and distance of taps of a convolution; the rest is in its weights.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Step along each axis.
    pub stride: usize,
    /// Zeros on both sides; `None` keeps the extent at stride 1.
    pub padding: Option<usize>,
    /// Distance between taps.
    pub dilation: usize,
}

impl Steps {
    /// Keeps the extent.
    pub const SAME: Self = Self { stride: 1, padding: None, dilation: 1 };

    /// Padded as if to keep the extent, with this stride.
    pub fn by(stride: usize) -> Self {
        Self { stride, ..Self::SAME }
    }
}

impl Parts {
    /// Without layers.
    pub fn new(path: &Path, arrays: BTreeMap<String, Array>) -> Self {
        let path = path.to_path_buf();
        Self { path, assembly: Assembly::default(), arrays, notes: Vec::new() }
    }

    fn wrong(&self, what: String) -> Error {
        let fix = "Use weights of this architecture, or export the network as ONNX";
        Error::model("E-MODEL-021", format!("{}: {what}", self.path.display()), fix)
    }

    /// Whether there is such a weight.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// Extents of a weight that must be there.
    ///
    /// # Errors
    /// `E-MODEL-021`.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let found = self.arrays.get(name).map(|a| a.shape().to_vec());
        found.ok_or_else(|| self.wrong(format!("the weight '{name}' is missing")))
    }

    /// Takes a weight of so many axes.
    fn take(&mut self, name: &str, axes: usize) -> Result<Array> {
        let shape = self.shape(name)?;
        if shape.len() != axes {
            return Err(self.wrong(format!("'{name}' has extents {shape:?}, not {axes} axes")));
        }
        self.arrays.remove(name).ok_or_else(|| self.wrong(format!("'{name}' is missing")))
    }

    /// Takes a row of numbers of this length.
    fn row(&mut self, name: &str, length: usize) -> Result<Array> {
        let row = self.take(name, 1)?;
        if row.len() != length {
            return Err(self.wrong(format!("'{name}' has {} numbers, not {length}", row.len())));
        }
        Ok(row)
    }

    fn bias(&mut self, name: &str, length: usize) -> Result<Array> {
        let name = format!("{name}.bias");
        if self.has(&name) { self.row(&name, length) } else { Ok(Array::zeros::<f32>(&[length])) }
    }

    /// Any layer.
    ///
    /// # Errors
    /// `E-MODEL-022` when the signal does not fit.
    pub fn push(
        &mut self,
        name: &str,
        layer: impl Layer + 'static,
        x: &[&Signal],
    ) -> Result<Signal> {
        let dims: Vec<Vec<usize>> = x.iter().map(|s| s.dims.clone()).collect();
        self.assembly.push(name, layer, x).map_err(|error| {
            let what = format!(
                "{}: layer '{name}' cannot follow a signal of extents {dims:?}: {error}",
                self.path.display()
            );
            Error::model("E-MODEL-022", what, "Give images of the size the network was made for")
        })
    }

    /// Convolution `NAME.weight` (and `NAME.bias`, if there is one).
    ///
    /// # Errors
    /// `E-MODEL-021`, `E-MODEL-022`.
    pub fn conv(&mut self, name: &str, x: &Signal, steps: Steps) -> Result<Signal> {
        self.convolution(name, x, steps, false)
    }

    /// The same where a weight that reads fewer channels than there are reads them in groups.
    ///
    /// # Errors
    /// As [`Parts::conv`].
    pub fn grouped_conv(&mut self, name: &str, x: &Signal, steps: Steps) -> Result<Signal> {
        self.convolution(name, x, steps, true)
    }

    fn convolution(
        &mut self,
        name: &str,
        x: &Signal,
        steps: Steps,
        grouped: bool,
    ) -> Result<Signal> {
        let weight = self.take(&format!("{name}.weight"), 5)?;
        let (out, inner, kernel) = match *weight.shape() {
            [o, i, a, b, c] => (o, i, [a, b, c]),
            _ => (0, 0, [0; 3]),
        };
        let channels = x.dims.get(1).copied().unwrap_or(0);
        let groups = if grouped { channels.checked_div(inner).unwrap_or(0) } else { 1 };
        if inner == 0 || channels != inner * groups || out % groups.max(1) != 0 {
            let what = format!("'{name}.weight' reads {inner} channels, and gets {channels}");
            return Err(self.wrong(what));
        }
        let Steps { stride, padding, dilation } = steps;
        let pad = kernel.map(|k| padding.unwrap_or(k.saturating_sub(1) * dilation / 2));
        let geometry = ConvGeometry {
            kernel,
            stride: [stride; 3],
            pad_before: pad,
            pad_after: pad,
            dilation: [dilation; 3],
            groups,
        };
        let bias = self.bias(name, out)?;
        self.push(name, Conv3d::new(weight, bias, geometry)?, &[x])
    }

    /// Batch norm with the statistics of training, under PyTorch's names or this program's.
    ///
    /// # Errors
    /// `E-MODEL-021`.
    pub fn norm(&mut self, name: &str, x: &Signal) -> Result<Signal> {
        let channels = x.dims.get(1).copied().unwrap_or(0);
        let mut four = Vec::with_capacity(4);
        let own = self.has(&format!("{name}.gamma"));
        for part in if own { OWN_NORM } else { TORCH_NORM } {
            four.push(self.row(&format!("{name}.{part}"), channels)?);
        }
        let four = <[Array; 4]>::try_from(four).map_err(|_| Error::internal("not four"))?;
        self.push(name, BatchNorm::new(four, EPSILON)?, &[x])
    }

    /// ReLU.
    ///
    /// # Errors
    /// `E-MODEL-022`.
    pub fn relu(&mut self, name: &str, x: &Signal) -> Result<Signal> {
        self.push(name, Relu, &[x])
    }

    /// Max pool with a cubic window.
    ///
    /// # Errors
    /// `E-MODEL-022`.
    pub fn max_pool(
        &mut self,
        name: &str,
        x: &Signal,
        [kernel, stride, pad]: [usize; 3],
    ) -> Result<Signal> {
        let geometry = PoolGeometry {
            kernel: [kernel; 3],
            stride: [stride; 3],
            pad_before: [pad; 3],
            pad_after: [pad; 3],
            dilation: [1; 3],
            count_padding: false,
        };
        self.push(name, MaxPool { geometry }, &[x])
    }

    /// Mean of each channel, as one row.
    ///
    /// # Errors
    /// `E-MODEL-022`.
    pub fn global_mean(&mut self, name: &str, x: &Signal) -> Result<Signal> {
        let x = self.push(name, AveragePool { geometry: None }, &[x])?;
        self.push(&format!("{name}_flat"), Flatten, &[&x])
    }

    /// Dense layer `NAME.weight`, `NAME.bias`.
    ///
    /// # Errors
    /// `E-MODEL-021`.
    pub fn dense(&mut self, name: &str, x: &Signal) -> Result<Signal> {
        let weight = self.take(&format!("{name}.weight"), 2)?;
        let (out, inner) = (weight.shape()[0], weight.shape()[1]);
        let features = x.dims.get(1).copied().unwrap_or(0);
        if inner != features {
            let what = format!(
                "'{name}.weight' reads {inner} numbers, and an input of this size gives {features}"
            );
            return Err(self.wrong(what));
        }
        let bias = self.bias(name, out)?;
        self.push(name, Dense::new(weight, bias)?, &[x])
    }

    /// The network, after a look that every weight has its layer. Counters of batches are no
    /// weights.
    ///
    /// # Errors
    /// `E-MODEL-021`.
    pub fn finish(self, end: &Signal) -> Result<Graph> {
        let counter = |name: &&String| !name.ends_with("num_batches_tracked");
        let rest: Vec<&str> =
            self.arrays.keys().filter(counter).take(5).map(String::as_str).collect();
        if !rest.is_empty() {
            return Err(self.wrong(format!("no layer for '{}'", rest.join("', '"))));
        }
        match end.from {
            From::Node(n) => self.assembly.finish(n),
            From::Input => Err(Error::internal("an architecture without layers")),
        }
    }
}
