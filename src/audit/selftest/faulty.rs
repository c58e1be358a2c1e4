//! Layers with a fault on the way back, to see whether an audit catches it.

use crate::card::Card;
use crate::compute::conv3d::Sums;
use crate::compute::{Array, Workspace, five};
use crate::model::Graph;
use crate::model::layer::{Affine, Gradients, Layer, Mode, Pass, Role, Saved};
use crate::{Error, Result};

/// What goes wrong on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything lands one voxel further along i.
    Shifted,
    /// One tap of the kernel is left out.
    MissedTap,
    /// The last row of outputs is left out (a stride that does not divide the extent).
    ForgottenRow,
    /// The kernel is not mirrored.
    Mirrored,
    /// Relevance is divided by the window, as some max pools do.
    Divided,
    /// Relevance is handed on with the other sign.
    Negated,
}

/// A layer with a fault on its way back; forward it is sound.
#[derive(Debug)]
struct Planted {
    sound: Box<dyn Layer>,
    fault: Fault,
    /// The weights of a layer that has none.
    nothing: Array,
}

fn wrapped(sound: Box<dyn Layer>, fault: Fault) -> Result<Box<dyn Layer>> {
    Ok(Box::new(Planted { sound, fault, nothing: Array::from_vec(Vec::<f32>::new(), &[0])? }))
}

/// Numbers changed, wherever they are.
fn changed(array: &mut Array, by: impl FnOnce(&mut [f32])) -> Result<()> {
    array.edit(|numbers| {
        by(numbers);
        Ok(())
    })
}

impl Layer for Planted {
    fn card(&self) -> &'static Card {
        self.sound.card()
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        self.sound.out_shape(inputs)
    }

    fn forward(
        &self,
        inputs: &[&Array],
        mode: &mut Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<(Array, Saved)> {
        self.sound.forward(inputs, mode, ws)
    }

    fn backward(&self, pass: &Pass<'_>, inputs_too: bool, ws: &mut Workspace) -> Result<Gradients> {
        let mut back = self.sound.backward(pass, inputs_too, ws)?;
        if self.fault == Fault::Divided {
            for dx in &mut back.inputs {
                changed(dx, |v| v.iter_mut().for_each(|v| *v /= 8.0))?;
            }
        }
        Ok(back)
    }

    fn duplicate(&self) -> Result<Box<dyn Layer>> {
        wrapped(self.sound.duplicate()?, self.fault)
    }

    fn role(&self) -> Role<'_> {
        match self.sound.role() {
            Role::Affine(_) => Role::Affine(self),
            other => other,
        }
    }
}

impl Planted {
    fn affine(&self) -> Result<&dyn Affine> {
        self.known().ok_or_else(|| Error::internal("a layer without a transpose"))
    }

    fn known(&self) -> Option<&dyn Affine> {
        match self.sound.role() {
            Role::Affine(affine) => Some(affine),
            _ => None,
        }
    }
}

impl Affine for Planted {
    fn weight(&self) -> &Array {
        self.known().map_or(&self.nothing, |a| a.weight())
    }

    fn bias(&self) -> Option<&Array> {
        self.known().and_then(|a| a.bias())
    }

    fn apply(&self, x: &Array, w: &Array, b: Option<&Array>, ws: &mut Workspace) -> Result<Array> {
        self.affine()?.apply(x, w, b, ws)
    }

    fn apply_all(
        &self,
        terms: &[(&Array, &Array)],
        b: Option<&Array>,
        sums: Sums,
        ws: &mut Workspace,
    ) -> Result<Array> {
        self.affine()?.apply_all(terms, b, sums, ws)
    }

    fn transpose(&self, s: &Array, w: &Array, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let (mut s, mut w) = (s.duplicate()?, w.duplicate()?);
        let taps = w.shape()[2..].iter().product();
        match self.fault {
            Fault::MissedTap => {
                changed(&mut w, |w| w.chunks_mut(taps).for_each(|kernel| kernel[taps / 2] = 0.0))?;
            }
            Fault::Mirrored => changed(&mut w, |w| w.chunks_mut(taps).for_each(<[f32]>::reverse))?,
            Fault::ForgottenRow => {
                let [_, _, _, j, i] = five(&s, "s")?;
                let cut = |slab: &mut [f32]| slab[(j - 1) * i..].fill(0.0);
                changed(&mut s, |s| s.chunks_mut(j * i).for_each(cut))?;
            }
            Fault::Shifted | Fault::Divided | Fault::Negated => {}
        }
        let mut back = self.affine()?.transpose(&s, &w, x, ws)?;
        if self.fault == Fault::Shifted {
            changed(&mut back, |back| back.rotate_right(1))?;
        }
        if self.fault == Fault::Negated {
            changed(&mut back, |back| back.iter_mut().for_each(|v| *v = -*v))?;
        }
        Ok(back)
    }

    fn with(&self, weight: Array, bias: Array) -> Result<Box<dyn Layer>> {
        wrapped(self.affine()?.with(weight, bias)?, self.fault)
    }
}

/// The graph with a fault in one layer.
///
/// # Errors
/// As [`Layer::duplicate`].
pub fn planted(graph: &Graph, name: &str, fault: Fault) -> Result<Graph> {
    let mut copy = Graph::default();
    for node in graph.nodes() {
        let sound = node.layer.duplicate()?;
        let layer = if node.name == name { wrapped(sound, fault)? } else { sound };
        let _ = copy.push(&node.name, layer, node.inputs.clone());
    }
    Ok(copy)
}
