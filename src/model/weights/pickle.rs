//! The part of Python's pickle format that `torch.save` writes, read as data: nothing is ever
//! called, every object is a row of one flat table, and the table has an end.
//!
//! A reader of its own, because the one of `candle-core` copies an object whenever it is
//! remembered (a few hundred bytes can ask for all memory), panics where arguments are missing,
//! and knows neither the files of PyTorch before 1.6 nor all operators of newer ones.

use std::collections::HashMap;

/// Place of an object in the table.
pub type Id = usize;

/// Most objects of one file: a checkpoint of a large network with its optimiser has some 10⁵.
const MOST_OBJECTS: usize = 1 << 21;

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
        let mut machine = Machine { bytes, at: 0, ..Machine::default() };
        while !machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { objects: machine.objects, root, length: machine.at })
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

#[derive(Debug, Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|e| *e <= self.bytes.len());
        let end = end.ok_or_else(|| format!("ends at byte {}", self.bytes.len()))?;
        let found = &self.bytes[self.at..end];
        self.at = end;
        Ok(found)
    }

    /// A number of `n` ≤ 8 bytes, least first.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }

    fn length(&mut self, n: usize) -> Result<usize, String> {
        usize::try_from(self.number(n)?).map_err(|_| "a length beyond memory".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or("ends within a line")?;
        let line = self.take(end + 1)?;
        String::from_utf8(line[..end].to_vec()).map_err(|_| "a line that is no text".to_owned())
    }

    fn words(&mut self, n: usize) -> Result<Object, String> {
        let raw = self.take(n)?.to_vec();
        String::from_utf8(raw).map(Object::Text).map_err(|_| "a text not in UTF-8".to_owned())
    }

    fn push(&mut self, object: Object) -> Result<(), String> {
        if self.objects.len() >= MOST_OBJECTS || self.stack.len() >= MOST_OBJECTS {
            return Err(format!("more than {MOST_OBJECTS} objects"));
        }
        self.objects.push(object);
        self.stack.push(self.objects.len() - 1);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(format!("an operator at byte {} finds no object", self.at));
        }
        self.stack.pop().ok_or_else(|| "an empty stack".to_owned())
    }

    /// Everything since the last mark.
    fn marked(&mut self) -> Result<Vec<Id>, String> {
        let floor = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(floor.min(self.stack.len())))
    }

    fn top(&mut self) -> Result<&mut Object, String> {
        let id = *self.stack.last().ok_or("an empty stack")?;
        Ok(&mut self.objects[id])
    }

    fn remember(&mut self, slot: u32) -> Result<(), String> {
        let id = *self.stack.last().ok_or("an empty stack")?;
        let _ = self.memo.insert(slot, id);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), String> {
        let id = *self.memo.get(&slot).ok_or_else(|| format!("object {slot} is not there yet"))?;
        // A reference costs a place on the stack only, and that is counted too.
        if self.stack.len() >= MOST_OBJECTS {
            return Err(format!("more than {MOST_OBJECTS} objects"));
        }
        self.stack.push(id);
        Ok(())
    }

    fn tuple(&mut self, n: usize) -> Result<(), String> {
        let mut members = Vec::with_capacity(n);
        for _ in 0..n {
            members.push(self.pop()?);
        }
        members.reverse();
        self.push(Object::Tuple(members))
    }

    fn extend(&mut self, more: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Object::List(list) => list.extend(more),
            _ => return Err("members are added to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, flat: &[Id]) -> Result<(), String> {
        if flat.len() % 2 == 1 {
            return Err("a key without a value".to_owned());
        }
        match self.top()? {
            Object::Dict(pairs) => pairs.extend(flat.chunks_exact(2).map(|p| (p[0], p[1]))),
            // Entries of an object of another class: kept nowhere, because nobody asks.
            Object::Call(..) => {}
            _ => return Err("entries are set in what is no dictionary".to_owned()),
        }
        Ok(())
    }

    /// What a call gives: a dictionary for the ordered one, else the call itself.
    fn called(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let ordered = matches!(&self.objects[function], Object::Class(name)
            if name == "collections.OrderedDict" || name == "collections.defaultdict");
        if !ordered {
            return self.push(Object::Call(function, arguments));
        }
        let members = |id: Id| match &self.objects[id] {
            Object::Tuple(all) | Object::List(all) => all.clone(),
            _ => Vec::new(),
        };
        // Written by Python 2: the pairs are the argument.
        let given = members(arguments).first().map(|first| members(*first)).unwrap_or_default();
        let pairs = given.into_iter().filter_map(|pair| match members(pair)[..] {
            [key, value] => Some((key, value)),
            _ => None,
        });
        let pairs = pairs.collect();
        self.push(Object::Dict(pairs))
    }

    /// The next operator; true at the end.
    fn step(&mut self) -> Result<bool, String> {
        let operator = self.take(1)?[0];
        match operator {
            b'.' => return Ok(true),
            0x80 => {
                let _ = self.take(1)?;
            }
            // A frame is only a hint for reading.
            0x95 => {
                let _ = self.take(8)?;
            }
            b'(' => {
                if self.marks.len() >= MOST_OBJECTS {
                    return Err(format!("more than {MOST_OBJECTS} marks"));
                }
                self.marks.push(self.stack.len());
            }
            b'N' => self.push(Object::None)?,
            0x88 => self.push(Object::Bool(true))?,
            0x89 => self.push(Object::Bool(false))?,
            b'J' => {
                let n = self.number(4)? as u32 as i32;
                self.push(Object::Int(n.into()))?;
            }
            b'K' | b'M' => {
                let n = self.number(if operator == b'K' { 1 } else { 2 })?;
                self.push(Object::Int(n as i64))?;
            }
            0x8a | 0x8b => {
                let n = self.length(if operator == 0x8a { 1 } else { 4 })?;
                let raw = self.take(n)?;
                self.push(long(raw))?;
            }
            b'G' => {
                let raw = self.take(8)?;
                let bits = raw.iter().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
                self.push(Object::Float(f64::from_bits(bits)))?;
            }
            b'X' | 0x8c | 0x8d => {
                let width = match operator {
                    b'X' => 4,
                    0x8c => 1,
                    _ => 8,
                };
                let n = self.length(width)?;
                let text = self.words(n)?;
                self.push(text)?;
            }
            // Texts of Python 2.
            b'U' | b'T' => {
                let n = self.length(if operator == b'U' { 1 } else { 4 })?;
                let text = self.words(n)?;
                self.push(text)?;
            }
            b'B' | b'C' | 0x8e => {
                let width = match operator {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                };
                let n = self.length(width)?;
                let raw = self.take(n)?.to_vec();
                self.push(Object::Bytes(raw))?;
            }
            b')' => self.push(Object::Tuple(Vec::new()))?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let members = self.marked()?;
                self.push(Object::Tuple(members))?;
            }
            b']' | 0x8f => self.push(Object::List(Vec::new()))?,
            b'l' | 0x91 => {
                let members = self.marked()?;
                self.push(Object::List(members))?;
            }
            b'a' => {
                let one = self.pop()?;
                self.extend(vec![one])?;
            }
            b'e' | 0x90 => {
                let more = self.marked()?;
                self.extend(more)?;
            }
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b'd' => {
                let flat = self.marked()?;
                self.push(Object::Dict(Vec::new()))?;
                self.set(&flat)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let flat = self.marked()?;
                self.set(&flat)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Class(format!("{module}.{name}")))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(m), Object::Text(n)) =
                    (&self.objects[module], &self.objects[name])
                else {
                    return Err("a class without a name".to_owned());
                };
                let class = Object::Class(format!("{m}.{n}"));
                self.push(class)?;
            }
            b'R' | 0x81 => self.called()?,
            // The state of an object: of a dictionary an attribute nobody needs.
            b'b' => {
                let _ = self.pop()?;
                let _ = self.top()?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Outside(id))?;
            }
            b'q' => {
                let slot = self.number(1)? as u32;
                self.remember(slot)?;
            }
            b'r' => {
                let slot = self.number(4)? as u32;
                self.remember(slot)?;
            }
            0x94 => {
                let slot = self.memo.len() as u32;
                self.remember(slot)?;
            }
            b'h' => {
                let slot = self.number(1)? as u32;
                self.recall(slot)?;
            }
            b'j' => {
                let slot = self.number(4)? as u32;
                self.recall(slot)?;
            }
            b'0' => {
                let _ = self.pop()?;
            }
            b'1' => {
                let _ = self.marked()?;
            }
            b'2' => {
                let id = *self.stack.last().ok_or("an empty stack")?;
                if self.stack.len() >= MOST_OBJECTS {
                    return Err(format!("more than {MOST_OBJECTS} objects"));
                }
                self.stack.push(id);
            }
            other => return Err(format!("operator {other:#04x} at byte {}", self.at - 1)),
        }
        Ok(false)
    }
}

