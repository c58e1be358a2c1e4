//! Blocks of numbers moved.

use candle_core::DType;

use super::super::array::Array;
use super::super::blocks::Border;
use super::Card;
use super::card::elsewhere;
use super::divider::Divider;
use super::launch::Argument;
use crate::Result;

/// Axes of an array that is spread over another, at most.
const AXES: usize = 6;

/// Extents of axes and steps along them.
type Axes = [(usize, usize)];

/// Rows below this length are added by one thread each.
const SHORT: usize = 128;

/// Where rows lie: the first number and how far the next row's is.
pub type Rows = (usize, usize);

fn border(small: &[usize], large: &[usize], before: Border) -> Argument {
    Argument::ints(&[small, large, &before, &Divider::all(large)])
}

impl Card {
    /// `rows` rows of `length` numbers from `x` to `y`.
    pub fn copy_rows(
        &self,
        (x, from): (&Array, Rows),
        (y, to): (&Array, Rows),
        [rows, length]: [usize; 2],
    ) -> Result<()> {
        let arguments = [
            self.of(x)?,
            from.0.into(),
            from.1.into(),
            self.of(y)?,
            to.0.into(),
            to.1.into(),
            Divider::argument(length),
        ];
        self.each("copy_rows", x.dtype(), rows * length, &arguments)
    }

    /// `blocks::join`, into an array of this shape.
    pub fn join(&self, parts: &[&Array], shape: &[usize]) -> Result<Array> {
        let y = self.room(parts[0].dtype(), shape)?;
        let sample: usize = shape[1..].iter().product();
        let mut at = 0;
        for part in parts {
            let len: usize = part.shape()[1..].iter().product();
            self.copy_rows((part, (0, len)), (&y, (at, sample)), [shape[0], len])?;
            at += len;
        }
        Ok(y)
    }

    /// `blocks::split`.
    pub fn split(&self, whole: &Array, shapes: &[&[usize]]) -> Result<Vec<Array>> {
        let sample: usize = whole.shape()[1..].iter().product();
        let mut at = 0;
        let part = |shape: &&[usize]| {
            let (y, len) = (self.room(whole.dtype(), shape)?, shape[1..].iter().product());
            self.copy_rows((whole, (at, sample)), (&y, (0, len)), [shape[0], len])?;
            at += len;
            Ok(y)
        };
        shapes.iter().map(part).collect()
    }

    /// `blocks::stack`, into an array of this shape.
    pub fn stack(&self, parts: &[&Array], shape: &[usize]) -> Result<Array> {
        let y = self.room(parts[0].dtype(), shape)?;
        let mut at = 0;
        for part in parts {
            self.copy_rows((part, (0, 0)), (&y, (at, 0)), [1, part.len()])?;
            at += part.len();
        }
        Ok(y)
    }

    /// `blocks::pad`, `x [n, c, k, j, i]` into `large`.
    pub fn pad(&self, x: &Array, large: &[usize], before: Border, value: f64) -> Result<Array> {
        let y = self.room(x.dtype(), large)?;
        let around = border(&x.shape()[1..], &large[1..], before);
        self.each("pad", x.dtype(), y.len(), &[self.of(x)?, self.of(&y)?, around, value.into()])?;
        Ok(y)
    }

    /// `blocks::crop`.
    pub fn crop(&self, y: &Array, small: &[usize], before: Border) -> Result<Array> {
        let x = self.room(y.dtype(), small)?;
        let around = border(&small[1..], &y.shape()[1..], before);
        self.each("crop", y.dtype(), y.len(), &[self.of(y)?, self.of(&x)?, around])?;
        Ok(x)
    }

    /// `blocks::border_sums`.
    pub fn border_sums(&self, y: &Array, small: &[usize], before: Border) -> Result<Array> {
        let samples = y.shape()[0];
        let arguments = [self.of(y)?, border(&small[1..], &y.shape()[1..], before)];
        let sizes = [samples, y.len() / samples.max(1), 1];
        self.sums_of_rows("row_borders", y.dtype(), sizes, &arguments)?.reshaped(&[samples])
    }

    /// `x · g` with `g` spread over `x`; extents and steps of `g` per axis, outermost first.
    pub fn gated(&self, x: &Array, g: &Array, axes: &Axes) -> Result<Array> {
        let y = self.like(x)?;
        let arguments = [self.of(x)?, self.of(g)?, self.of(&y)?, spread(axes)];
        self.each("gated", x.dtype(), x.len(), &arguments)?;
        Ok(y)
    }

    /// `blocks::gate_gradient`: extents and steps within `x` of the axes the gate has, and of those
    /// it was spread along.
    pub fn gate_gradient(
        &self,
        [x, y]: [&Array; 2],
        small: &[usize],
        axes: [&Axes; 2],
    ) -> Result<Array> {
        let rows: usize = small.iter().product();
        let row = x.len() / rows.max(1);
        let arguments = [self.of(x)?, self.of(y)?, spread(axes[0]), spread(axes[1])];
        let sums = if row < SHORT {
            let sums = self.room(DType::F64, &[rows])?;
            let own = [self.of(&sums)?, row.into()];
            self.each("gates", x.dtype(), rows, &[&arguments[..], &own].concat())?;
            sums
        } else {
            self.sums_of_rows("row_gates", x.dtype(), [rows, row, 1], &arguments)?
        };
        self.narrowed(&sums, x.dtype(), small)
    }

    /// `Array::all_to_f64` of arrays of the card, f32 or f64: with one wait for all.
    pub fn gathered(&self, arrays: &[&Array]) -> Result<Vec<Vec<f64>>> {
        let (mut parts, mut end) = (Vec::with_capacity(4 * arrays.len()), 0);
        for array in arrays {
            let Argument::Pointer(address) = self.of(array)? else { return Err(elsewhere()) };
            end += array.len();
            let wide = u32::from(array.dtype() == DType::F64);
            parts.extend([address as u32, (address >> 32) as u32, end as u32, wide]);
        }
        let (parts, all) = (self.numbers(&parts)?, self.room(DType::F64, &[end])?);
        let narrow = arrays.iter().any(|a| a.dtype() == DType::F32);
        let dtype = if narrow { DType::F32 } else { DType::F64 };
        self.each("gathered", dtype, end, &[self.of(&parts)?, self.of(&all)?])?;
        let mut rest = self.give(&all)?.to_f64()?.into_iter();
        Ok(arrays.iter().map(|a| rest.by_ref().take(a.len()).collect()).collect())
    }

    /// The numbers of `x` in another order: extents of the result and steps within `x` per axis,
    /// outermost first.
    pub fn picked(&self, x: &Array, shape: &[usize], axes: &Axes) -> Result<Array> {
        let y = self.room(x.dtype(), shape)?;
        self.each("picked", x.dtype(), y.len(), &[self.of(x)?, self.of(&y)?, spread(axes)])?;
        Ok(y)
    }
}

/// Axes as kernels know them, short ones filled up in front.
fn spread(axes: &Axes) -> Argument {
    let missing = AXES.saturating_sub(axes.len());
    let fill = |empty: usize, of: fn(&(usize, usize)) -> usize| -> Vec<usize> {
        std::iter::repeat_n(empty, missing).chain(axes.iter().map(of)).collect()
    };
    let extents = fill(1, |a| a.0);
    Argument::ints(&[&extents, &fill(0, |a| a.1), &Divider::all(&extents)])
}
