//! An ONNX file as plain data that borrows from the file's bytes. Field numbers are those of
//! the format's `onnx.proto`; fields this program has no use for are passed over.

use std::borrow::Cow;

use super::attribute::{Attribute, Raw};
use super::wire::{Damage, Fields, Value, varint};

/// Most nodes, initialisers and values of a graph, and most entries of one list in a node: far
/// above any network, far below what would fill memory.
pub(super) const MOST: usize = 1 << 17;
/// Most axes of a tensor.
const MOST_AXES: usize = 16;

/// `ModelProto`.
#[derive(Debug, Default)]
pub struct Model<'a> {
    /// Version of the file format.
    pub ir_version: i64,
    /// Program that wrote it, with its version.
    pub producer: String,
    /// Operator sets: domain (empty is ONNX's own) and version.
    pub opsets: Vec<(Cow<'a, str>, i64)>,
    /// The graph.
    pub graph: Option<Graph<'a>>,
}

/// `GraphProto`.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    /// Nodes in the file's order.
    pub nodes: Vec<Node<'a>>,
    /// Stored tensors.
    pub initialisers: Vec<Tensor<'a>>,
    /// Inputs; older files list initialisers here too.
    pub inputs: Vec<Port<'a>>,
    /// Outputs.
    pub outputs: Vec<Port<'a>>,
    /// Sparse initialisers, which are not read.
    pub sparse: usize,
}

/// `ValueInfoProto`: an input or output of the graph.
#[derive(Debug, Default)]
pub struct Port<'a> {
    /// Name of the value.
    pub name: Cow<'a, str>,
    /// Extents, `None` where they are named or missing; no list when the file gives no shape.
    pub shape: Option<Vec<Option<i64>>>,
}

/// `NodeProto`.
#[derive(Debug, Default)]
pub struct Node<'a> {
    /// Name; may be empty.
    pub name: Cow<'a, str>,
    /// Operator.
    pub operator: Cow<'a, str>,
    /// Operator set; empty is ONNX's own.
    pub domain: Cow<'a, str>,
    /// Names of the values read; empty for one left out.
    pub inputs: Vec<Cow<'a, str>>,
    /// Names of the values written.
    pub outputs: Vec<Cow<'a, str>>,
    /// Attributes by name.
    pub attributes: Vec<(Cow<'a, str>, Attribute<'a>)>,
}

/// `TensorProto`, its numbers still encoded.
#[derive(Debug, Default)]
pub struct Tensor<'a> {
    /// Name.
    pub name: Cow<'a, str>,
    /// Extents as written.
    pub dims: Vec<i64>,
    /// Element type as the format numbers them.
    pub kind: i64,
    /// Little-endian numbers.
    pub raw: Option<&'a [u8]>,
    /// `float_data`: pieces of four-byte numbers.
    pub floats: Pieces<'a>,
    /// `double_data`: pieces of eight-byte numbers.
    pub doubles: Pieces<'a>,
    /// `int32_data` and `int64_data`: pieces of varints.
    pub ints: Pieces<'a>,
    /// Keys and values that say where in another file the numbers are.
    pub external: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether the numbers are in another file.
    pub is_external: bool,
}

/// Packed numbers as they came, in pieces, and single ones.
#[derive(Debug, Default)]
pub struct Pieces<'a> {
    /// Packed pieces.
    pub packed: Vec<&'a [u8]>,
    /// Numbers written one by one.
    pub single: Vec<u64>,
}

/// What is read from the bytes of one message.
pub(super) trait Message<'a>: Default {
    /// Takes one field.
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage>;
}

pub(super) fn read<'a, M: Message<'a>>(bytes: &'a [u8]) -> Result<M, Damage> {
    let mut message = M::default();
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        message.take(field, value)?;
    }
    Ok(message)
}

/// Reads a whole file.
///
/// # Errors
/// What is wrong with the bytes.
pub fn model(bytes: &[u8]) -> Result<Model<'_>, Damage> {
    read(bytes)
}

pub(super) fn bytes<'a>(value: Value<'a>, what: &str) -> Result<&'a [u8], Damage> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(format!("{what} that is not a piece of bytes")),
    }
}

/// Text; bytes that are no UTF-8 are replaced, so that a name can always be shown.
pub(super) fn text<'a>(value: Value<'a>, what: &str) -> Result<Cow<'a, str>, Damage> {
    Ok(String::from_utf8_lossy(bytes(value, what)?))
}

pub(super) fn int(value: Value<'_>, what: &str) -> Result<i64, Damage> {
    match value {
        Value::Varint(v) => Ok(v.cast_signed()),
        _ => Err(format!("{what} that is not a whole number")),
    }
}

pub(super) fn push<T>(list: &mut Vec<T>, item: T, most: usize, what: &str) -> Result<(), Damage> {
    if list.len() >= most {
        return Err(format!("more than {most} {what}"));
    }
    list.push(item);
    Ok(())
}

/// Whole numbers, packed or one by one.
pub(super) fn ints(
    list: &mut Vec<i64>,
    value: Value<'_>,
    most: usize,
    what: &str,
) -> Result<(), Damage> {
    match value {
        Value::Varint(v) => push(list, v.cast_signed(), most, what),
        Value::Bytes(mut rest) => {
            while !rest.is_empty() {
                push(list, varint(&mut rest)?.cast_signed(), most, what)?;
            }
            Ok(())
        }
        _ => Err(format!("{what} that are not whole numbers")),
    }
}

