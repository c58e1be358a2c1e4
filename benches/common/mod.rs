//! What the benches measure: shapes, data and networks, each from a named stream of one seed.

pub mod networks;

use std::error::Error;

use heatproof::compute::{Array, ConvGeometry, Workspace, conv3d};
use heatproof::seed::Seed;

/// A result of a bench.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// Work that can be done again and again.
pub type Work = Box<dyn FnMut() -> Fallible<()>>;

/// Normal numbers of this shape.
///
/// # Errors
/// None for a shape that fits in memory.
pub fn normal(shape: &[usize], purpose: &str) -> Fallible<Array> {
    let mut stream = Seed(0).stream(&format!("bench/{purpose}"));
    let data = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Ok(Array::from_vec(data, shape)?)
}

/// A 3³ convolution of stride 1 that keeps the extent: channels in, channels out, side, batch.
#[derive(Debug, Clone, Copy)]
pub struct Shape(pub [usize; 4]);

/// The convolutions of the 8-16-32-64 network and two wider ones.
pub const SHAPES: [Shape; 6] = [
    Shape([1, 8, 96, 1]),
    Shape([8, 16, 96, 1]),
    Shape([16, 32, 48, 1]),
    Shape([32, 32, 48, 1]),
    Shape([32, 64, 24, 1]),
    Shape([64, 128, 12, 1]),
];

/// A pass of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Output from input.
    Forward,
    /// Gradient by the input.
    GradInput,
    /// Gradient by the weight.
    GradWeight,
}

impl Pass {
    /// By the word of an item.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "conv_forward" => Some(Self::Forward),
            "conv_grad_input" => Some(Self::GradInput),
            "conv_grad_weight" => Some(Self::GradWeight),
            _ => None,
        }
    }
}

impl Shape {
    /// Floating-point operations of a pass, a multiply-add counted as two.
    pub fn flops(self) -> f64 {
        let [cin, cout, side, batch] = self.0;
        (2 * batch * cin * cout * 27 * side.pow(3)) as f64
    }

    /// Input, gradient of the output, weights.
    ///
    /// # Errors
    /// Those of the arrays.
    pub fn arrays(self) -> Fallible<[Array; 3]> {
        let [cin, cout, side, batch] = self.0;
        let x = normal(&[batch, cin, side, side, side], "x")?;
        let dy = normal(&[batch, cout, side, side, side], "dy")?;
        Ok([x, dy, normal(&[cout, cin, 3, 3, 3], "w")?])
    }

    /// One pass on these arrays.
    ///
    /// # Errors
    /// Those of the kernels.
    pub fn made(self, pass: Pass, [x, dy, w]: &[Array; 3], ws: &mut Workspace) -> Fallible<Array> {
        let geometry = ConvGeometry::same(3);
        Ok(match pass {
            Pass::Forward => conv3d::forward(x, w, None, &geometry, ws)?,
            Pass::GradInput => conv3d::grad_input(dy, w, &geometry, [self.0[2]; 3], ws)?,
            Pass::GradWeight => conv3d::grad_weight(x, dy, &geometry, ws)?,
        })
    }

    /// One pass, over and over, on the same arrays.
    ///
    /// # Errors
    /// Those of the arrays.
    pub fn work(self, pass: Pass) -> Fallible<Work> {
        let [x, dy, w] = self.arrays()?;
        let (arrays, mut ws) = ([x.at_work()?, dy.at_work()?, w.at_work()?], Workspace::new());
        Ok(Box::new(move || {
            let made = self.made(pass, &arrays, &mut ws)?;
            ws.give(made);
            Ok(())
        }))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [cin, cout, side, batch] = self.0;
        write!(f, "{cin}-{cout}/{side}")?;
        if batch > 1 { write!(f, "x{batch}") } else { Ok(()) }
    }
}
