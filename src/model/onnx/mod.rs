//! Networks from ONNX files, operator sets 11 to 22.
//!
//! The file is read in place and nothing in it is trusted: every length, extent, offset and
//! path is checked before memory is taken or a file opened. Subgraphs that compute shapes are
//! folded at the input shape; what is left must be operators that relevance can be
//! propagated through, or the file is refused with all others named at once.

mod attribute;
mod attributes;
mod builder;
mod document;
mod fold;
mod operators;
mod tensors;
mod unsupported;
mod wire;
mod written_gelu;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use super::graph::{From, Graph};
use super::layers::reshape::Reshape;
use crate::files::read_limited;
use crate::{Error, Result};
use attributes::{Attributes, Fault};
use builder::{Builder, Call, Signal, Value, Values};
use tensors::{Source, Stored};
use unsupported::Unsupported;
use written_gelu::Rewritten;

/// Largest file (the most the format itself allows).
const MOST_BYTES: u64 = 2 << 30;
/// Operator sets that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 11..=22;
/// Most voxels along an axis, channels, and samples of an input.
const MOST_EXTENT: usize = 1 << 16;
/// Most numbers of an input.
const MOST_INPUT: usize = 1 << 31;

/// A network from a file.
#[derive(Debug)]
pub struct Imported {
    /// The network; batch norm is not folded yet.
    pub graph: Graph,
    /// Name of the input.
    pub input_name: String,
    /// Extents of the input `[n, c, k, j, i]` it was read for; any other batch works too.
    pub input_shape: [usize; 5],
    /// Name of the output.
    pub output_name: String,
    /// Version of the operator set.
    pub opset: i64,
    /// Program that wrote the file.
    pub producer: String,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Names of the operators that are taken over, in alphabetical order.
pub fn supported() -> Vec<&'static str> {
    operators::OPERATORS.iter().map(|(name, _)| *name).collect()
}

/// Reads an ONNX file. `input_shape` `[n, c, k, j, i]` is needed where the file leaves extents
/// open; fixed extents of the file must agree with it, except for the batch.
///
/// # Errors
/// [`Error::Io`]; [`Error::Refused`] `E-FILE-001` (too large), `E-ONNX-001` (damaged),
/// `E-ONNX-002` (operator set), `E-ONNX-003` (a graph that is cyclic, out of order or without
/// an end), `E-ONNX-004` (a tensor), `E-ONNX-005` (an external file); [`Error::Model`]
/// `E-ONNX-010` (inputs and outputs), `E-ONNX-011` (input shape), `E-ONNX-012` (output shape),
/// `E-ONNX-020` (operators that are not supported, all of them).
pub fn read(path: &Path, input_shape: Option<[usize; 5]>) -> Result<Imported> {
    let bytes = read_limited(path, MOST_BYTES)?;
    let damaged = |seen: String| {
        let fix = "Export or copy the model again";
        Error::refused("E-ONNX-001", path, "content", seen, "an ONNX model", fix)
    };
    let model = document::model(&bytes).map_err(damaged)?;
    let graph = model.graph.as_ref().ok_or_else(|| damaged("without a graph".to_owned()))?;
    let mut notes = Vec::new();
    let opset = opset(path, &model)?;
    let source = Source { path: path.to_path_buf() };
    let mut reader = Reader { path, graph, opset, source, rewritten: Rewritten::default() };
    let (output_name, more) = match &graph.outputs[..] {
        [] => return Err(reader.ports("no output".to_owned())),
        [one, more @ ..] => (one.name.to_string(), more.len()),
    };
    if more > 0 {
        notes.push(format!(
            "{more} further outputs are left out; '{}' is read",
            shown(&output_name)
        ));
    }
    let mut live = reader.live(&output_name)?;
    reader.rewritten = written_gelu::find(graph, &live, &output_name, &reader.source);
    live.retain(|n| !reader.rewritten.inner.contains(n));
    let (input_name, declared) = reader.input(&live)?;
    let dims = reader.dims(&input_name, declared, input_shape)?;
    let (graph, clipped) = reader.build(&live, &input_name, dims, &output_name)?;
    notes.extend(clipped);
    Ok(Imported {
        graph,
        input_name,
        input_shape: dims,
        output_name,
        opset,
        producer: model.producer.clone(),
        notes,
    })
}

/// Text of the file for a message: no control characters, not endless.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn opset(path: &Path, model: &document::Model<'_>) -> Result<i64> {
    let own =
        |(domain, _): &&(std::borrow::Cow<'_, str>, i64)| domain.is_empty() || domain == "ai.onnx";
    let found = model.opsets.iter().find(own).map(|(_, version)| *version);
    found.filter(|v| OPSETS.contains(v)).ok_or_else(|| {
        let seen = found.map_or("missing".to_owned(), |v| v.to_string());
        let (low, high) = (OPSETS.start(), OPSETS.end());
        let fix = "Export the model with one of these operator sets (opset_version=17)";
        Error::refused("E-ONNX-002", path, "opset_import", seen, format!("{low} to {high}"), fix)
    })
}

