//! A node's attributes, asked for by name and kind.

use super::attribute::Attribute;
use super::document::Node;
use super::tensors::{Data, Source, Tensor};
use crate::Error;

/// Why a node cannot be taken over.
#[derive(Debug)]
pub enum Fault {
    /// It is nothing this program can explain: the reason, told together with all others.
    Unsupported(String),
    /// The file is at fault: told at once.
    Fatal(Error),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Unsupported(why)
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self::Unsupported(why.to_owned())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // a shape that does not fit is the node's doing, not the program's
        match error {
            Error::Shape { what, expected, got } => {
                Self::Unsupported(format!("{what}: expected shape {expected}, got {got}"))
            }
            other => Self::Fatal(other),
        }
    }
}

/// Largest whole number of an attribute that sets a window: far above any network, and small
/// enough that extents never overflow.
const LARGEST: i64 = 1 << 16;

/// The attributes of one node.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// The node.
    pub node: &'a Node<'a>,
    /// Its file.
    pub source: &'a Source,
}

impl Attributes<'_> {
    fn get(&self, name: &str) -> Option<&Attribute<'_>> {
        self.node.attributes.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Attribute::Int(v)) => Ok(*v),
            Some(_) => Err(format!("attribute '{name}' is no whole number")),
        }
    }

    /// Whether a switch is on.
    ///
    /// # Errors
    /// As [`Attributes::int`].
    pub fn on(&self, name: &str) -> Result<bool, String> {
        Ok(self.int(name, 0)? != 0)
    }

    /// Whole numbers.
    ///
    /// # Errors
    /// When they are of another kind.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(v)) => Ok(Some(v.clone())),
            Some(_) => Err(format!("attribute '{name}' is no list of whole numbers")),
        }
    }

    /// A finite real number.
    ///
    /// # Errors
    /// When it is of another kind or not finite.
    pub fn float(&self, name: &str, default: f64) -> Result<f64, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Attribute::Float(v)) if v.is_finite() => Ok(f64::from(*v)),
            Some(Attribute::Float(v)) => Err(format!("attribute '{name}' is {v}")),
            Some(_) => Err(format!("attribute '{name}' is no real number")),
        }
    }

    /// Text.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn text(&self, name: &str, default: &str) -> Result<String, String> {
        match self.get(name) {
            None => Ok(default.to_owned()),
            Some(Attribute::Text(v)) => Ok(v.to_string()),
            Some(_) => Err(format!("attribute '{name}' is no text")),
        }
    }

    /// A tensor.
    ///
    /// # Errors
    /// Those of [`Source::tensor`]; when it is of another kind.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(v)) => Ok(Some(self.source.tensor(v)?)),
            Some(_) => Err(format!("attribute '{name}' is no tensor").into()),
        }
    }

    /// The value of a `Constant`.
    ///
    /// # Errors
    /// As [`Attributes::tensor`]; when there is none.
    pub fn constant(&self) -> Result<Tensor, Fault> {
        let single = |data: Data| Tensor { dims: Vec::new(), data };
        match self.node.attributes.first().map(|(name, a)| (name.as_ref(), a)) {
            Some(("value", Attribute::Tensor(v))) => Ok(self.source.tensor(v)?),
            Some(("value_int", Attribute::Int(v))) => Ok(single(Data::Int(vec![*v]))),
            Some(("value_float", Attribute::Float(v))) => Ok(single(Data::Float(vec![*v]))),
            Some(("value_ints", Attribute::Ints(v))) => Ok(Tensor::ints(v.clone())),
            Some(("value_floats", Attribute::Floats(v))) => {
                Ok(Tensor { dims: vec![v.len()], data: Data::Float(v.clone()) })
            }
            _ => Err("a constant that is no tensor of numbers".into()),
        }
    }

    /// Three whole numbers along k, j, i, from `low` to 65536.
    ///
    /// # Errors
    /// When there are not three or one is out of range.
    pub fn three(&self, name: &str, default: usize, low: i64) -> Result<[usize; 3], String> {
        match self.ints(name)? {
            None => Ok([default; 3]),
            Some(v) => window(name, &v, low),
        }
    }

    /// Padding before and after along k, j, i.
    ///
    /// # Errors
    /// When there are not six or one is out of range.
    pub fn pads(&self) -> Result<[[usize; 3]; 2], String> {
        match self.ints("pads")? {
            None => Ok([[0; 3]; 2]),
            Some(v) if v.len() == 6 => {
                Ok([window("pads", &v[..3], 0)?, window("pads", &v[3..], 0)?])
            }
            Some(v) => Err(format!("attribute 'pads' is {v:?}, not six numbers (3D)")),
        }
    }
}

/// Three whole numbers from `low` to the largest.
fn window(name: &str, values: &[i64], low: i64) -> Result<[usize; 3], String> {
    let wrong =
        || format!("'{name}' is {values:?}, not three numbers from {low} to {LARGEST} (3D)");
    let one = |v: &i64| {
        usize::try_from(*v).ok().filter(|_| (low..=LARGEST).contains(v)).ok_or_else(wrong)
    };
    let all: Vec<usize> = values.iter().map(one).collect::<Result<_, _>>()?;
    all.try_into().map_err(|_| wrong())
}
