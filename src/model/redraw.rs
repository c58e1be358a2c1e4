//! A network that forgets: the weights of some of its layers drawn anew.

use super::graph::{From, Graph, Trace};
use super::layer::{Mode, Role};
use crate::compute::{Array, Precision, Workspace, device};
use crate::seed::{Seed, Stream};
use crate::{Error, Result};

/// How weights are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redraw {
    /// As before any training: He normal, bias 0; a batch norm that follows starts again at
    /// γ = 1, β = 0.
    Fresh,
    /// The layer's own numbers in another order: weights among weights, biases among biases, and
    /// γ among γ, β among β of a batch norm that follows. What was learned of their distribution
    /// stays.
    Permuted,
}

impl Graph {
    /// [`Graph::redrawn`] with [`Redraw::Fresh`] weights.
    ///
    /// # Errors
    /// As [`Graph::redrawn`].
    pub fn reinitialised(
        &self,
        layers: &[String],
        seed: Seed,
        calibrate: Option<&Array>,
        ws: &mut Workspace,
    ) -> Result<Self> {
        self.redrawn(Redraw::Fresh, layers, seed, calibrate, ws)
    }

    /// The same graph with the named layers, and each batch norm right after one, drawn anew.
    /// Batch norms whose input changes by it take their statistics from `calibrate` when given;
    /// all others keep theirs, so that activations before the first layer drawn are the same to
    /// the last bit.
    ///
    /// # Errors
    /// `E-MODEL-003` for an unknown name.
    pub fn redrawn(
        &self,
        how: Redraw,
        layers: &[String],
        seed: Seed,
        calibrate: Option<&Array>,
        ws: &mut Workspace,
    ) -> Result<Self> {
        let mut graph = self.duplicate()?;
        let mut changed = vec![false; graph.nodes().len()];
        for name in layers {
            let at = graph.nodes().iter().position(|n| &n.name == name).ok_or_else(|| {
                let fix = "Name a layer of the model";
                Error::model("E-MODEL-003", format!("no layer '{name}'"), fix)
            })?;
            let mut stream = match how {
                Redraw::Fresh => seed.stream(&format!("model/weights/{name}")),
                Redraw::Permuted => seed.stream(&format!("model/permuted/{name}")),
            };
            graph.draw(how, at, &mut stream)?;
            changed[at] = true;
            let follows = |n: &usize| {
                let node = &graph.nodes()[*n];
                let reads = node.inputs.contains(&From::Node(at));
                reads && matches!(node.layer.role(), Role::MustFold(..))
            };
            let norms: Vec<usize> = (0..changed.len()).filter(follows).collect();
            for n in norms {
                graph.draw(how, n, &mut stream)?;
                changed[n] = true;
            }
        }
        if let Some(x) = calibrate {
            graph.recalibrate(changed, x, &mut seed.stream("calibrate"), ws)?;
        }
        Ok(graph)
    }

    fn draw(&mut self, how: Redraw, n: usize, stream: &mut Stream) -> Result<()> {
        let layer = &mut self.nodes_mut()[n].layer;
        match how {
            Redraw::Fresh => layer.reinitialise(stream)?,
            Redraw::Permuted => {
                for (_, array) in layer.parameters_mut() {
                    stream.shuffle(array.host_mut::<f32>()?);
                }
            }
        }
        Ok(())
    }

    /// Gives the batch norms at or behind a `changed` node the statistics of `x`.
    fn recalibrate(
        &mut self,
        mut changed: Vec<bool>,
        x: &Array,
        dropout: &mut Stream,
        ws: &mut Workspace,
    ) -> Result<()> {
        device::pass(|| {
            let graph = self.at_work()?;
            let input = ws.copy_at_work(x)?;
            let mut trace = Trace { input, outputs: Vec::new(), saved: Vec::new() };
            for n in 0..changed.len() {
                let inputs = &graph.nodes()[n].inputs;
                changed[n] |= inputs.iter().any(|f| matches!(f, From::Node(m) if changed[*m]));
                let mut mode = match changed[n] {
                    true => Mode::Train(&mut *dropout, Precision::F32),
                    false => Mode::Infer,
                };
                graph.extend(&mut trace, n, &mut mode, ws)?;
            }
            drop(graph);
            let nodes = self.nodes_mut().iter_mut().zip(&trace.saved).zip(changed);
            for ((node, saved), _) in nodes.filter(|(_, changed)| *changed) {
                node.layer.absorb(saved, 1.0)?;
            }
            trace.recycle(ws);
            Ok(())
        })
    }
}
