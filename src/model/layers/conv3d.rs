//! 3D convolution with bias. `[n, c_in, k, j, i]` to `[n, c_out, k', j', i']`.

use super::super::layer::{
    Affine, Gradients, Layer, Mode, Pass, Role, Saved, he_normal, one_by_one,
};
use super::pad::Pad;
use crate::card::{Better, Card};
use crate::compute::conv3d::{self, How, Sums};
use crate::compute::{Array, ConvGeometry, Workspace, blocks, elementwise, five};
use crate::seed::Stream;
use crate::{Error, Result};

/// What this layer says of itself.
pub static CARD: Card = Card {
    id: "conv3d",
    title: "3D convolution",
    question: "Weighted sum over a window, plus a bias per channel.",
    formula: "y = W * x + b",
    reading: "Relevance follows the rule the composite gives it.",
    misleads: "-",
    source: "cross-correlation as in PyTorch Conv3d",
    unit: "1",
    better: Better::Neither,
};

/// The layer. Weight output channel first, bias `[c_out]`.
#[derive(Debug)]
pub struct Conv3d {
    weight: Array,
    bias: Array,
    geometry: ConvGeometry,
}

impl Conv3d {
    /// A layer from weights `[c_out, c_in / groups, …kernel]` and bias `[c_out]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when weight, bias and geometry do not agree.
    pub fn new(weight: Array, bias: Array, geometry: ConvGeometry) -> Result<Self> {
        let shape = five(&weight, "conv3d weight")?;
        if shape[2..] != geometry.kernel || bias.shape() != [shape[0]] {
            return Err(Error::shape("conv3d weight and bias", geometry.kernel, shape));
        }
        Ok(Self { weight, bias, geometry })
    }

    /// `Wᵀ s` with the extent of `x`.
    fn back(
        &self,
        s: &Array,
        w: &Array,
        x: &Array,
        how: impl Into<How>,
        ws: &mut Workspace,
    ) -> Result<Array> {
        let [_, _, k, j, i] = five(x, "conv3d input")?;
        conv3d::grad_input_as(s, w, &self.geometry, [k, j, i], how, ws)
    }
}

impl Layer for Conv3d {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        let channels = self.weight.shape()[1] * self.geometry.groups;
        match inputs {
            [[c, k, j, i]] if *c == channels => {
                let o = self.geometry.output([*k, *j, *i])?;
                Ok(vec![self.weight.shape()[0], o[0], o[1], o[2]])
            }
            _ => Err(Error::shape("conv3d input", [channels], inputs)),
        }
    }

    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        let (b, how) = (Some(&self.bias), mode.precision());
        let y = conv3d::forward_as(inputs[0], &self.weight, b, &self.geometry, how, ws)?;
        Ok((y, Saved::Nothing))
    }

    fn forward_rectified(&self, x: &Array, ws: &mut Workspace) -> Result<Option<Array>> {
        let bias = Some(&self.bias);
        conv3d::forward_rectified(x, &self.weight, bias, &self.geometry, ws).map(Some)
    }

    fn backward(&self, pass: &Pass<'_>, inputs_too: bool, ws: &mut Workspace) -> Result<Gradients> {
        let x = pass.inputs[0];
        let inputs = if inputs_too {
            vec![self.back(pass.grad, &self.weight, x, pass.precision, ws)?]
        } else {
            Vec::new()
        };
        let dw = conv3d::grad_weight_in(pass.precision, x, pass.grad, &self.geometry, ws)?;
        let db = match pass.saved {
            Saved::Centred => self.bias.zeros_like_type(self.bias.shape())?,
            _ => elementwise::channel_sums(pass.grad)?,
        };
        Ok(Gradients { inputs, parameters: vec![dw, db] })
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

    fn unpadded(&self) -> Result<Option<[Box<dyn Layer>; 2]>> {
        let g = self.geometry;
        if g.pad_before.iter().chain(&g.pad_after).all(|p| *p == 0) {
            return Ok(None);
        }
        let border = |[k, j, i]: [usize; 3]| [0, k, j, i];
        let (before, after) = (border(g.pad_before), border(g.pad_after));
        let bare = ConvGeometry { pad_before: [0; 3], pad_after: [0; 3], ..g };
        let (weight, bias) = (self.weight.duplicate()?, self.bias.duplicate()?);
        let pad = Pad { before, after, value: 0.0 };
        Ok(Some([Box::new(pad), Box::new(Self::new(weight, bias, bare)?)]))
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        self.with(self.weight.duplicate()?, self.bias.duplicate()?)
    }

    fn role(&self) -> Role<'_> {
        Role::Affine(self)
    }
}

impl Affine for Conv3d {
    fn weight(&self) -> &Array {
        &self.weight
    }

    fn bias(&self) -> Option<&Array> {
        Some(&self.bias)
    }

    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
        conv3d::forward_as(x, w, b, &self.geometry, Sums::Plain, ws)
    }

    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array> {
        self.back(s, w, x, Sums::Plain, ws)
    }

    /// One convolution of inputs side by side: its kernels are fastest with many channels.
    fn apply_all(
        &self,
        terms: &[(&Array, &Array)],
        b: Option<&Array>,
        sums: Sums,
        ws: &mut Workspace,
    ) -> Result<Array> {
        if let [(x, w)] = terms {
            return conv3d::forward_as(x, w, b, &self.geometry, sums, ws);
        }
        if self.geometry.groups > 1 {
            return one_by_one(self, terms, b, ws);
        }
        let (inputs, weights): (Vec<&Array>, Vec<&Array>) = terms.iter().copied().unzip();
        let (x, w) = (blocks::join(&inputs, ws)?, blocks::join(&weights, ws)?);
        let y = conv3d::forward_as(&x, &w, b, &self.geometry, sums, ws)?;
        [x, w].into_iter().for_each(|a| ws.give(a));
        Ok(y)
    }

    /// As [`Affine::apply_all`].
    fn transpose_all(
        &self,
        s: &Array,
        weights: &[&Array],
        x: &Array,
        sums: Sums,
        ws: &mut Workspace,
    ) -> Result<Vec<Array>> {
        if weights.len() == 1 || self.geometry.groups > 1 {
            return weights.iter().map(|w| self.back(s, w, x, sums, ws)).collect();
        }
        let w = blocks::join(weights, ws)?;
        let all = self.back(s, &w, x, sums, ws)?;
        let parts = blocks::split(&all, &vec![x.shape(); weights.len()], ws)?;
        [all, w].into_iter().for_each(|a| ws.give(a));
        Ok(parts)
    }

    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self::new(weight, bias, self.geometry)?))
    }
}
