//! The walk from the start down to the voxels, one ledger line per layer.

use super::composite::Composite;
use super::ledger::LedgerLine;
use super::rules::Applied;
use super::start::{Seeded, Start, logits_node, seed};
use super::terms::{Share, redistribute};
use crate::compute::relevance::Served;
use crate::compute::{Array, Workspace, blocks, elementwise, five, relevance};
use crate::model::Graph;
use crate::model::graph::{From, Node, Trace, accumulate};
use crate::model::layer::{Mode, Pass, PerSample, Role};
use crate::model::layers::channel_affine::ChannelAffine;
use crate::{Error, Result};

/// Maps of a batch.
#[derive(Debug)]
pub struct Explanation {
    /// The explained score per sample.
    pub scores: Vec<f64>,
    /// Logits `[n, classes]`, row by row.
    pub logits: Vec<f64>,
    /// Relevance per voxel, shaped like the input `[n, 1, k, j, i]`.
    pub relevance: Array,
    /// Ledger per sample, output first.
    pub ledgers: Vec<Vec<LedgerLine>>,
    /// Relevance of biases per layer, `[n, channels]`, with
    /// [`super::terms::BiasPolicy::Sink`].
    pub sinks: Vec<(String, Array)>,
}

/// Explains every sample of `x [n, c, k, j, i]` on a canonical graph, all from one start.
///
/// # Errors
/// As [`explain_each`].
pub fn explain(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    start: Start,
    ws: &mut Workspace,
) -> Result<Explanation> {
    explain_each(graph, x, composite, &vec![start; x.shape()[0]], ws)
}

/// Explains every sample of `x [n, c, k, j, i]` on a canonical graph, each from its start.
///
/// # Errors
/// [`Error::Model`] `E-MODEL-005` when a start does not fit the logits, `E-MODEL-006`
/// when a layer must be folded first; `E-RULE-004` when a rule does not fit a layer.
pub fn explain_each(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    starts: &[Start],
    ws: &mut Workspace,
) -> Result<Explanation> {
    let trace = graph.trace(x.duplicate()?, &mut Mode::Infer, ws)?;
    let last = logits_node(graph)?;
    let Seeded { scores, relevance: first, .. } = seed(&trace.outputs[last], starts)?;
    let logits = trace.outputs[last].to_f64()?;
    let bounds = composite.bounds_of(&elementwise::ranges(x)?);
    let mut walk = Walk {
        trace: &trace,
        composite,
        rules: composite.assign(graph),
        bounds,
        sinks: Vec::new(),
        received: graph.nodes().iter().map(|_| None).collect(),
        input: None,
        ledgers: scores.iter().map(|_| Vec::new()).collect(),
    };
    walk.received[last] = Some(first);
    for (n, node) in graph.nodes().iter().enumerate().rev() {
        if let Some(r) = walk.received[n].take() {
            walk.step(n, node, r, ws)?;
        }
    }
    let relevance = walk.input.ok_or_else(|| Error::internal("relevance never met the input"))?;
    let (ledgers, sinks) = (walk.ledgers, walk.sinks);
    trace.recycle(ws);
    Ok(Explanation { scores, logits, relevance, ledgers, sinks })
}

struct Walk<'a> {
    trace: &'a Trace,
    composite: &'a Composite,
    /// Per node.
    rules: Vec<Option<Applied>>,
    /// Least and largest value the input can have, per sample.
    bounds: Vec<(f64, f64)>,
    sinks: Vec<(String, Array)>,
    received: Vec<Option<Array>>,
    input: Option<Array>,
    ledgers: Vec<Vec<LedgerLine>>,
}

/// What a layer did with its relevance: one array per input and the bins per sample.
struct Handed {
    inputs: Vec<Array>,
    rule: String,
    bias: Vec<f64>,
    /// Of the bias, per sample and channel.
    sink: Option<Vec<f64>>,
    stabiliser: Vec<f64>,
    degenerate: Vec<f64>,
}

