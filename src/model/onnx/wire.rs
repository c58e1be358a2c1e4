//! Protocol buffers' wire format, read in place: nothing is copied, nothing recurses, every
//! length is checked against the bytes that are there.

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Wire type 0, as it came (no zigzag).
    Varint(u64),
    /// Wire type 5: four bytes.
    Four([u8; 4]),
    /// Wire type 1: eight bytes.
    Eight([u8; 8]),
    /// Wire type 2: bytes, text, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// Why bytes are no message, for example "a length of 90 bytes with 7 left".
pub type Damage = String;

/// The fields of a message, one after another.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over the bytes of one message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Damage> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Eight(array(take(&mut self.rest, 8)?)),
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(take(&mut self.rest, length)?)
            }
            5 => Value::Four(array(take(&mut self.rest, 4)?)),
            other => return Err(format!("wire type {other} of field {}", key >> 3)),
        };
        Ok(Some((key >> 3, value)))
    }
}

/// A number of seven bits a byte, least first.
///
/// # Errors
/// When the bytes end within it or it has more than 64 bits.
pub fn varint(rest: &mut &[u8]) -> Result<u64, Damage> {
    let mut value = 0u64;
    for at in 0..10 {
        let Some((&byte, tail)) = rest.split_first() else {
            return Err("a number that the file ends within".to_owned());
        };
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            break;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number of more than 64 bits".to_owned())
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Damage> {
    let there = rest.len();
    let split = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n));
    let (head, tail) = split.ok_or(format!("a length of {length} bytes with {there} left"))?;
    *rest = tail;
    Ok(head)
}

/// The first `N` bytes; the caller has taken exactly these.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut all = [0; N];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_the_format_says() {
        // the examples of the format's description: 150 in field 1, "testing" in field 2
        let bytes =
            b"\x08\x96\x01\x12\x07testing\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08";
        let mut fields = Fields::new(bytes);
        assert_eq!(fields.next(), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(b"testing")))));
        assert_eq!(fields.next(), Ok(Some((3, Value::Four([1, 2, 3, 4])))));
        assert_eq!(fields.next(), Ok(Some((4, Value::Eight([1, 2, 3, 4, 5, 6, 7, 8])))));
        assert_eq!(fields.next(), Ok(None));
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&mut &minus_one[..]), Ok(u64::MAX));
    }

    #[test]
    fn damage_is_told() {
        for bytes in [
            &b"\x08"[..],
            b"\x08\x96",
            b"\x12\x07test",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x1d\x01",
            b"\x0b\x0c",
            b"\x0f",
        ] {
            assert!(Fields::new(bytes).next().is_err(), "{bytes:?}");
        }
    }
}
