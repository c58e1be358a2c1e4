//! GELU written out. Before operator set 20 ONNX has no operator for it, and exporters write
//! `x (1 + erf(x / √2)) / 2`, or with tanh `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`. Such
//! nodes become one `Gelu`, when no other node reads a value within.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::f64::consts::FRAC_1_SQRT_2;

use super::super::layers::gelu_tanh::{CUBIC, SCALE};
use super::attribute::Attribute;
use super::attributes::Attributes;
use super::document::{Graph, Node, Tensor};
use super::tensors::{Data, Source};

/// Relative difference of constants that are the same but for their rounding to f32.
const ROUNDING: f64 = 1e-6;
/// Most products within each other.
const MOST_DEPTH: usize = 4;

/// What is read in place of the file's nodes.
#[derive(Debug, Default)]
pub struct Rewritten<'a> {
    /// By the number of the node that ends a GELU.
    pub ends: HashMap<usize, Node<'a>>,
    /// Nodes within.
    pub inner: HashSet<usize>,
}

/// The GELUs among the live nodes of a graph.
pub fn find<'a>(
    graph: &'a Graph<'a>,
    live: &[usize],
    output: &str,
    source: &Source,
) -> Rewritten<'a> {
    let reader = Written::new(graph, live, output, source);
    let mut found = Rewritten::default();
    for &n in live {
        if let Some((end, node, inner)) = reader.gelu(n) {
            let _ = found.ends.insert(end, node);
            found.inner.extend(inner);
        }
    }
    found
}

/// A constant times values, and the nodes that multiply them.
struct Product<'a> {
    scale: f64,
    values: Vec<&'a str>,
    nodes: Vec<usize>,
}

struct Written<'a, 's> {
    nodes: &'a [Node<'a>],
    source: &'s Source,
    stored: HashMap<&'a str, &'a Tensor<'a>>,
    makers: HashMap<&'a str, usize>,
    /// Reader of each value; none for values that are read more than once.
    readers: HashMap<&'a str, Option<usize>>,
}

impl<'a, 's> Written<'a, 's> {
    fn new(graph: &'a Graph<'a>, live: &[usize], output: &str, source: &'s Source) -> Self {
        let (mut makers, mut readers) = (HashMap::new(), HashMap::new());
        for &n in live {
            let node = &graph.nodes[n];
            if let [one] = &node.outputs[..] {
                let _ = makers.insert(one.as_ref(), n);
                if one == output {
                    let _ = readers.insert(one.as_ref(), None);
                }
            }
        }
        for &n in live {
            for name in &graph.nodes[n].inputs {
                let _ = readers.entry(name.as_ref()).and_modify(|r| *r = None).or_insert(Some(n));
            }
        }
        let stored = graph.initialisers.iter().map(|t| (t.name.as_ref(), t)).collect();
        Self { nodes: &graph.nodes, source, stored, makers, readers }
    }

    /// A node with its operator, when that is ONNX's own.
    fn operator(&self, n: usize) -> Option<(&'a Node<'a>, &'a str)> {
        let node = &self.nodes[n];
        ["", "ai.onnx"].contains(&node.domain.as_ref()).then_some((node, node.operator.as_ref()))
    }

    /// The one node that reads a value.
    fn only_reader(&self, value: &str) -> Option<usize> {
        self.readers.get(value).copied().flatten()
    }

    /// The node that makes a value which one node alone reads.
    fn inner_maker(&self, value: &str) -> Option<usize> {
        self.only_reader(value).and_then(|_| self.makers.get(value).copied())
    }

    /// A single constant number.
    fn number(&self, value: &str) -> Option<f64> {
        let single =
            |t: &Tensor<'_>| !t.is_external && t.dims.len() <= 1 && t.dims.iter().all(|d| *d == 1);
        let tensor = match self.makers.get(value) {
            Some(&n) => {
                let node = self.operator(n).filter(|(_, o)| *o == "Constant")?.0;
                match node.attributes.first()? {
                    (_, Attribute::Tensor(t)) if !single(t) => return None,
                    _ => Attributes { node, source: self.source }.constant().ok()?,
                }
            }
            None => {
                let stored = self.stored.get(value).filter(|t| single(t))?;
                self.source.tensor(stored).ok()?
            }
        };
        match tensor.data {
            Data::Float(data) => <[f32; 1]>::try_from(data).ok().map(|[v]| f64::from(v)),
            Data::Int(data) => <[i64; 1]>::try_from(data).ok().map(|[v]| v as f64),
        }
    }