struct Reader<'a> {
    path: &'a Path,
    graph: &'a document::Graph<'a>,
    opset: i64,
    source: Source,
    rewritten: Rewritten<'a>,
}

impl Reader<'_> {
    /// A live node, or what is read in its place.
    fn node(&self, n: usize) -> &document::Node<'_> {
        self.rewritten.ends.get(&n).unwrap_or(&self.graph.nodes[n])
    }

    fn ports(&self, what: String) -> Error {
        let what = format!("{}: {what}", self.path.display());
        Error::model("E-ONNX-010", what, "Export a network of one image input and one output")
    }

    fn broken(&self, field: String, seen: &str) -> Error {
        let allowed = "a graph in topological order in which every value has one source";
        let fix = "Export the model again; this file is damaged";
        Error::refused("E-ONNX-003", self.path, field, seen, allowed, fix)
    }

    /// Nodes that the output needs, in the file's order.
    fn live(&self, output: &str) -> Result<Vec<usize>> {
        let mut makers: HashMap<&str, usize> = HashMap::new();
        for (n, node) in self.graph.nodes.iter().enumerate() {
            for name in node.outputs.iter().filter(|o| !o.is_empty()) {
                if makers.insert(name, n).is_some() {
                    let field = format!("value '{}'", shown(name));
                    return Err(self.broken(field, "made by two nodes"));
                }
            }
        }
        let mut needed = vec![false; self.graph.nodes.len()];
        let mut open: Vec<usize> = makers.get(output).copied().into_iter().collect();
        while let Some(n) = open.pop() {
            if std::mem::replace(&mut needed[n], true) {
                continue;
            }
            for name in &self.graph.nodes[n].inputs {
                let Some(&maker) = makers.get(name.as_ref()) else { continue };
                if maker >= n {
                    let field = format!("value '{}'", shown(name));
                    return Err(self.broken(field, "read before it is made, or in a circle"));
                }
                open.push(maker);
            }
        }
        Ok((0..needed.len()).filter(|n| needed[*n]).collect())
    }

    /// The one input of the graph that the live nodes read.
    fn input(&self, live: &[usize]) -> Result<(String, Option<&[Option<i64>]>)> {
        let stored: HashSet<&str> =
            self.graph.initialisers.iter().map(|t| t.name.as_ref()).collect();
        let read: HashSet<&str> =
            live.iter().flat_map(|n| self.node(*n).inputs.iter().map(|i| i.as_ref())).collect();
        let inputs: Vec<_> = self
            .graph
            .inputs
            .iter()
            .filter(|p| read.contains(p.name.as_ref()) && !stored.contains(p.name.as_ref()))
            .collect();
        match &inputs[..] {
            [one] => Ok((one.name.to_string(), one.shape.as_deref())),
            [] => Err(self.ports("no input leads to the output".to_owned())),
            many => {
                let names: Vec<String> = many.iter().take(10).map(|p| shown(&p.name)).collect();
                Err(self.ports(format!("{} inputs ({})", many.len(), names.join(", "))))
            }
        }
    }

    /// Extents of the input, from the file and from the user.
    fn dims(
        &self,
        name: &str,
        declared: Option<&[Option<i64>]>,
        asked: Option<[usize; 5]>,
    ) -> Result<[usize; 5]> {
        let wrong = |what: String, fix: &str| {
            let what = format!("{}: input '{}' {what}", self.path.display(), shown(name));
            Error::model("E-ONNX-011", what, fix)
        };
        let open = [None; 5];
        let declared = declared.unwrap_or(&open);
        let words: Vec<String> =
            declared.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
        let words = format!("has extents [{}]", words.join(", "));
        if declared.len() != 5 {
            let fix = "Only networks on volumes [n, c, depth, height, width] can be explained";
            return Err(wrong(words, fix));
        }
        let mut dims = [0; 5];
        for (a, extent) in declared.iter().enumerate() {
            let own = extent.map(|e| usize::try_from(e).unwrap_or(0)).filter(|e| *e > 0);
            // the batch stays the file's: reshapes may be written for it
            dims[a] = match (own, asked.map(|s| s[a])) {
                (Some(own), Some(asked)) if a > 0 && own != asked => {
                    let asked = format!("{words}, not {asked} at axis {a}");
                    return Err(wrong(asked, "Give images of the shape the network was made for"));
                }
                (Some(own), _) => own,
                (None, Some(asked)) => asked,
                (None, None) if a == 0 => 1,
                (None, None) => {
                    let fix = "Give the input shape, or export the model with a fixed one";
                    return Err(wrong(words, fix));
                }
            };
        }
        let count = fold::extents::product(&dims).ok().filter(|n| (1..=MOST_INPUT).contains(n));
        if count.is_none() || dims.iter().any(|d| !(1..=MOST_EXTENT).contains(d)) {
            let fix = format!("Each extent may be 1 to {MOST_EXTENT}, all numbers {MOST_INPUT}");
            return Err(wrong(format!("would have extents {dims:?}"), &fix));
        }
        Ok(dims)
    }

    /// What a name stands for.
    fn value<'v>(
        &'v self,
        name: &str,
        known: &Values<'v>,
        stored: &mut Stored<'_>,
    ) -> Result<Option<Value>> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(value) = known.get(name) {
            return Ok(Some(value.clone()));
        }
        match stored.read(&self.source, name)? {
            Some(tensor) => Ok(Some(Value::Constant(Rc::new(tensor)))),
            None => Err(self.broken(format!("value '{}'", shown(name)), "made by no node")),
        }
    }

    fn build(
        &self,
        live: &[usize],
        input: &str,
        dims: [usize; 5],
        output: &str,
    ) -> Result<(Graph, Vec<String>)> {
        let mut builder = Builder::default();
        let mut stored = Stored::new(&self.graph.initialisers);
        let mut known: Values<'_> = HashMap::new();
        let entry = Signal { from: From::Input, dims: dims.to_vec() };
        known.insert(input, Value::Signal(entry));
        let mut unsupported = Unsupported::default();
        for &n in live {
            let node = self.node(n);
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for name in &node.inputs {
                inputs.push(self.value(name, &known, &mut stored)?);
            }
            let attributes = Attributes { node, source: &self.source };
            let call = Call { attributes, name: layer_name(node, n), inputs, opset: self.opset };
            let value = match take(&mut builder, &call) {
                Ok(value) => value,
                Err(Fault::Unsupported(why)) => {
                    unsupported.add(node, &call.name, why);
                    Value::Unknown
                }
                Err(Fault::Fatal(error)) => return Err(error),
            };
            for (at, name) in node.outputs.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
                known.insert(name, if at == 0 { value.clone() } else { Value::Unknown });
            }
        }
        unsupported.check(self.path)?;
        let (end, notes) = self.end(&mut builder, known.get(output), output)?;
        Ok((builder.assembly.finish(end)?, notes))
    }

    /// The node whose output is one row of numbers per sample.
    fn end(
        &self,
        builder: &mut Builder,
        value: Option<&Value>,
        name: &str,
    ) -> Result<(usize, Vec<String>)> {
        let wrong = |what: String| {
            let what = format!("{}: output '{}' {what}", self.path.display(), shown(name));
            let fix = "Only networks that give one row of numbers per image can be explained";
            Error::model("E-ONNX-012", what, fix)
        };
        let Some(Value::Signal(signal)) = value else {
            return Err(wrong("does not depend on the image alone".to_owned()));
        };
        let mut notes = Vec::new();
        let classes = signal.dims.get(1).copied().unwrap_or(1);
        let rest: usize = signal.dims.iter().skip(2).product();
        let mut last = signal.clone();
        if rest != 1 {
            return Err(wrong(format!("has extents {:?}", signal.dims)));
        }
        if signal.dims.len() != 2 {
            notes.push(format!("the output of extents {:?} is read as one row", signal.dims));
            let row = builder.push("output_row", Reshape { shape: vec![classes] }, &[signal]);
            if let Ok(Value::Signal(row)) = row {
                last = row;
            }
        }
        match last.from {
            From::Node(n) => Ok((n, notes)),
            From::Input => Err(wrong("is the input itself".to_owned())),
        }
    }
}

