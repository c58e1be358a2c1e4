//! The walk from the start down to the voxels, one ledger line per layer.

use super::composite::Composite;
use super::ledger::LedgerLine;
use super::terms::{Share, redistribute};
use crate::compute::{Array, Workspace, blocks, elementwise, five, relevance};
use crate::model::Graph;
use crate::model::graph::{From, Node, Trace, accumulate};
use crate::model::layer::{Mode, Pass, PerSample, Role};
use crate::model::layers::channel_affine::ChannelAffine;
use crate::{Error, Result};

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Two classes: log-odds of class 1 over class 0; one logit: itself.
    Margin,
    /// One class's logit.
    Class(usize),
}

impl Start {
    /// `margin`, the name of a class or its number from 0.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-RULE-002` naming the classes.
    pub fn named(word: &str, classes: &[String]) -> Result<Self> {
        if word == "margin" && classes.len() <= 2 {
            return Ok(Self::Margin);
        }
        let by_name = classes.iter().position(|c| c == word);
        let by_number = word.parse().ok().filter(|c| *c < classes.len());
        by_name.or(by_number).map(Self::Class).ok_or_else(|| {
            let known = classes.iter().enumerate().map(|(n, c)| format!("{n} ({c})"));
            let known: Vec<String> = known.collect();
            let margin = if classes.len() <= 2 { "margin, " } else { "" };
            Error::usage(
                "E-RULE-002",
                format!("there is no target {word:?}"),
                format!("Choose {margin}{}", known.join(", ")),
            )
        })
    }

    /// What is explained, in words.
    pub fn words(self, classes: &[String]) -> String {
        let name = |c: usize| classes.get(c).cloned().unwrap_or_else(|| format!("class {c}"));
        match self {
            Self::Margin if classes.len() == 2 => {
                format!("log-odds of {} over {}", name(1), name(0))
            }
            Self::Margin => format!("logit of {}", name(0)),
            Self::Class(c) => format!("logit of {}", name(c)),
        }
    }
}

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
}

/// Explains every sample of `x [n, 1, k, j, i]` on a canonical graph.
///
/// # Errors
/// [`Error::Model`] `E-MODEL-005` when the start does not fit the logits, `E-MODEL-006`
/// when a layer must be folded first.
pub fn explain(
    graph: &Graph,
    x: &Array,
    composite: &Composite,
    start: Start,
    ws: &mut Workspace,
) -> Result<Explanation> {
    let trace = graph.trace(x.duplicate()?, &mut Mode::Infer, ws)?;
    let last = logits_node(graph)?;
    let (scores, first) = seed(&trace.outputs[last], start)?;
    let logits = trace.outputs[last].to_f64()?;
    let mut walk = Walk {
        trace: &trace,
        composite,
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
    let ledgers = walk.ledgers;
    trace.recycle(ws);
    Ok(Explanation { scores, logits, relevance, ledgers })
}

/// The node whose output is explained: the last, or the one below a softmax or sigmoid at the
/// end, since a probability mixes all classes.
fn logits_node(graph: &Graph) -> Result<usize> {
    let mut n = graph.nodes().len().checked_sub(1).ok_or_else(|| Error::internal("empty graph"))?;
    while let (Role::Link, From::Node(below)) =
        (graph.nodes()[n].layer.role(), graph.nodes()[n].inputs[0])
    {
        n = below;
    }
    Ok(n)
}

/// Scores and starting relevance `[n, classes]`. The margin z1 − z0 starts with relevance
/// z1 at class 1 and −z0 at class 0: exactly what an appended layer (−1, 1) hands on by LRP-0.
fn seed(logits: &Array, start: Start) -> Result<(Vec<f64>, Array)> {
    let classes = logits.shape()[1];
    let weight: Vec<f64> = match start {
        Start::Margin if classes == 2 => vec![-1.0, 1.0],
        Start::Margin if classes == 1 => vec![1.0],
        Start::Class(c) if c < classes => {
            (0..classes).map(|k| f64::from(u8::from(k == c))).collect()
        }
        _ => {
            return Err(Error::model(
                "E-MODEL-005",
                format!("a start {start:?} with {classes} logits"),
                "Name a class, or use the margin with one or two logits",
            ));
        }
    };
    let parts: Vec<f64> =
        logits.to_f64()?.iter().enumerate().map(|(at, z)| z * weight[at % classes]).collect();
    let scores = parts.chunks(classes).map(|row| row.iter().sum()).collect();
    let first = Array::from_vec(parts, logits.shape())?;
    Ok((scores, crate::by_type!(logits, T => first.cast::<T>()?)))
}

struct Walk<'a> {
    trace: &'a Trace,
    composite: &'a Composite,
    received: Vec<Option<Array>>,
    input: Option<Array>,
    ledgers: Vec<Vec<LedgerLine>>,
}