/// A whole number, least byte first, two's complement.
fn long(raw: &[u8]) -> Object {
    if raw.len() > 8 {
        return Object::Long(raw.to_vec());
    }
    let fill = if raw.last().is_some_and(|b| *b >= 0x80) { u64::MAX } else { 0 };
    let bits = raw.iter().rev().fold(fill, |sum, b| sum << 8 | u64::from(*b));
    Object::Int(bits as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": (1, -2, 2.5), "b": [True, None]}` in protocol 2.
    const PLAIN: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";

    #[test]
    fn plain_objects() {
        let read = Pickle::read(PLAIN).expect("pickle");
        assert_eq!(read.length, PLAIN.len());
        let Object::Dict(pairs) = read.get(read.root()) else { panic!("no dictionary") };
        assert_eq!(
            pairs.iter().map(|p| read.text(p.0)).collect::<Vec<_>>(),
            [Some("a"), Some("b")]
        );
        let a: Vec<&Object> =
            read.members(pairs[0].1).expect("tuple").iter().map(|id| read.get(*id)).collect();
        assert_eq!(a, [&Object::Int(1), &Object::Int(-2), &Object::Float(2.5)]);
        assert_eq!(read.members(pairs[1].1).map(<[Id]>::len), Some(2));
    }

    #[test]
    fn every_prefix_is_refused_in_words() {
        for cut in 0..PLAIN.len() {
            assert!(Pickle::read(&PLAIN[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_is_called_is_only_named() {
        let read = Pickle::read(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").expect("pickle");
        let (name, arguments) = read.call(read.root()).expect("call");
        assert_eq!((name, read.text(arguments[0])), ("os.system", Some("ls")));
    }

    #[test]
    fn a_bomb_of_references_stays_small() {
        // ((x, x), (x, x)) … forty times: 2^40 objects if they were copied.
        let mut bomb = b"\x80\x02K\x01q\x00".to_vec();
        for n in 1..=40u8 {
            bomb.extend([b'h', n - 1, b'h', n - 1, 0x86, b'q', n]);
        }
        bomb.push(b'.');
        assert_eq!(Pickle::read(&bomb).expect("pickle").objects.len(), 41);
        let endless = vec![b'N'; MOST_OBJECTS + 1];
        assert!(Pickle::read(&endless).expect_err("endless").contains("objects"));
        let marks = vec![b'('; MOST_OBJECTS + 2];
        assert!(Pickle::read(&marks).expect_err("endless").contains("marks"));
        let deep = [vec![b')'], vec![0x85; 1 << 20], vec![b'.']].concat();
        assert!(Pickle::read(&deep).is_ok(), "nesting needs no stack of the machine");
    }

    #[test]
    fn long_numbers() {
        assert_eq!(long(&[]), Object::Int(0));
        assert_eq!(long(&[0xff]), Object::Int(-1));
        assert_eq!(long(&[0, 1]), Object::Int(256));
        assert_eq!(long(&[1; 9]), Object::Long(vec![1; 9]));
    }

    #[test]
    fn operators_without_their_objects_are_refused() {
        for text in [
            &b"R."[..],
            b"(R.",
            b"K\x01R.",
            b"a.",
            b"u.",
            b"(u.",
            b"b.",
            b"Q.",
            b"h\x07.",
            b"}(K\x01u.",
            b"K\x01(K\x01e.",
            b"\x85.",
            b"(\x85.",
            b".",
        ] {
            assert!(Pickle::read(text).is_err(), "{text:?}");
        }
    }
}
