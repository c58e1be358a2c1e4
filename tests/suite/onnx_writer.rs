//! A tiny writer of ONNX files, for tests: what the reader must understand, and lies.

use std::path::{Path, PathBuf};

/// A field of bytes.
pub fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut all = varint(number << 3 | 2);
    all.extend(varint(content.len() as u64));
    all.extend(content);
    all
}

/// A field of a whole number.
pub fn int(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value.cast_unsigned())].concat()
}

/// A number of seven bits a byte.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            all.push(byte);
            return all;
        }
        all.push(byte | 0x80);
    }
}

fn dims(shape: &[i64]) -> Vec<u8> {
    shape.iter().flat_map(|d| int(1, *d)).collect()
}

/// A stored tensor of f32.
pub fn floats(name: &str, shape: &[i64], data: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    [dims(shape), int(2, 1), field(8, name.as_bytes()), field(9, &raw)].concat()
}

/// A stored tensor of whole numbers along one axis, written as packed varints.
pub fn whole(name: &str, data: &[i64]) -> Vec<u8> {
    let packed: Vec<u8> = data.iter().flat_map(|v| varint(v.cast_unsigned())).collect();
    let shape = dims(&[data.len() as i64]);
    [shape, int(2, 7), field(8, name.as_bytes()), field(7, &packed)].concat()
}

/// A stored tensor in another file.
pub fn external(name: &str, shape: &[i64], entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |(k, v): &(&str, &str)| {
        field(13, &[field(1, k.as_bytes()), field(2, v.as_bytes())].concat())
    };
    let entries: Vec<u8> = entries.iter().flat_map(entry).collect();
    [dims(shape), int(2, 1), field(8, name.as_bytes()), entries, int(14, 1)].concat()
}

/// What an attribute holds.
#[derive(Debug, Clone)]
pub enum With<'a> {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f32),
    /// Text.
    Text(&'a str),
    /// Whole numbers.
    Ints(&'a [i64]),
}

/// A node.
pub fn node(
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[(&str, With<'_>)],
) -> Vec<u8> {
    let mut all = Vec::new();
    inputs.iter().for_each(|i| all.extend(field(1, i.as_bytes())));
    outputs.iter().for_each(|o| all.extend(field(2, o.as_bytes())));
    all.extend(field(3, format!("/net/{}", outputs.first().unwrap_or(&"")).as_bytes()));
    all.extend(field(4, operator.as_bytes()));
    for (name, value) in attributes {
        let (kind, value) = match value {
            With::Float(v) => (1, [varint(2 << 3 | 5), v.to_le_bytes().to_vec()].concat()),
            With::Int(v) => (2, int(3, *v)),
            With::Text(v) => (3, field(4, v.as_bytes())),
            With::Ints(v) => (7, v.iter().flat_map(|v| int(8, *v)).collect()),
        };
        let attribute = [field(1, name.as_bytes()), value, int(20, kind)].concat();
        all.extend(field(5, &attribute));
    }
    all
}

/// An input or output; extents below 0 are left open.
pub fn port(name: &str, shape: &[i64]) -> Vec<u8> {
    let extent = |d: &i64| field(1, &if *d < 0 { field(2, b"n") } else { int(1, *d) });
    let extents: Vec<u8> = shape.iter().flat_map(extent).collect();
    let tensor = [int(1, 1), field(2, &extents)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// A file with its parts.
#[derive(Debug, Default, Clone)]
pub struct File {
    /// Nodes.
    pub nodes: Vec<Vec<u8>>,
    /// Stored tensors.
    pub stored: Vec<Vec<u8>>,
    /// Inputs.
    pub inputs: Vec<Vec<u8>>,
    /// Outputs.
    pub outputs: Vec<Vec<u8>>,
    /// Operator set.
    pub opset: i64,
}

impl File {
    /// With one input `x` of this shape and one output `y`.
    pub fn new(shape: &[i64]) -> Self {
        let (inputs, outputs) = (vec![port("x", shape)], vec![port("y", &[-1, -1])]);
        Self { inputs, outputs, opset: 17, ..Self::default() }
    }

    /// Appends a node.
    #[must_use]
    pub fn node(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, With<'_>)],
    ) -> Self {
        self.nodes.push(node(operator, inputs, &[output], attributes));
        self
    }

    /// Appends a stored tensor.
    #[must_use]
    pub fn stored(mut self, tensor: Vec<u8>) -> Self {
        self.stored.push(tensor);
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        self.nodes.iter().for_each(|n| graph.extend(field(1, n)));
        self.stored.iter().for_each(|t| graph.extend(field(5, t)));
        self.inputs.iter().for_each(|p| graph.extend(field(11, p)));
        self.outputs.iter().for_each(|p| graph.extend(field(12, p)));
        let opset = field(8, &[field(1, b""), int(2, self.opset)].concat());
        [int(1, 8), field(2, b"test"), opset, field(7, &graph)].concat()
    }

    /// Writes it to a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.onnx");
        std::fs::write(&path, self.bytes()).expect("write");
        path
    }
}
