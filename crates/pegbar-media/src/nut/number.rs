//! The variable-length numbers of NUT.

use super::NutError;

/// The most bytes a number of 64 bits takes.
const MOST_BYTES: usize = 10;

/// Reads a `v`, asking `next` for bytes.
pub(super) fn read_v(mut next: impl FnMut() -> Result<u8, NutError>) -> Result<u64, NutError> {
    let mut value = 0u64;
    for _ in 0..MOST_BYTES {
        let byte = next()?;
        if value >> 57 != 0 {
            break;
        }
        value = (value << 7) | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(NutError::Invalid { what: "a variable-length number", value })
}

/// The signed number folded into a `v`: 0, 1, -1, 2, -2, ...
pub(super) fn unfold(v: u64) -> i64 {
    // v = 2^64 - 1 wraps: its magnitude, 2^63, is that of no value in use.
    let t = v.wrapping_add(1);
    if t & 1 == 1 { -((t >> 1) as i64) } else { (t >> 1) as i64 }
}

/// Appends a `v`.
pub(super) fn put_v(out: &mut Vec<u8>, value: u64) {
    let bits = (64 - value.leading_zeros()).max(1);
    for group in (1..bits.div_ceil(7)).rev() {
        out.push(0x80 | (value >> (7 * group)) as u8 & 0x7F);
    }
    out.push(value as u8 & 0x7F);
}

/// Appends an `s`.
pub(super) fn put_s(out: &mut Vec<u8>, value: i64) {
    let magnitude = value.unsigned_abs();
    put_v(out, if value <= 0 { 2 * magnitude } else { 2 * magnitude - 1 });
}

/// Appends a `vb`.
pub(super) fn put_vb(out: &mut Vec<u8>, bytes: &[u8]) {
    put_v(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<u64, NutError> {
        let mut bytes = bytes.iter();
        read_v(|| bytes.next().copied().ok_or(NutError::Truncated("a number")))
    }

    proptest! {
        #[test]
        fn numbers_go_round(value: u64, signed in i64::MIN / 4..i64::MAX / 4) {
            let mut out = Vec::new();
            put_v(&mut out, value);
            prop_assert_eq!(read(&out).unwrap(), value);
            out.clear();
            put_s(&mut out, signed);
            prop_assert_eq!(unfold(read(&out).unwrap()), signed);
        }
    }

    #[test]
    fn known_bytes() {
        let mut out = Vec::new();
        for value in [0, 127, 128, 16384] {
            put_v(&mut out, value);
        }
        assert_eq!(out, [0, 0x7F, 0x81, 0, 0x81, 0x80, 0]);
        assert!(read(&[0xFF; 20]).is_err());
        assert!(read(&[0x80; 20]).is_err());
        assert!(read(&[0x80]).is_err());
        unfold(u64::MAX);
    }
}
