//! Colours as text.

/// A colour: red, green, blue, alpha, each `0.0..=1.0`, gamma-encoded sRGB, alpha not multiplied in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rgba(pub [f32; 4]);

impl Rgba {
    /// Reads `#rrggbb` or `#rrggbbaa`; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('#')?;
        if !matches!(digits.len(), 6 | 8) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut colour = [1.0; 4];
        for (i, channel) in colour.iter_mut().take(digits.len() / 2).enumerate() {
            *channel = f32::from(u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?) / 255.0;
        }
        Some(Self(colour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_become_channels() {
        assert_eq!(Rgba::parse("#ff0033"), Some(Rgba([1.0, 0.0, 0.2, 1.0])));
        assert_eq!(Rgba::parse("#00FF0000"), Some(Rgba([0.0, 1.0, 0.0, 0.0])));
        for wrong in ["", "ff0033", "#ff003", "#ff00334", "#+f0033", "#ffé033", "red"] {
            assert_eq!(Rgba::parse(wrong), None, "{wrong}");
        }
    }
}
