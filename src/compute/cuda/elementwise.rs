//! One number at a time. Each function is the operation of that name in the module above.

use candle_core::{DType, Storage};

use super::super::array::Array;
use super::super::elementwise::Function;
use super::super::norm::ChannelMap;
use super::Card;
use super::divider::Divider;
use super::launch::Argument;
use crate::Result;

impl Card {
    /// `y` of one array.
    fn one(&self, kernel: &'static str, x: &Array, more: &[Argument]) -> Result<Array> {
        let y = self.like(x)?;
        let all: Vec<Argument> =
            [self.of(x)?, self.of(&y)?].into_iter().chain(more.iter().copied()).collect();
        self.each(kernel, x.dtype(), x.len(), &all)?;
        Ok(y)
    }

    /// `y` of two arrays of one shape.
    fn two(&self, kernel: &'static str, a: &Array, b: &Array) -> Result<Array> {
        let (y, b) = (self.like(a)?, self.lent(b)?);
        self.each(kernel, a.dtype(), a.len(), &[self.of(a)?, self.of(b.array())?, self.of(&y)?])?;
        Ok(y)
    }

    /// Numbers that steer a kernel, copied to the card.
    pub(super) fn doubles(&self, values: &[f64]) -> Result<Array> {
        self.take(&Array::from_vec(values.to_vec(), &[values.len()])?)
    }