/// What a layer did with its relevance: one array per input and the bins per sample.
struct Handed {
    inputs: Vec<Array>,
    rule: &'static str,
    bias: Vec<f64>,
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
                rule: handed.rule.to_owned(),
                received: before[sample].0,
                handed_on: after.iter().map(|a| a[sample].0).sum(),
                bias: handed.bias[sample],
                stabiliser: handed.stabiliser[sample],
                degenerate: handed.degenerate[sample],
                mass: before[sample].1,
                mass_handed_on: after.iter().map(|a| a[sample].1).sum(),
            });
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
        let plain = |inputs: Vec<Array>, rule: &'static str| Handed {
            inputs,
            rule,
            bias: none(),
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
            Role::PerSample(layer) => self.per_sample(layer, inputs[0], r, ws),
            Role::Reshape => Ok(plain(vec![r.duplicate()?.reshaped(inputs[0].shape())?], "pass")),
            Role::Routing => {
                let pass = Pass { inputs: &inputs, output, saved: &self.trace.saved[n], grad: r };
                Ok(plain(node.layer.backward(&pass, true, ws)?.inputs, "winner"))
            }
            Role::Proportional | Role::Merge => {
                let q = relevance::quotient(r, output, 1.0, self.composite.epsilon, ws)?;
                let pass =
                    Pass { inputs: &inputs, output, saved: &self.trace.saved[n], grad: &q.s };
                let back = node.layer.backward(&pass, true, ws)?.inputs;
                let product =
                    |(x, c): (&&Array, &Array)| elementwise::times(x, c, &mut Workspace::new());
                let handed = inputs.iter().zip(&back).map(product).collect::<Result<_>>()?;
                let (stabiliser, degenerate) = (q.stabiliser, q.degenerate);
                Ok(Handed { inputs: handed, rule: "norm", bias: none(), stabiliser, degenerate })
            }
            Role::Affine(affine) => {
                let rule = self.composite.rule(affine.weight().shape().len());
                let epsilon = self.composite.epsilon;
                let groups = (rule.groups)();
                let share = redistribute(affine, inputs[0], r, epsilon, &groups, ws)?;
                Ok(Handed {
                    inputs: vec![share.input],
                    rule: rule.card.id,
                    bias: share.bias,
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
    /// The affine map that each sample decides for itself, by the rule of affine maps per
    /// channel: its statistics are held fixed.
    fn per_sample(
        &self,
        layer: &dyn PerSample,
        x: &Array,
        r: &Array,
        ws: &mut Workspace,
    ) -> Result<Handed> {
        let (scale, shift) = layer.held(x)?;
        let channels = x.shape()[1];
        let rule = self.composite.rule(1);
        let groups = (rule.groups)();
        let mut shares = Vec::with_capacity(self.ledgers.len());
        for (n, (scale, shift)) in scale.chunks(channels).zip(shift.chunks(channels)).enumerate() {
            let own = |values: &[f64]| -> Result<Array> {
                let array = Array::from_vec(values.to_vec(), &[channels])?;
                crate::by_type!(x, T => array.cast::<T>())
            };
            let affine = ChannelAffine::new(own(scale)?, own(shift)?)?;
            let (x, r) = (x.rows(n, n + 1)?, r.rows(n, n + 1)?);
            shares.push(redistribute(&affine, &x, &r, self.composite.epsilon, &groups, ws)?);
        }
        let maps: Vec<&Array> = shares.iter().map(|s| &s.input).collect();
        let bin = |of: fn(&Share) -> &Vec<f64>| shares.iter().flat_map(|s| of(s).clone()).collect();
        Ok(Handed {
            inputs: vec![blocks::stack(&maps, ws)?],
            rule: rule.card.id,
            bias: bin(|s| &s.bias),
            stabiliser: bin(|s| &s.stabiliser),
            degenerate: bin(|s| &s.degenerate),
        })
    }
}
