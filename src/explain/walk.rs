//! Relevance on its way down the graph: what each layer receives, hands on and books.

use super::composite::Composite;
use super::ledger::LedgerLine;
use super::redistribute::{Share, redistribute};
use super::rules::Applied;
use super::terms::Bounds;
use crate::compute::flow::{Flow, Winners};
use crate::compute::relevance::Served;
use crate::compute::{Array, Precision, Workspace, blocks, elementwise, five, relevance};
use crate::model::Graph;
use crate::model::graph::{From, Node, Trace, accumulate};
use crate::model::layer::{Pass, PerSample, Role};
use crate::model::layers::channel_affine::ChannelAffine;
use crate::{Error, Result};

/// A walk under way.
pub(super) struct Walk<'a> {
    trace: &'a Trace,
    composite: &'a Composite,
    /// Per node.
    rules: Vec<Option<Applied>>,
    /// Bounds of each sample's input; empty where the composite states them.
    bounds: Vec<(f64, f64)>,
    pub(super) sinks: Vec<(String, Array)>,
    received: Vec<Option<Received<'a>>>,
    pub(super) input: Option<Array>,
    pub(super) ledgers: Vec<Vec<LedgerLine>>,
}

/// Relevance that came to a node, with its Σ and Σ|·| per sample once they are known.
struct Received<'t> {
    flow: Flow<'t>,
    sums: Option<Vec<(f64, f64)>>,
}

