//! Relevance on its way down the graph: what each layer receives, hands on and books.

use super::booked::Booked;
use super::composite::Composite;
use super::journal::{Journal, Line, Sums};
use super::known::Known;
use super::redistribute::{Share, redistribute};
use super::rules::Applied;
use super::terms::Way;
use crate::compute::flow::{Flow, Winners};
use crate::compute::relevance::Served;
use crate::compute::{Array, Precision, Workspace, blocks, elementwise, five, relevance};
use crate::model::Graph;
use crate::model::graph::{From, Node, Trace, accumulate};
use crate::model::layer::{Pass, Role};
use crate::model::layers::channel_affine::ChannelAffine;
use crate::{Error, Result};

/// A walk under way.
pub(super) struct Walk<'a> {
    trace: &'a Trace,
    composite: &'a Composite,
    /// Per node.
    rules: Vec<Option<Applied>>,
    known: Known,
    received: Vec<Option<Received<'a>>>,
    pub(super) input: Option<Array>,
    pub(super) journal: Journal,
}

/// Relevance that came to a node, with its Σ and Σ|·| per sample once they are asked for.
struct Received<'t> {
    flow: Flow<'t>,
    sums: Option<Sums>,
}

/// What a layer did with its relevance.
struct Handed<'t> {
    /// What each input gets.
    inputs: Vec<Flow<'t>>,
    /// Whether the one input gets the very numbers that came.
    same: bool,
    rule: String,
    /// Where the rest went, of the samples in turn.
    booked: Vec<Booked>,
}

impl<'a> Walk<'a> {
    /// A walk from the relevance of the outputs of node `at`.
    pub(super) fn new(
        graph: &Graph,
        trace: &'a Trace,
        composite: &'a Composite,
        rules: Vec<Option<Applied>>,
        (at, first): (usize, Array),
    ) -> Result<Self> {
        let known = Known::of(graph, trace, composite, &rules, at)?;
        let mut received: Vec<Option<Received<'a>>> = graph.nodes().iter().map(|_| None).collect();
        received[at] = Some(Received { flow: Flow::Whole(first), sums: None });
        let (input, journal) = (None, Journal::default());
        Ok(Self { trace, composite, rules, known, received, input, journal })
    }

    /// Down to the input.
    pub(super) fn down(
        mut self,
        graph: &Graph,
        look: &mut dyn FnMut(&Node, &Array) -> Result<()>,
        ws: &mut Workspace,
    ) -> Result<Self> {
        for (n, node) in graph.nodes().iter().enumerate().rev() {
            let Some(r) = self.received[n].take() else { continue };
            if matches!(node.layer.role(), Role::Affine(_)) {
                look(node, r.flow.numbers())?;
            }
            self.step(graph, n, r, ws)?;
        }
        Ok(self)
    }

    fn step(&mut self, graph: &Graph, n: usize, r: Received<'a>, ws: &mut Workspace) -> Result<()> {
        let node = &graph.nodes()[n];
        let before = match r.sums {
            Some(sums) => sums,
            None => self.journal.keep(r.flow.sums()?),
        };
        let handed = self.hand_on(graph, n, r.flow, ws)?;
        let after: Vec<Sums> = if handed.same {
            vec![before]
        } else {
            let sums = handed.inputs.iter().map(Flow::sums);
            sums.map(|sums| Ok(self.journal.keep(sums?))).collect::<Result<_>>()?
        };
        self.journal.write(Line {
            layer: node.name.clone(),
            kind: node.layer.card().id,
            rule: handed.rule,
            received: before,
            handed_on: after.clone(),
            booked: handed.booked,
        });
        for ((from, flow), sums) in node.inputs.iter().zip(handed.inputs).zip(after) {
            match from {
                From::Input => accumulate(&mut self.input, flow.whole(ws)?, ws)?,
                From::Node(m) => self.receive(*m, flow, sums, ws)?,
            }
        }
        Ok(())
    }

    /// Adds to what has already come to a node.
    fn receive(&mut self, n: usize, flow: Flow<'a>, sums: Sums, ws: &mut Workspace) -> Result<()> {
        let slot = &mut self.received[n];
        *slot = Some(match slot.take() {
            None => Received { flow, sums: Some(sums) },
            Some(before) => {
                let mut sum = Some(before.flow.whole(ws)?);
                accumulate(&mut sum, flow.whole(ws)?, ws)?;
                let sum = sum.ok_or_else(|| Error::internal("a sum of nothing"))?;
                Received { flow: Flow::Whole(sum), sums: None }
            }
        });
        Ok(())
    }