/// A layer's name: the node's, or its operator and number.
fn layer_name(node: &document::Node<'_>, n: usize) -> String {
    let own = shown(node.name.trim_matches('/')).replace('/', ".");
    if own.is_empty() { format!("{}_{n}", shown(&node.operator)) } else { own }
}

/// The value of a node: computed when all inputs are constants, a layer otherwise.
fn take(builder: &mut Builder, call: &Call<'_>) -> std::result::Result<Value, Fault> {
    let node = call.attributes.node;
    if !["", "ai.onnx"].contains(&node.domain.as_ref()) {
        return Err(format!("of the operator set {:?}", shown(&node.domain)).into());
    }
    // what only follows an unsupported operator is no news
    if call.inputs.iter().flatten().any(|v| matches!(v, Value::Unknown)) {
        return match operators::find(call.operator()) {
            None if !fold::FOLDED.contains(&call.operator()) => Err("".into()),
            _ => Ok(Value::Unknown),
        };
    }
    let constants: Vec<Option<&tensors::Tensor>> = call
        .inputs
        .iter()
        .map(|v| match v {
            Some(Value::Constant(tensor)) => Some(&**tensor),
            _ => None,
        })
        .collect();
    let signals = call.inputs.iter().flatten().any(|v| matches!(v, Value::Signal(_)));
    if !signals && fold::FOLDED.contains(&call.operator()) {
        if let ("Identity", Some(Some(Value::Constant(same)))) =
            (call.operator(), call.inputs.first())
        {
            return Ok(Value::Constant(Rc::clone(same)));
        }
        let operator = call.operator();
        let tensor =
            fold::fold(operator, &constants, &call.attributes, call.opset, &builder.budget)?;
        return Ok(Value::Constant(Rc::new(tensor)));
    }
    match operators::find(call.operator()) {
        Some(operator) => operator(builder, call),
        None if fold::FOLDED.contains(&call.operator()) => Err("on data of the network".into()),
        None => Err("".into()),
    }
}
