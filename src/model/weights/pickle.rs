//! The part of Python's pickle format that `torch.save` writes, read as data: nothing is ever
//! called, every object is a row of one flat table, and the table has an end.
//!
//! A reader of its own, because the one of `candle-core` copies an object whenever it is
//! remembered (a few hundred bytes can ask for all memory), panics where arguments are missing,
//! and knows neither the files of PyTorch before 1.6 nor all operators of newer ones.

use super::machine::Machine;

/// Place of an object in the table.
pub type Id = usize;

/// An object. Containers name their members by place.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// `None`.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number of at most 64 bits.
    Int(i64),
    /// A longer one: its bytes, least first, two's complement.
    Long(Vec<u8>),
    /// A real number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list, or a set.
    List(Vec<Id>),
    /// A dictionary, in the order written; also `collections.OrderedDict`.
    Dict(Vec<(Id, Id)>),
    /// A class or function, `module.name`; never looked up.
    Class(String),
    /// What calling the first with the second would have given.
    Call(Id, Id),
    /// Something outside the pickle, by its id.
    Outside(Id),
}

/// All objects of one pickle, and which of them it is about.
#[derive(Debug)]
pub struct Pickle {
    objects: Vec<Object>,
    root: Id,
    /// Bytes read.
    pub length: usize,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`.
    ///
    /// # Errors
    /// Words for a text that ends early, holds an operator no checkpoint needs, contradicts
    /// itself or has too many objects.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let (objects, root, length) = Machine::run(bytes)?;
        Ok(Self { objects, root, length })
    }

    /// The object the pickle is about.
    pub fn root(&self) -> Id {
        self.root
    }

    /// An object.
    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    /// The text of an object.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an object that counts something.
    pub fn count(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Object::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The members of a tuple or list.
    pub fn members(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(all) | Object::List(all) => Some(all),
            _ => None,
        }
    }

    /// Ids of everything that lies outside the pickle.
    pub fn outside(&self) -> impl Iterator<Item = Id> + '_ {
        self.objects.iter().filter_map(|o| match o {
            Object::Outside(id) => Some(*id),
            _ => None,
        })
    }

    /// A call: the name of the function, and its arguments.
    pub fn call(&self, id: Id) -> Option<(&str, &[Id])> {
        let Object::Call(function, arguments) = self.get(id) else { return None };
        match (self.get(*function), self.get(*arguments)) {
            (Object::Class(name), Object::Tuple(all)) => Some((name, all)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