    fn hand_on(
        &self,
        graph: &Graph,
        n: usize,
        r: Flow<'a>,
        ws: &mut Workspace,
    ) -> Result<Handed<'a>> {
        let node = &graph.nodes()[n];
        let inputs: Vec<&Array> = node.inputs.iter().map(|&f| self.trace.at(f)).collect();
        let output = &self.trace.outputs[n];
        let nothing = || Booked::nothing(self.trace.input.shape()[0]);
        let flows = |inputs: Vec<Flow<'a>>, rule: &str| Handed {
            inputs,
            same: false,
            rule: rule.to_owned(),
            booked: vec![nothing()],
        };
        let plain = |inputs: Vec<Array>, rule: &str| {
            flows(inputs.into_iter().map(Flow::Whole).collect(), rule)
        };
        let same = |r: Flow<'a>| Handed { same: true, ..flows(vec![r], "pass") };
        // What the layer's own backward pass makes of an array.
        let back = |grad: &Array, ws: &mut Workspace| -> Result<Vec<Array>> {
            let pass = Pass {
                inputs: &inputs,
                output,
                saved: &self.trace.saved[n],
                grad,
                precision: Precision::F32,
            };
            Ok(node.layer.backward(&pass, true, ws)?.inputs)
        };
        match node.layer.role() {
            Role::Pointwise | Role::Link => Ok(same(r)),
            Role::Gate => {
                let none = inputs[1].zeros_like_type(inputs[1].shape())?;
                Ok(flows(vec![r, Flow::Whole(none)], "signal"))
            }
            Role::Split | Role::Reshape => {
                let r = r.whole(ws)?;
                let parts = back(&r, ws)?;
                ws.give(r);
                let split = matches!(node.layer.role(), Role::Split);
                Ok(plain(parts, if split { "split" } else { "pass" }))
            }
            Role::Border(before) => {
                let r = r.whole(ws)?;
                let within = five(inputs[0], "input of a border")?;
                let booked = vec![Booked::of_border(blocks::border_sums(&r, within, before)?)];
                let inner = blocks::crop(&r, within, before, ws)?;
                ws.give(r);
                Ok(Handed { booked, ..plain(vec![inner], "within") })
            }
            Role::PerSample(_) => {
                let r = r.whole(ws)?;
                if self.applied(n, node)?.passes() {
                    return Ok(plain(vec![r], "pass"));
                }
                let handed = self.per_sample(n, node, &r, ws);
                ws.give(r);
                handed
            }
            Role::Routing => {
                let r = r.whole(ws)?;
                if let Some((winners, kernel, shape)) = self.trace.winners(graph, n) {
                    let of = Winners { values: r, winners, kernel, shape };
                    return Ok(Handed { same: true, ..flows(vec![Flow::Winners(of)], "winner") });
                }
                let routed = back(&r, ws)?;
                ws.give(r);
                Ok(plain(routed, "winner"))
            }
            Role::Proportional | Role::Merge => {
                let stabiliser = self.composite.stabiliser;
                let q = relevance::quotient(&r, ws.copy(output)?, Served::all(1.0), stabiliser)?;
                r.recycle(ws);
                let shares = back(&q.s, ws)?;
                ws.give(q.s);
                let mut booked = nothing();
                booked.divide(q.bins, None, false)?;
                let mut handed = Vec::with_capacity(shares.len());
                for (x, share) in inputs.iter().zip(shares) {
                    handed.push(elementwise::times(x, &share, ws)?);
                    ws.give(share);
                }
                Ok(Handed { booked: vec![booked], ..plain(handed, "norm") })
            }
            Role::Affine(affine) => {
                let applied = self.applied(n, node)?;
                if applied.passes() {
                    let r = r.whole(ws)?;
                    keeps_shape(node, inputs[0], &r)?;
                    return Ok(same(Flow::Whole(r)));
                }
                let groups = applied.groups();
                let behind_relu = self.known.behind_relu(n);
                let way = Way { behind_relu, ..applied.way(&groups, self.known.bounds(None)) };
                let x = (inputs[0], self.known.signed(n, None, inputs[0])?);
                let Share { input, booked } = redistribute(affine, x, output, &r, &way, ws)?;
                r.recycle(ws);
                Ok(Handed { booked: vec![booked], ..plain(vec![input], &applied.words()) })
            }
            Role::MustFold(..) => Err(Error::model(
                "E-MODEL-006",
                format!("layer '{}' must be folded before explaining", node.name),
                "Explain the canonical graph",
            )),
        }
    }

    fn applied(&self, n: usize, node: &Node) -> Result<&Applied> {
        self.rules[n]
            .as_ref()
            .ok_or_else(|| Error::internal(format!("no rule for '{}'", node.name)))
    }

    /// The affine map that each sample decides for itself, by the rule of the layer: its
    /// statistics are held fixed.
    fn per_sample(
        &self,
        n: usize,
        node: &Node,
        r: &Array,
        ws: &mut Workspace,
    ) -> Result<Handed<'a>> {
        let (x, z) = (self.trace.at(node.inputs[0]), &self.trace.outputs[n]);
        let applied = self.applied(n, node)?;
        let groups = applied.groups();
        let [scale, shift] = self.known.held(n)?;
        let channels = x.shape()[1];
        let (mut maps, mut booked) = (Vec::new(), Vec::new());
        for (s, (scale, shift)) in scale.chunks(channels).zip(shift.chunks(channels)).enumerate() {
            let own = |values: &[f64]| -> Result<Array> {
                let array = Array::from_vec(values.to_vec(), &[channels])?;
                crate::by_type!(x, T => array.cast::<T>())
            };
            let affine = ChannelAffine::new(own(scale)?, own(shift)?)?;
            let (x, z, r) = (x.rows(s, s + 1)?, z.rows(s, s + 1)?, r.rows(s, s + 1)?);
            let behind_relu = self.known.behind_relu(n);
            let way = Way { behind_relu, ..applied.way(&groups, self.known.bounds(Some(s))) };
            let x = (&x, self.known.signed(n, Some(s), &x)?);
            let share = redistribute(&affine, x, &z, &Flow::Whole(r), &way, ws)?;
            maps.push(share.input);
            booked.push(share.booked);
        }
        let map = Flow::Whole(blocks::stack(&maps.iter().collect::<Vec<_>>(), ws)?);
        Ok(Handed { inputs: vec![map], same: false, rule: applied.words(), booked })
    }
}

/// Refuses to pass relevance through a layer that changes the shape.
fn keeps_shape(node: &Node, x: &Array, r: &Array) -> Result<()> {
    if x.shape() == r.shape() {
        return Ok(());
    }
    Err(Error::usage(
        "E-RULE-004",
        format!("layer '{}' changes the shape and cannot pass", node.name),
        "Give it a rule that redistributes, as epsilon",
    ))
}