    /// An array of the card from one of the host or the card.
    pub(super) fn lent<'a>(&self, x: &'a Array) -> Result<Lent<'a>> {
        Ok(match x.storage() {
            Storage::Cuda(_) => Lent::There(x),
            _ => Lent::Brought(self.take(x)?),
        })
    }

    /// Sums in f64 as numbers of an array's type.
    pub(super) fn narrowed(&self, sums: &Array, dtype: DType, shape: &[usize]) -> Result<Array> {
        let y = self.room(dtype, shape)?;
        self.each(
            "per_row",
            dtype,
            y.len(),
            &[self.of(sums)?, self.of(&y)?, Divider::argument(1)],
        )?;
        Ok(y)
    }

    /// `curve` and, with a gradient, `curve_backward`.
    pub fn curve(&self, x: &Array, dy: Option<&Array>, of: &Function) -> Result<Array> {
        let (y, g) = (self.like(x)?, dy.map(|dy| self.lent(dy)).transpose()?);
        // What is not looked at stays unread: any array will do for it.
        let g = g.as_ref().map_or(x, Lent::array);
        let [a, b] = of.settings.map(Argument::from);
        let arguments = [self.of(x)?, self.of(g)?, dy.is_some().into(), self.of(&y)?, a, b];
        self.each(of.name, x.dtype(), x.len(), &arguments)?;
        Ok(y)
    }

    /// `bent_by`.
    pub fn bent_by(&self, x: &Array, y: &Array, slopes: &[f64]) -> Result<Array> {
        let (out, y, slopes) = (self.like(x)?, self.lent(y)?, self.doubles(slopes)?);
        let voxels: usize = x.shape()[2..].iter().product::<usize>().max(1);
        let arguments = [
            self.of(x)?,
            self.of(y.array())?,
            self.of(&slopes)?,
            self.of(&out)?,
            Divider::argument(voxels),
            Divider::argument(slopes.len()),
        ];
        self.each("bent_by", x.dtype(), x.len(), &arguments)?;
        Ok(out)
    }

    /// `softmax::forward` and, with a gradient, `softmax::backward`.
    pub fn softmax(&self, of: &Array, dy: Option<&Array>, logarithm: bool) -> Result<Array> {
        let (made, dy) = (self.like(of)?, dy.map(|dy| self.lent(dy)).transpose()?);
        let (channels, voxels) = (of.shape()[1], of.shape()[2..].iter().product::<usize>());
        let mut arguments = vec![self.of(of)?];
        if let Some(dy) = &dy {
            arguments.push(self.of(dy.array())?);
        }
        arguments.extend([self.of(&made)?, voxels.into(), channels.into(), logarithm.into()]);
        let kernel = if dy.is_some() { "softmax_backward" } else { "softmax" };
        self.each(kernel, of.dtype(), of.shape()[0] * voxels, &arguments)?;
        Ok(made)
    }

    /// `relu`.
    pub fn relu(&self, x: &Array) -> Result<Array> {
        self.one("relu", x, &[])
    }

    /// `relu_backward`.
    pub fn relu_backward(&self, output: &Array, dy: &Array) -> Result<Array> {
        self.two("relu_backward", output, dy)
    }

    /// `times`.
    pub fn times(&self, a: &Array, b: &Array) -> Result<Array> {
        self.two("times", a, b)
    }

    /// `add_to`.
    pub fn add_to(&self, a: &Array, b: &Array) -> Result<()> {
        let b = self.lent(b)?;
        self.each("add_to", a.dtype(), a.len(), &[self.of(a)?, self.of(b.array())?])
    }

    /// `positive_part` and `negative_part`.
    pub fn sign_part(&self, x: &Array, positive: bool) -> Result<Array> {
        self.one("part", x, &[positive.into()])
    }

    /// `bent`.
    pub fn bent(&self, x: &Array, numbers: [f64; 4]) -> Result<Array> {
        self.one("bent", x, &numbers.map(Argument::from))
    }

    /// `per_sample`.
    pub fn per_row(&self, x: &Array, values: &[f64]) -> Result<Array> {
        let (y, values) = (self.like(x)?, self.doubles(values)?);
        let row = (x.len() / x.shape()[0].max(1)).max(1);
        let arguments = [self.of(&values)?, self.of(&y)?, Divider::argument(row)];
        self.each("per_row", x.dtype(), x.len(), &arguments)?;
        Ok(y)
    }

    /// `norm::ChannelMap::apply`.
    pub fn affine(&self, x: &Array, map: &ChannelMap) -> Result<Array> {
        let (y, scale, shift) = (self.like(x)?, self.lent(&map.scale)?, self.lent(&map.shift)?);
        let voxels: usize = x.shape()[2..].iter().product::<usize>().max(1);
        let arguments = [
            self.of(x)?,
            self.of(scale.array())?,
            self.of(shift.array())?,
            self.of(&y)?,
            Divider::argument(voxels),
            Divider::argument(map.scale.len()),
        ];
        self.each("affine", x.dtype(), x.len(), &arguments)?;
        Ok(y)
    }

    /// `a dy + b x + d` with three numbers `[lines, 3]` per channel, or per sample and channel.
    pub fn combined(&self, x: &Array, dy: &Array, maps: &Array) -> Result<Array> {
        let dx = self.like(x)?;
        let voxels: usize = x.shape()[2..].iter().product::<usize>().max(1);
        let arguments = [
            self.of(x)?,
            self.of(dy)?,
            self.of(maps)?,
            self.of(&dx)?,
            Divider::argument(voxels),
            Divider::argument(maps.shape()[0]),
        ];
        self.each("combined", x.dtype(), x.len(), &arguments)?;
        Ok(dx)
    }

    /// One step of AdamW; `numbers` as the kernel has them.
    pub fn adamw(&self, [w, g, m, v]: [&Array; 4], numbers: &[f32]) -> Result<()> {
        let g = self.lent(g)?;
        let arrays = [self.of(w)?, self.of(g.array())?, self.of(m)?, self.of(v)?];
        let numbers = numbers.iter().map(|v| Argument::Double(f64::from(*v)));
        let all: Vec<Argument> = arrays.into_iter().chain(numbers).collect();
        self.each("adamw", w.dtype(), w.len(), &all)
    }

    /// Moves `mean` by a share of the way towards `now`.
    pub fn towards(&self, mean: &Array, now: &Array, share: f64) -> Result<()> {
        let now = self.lent(now)?;
        let arguments = [self.of(mean)?, self.of(now.array())?, share.into()];
        self.each("towards", mean.dtype(), mean.len(), &arguments)
    }
}

/// An array of the card, or one brought there for a moment.
#[derive(Debug)]
pub enum Lent<'a> {
    /// It was there.
    There(&'a Array),
    /// It was brought.
    Brought(Array),
}

impl Lent<'_> {
    /// The array.
    pub fn array(&self) -> &Array {
        match self {
            Self::There(x) => x,
            Self::Brought(x) => x,
        }
    }
}