impl<'a> Pieces<'a> {
    fn take(&mut self, value: Value<'a>) -> Result<(), Damage> {
        match value {
            Value::Bytes(piece) => push(&mut self.packed, piece, MOST, "pieces of a tensor"),
            Value::Varint(v) => push(&mut self.single, v, MOST, "single numbers of a tensor"),
            Value::Four(v) => {
                let v = u64::from(u32::from_le_bytes(v));
                push(&mut self.single, v, MOST, "single numbers of a tensor")
            }
            Value::Eight(v) => {
                push(&mut self.single, u64::from_le_bytes(v), MOST, "single numbers of a tensor")
            }
        }
    }
}

impl<'a> Message<'a> for Model<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => self.ir_version = int(value, "ir_version")?,
            2 | 3 if self.producer.len() < 200 => {
                let part = text(value, "producer")?;
                let part: String = part.chars().filter(|c| !c.is_control()).take(80).collect();
                let gap = if self.producer.is_empty() || part.is_empty() { "" } else { " " };
                self.producer = format!("{}{gap}{part}", self.producer);
            }
            7 => self.graph = Some(read(bytes(value, "graph")?)?),
            8 => {
                let set: OperatorSet = read(bytes(value, "opset_import")?)?;
                push(&mut self.opsets, (set.domain, set.version), 1024, "operator sets")?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// `OperatorSetIdProto`.
#[derive(Default)]
struct OperatorSet<'a> {
    domain: Cow<'a, str>,
    version: i64,
}

impl<'a> Message<'a> for OperatorSet<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => self.domain = text(value, "domain")?,
            2 => self.version = int(value, "version")?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Graph<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => push(&mut self.nodes, read(bytes(value, "node")?)?, MOST, "nodes"),
            5 => {
                let tensor = read(bytes(value, "initializer")?)?;
                push(&mut self.initialisers, tensor, MOST, "initialisers")
            }
            11 => push(&mut self.inputs, read(bytes(value, "input")?)?, MOST, "inputs"),
            12 => push(&mut self.outputs, read(bytes(value, "output")?)?, MOST, "outputs"),
            15 => {
                self.sparse += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Port<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => self.name = text(value, "name")?,
            // TypeProto > Tensor > TensorShapeProto, each one field deep
            2 => {
                let tensor = inner(bytes(value, "type")?, 1)?;
                let shape = tensor.map(|t| inner(t, 2)).transpose()?.flatten();
                self.shape = shape.map(extents).transpose()?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The last field of this number within a message.
fn inner(message: &[u8], wanted: u64) -> Result<Option<&[u8]>, Damage> {
    let (mut fields, mut found) = (Fields::new(message), None);
    while let Some((field, value)) = fields.next()? {
        if field == wanted {
            found = Some(bytes(value, "type")?);
        }
    }
    Ok(found)
}

fn extents(shape: &[u8]) -> Result<Vec<Option<i64>>, Damage> {
    let (mut fields, mut all) = (Fields::new(shape), Vec::new());
    while let Some((field, value)) = fields.next()? {
        if field != 1 {
            continue;
        }
        let mut extent = None;
        let mut dimension = Fields::new(bytes(value, "dimension")?);
        while let Some((field, value)) = dimension.next()? {
            if field == 1 {
                extent = Some(int(value, "dim_value")?);
            }
        }
        push(&mut all, extent, MOST_AXES, "axes")?;
    }
    Ok(all)
}

impl<'a> Message<'a> for Node<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => push(&mut self.inputs, text(value, "input")?, MOST, "inputs of a node")?,
            2 => push(&mut self.outputs, text(value, "output")?, MOST, "outputs of a node")?,
            3 => self.name = text(value, "name")?,
            4 => self.operator = text(value, "op_type")?,
            5 => {
                let a: Raw = read(bytes(value, "attribute")?)?;
                let attribute = (a.name.clone(), a.attribute());
                push(&mut self.attributes, attribute, 1024, "attributes of a node")?;
            }
            7 => self.domain = text(value, "domain")?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Tensor<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => ints(&mut self.dims, value, MOST_AXES, "axes"),
            2 => int(value, "data_type").map(|v| self.kind = v),
            4 => self.floats.take(value),
            5 | 7 => self.ints.take(value),
            8 => text(value, "name").map(|v| self.name = v),
            9 => bytes(value, "raw_data").map(|v| self.raw = Some(v)),
            10 => self.doubles.take(value),
            13 => {
                let entry: Entry = read(bytes(value, "external_data")?)?;
                push(&mut self.external, (entry.key, entry.value), 64, "entries of external_data")
            }
            14 => int(value, "data_location").map(|v| self.is_external = v == 1),
            _ => Ok(()),
        }
    }
}

/// `StringStringEntryProto`.
#[derive(Default)]
struct Entry<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Message<'a> for Entry<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match field {
            1 => self.key = text(value, "key")?,
            2 => self.value = text(value, "value")?,
            _ => {}
        }
        Ok(())
    }
}
