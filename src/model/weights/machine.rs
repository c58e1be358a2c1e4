//! The machine that pickles are written for: a stack, a memory, and the operators that fill a
//! table of objects.

use std::collections::HashMap;

use super::pickle::{Id, Object};

/// Most objects of one file: a checkpoint of a large network with its optimiser has some 10⁵.
pub(super) const MOST_OBJECTS: usize = 1 << 21;

#[derive(Debug, Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Reads one pickle: all its objects, the one it is about, and the bytes it took.
    pub(super) fn run(bytes: &'a [u8]) -> Result<(Vec<Object>, Id, usize), String> {
        let mut machine = Machine { bytes, ..Machine::default() };
        while !machine.step()? {}
        let root = machine.pop()?;
        Ok((machine.objects, root, machine.at))
    }

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
pub(super) fn long(raw: &[u8]) -> Object {
    if raw.len() > 8 {
        return Object::Long(raw.to_vec());
    }
    let fill = if raw.last().is_some_and(|b| *b >= 0x80) { u64::MAX } else { 0 };
    let bits = raw.iter().rev().fold(fill, |sum, b| sum << 8 | u64::from(*b));
    Object::Int(bits as i64)
}
