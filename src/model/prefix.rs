//! Activations kept from one network to the next where both begin alike.

use super::graph::{Graph, Trace};
use super::plan::{Step, inference};
use crate::Result;
use crate::compute::Workspace;

impl Graph {
    /// How many nodes at the beginning of both graphs are the same: by name, kind, inputs and
    /// every bit of their numbers. The graphs must be of one network, with other numbers only:
    /// what a layer has besides numbers (strides, say) is not looked at.
    ///
    /// # Errors
    /// As [`crate::compute::Array::to_f64`].
    pub fn unchanged_since(&self, before: &Self) -> Result<usize> {
        let numbers = |graph: &Self, n: usize| -> Result<Vec<(String, Vec<u64>)>> {
            let layer = &graph.nodes()[n].layer;
            let all = layer.parameters().into_iter().chain(layer.buffers());
            let bits = |(name, array): (&str, &crate::compute::Array)| {
                let bits = array.to_f64()?.into_iter().map(f64::to_bits).collect();
                Ok((name.to_owned(), bits))
            };
            all.map(bits).collect()
        };
        let both = self.nodes().len().min(before.nodes().len());
        for n in 0..both {
            let (a, b) = (&self.nodes()[n], &before.nodes()[n]);
            let named = (&a.name, a.layer.card().id, &a.inputs);
            if named != (&b.name, b.layer.card().id, &b.inputs)
                || numbers(self, n)? != numbers(before, n)?
            {
                return Ok(n);
            }
        }
        Ok(both)
    }

    /// Cuts a trace of [`Graph::trace_winners`] down to what stays true when only nodes from
    /// `unchanged` on are others, so that the pass can go on from there.
    pub(super) fn cut(&self, trace: &mut Trace, unchanged: usize, ws: &mut Workspace) {
        let steps = inference(self.nodes());
        let begins = |step: &Step| *step.nodes().start();
        let mut from = unchanged.min(trace.outputs.len());
        loop {
            // Steps are done whole, and a block may have taken the output before it for itself.
            let whole = steps.iter().map(begins).filter(|b| *b <= from).max().unwrap_or(0);
            let taken = |step: &Step| match step {
                Step::Block(block) if begins(step) >= whole => block.over.filter(|n| *n < whole),
                _ => None,
            };
            match steps.iter().filter_map(taken).min() {
                Some(before) => from = before,
                None => {
                    from = if from == self.nodes().len() { from } else { whole };
                    break;
                }
            }
        }
        trace.outputs.drain(from..).for_each(|a| ws.give(a));
        trace.saved.drain(from..).for_each(|s| s.recycle(ws));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Array;
    use crate::model::architecture::{ArchitectureSpec, build};
    use crate::seed::Seed;

    fn image(seed: u64) -> Array {
        let mut s = Seed(seed).stream("test/prefix");
        let x: Vec<f32> = (0..2 * 17 * 24 * 19).map(|_| s.normal() as f32).collect();
        Array::from_vec(x, &[2, 1, 17, 24, 19]).expect("shape")
    }

    #[test]
    fn a_pass_that_goes_on_ends_at_the_same_bits_whatever_was_kept() {
        let spec = ArchitectureSpec::named("compact", [17, 24, 19], 2).expect("known");
        let trained = build(&spec, Seed(3)).expect("built");
        let own = trained.folded().expect("folded");
        let mut ws = Workspace::new();
        for wanted in [false, true] {
            for layer in trained.weighted_layers() {
                let drawn =
                    trained.reinitialised(std::slice::from_ref(&layer), Seed(4), None, &mut ws);
                let drawn = drawn.and_then(|g| g.folded()).expect("drawn");
                let unchanged = drawn.unchanged_since(&own).expect("compared");
                let at = drawn.nodes().iter().position(|n| n.name == layer).expect("layer");
                assert_eq!(unchanged, at, "{layer}");
                let before = own.trace_winners(image(1), &|_| wanted, &mut ws).expect("before");
                let kept = drawn.trace_on(before, unchanged, &|_| wanted, &mut ws).expect("kept");
                let anew = drawn.trace_winners(image(1), &|_| wanted, &mut ws).expect("anew");
                for (a, b) in kept.outputs.iter().zip(&anew.outputs) {
                    assert_eq!(a.shape(), b.shape());
                    assert_eq!(a.host::<f32>().expect("host"), b.host::<f32>().expect("host"));
                }
                assert_eq!(kept.outputs.len(), anew.outputs.len());
                assert_eq!(format!("{:?}", kept.saved), format!("{:?}", anew.saved));
            }
        }
        assert_eq!(own.unchanged_since(&own).expect("compared"), own.nodes().len());
    }
}
