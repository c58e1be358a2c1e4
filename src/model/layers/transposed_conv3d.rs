//! Transposed 3D convolution with bias: the convolution's way back as a way up.

use super::super::layer::{Affine, Gradients, Layer, Mode, Pass, Role, Saved, he_normal};
use crate::card::{Better, Card};
use crate::compute::conv3d::{self, How, Sums};
use crate::compute::norm::ChannelMap;
use crate::compute::{Array, ConvGeometry, Precision, Workspace, elementwise, five};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "transposed_conv3d",
    title: "transposed 3D convolution",
    question: "Every input voxel adds its window of weights to the output, plus a bias per channel.",
    formula: "y = Wᵀ x + b, with W a convolution",
    reading: "Relevance follows the rule the composite gives convolutions.",
    misleads: "A stride that does not divide the kernel weighs neighbouring voxels unevenly (checkerboards).",
    source: "PyTorch ConvTranspose3d",
    unit: "1",
    better: Better::Neither,
};

/// The layer. Weight `[c_in, c_out / groups, …kernel]`, bias `[c_out]`.
#[derive(Debug)]
pub struct TransposedConv3d {
    weight: Array,
    bias: Array,
    geometry: ConvGeometry,
    extra: [usize; 3],
}

impl TransposedConv3d {
    /// A layer from weights `[c_in, c_out / groups, …kernel]` and bias `[c_out]`. `geometry` is
    /// that of the convolution whose transpose this is: padding is cut off the output. `extra`
    /// voxels are added after the last along k, j, i (PyTorch's output padding).
    ///
    /// # Errors
    /// [`Error::Shape`] when weight, bias and geometry do not agree.
    pub fn new(
        weight: Array,
        bias: Array,
        geometry: ConvGeometry,
        extra: [usize; 3],
    ) -> Result<Self> {
        let shape = five(&weight, "transposed conv3d weight")?;
        let groups = geometry.groups;
        let whole = groups > 0 && shape[0].is_multiple_of(groups);
        let short = (0..3).all(|a| extra[a] < geometry.stride[a].max(1));
        let fits = shape[2..] == geometry.kernel && bias.shape() == [shape[1] * groups];
        if !(whole && short && fits) {
            let seen = (shape, bias.shape(), geometry, extra);
            return Err(Error::shape(
                "transposed conv3d",
                "weight [c_in, c_out / groups, …kernel], bias [c_out], output padding below stride",
                seen,
            ));
        }
        Ok(Self { weight, bias, geometry, extra })
    }

    /// Output extent `(in − 1) · stride + dilation · (kernel − 1) + 1 + extra − padding`.
    fn output(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        let g = &self.geometry;
        let mut output = [0; 3];
        for a in 0..3 {
            let reach = g.dilation[a] * (g.kernel[a].max(1) - 1) + 1 + self.extra[a];
            let full = input[a].saturating_sub(1) * g.stride[a] + reach;
            let cut = g.pad_before[a] + g.pad_after[a];
            if input[a] == 0 || full <= cut {
                let what = "transposed conv3d input";
                return Err(Error::shape(what, format!("an output beyond its {cut} cut"), input));
            }
            output[a] = full - cut;
        }
        if g.output(output)? != input {
            return Err(Error::shape("transposed conv3d input", g.output(output)?, input));
        }
        Ok(output)
    }
}

/// Plain sums in a precision.
fn plain(precision: Precision) -> How {
    How { sums: Sums::Plain, precision }
}

impl TransposedConv3d {
    fn applied(
        &self,
        [x, w]: [&Array; 2],
        b: Option<&Array>,
        precision: Precision,
        ws: &mut Workspace,
    ) -> Result<Array> {
        let shape = five(x, "transposed conv3d input")?;
        let output = self.output([shape[2], shape[3], shape[4]])?;
        let y = conv3d::grad_input_as(x, w, &self.geometry, output, plain(precision), ws)?;
        let Some(b) = b else { return Ok(y) };
        let shifted = ChannelMap::new(vec![1.0; b.len()], b.to_f64()?)?.apply(&y, ws)?;
        ws.give(y);
        Ok(shifted)
    }
}

impl Layer for TransposedConv3d {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [[c, k, j, i]] if *c == self.weight.shape()[0] => {
                let o = self.output([*k, *j, *i])?;
                Ok(vec![self.bias.len(), o[0], o[1], o[2]])
            }
            _ => Err(Error::shape("transposed conv3d input", [self.weight.shape()[0]], inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let given = [inputs[0], &self.weight];
        let y = self.applied(given, Some(&self.bias), mode.precision(), ws)?;
        Ok((y, Saved::Nothing))
    }

    fn backward(&self, pass: &Pass<'_>, inputs_too: bool, ws: &mut Workspace) -> Result<Gradients> {
        let x = pass.inputs[0];
        let inputs = if inputs_too {
            let (dy, how) = (pass.grad, plain(pass.precision));
            vec![conv3d::forward_as(dy, &self.weight, None, &self.geometry, how, ws)?]
        } else {
            Vec::new()
        };
        // the convolution's input is this layer's output
        let dw = conv3d::grad_weight_in(pass.precision, pass.grad, x, &self.geometry, ws)?;
        Ok(Gradients { inputs, parameters: vec![dw, elementwise::channel_sums(pass.grad)?] })
    }

    fn parameters(&self) -> Vec<(&'static str, &Array)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Array)> {
        vec![("weight", &mut self.weight), ("bias", &mut self.bias)]
    }

    fn reinitialise(&mut self, stream: &mut Stream) -> Result<()> {
        he_normal(&mut self.weight, stream)?;
        self.bias.host_mut::<f32>()?.fill(0.0);
        Ok(())
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        self.with(self.weight.duplicate()?, self.bias.duplicate()?)
    }

    fn role(&self) -> Role<'_> {
        Role::Affine(self)
    }
}

impl Affine for TransposedConv3d {
    fn weight(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        Some(&self.bias)
    }

    fn out_channel(&self, at: usize) -> usize {
        let [c_in, width, k, j, i] =
            five(&self.weight, "transposed conv3d weight").unwrap_or([1; 5]);
        let (row, column) = (at / (width * k * j * i), at / (k * j * i) % width);
        row / (c_in / self.geometry.groups) * width + column
    }

    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
        self.applied([x, w], b, Precision::F32, ws)
    }

    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let _ = x;
        conv3d::forward_as(s, w, None, &self.geometry, Sums::Plain, ws)
    }

    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self::new(weight, bias, self.geometry, self.extra)?))
    }
}
