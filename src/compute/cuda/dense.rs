//! Dense layers.

use super::super::array::Array;
use super::Card;
use crate::Result;

impl Card {
    /// `dense::forward`, shapes checked.
    pub fn dense(&self, x: &Array, w: &Array, b: Option<&Array>) -> Result<Array> {
        let ([n, i], o) = ([x.shape()[0], x.shape()[1]], w.shape()[0]);
        let (w, b) = (self.lent(w)?, b.map(|b| self.lent(b)).transpose()?);
        let y = self.room(x.dtype(), &[n, o])?;
        let bias = b.as_ref().map_or(w.array(), |b| b.array());
        let arguments = [
            self.of(x)?,
            self.of(w.array())?,
            self.of(bias)?,
            b.is_some().into(),
            self.of(&y)?,
            i.into(),
            o.into(),
        ];
        self.run("dense", x.dtype(), [(n * o) as u32, 1, 1], &arguments)?;
        Ok(y)
    }

    /// `dense::grad_input`, shapes checked.
    pub fn dense_grad_input(&self, dy: &Array, w: &Array) -> Result<Array> {
        let ([n, o], i) = ([dy.shape()[0], dy.shape()[1]], w.shape()[1]);
        let (w, dx) = (self.lent(w)?, self.room(dy.dtype(), &[n, i])?);
        let arguments = [self.of(dy)?, self.of(w.array())?, self.of(&dx)?, i.into(), o.into()];
        self.each("dense_grad_input", dy.dtype(), n * i, &arguments)?;
        Ok(dx)
    }

    /// `dense::grad_weight`, shapes checked.
    pub fn dense_grad_weight(&self, x: &Array, dy: &Array) -> Result<Array> {
        let ([n, i], o) = ([x.shape()[0], x.shape()[1]], dy.shape()[1]);
        let dw = self.room(x.dtype(), &[o, i])?;
        let arguments = [self.of(x)?, self.of(dy)?, self.of(&dw)?, i.into(), o.into(), n.into()];
        self.each("dense_grad_weight", x.dtype(), o * i, &arguments)?;
        Ok(dw)
    }
}