impl Walk<'_> {
    fn step(&mut self, n: usize, node: &Node, r: Array, ws: &mut Workspace) -> Result<()> {
        let handed = self.hand_on(n, node, &r, ws)?;
        let before = relevance::sample_sums(&r)?;
        let after: Vec<Vec<(f64, f64)>> =
            handed.inputs.iter().map(relevance::sample_sums).collect::<Result<_>>()?;
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
        for (from, part) in node.inputs.iter().zip(handed.inputs) {
            let slot = match from {
                From::Input => &mut self.input,
                From::Node(m) => &mut self.received[*m],
            };
            accumulate(slot, part, ws)?;
        }
        ws.give(r);
        Ok(())
    }

    fn hand_on(&self, n: usize, node: &Node, r: &Array, ws: &mut Workspace) -> Result<Handed> {
        let inputs: Vec<&Array> = node.inputs.iter().map(|&f| self.trace.at(f)).collect();
        let output = &self.trace.outputs[n];
        let none = || vec![0.0; self.ledgers.len()];
        let plain = |inputs: Vec<Array>, rule: &str| Handed {
            inputs,
            rule: rule.to_owned(),
            bias: none(),
            sink: None,
            stabiliser: none(),
            degenerate: none(),
        };
        match node.layer.role() {
            Role::Pointwise | Role::Link => Ok(plain(vec![r.duplicate()?], "pass")),
            Role::Gate => {
                let none = inputs[1].zeros_like_type(inputs[1].shape());
                Ok(plain(vec![r.duplicate()?, none], "signal"))
            }
            Role::Split => {
                let pass = Pass { inputs: &inputs, output, saved: &self.trace.saved[n], grad: r };
                Ok(plain(node.layer.backward(&pass, true, ws)?.inputs, "split"))
            }
            Role::Border(before) => {
                let within = five(inputs[0], "input of a border")?;
                let degenerate = blocks::border_sums(r, within, before)?;
                let inner = blocks::crop(r, within, before, ws)?;
                Ok(Handed { degenerate, ..plain(vec![inner], "within") })
            }
            Role::PerSample(layer) => self.per_sample(n, node, layer, r, ws),
            Role::Reshape => Ok(plain(vec![r.duplicate()?.reshaped(inputs[0].shape())?], "pass")),
            Role::Routing => {
                let pass = Pass { inputs: &inputs, output, saved: &self.trace.saved[n], grad: r };
                Ok(plain(node.layer.backward(&pass, true, ws)?.inputs, "winner"))
            }
            Role::Proportional | Role::Merge => {
                let q = relevance::quotient(
                    r,
                    output,
                    Served::all(1.0),
                    self.composite.stabiliser,
                    ws,
                )?;
                let pass =
                    Pass { inputs: &inputs, output, saved: &self.trace.saved[n], grad: &q.s };
                let back = node.layer.backward(&pass, true, ws)?.inputs;
                let product =
                    |(x, c): (&&Array, &Array)| elementwise::times(x, c, &mut Workspace::new());
                let handed = inputs.iter().zip(&back).map(product).collect::<Result<_>>()?;
                let (stabiliser, degenerate) = (q.stabiliser, q.degenerate);
                Ok(Handed { stabiliser, degenerate, ..plain(handed, "norm") })
            }
            Role::Affine(affine) => {
                let applied = self.applied(n, node)?;
                if applied.rule.card.id == "pass" {
                    return Ok(plain(vec![passed(node, inputs[0], r)?], "pass"));
                }
                let groups = applied.groups();
                let way = applied.way(&groups, &self.bounds);
                let share = redistribute(affine, inputs[0], output, r, &way, ws)?;
                Ok(Handed {
                    inputs: vec![share.input],
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
    ) -> Result<Handed> {
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
                let input = passed(node, &x, &r)?;
                shares.push(Share { input, bias, sink: None, stabiliser, degenerate });
                continue;
            }
            let way = applied.way(&groups, &self.bounds[s..=s]);
            shares.push(redistribute(&affine, &x, &z, &r, &way, ws)?);
        }
        let maps: Vec<&Array> = shares.iter().map(|s| &s.input).collect();
        let bin = |of: fn(&Share) -> &Vec<f64>| shares.iter().flat_map(|s| of(s).clone()).collect();
        let sinks: Option<Vec<Vec<f64>>> = shares.iter().map(|s| s.sink.clone()).collect();
        Ok(Handed {
            inputs: vec![blocks::stack(&maps, ws)?],
            rule: applied.words(),
            bias: bin(|s| &s.bias),
            sink: sinks.map(|s| s.concat()),
            stabiliser: bin(|s| &s.stabiliser),
            degenerate: bin(|s| &s.degenerate),
        })
    }
}

/// Relevance unchanged, for a layer that keeps the shape.
fn passed(node: &Node, x: &Array, r: &Array) -> Result<Array> {
    if x.shape() == r.shape() {
        return r.duplicate();
    }
    Err(Error::usage(
        "E-RULE-004",
        format!("layer '{}' changes the shape and cannot pass", node.name),
        "Give it a rule that redistributes, as epsilon",
    ))
}
