//! Protobuf's wire format: fields as (number, value) pairs, borrowed from the file.

use super::damaged;
use crate::FormatError;
use std::ops::Range;

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], FormatError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(wrong_type()),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, FormatError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("a name in it is not UTF-8"))
    }

    pub(super) fn int(self) -> Result<i64, FormatError> {
        match self {
            Self::Varint(n) => Ok(n as i64),
            _ => Err(wrong_type()),
        }
    }

    pub(super) fn float(self) -> Result<f32, FormatError> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(wrong_type()),
        }
    }
}

/// The fields of a message, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn next_field(&mut self) -> Result<(u32, Value<'a>), FormatError> {
        let key = varint(&mut self.rest)?;
        let number = u32::try_from(key >> 3).map_err(|_| damaged("a field has an impossible number"))?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(array(&mut self.rest)?),
            2 => {
                let len = varint(&mut self.rest)?;
                let (value, rest) = usize::try_from(len)
                    .ok()
                    .and_then(|len| self.rest.split_at_checked(len))
                    .ok_or_else(|| FormatError::Truncated {
                        what: "a field of its message".into(),
                        needed: len,
                        available: self.rest.len() as u64,
                    })?;
                self.rest = rest;
                Value::Bytes(value)
            }
            5 => Value::Fixed32(array(&mut self.rest)?),
            // Groups, 3 and 4, were given up before ONNX began.
            other => return Err(damaged(format!("a field has the impossible wire type {other}"))),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.next_field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Takes a number of 7 bits a byte from the front.
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, FormatError> {
    let mut n = 0u64;
    for (i, &byte) in rest.iter().enumerate().take(10) {
        n |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Ok(n);
        }
    }
    if rest.len() < 10 {
        return Err(FormatError::Truncated {
            what: "a number".into(),
            needed: 10,
            available: rest.len() as u64,
        });
    }
    Err(damaged("a number in it never ends"))
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FormatError> {
    let (value, after) = rest.split_first_chunk::<N>().ok_or_else(|| FormatError::Truncated {
        what: "a number".into(),
        needed: N as u64,
        available: rest.len() as u64,
    })?;
    *rest = after;
    Ok(*value)
}

/// How many varints a packed field holds: each ends with a byte below 0x80.
pub(super) fn n_varints(packed: &[u8]) -> usize {
    packed.iter().filter(|&&byte| byte < 0x80).count()
}

/// Where a part lies within the whole it was borrowed from.
pub(super) fn range_of(part: &[u8], whole: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (start + part.len() <= whole.len()).then(|| start..start + part.len())
}

fn wrong_type() -> FormatError {
    damaged("a field has a value of the wrong type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_end_or_are_refused() {
        for (bytes, value) in [
            (&[0x00][..], Some(0)),
            (&[0xac, 0x02], Some(300)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(u64::MAX)),
            (&[0x80], None),
            (&[0xff; 11], None),
            (&[], None),
        ] {
            assert_eq!(varint(&mut &bytes[..]).ok(), value, "{bytes:?}");
        }
    }

    #[test]
    fn fields_beyond_the_message_are_refused() {
        // Field 1, length 5, two bytes.
        assert!(Fields::new(&[0x0a, 5, 1, 2]).next().unwrap().is_err());
        // Field 1, length u64::MAX.
        let lie = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(Fields::new(&lie).next().unwrap().is_err());
        let mut broken = Fields::new(&[0x0b, 0]);
        assert!(broken.next().unwrap().is_err());
        assert!(broken.next().is_none());
    }
}