/// What a layer did with its relevance: what each input gets and the bins per sample.
struct Handed<'t> {
    inputs: Vec<Flow<'t>>,
    /// Whether the one input gets the very numbers that came.
    same: bool,
    rule: String,
    bias: Vec<f64>,
    /// Of the bias, per sample and channel.
    sink: Option<Vec<f64>>,
    stabiliser: Vec<f64>,
    degenerate: Vec<f64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        graph: &Graph,
        trace: &'a Trace,
        composite: &'a Composite,
        rules: Vec<Option<Applied>>,
    ) -> Result<Self> {
        let usual = |(low, high): (f64, f64)| (low.min(-3.0), high.max(3.0));
        let ranges = match composite.bounds {
            Some(_) => Vec::new(),
            None => elementwise::ranges(&trace.input)?,
        };
        Ok(Self {
            trace,
            composite,
            rules,
            bounds: ranges.into_iter().map(usual).collect(),
            sinks: Vec::new(),
            received: graph.nodes().iter().map(|_| None).collect(),
            input: None,
            ledgers: (0..trace.input.shape()[0]).map(|_| Vec::new()).collect(),
        })
    }

    /// From the relevance of a node's outputs to the input.
    pub(super) fn down(
        mut self,
        graph: &Graph,
        (at, first): (usize, Array),
        look: &mut dyn FnMut(&Node, &Array) -> Result<()>,
        ws: &mut Workspace,
    ) -> Result<Self> {
        self.received[at] = Some(Received { flow: Flow::Whole(first), sums: None });
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
            None => r.flow.sums()?,
        };
        let handed = self.hand_on(graph, n, r.flow, ws)?;
        let after: Vec<Vec<(f64, f64)>> = if handed.same {
            vec![before.clone()]
        } else {
            handed.inputs.iter().map(Flow::sums).collect::<Result<_>>()?
        };
        for (sample, ledger) in self.ledgers.iter_mut().enumerate() {
            ledger.push(LedgerLine {
                layer: node.name.clone(),
                kind: node.layer.card().id.to_owned(),
                rule: handed.rule.clone(),
                received: before[sample].0,
                handed_on: after.iter().map(|a| a[sample].0).sum(),
                bias: handed.bias[sample],
                stabiliser: handed.stabiliser[sample],
                degenerate: handed.degenerate[sample],
                mass: before[sample].1,
                mass_handed_on: after.iter().map(|a| a[sample].1).sum(),
            });
        }
        if let Some(sink) = handed.sink {
            let samples = self.ledgers.len().max(1);
            let shape = [samples, sink.len() / samples];
            self.sinks.push((node.name.clone(), Array::from_vec(sink, &shape)?));
        }
        for ((from, flow), sums) in node.inputs.iter().zip(handed.inputs).zip(after) {
            match from {
                From::Input => accumulate(&mut self.input, flow.whole(ws)?, ws)?,
                From::Node(m) => self.receive(*m, flow, sums, ws)?,
            }
        }
        Ok(())
    }

    /// Adds to what has already come to a node.
    fn receive(
        &mut self,
        n: usize,
        flow: Flow<'a>,
        sums: Vec<(f64, f64)>,
        ws: &mut Workspace,
    ) -> Result<()> {
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
        let none = || vec![0.0; self.ledgers.len()];
        let flows = |inputs: Vec<Flow<'a>>, rule: &str| Handed {
            inputs,
            same: false,
            rule: rule.to_owned(),
            bias: none(),
            sink: None,
            stabiliser: none(),
            degenerate: none(),
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
                let degenerate = blocks::border_sums(&r, within, before)?;
                let inner = blocks::crop(&r, within, before, ws)?;
                ws.give(r);
                Ok(Handed { degenerate, ..plain(vec![inner], "within") })
            }
            Role::PerSample(layer) => {
                let r = r.whole(ws)?;
                let handed = self.per_sample(n, node, layer, &r, ws);
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
                let mut handed = Vec::with_capacity(shares.len());
                for (x, share) in inputs.iter().zip(shares) {
                    handed.push(elementwise::times(x, &share, ws)?);
                    ws.give(share);
                }
                let (stabiliser, degenerate) = (q.stabiliser, q.degenerate);
                Ok(Handed { stabiliser, degenerate, ..plain(handed, "norm") })
            }
            Role::Affine(affine) => {
                let applied = self.applied(n, node)?;
                if applied.rule.card.id == "pass" {
                    let r = r.whole(ws)?;
                    keeps_shape(node, inputs[0], &r)?;
                    return Ok(same(Flow::Whole(r)));
                }
                let groups = applied.groups();
                let way = applied.way(&groups, self.bounds(None));
                let share = redistribute(affine, inputs[0], output, &r, &way, ws)?;
                r.recycle(ws);
                Ok(Handed {
                    inputs: vec![Flow::Whole(share.input)],
                    same: false,
                    rule: applied.words(),
                    bias: share.bias,
                    sink: share.sink,
                    stabiliser: share.stabiliser,
                    degenerate: share.degenerate,
                })
            }
            Role::MustFold(..) => Err(Error::model(
                "E-MODEL-006",
                format!("layer '{}' must be folded before explaining", node.name),
                "Explain the canonical graph",
            )),
        }
    }

    /// Bounds of the input, of all samples or of one.
    fn bounds(&self, sample: Option<usize>) -> Bounds<'_> {
        match (self.composite.bounds, sample) {
            (Some((low, high)), _) => Bounds::Stated(low, high),
            (None, Some(s)) => Bounds::Each(&self.bounds[s..=s]),
            (None, None) => Bounds::Each(&self.bounds),
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
        layer: &dyn PerSample,
        r: &Array,
        ws: &mut Workspace,
    ) -> Result<Handed<'a>> {
        let (x, z) = (self.trace.at(node.inputs[0]), &self.trace.outputs[n]);
        let applied = self.applied(n, node)?;
        let groups = applied.groups();
        let (scale, shift) = layer.held(x)?;
        let channels = x.shape()[1];
        let mut shares = Vec::with_capacity(self.ledgers.len());
        for (s, (scale, shift)) in scale.chunks(channels).zip(shift.chunks(channels)).enumerate() {
            let own = |values: &[f64]| -> Result<Array> {
                let array = Array::from_vec(values.to_vec(), &[channels])?;
                crate::by_type!(x, T => array.cast::<T>())
            };
            let affine = ChannelAffine::new(own(scale)?, own(shift)?)?;
            let (x, z, r) = (x.rows(s, s + 1)?, z.rows(s, s + 1)?, r.rows(s, s + 1)?);
            if applied.rule.card.id == "pass" {
                let zeros = || vec![0.0];
                let (bias, stabiliser, degenerate) = (zeros(), zeros(), zeros());
                keeps_shape(node, &x, &r)?;
                let input = r;
                shares.push(Share { input, bias, sink: None, stabiliser, degenerate });
                continue;
            }
            let way = applied.way(&groups, self.bounds(Some(s)));
            shares.push(redistribute(&affine, &x, &z, &Flow::Whole(r), &way, ws)?);
        }
        let maps: Vec<&Array> = shares.iter().map(|s| &s.input).collect();
        let bin = |of: fn(&Share) -> &Vec<f64>| shares.iter().flat_map(|s| of(s).clone()).collect();
        let sinks: Option<Vec<Vec<f64>>> = shares.iter().map(|s| s.sink.clone()).collect();
        Ok(Handed {
            inputs: vec![Flow::Whole(blocks::stack(&maps, ws)?)],
            same: false,
            rule: applied.words(),
            bias: bin(|s| &s.bias),
            sink: sinks.map(|s| s.concat()),
            stabiliser: bin(|s| &s.stabiliser),
            degenerate: bin(|s| &s.degenerate),
        })
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
