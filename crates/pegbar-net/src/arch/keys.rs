//! Key patterns: which names an architecture has.
//!
//! A pattern is a key in which `*` stands for a number: `body.*.weight`, `block_*.c1_r.sk.bias`.

use pegbar_formats::StateDict;

/// One way the keys of an architecture are spelled. Published files of one architecture come in several.
#[derive(Debug, Clone, Copy)]
pub struct KeyStyle {
    /// Every file of this style has them.
    pub needed: &'static [&'static str],
    /// A file of this style has no others (the needed ones included).
    pub known: &'static [&'static str],
}

/// A list of patterns: layers that have a weight and a bias; then other keys.
macro_rules! keys {
    ($($with_bias:literal),* $(,)? ; $($other:literal),* $(,)?) => {
        &[$(concat!($with_bias, ".weight"), concat!($with_bias, ".bias"),)* $($other),*]
    };
}
pub(super) use keys;

/// How well a state dict fits an architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Mean of the share of its keys that are known and the share of needed patterns that occur, `0.0..=1.0`.
    pub score: f32,
    /// Needed patterns without a key.
    pub missing: Vec<String>,
    /// Keys that are not part of the architecture.
    pub unexpected: Vec<String>,
}

impl Detection {
    /// Whether nothing is missing and nothing is left over.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// The best fit among the key styles of an architecture.
    pub fn by_keys(state_dict: &StateDict, styles: &[KeyStyle]) -> Self {
        let mut best: Option<Self> = None;
        for style in styles {
            let detection = Self::by_style(state_dict, style);
            if best.as_ref().is_none_or(|best| detection.score > best.score) {
                best = Some(detection);
            }
        }
        best.unwrap_or(Self { score: 0.0, missing: Vec::new(), unexpected: Vec::new() })
    }

    fn by_style(state_dict: &StateDict, style: &KeyStyle) -> Self {
        let missing: Vec<String> = style
            .needed
            .iter()
            .filter(|pattern| !has(state_dict, pattern))
            .map(|pattern| (*pattern).to_string())
            .collect();
        let known = |key: &str| style.known.iter().any(|pattern| matches(pattern, key));
        let unexpected: Vec<String> =
            state_dict.names().filter(|key| !known(key)).map(str::to_string).collect();
        let share = |part: usize, whole: usize| part as f32 / whole.max(1) as f32;
        let n_needed = style.needed.len();
        let found = share(n_needed - missing.len(), n_needed);
        let explained = share(state_dict.len() - unexpected.len(), state_dict.len());
        Self { score: (found + explained) / 2.0, missing, unexpected }
    }
}

/// Whether any key matches.
pub(super) fn has(state_dict: &StateDict, pattern: &str) -> bool {
    if pattern.contains('*') {
        state_dict.names().any(|key| matches(pattern, key))
    } else {
        state_dict.contains(pattern)
    }
}

/// Whether `key` is `pattern` with a number for each `*`.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    let mut pattern = pattern.split('*');
    let Some(mut rest) = pattern.next().and_then(|literal| key.strip_prefix(literal)) else {
        return false;
    };
    for literal in pattern {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Some(tail) = rest[digits..].strip_prefix(literal) else {
            return false;
        };
        if digits == 0 {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}

/// The number a key has in place of the first `*` of a pattern that ends there: `number("body.*", "body.12.weight")`
/// is 12.
pub(super) fn number(prefix: &str, key: &str) -> Option<usize> {
    let rest = key.strip_prefix(prefix)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// One more than the largest number that follows `prefix` in any key; 0 where there is none.
pub(super) fn count(state_dict: &StateDict, prefix: &str) -> usize {
    state_dict.names().filter_map(|key| number(prefix, key)).max().map_or(0, |n| n.saturating_add(1))
}

/// [`count`] of each of the prefixes.
pub(super) fn counts(state_dict: &StateDict, prefixes: &[&str]) -> Vec<usize> {
    prefixes.iter().map(|prefix| count(state_dict, prefix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_a_number() {
        assert!(matches("body.*.weight", "body.12.weight"));
        assert!(matches("block_*.c*_r.sk.bias", "block_3.c1_r.sk.bias"));
        assert!(matches("no_norm", "no_norm"));
        for key in ["body..weight", "body.x.weight", "body.1.weight_g", "a.body.1.weight", "body.1.2.weight"]
        {
            assert!(!matches("body.*.weight", key), "{key}");
        }
    }

    #[test]
    fn numbers_too_large_to_count_are_not_numbers() {
        assert_eq!(number("body.", "body.99999999999999999999999.weight"), None);
        assert_eq!(number("body.", "body.7.weight"), Some(7));
        assert_eq!(number("conv_up", "conv_up2.bias"), Some(2));
        assert_eq!(number("body.", "head.7.weight"), None);
    }
}