    /// A value as a product; one that is read more than once is a factor as it is.
    fn product(&self, value: &'a str, depth: usize) -> Product<'a> {
        if let Some(scale) = self.number(value) {
            return Product { scale, values: Vec::new(), nodes: Vec::new() };
        }
        let parts = || {
            let n = self.inner_maker(value).filter(|_| depth < MOST_DEPTH)?;
            let (node, operator) = self.operator(n)?;
            let [a, b] = &node.inputs[..] else { return None };
            let mut all = self.product(a, depth + 1);
            match (operator, self.number(b)) {
                ("Mul", _) => {
                    let more = self.product(b, depth + 1);
                    all.scale *= more.scale;
                    all.values.extend(more.values);
                    all.nodes.extend(more.nodes);
                }
                ("Div", Some(by)) => all.scale /= by,
                ("Pow", Some(power)) if power == 2.0 || power == 3.0 => {
                    all.scale = all.scale.powf(power);
                    all.values = all.values.repeat(power as usize);
                }
                _ => return None,
            }
            all.nodes.push(n);
            Some(all)
        };
        parts().unwrap_or(Product { scale: 1.0, values: vec![value], nodes: Vec::new() })
    }

    /// The other of two inputs of a node.
    fn other(node: &'a Node<'a>, than: &str) -> Option<&'a str> {
        match &node.inputs[..] {
            [a, b] if a == than => Some(b),
            [a, b] if b == than => Some(a),
            _ => None,
        }
    }

    /// `x` of `x / √2`, and the nodes between.
    fn scaled(&self, value: &'a str) -> Option<(&'a str, Vec<usize>)> {
        let product = self.product(value, 0);
        match product.values[..] {
            [x] if close(product.scale, FRAC_1_SQRT_2) => Some((x, product.nodes)),
            _ => None,
        }
    }

    /// `x` of `√(2/π) (x + 0.044715 x³)`, and the nodes between.
    fn cubic(&self, value: &'a str) -> Option<(&'a str, Vec<usize>)> {
        let Product { scale, values, mut nodes } = self.product(value, 0);
        let [sum] = values[..] else { return None };
        let add = self.inner_maker(sum).filter(|_| close(scale, SCALE))?;
        let (node, "Add") = self.operator(add)? else { return None };
        let [a, b] = &node.inputs[..] else { return None };
        let (a, b) = (self.product(a, 0), self.product(b, 0));
        let (line, cube) = if a.values.len() == 1 { (a, b) } else { (b, a) };
        let [x] = line.values[..] else { return None };
        nodes.push(add);
        nodes.extend(line.nodes.iter().chain(&cube.nodes));
        let fits = close(line.scale, 1.0) && close(cube.scale, CUBIC) && cube.values == [x; 3];
        fits.then_some((x, nodes))
    }

    /// The GELU whose `Erf` or `Tanh` a node is: its last node, what stands for it, and the
    /// nodes before the last.
    fn gelu(&self, n: usize) -> Option<(usize, Node<'a>, Vec<usize>)> {
        let (node, operator) = self.operator(n)?;
        let [input] = &node.inputs[..] else { return None };
        let ((x, mut inner), form) = match operator {
            "Erf" => (self.scaled(input)?, "none"),
            "Tanh" => (self.cubic(input)?, "tanh"),
            _ => return None,
        };
        let mut value = node.outputs.first()?.as_ref();
        let add = self.only_reader(value)?;
        let (sum, "Add") = self.operator(add)? else { return None };
        let _ = self.number(Self::other(sum, value)?).filter(|one| close(*one, 1.0))?;
        inner.extend([n, add]);
        value = sum.outputs.first()?;
        let (mut scale, mut factors) = (1.0, Vec::new());
        for _ in 0..MOST_DEPTH {
            let end = self.only_reader(value)?;
            let (node, operator) = self.operator(end)?;
            let other = Self::other(node, value)?;
            match operator {
                "Mul" => {
                    let more = self.product(other, 0);
                    scale *= more.scale;
                    factors.extend(more.values);
                    inner.extend(more.nodes);
                }
                "Div" if node.inputs[0] == value => scale /= self.number(other)?,
                _ => return None,
            }
            if close(scale, 0.5) && factors == [x] {
                return Some((end, gelu_node(node, x, form), inner));
            }
            inner.push(end);
            value = node.outputs.first()?;
        }
        None
    }
}

/// The node that stands for a GELU whose last node is `end`.
fn gelu_node<'a>(end: &Node<'a>, x: &'a str, form: &'static str) -> Node<'a> {
    Node {
        name: end.name.clone(),
        operator: Cow::Borrowed("Gelu"),
        domain: Cow::Borrowed(""),
        inputs: vec![Cow::Borrowed(x)],
        outputs: end.outputs.clone(),
        attributes: vec![(Cow::Borrowed("approximate"), Attribute::Text(Cow::Borrowed(form)))],
    }
}

fn close(seen: f64, wanted: f64) -> bool {
    (seen / wanted - 1.0).abs() < ROUNDING
}
