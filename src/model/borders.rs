//! Zero padding as layers of its own.

use super::graph::{From, Graph};
use crate::Result;

impl Graph {
    /// The same function with the zero padding of convolutions as layers `NAME.padding` before
    /// them, so that the ledger says what relevance reaches it.
    ///
    /// # Errors
    /// As [`super::layer::Layer::unpadded`].
    pub fn with_borders(&self) -> Result<Self> {
        let mut graph = Self::default();
        // Where each node of the old graph is in the new one.
        let mut place: Vec<usize> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let moved = |from: &From| match from {
                From::Input => From::Input,
                From::Node(n) => From::Node(place[*n]),
            };
            let inputs: Vec<From> = node.inputs.iter().map(moved).collect();
            let at = match node.layer.unpadded()? {
                Some([border, bare]) => {
                    let border = graph.push(&format!("{}.padding", node.name), border, inputs);
                    graph.push(&node.name, bare, vec![From::Node(border)])
                }
                None => graph.push(&node.name, node.layer.duplicate()?, inputs),
            };
            place.push(at);
        }
        Ok(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{Array, Workspace};
    use crate::model::architecture::{ArchitectureSpec, build};
    use crate::seed::Seed;

    #[test]
    fn the_answers_stay_and_every_padded_convolution_has_a_border() {
        let spec = ArchitectureSpec::named("compact", [17, 24, 19], 2).expect("known");
        let own = build(&spec, Seed(5)).and_then(|g| g.folded()).expect("built");
        let open = own.with_borders().expect("open");
        let kind = |graph: &Graph, id: &str| {
            graph.nodes().iter().filter(|n| n.layer.card().id == id).count()
        };
        assert_eq!((kind(&own, "pad"), kind(&open, "conv3d")), (0, kind(&own, "conv3d")));
        assert!(kind(&open, "pad") > 1 && open.nodes()[0].name.ends_with(".padding"));
        let mut s = Seed(6).stream("test/borders");
        let x: Vec<f32> = (0..17 * 24 * 19).map(|_| s.normal() as f32).collect();
        let x = Array::from_vec(x, &[1, 1, 17, 24, 19]).expect("shape");
        let logits = |graph: &Graph| {
            let z = graph.forward(&x, &mut Workspace::new()).expect("logits");
            z.to_f64().expect("host")
        };
        for (a, b) in logits(&own).iter().zip(logits(&open)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
