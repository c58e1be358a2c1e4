//! Attributes of a node.

use std::borrow::Cow;

use super::document::{MOST, Message, Tensor, bytes, int, ints, push, read, text};
use super::wire::{Damage, Value};

/// `AttributeProto`, reduced to the kinds CNNs use.
#[derive(Debug)]
pub enum Attribute<'a> {
    /// A real number.
    Float(f32),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// A tensor.
    Tensor(Box<Tensor<'a>>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Anything else, for example a graph within the graph.
    Other,
}

/// `AttributeProto` as written: the kind may come after the value.
#[derive(Default)]
pub(super) struct Raw<'a> {
    pub(super) name: Cow<'a, str>,
    kind: i64,
    float: Option<f32>,
    int: Option<i64>,
    text: Option<Cow<'a, str>>,
    tensor: Option<Tensor<'a>>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    other: bool,
}

impl<'a> Raw<'a> {
    /// The value, by its kind.
    pub(super) fn attribute(self) -> Attribute<'a> {
        // a value of 0 may be left out when the kind is given
        match (self.kind, self.float, self.int, self.text, self.tensor) {
            _ if self.other => Attribute::Other,
            (1, float, ..) => Attribute::Float(float.unwrap_or_default()),
            (2, _, int, ..) => Attribute::Int(int.unwrap_or_default()),
            (3, _, _, text, _) => Attribute::Text(text.unwrap_or_default()),
            (4, _, _, _, Some(tensor)) => Attribute::Tensor(Box::new(tensor)),
            (6, ..) => Attribute::Floats(self.floats),
            (7, ..) => Attribute::Ints(self.ints),
            (0, Some(float), None, None, None) => Attribute::Float(float),
            (0, None, Some(int), None, None) => Attribute::Int(int),
            (0, None, None, Some(text), None) => Attribute::Text(text),
            (0, None, None, None, Some(tensor)) => Attribute::Tensor(Box::new(tensor)),
            (0, None, None, None, None) if !self.floats.is_empty() => {
                Attribute::Floats(self.floats)
            }
            (0, None, None, None, None) if !self.ints.is_empty() => Attribute::Ints(self.ints),
            _ => Attribute::Other,
        }
    }
}

impl<'a> Message<'a> for Raw<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<(), Damage> {
        match (field, value) {
            (1, v) => self.name = text(v, "name")?,
            (2, Value::Four(v)) => self.float = Some(f32::from_le_bytes(v)),
            (3, v) => self.int = Some(int(v, "i")?),
            (4, v) => self.text = Some(text(v, "s")?),
            (5, v) => self.tensor = Some(read(bytes(v, "t")?)?),
            (6 | 9 | 10 | 11 | 14 | 15 | 22 | 23, _) => self.other = true,
            (7, Value::Four(v)) => {
                push(&mut self.floats, f32::from_le_bytes(v), MOST, "numbers of an attribute")?;
            }
            (7, Value::Bytes(packed)) => {
                for v in packed.chunks_exact(4) {
                    let v = f32::from_le_bytes([v[0], v[1], v[2], v[3]]);
                    push(&mut self.floats, v, MOST, "numbers of an attribute")?;
                }
            }
            (8, v) => ints(&mut self.ints, v, MOST, "numbers of an attribute")?,
            (20, v) => self.kind = int(v, "type")?,
            _ => {}
        }
        Ok(())
    }
}
