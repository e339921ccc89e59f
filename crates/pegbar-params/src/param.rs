//! The declaration, and how a text becomes a value.

use crate::{ParamValue, Rgba};
use thiserror::Error;

/// One of the values of a [`ParamKind::Choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Stable id, as typed and stored.
    pub id: &'static str,
    /// What it means, one sentence.
    pub doc: &'static str,
}

/// Type, range and default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParamKind {
    /// On or off.
    Bool {
        /// Default.
        default: bool,
    },
    /// A whole number in `min..=max`.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Default.
        default: i64,
    },
    /// A finite number in `min..=max`.
    Float {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Default.
        default: f64,
    },
    /// One of a list.
    Choice {
        /// The list.
        choices: &'static [Choice],
        /// Id of the default.
        default: &'static str,
    },
    /// Free text.
    Text {
        /// Default.
        default: &'static str,
    },
    /// The path of a file or directory, relative to the file that holds the value; empty where there is none.
    Path {
        /// What it leads to.
        target: PathTarget,
    },
    /// A colour, `#rrggbb` or `#rrggbbaa`, hexadecimal, gamma-encoded sRGB.
    Colour {
        /// Default.
        default: &'static str,
    },
}

/// What a [`ParamKind::Path`] leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathTarget {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// Stable id: lower case, digits and hyphens. Never reused for something else.
    pub id: &'static str,
    /// What it does, one sentence or more.
    pub doc: &'static str,
    /// Unit of the number (`"s"`, `"px"`, `"%"`), empty where there is none.
    pub unit: &'static str,
    /// Type, range and default.
    pub kind: ParamKind,
}

/// Why a value is not accepted.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ParamError {
    /// The text is no value of the type.
    #[error("{id}: expected {expected}, got {got:?}")]
    Type {
        /// The parameter.
        id: &'static str,
        /// What it takes.
        expected: String,
        /// What came.
        got: String,
    },
    /// The number lies outside the range.
    #[error("{id}: {got} is out of range, expected {expected}")]
    Range {
        /// The parameter.
        id: &'static str,
        /// What it takes.
        expected: String,
        /// What came.
        got: String,
    },
}

impl Param {
    /// A switch.
    pub const fn bool(id: &'static str, doc: &'static str, default: bool) -> Self {
        Self { id, doc, unit: "", kind: ParamKind::Bool { default } }
    }

    /// A whole number in `range.0..=range.1`.
    pub const fn int(
        id: &'static str,
        doc: &'static str,
        unit: &'static str,
        range: (i64, i64),
        default: i64,
    ) -> Self {
        Self { id, doc, unit, kind: ParamKind::Int { min: range.0, max: range.1, default } }
    }

    /// A number in `range.0..=range.1`.
    pub const fn float(
        id: &'static str,
        doc: &'static str,
        unit: &'static str,
        range: (f64, f64),
        default: f64,
    ) -> Self {
        Self { id, doc, unit, kind: ParamKind::Float { min: range.0, max: range.1, default } }
    }

    /// One of a list; `default` is an id of it.
    pub const fn choice(
        id: &'static str,
        doc: &'static str,
        choices: &'static [Choice],
        default: &'static str,
    ) -> Self {
        Self { id, doc, unit: "", kind: ParamKind::Choice { choices, default } }
    }

    /// Free text.
    pub const fn text(id: &'static str, doc: &'static str, default: &'static str) -> Self {
        Self { id, doc, unit: "", kind: ParamKind::Text { default } }
    }

    /// A path, empty by default.
    pub const fn path(id: &'static str, doc: &'static str, target: PathTarget) -> Self {
        Self { id, doc, unit: "", kind: ParamKind::Path { target } }
    }

    /// A colour.
    pub const fn colour(id: &'static str, doc: &'static str, default: &'static str) -> Self {
        Self { id, doc, unit: "", kind: ParamKind::Colour { default } }
    }

    /// The value taken when none is given.
    pub fn default_value(&self) -> ParamValue {
        match self.kind {
            ParamKind::Bool { default } => ParamValue::Bool(default),
            ParamKind::Int { default, .. } => ParamValue::Int(default),
            ParamKind::Float { default, .. } => ParamValue::Float(default),
            ParamKind::Choice { default, .. }
            | ParamKind::Text { default }
            | ParamKind::Colour { default } => ParamValue::Text(default.into()),
            ParamKind::Path { .. } => ParamValue::Text(String::new()),
        }
    }

    /// What the parameter takes, for messages and help: `a whole number from 0 to 51`.
    pub fn expected(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match self.kind {
            ParamKind::Bool { .. } => "true or false".into(),
            ParamKind::Int { min, max, .. } => format!("a whole number from {min} to {max}{unit}"),
            ParamKind::Float { min, max, .. } => format!("a number from {min} to {max}{unit}"),
            ParamKind::Choice { choices, .. } => {
                let ids: Vec<_> = choices.iter().map(|c| c.id).collect();
                format!("one of {}", ids.join(", "))
            }
            ParamKind::Text { .. } => "text".into(),
            ParamKind::Path { target: PathTarget::File } => "the path of a file".into(),
            ParamKind::Path { target: PathTarget::Directory } => "the path of a directory".into(),
            ParamKind::Colour { .. } => "a colour, #rrggbb or #rrggbbaa".into(),
        }
    }

    /// Reads a value from text.
    ///
    /// # Errors
    /// [`ParamError`] when the text is of another type or out of range.
    pub fn parse(&self, text: &str) -> Result<ParamValue, ParamError> {
        let type_error = || ParamError::Type { id: self.id, expected: self.expected(), got: text.into() };
        let value = match self.kind {
            ParamKind::Bool { .. } => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => ParamValue::Bool(true),
                "false" | "off" | "no" | "0" => ParamValue::Bool(false),
                _ => return Err(type_error()),
            },
            ParamKind::Int { .. } => ParamValue::Int(text.trim().parse().map_err(|_| type_error())?),
            ParamKind::Float { .. } => ParamValue::Float(text.trim().parse().map_err(|_| type_error())?),
            ParamKind::Choice { .. }
            | ParamKind::Text { .. }
            | ParamKind::Path { .. }
            | ParamKind::Colour { .. } => ParamValue::Text(text.into()),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Checks type and range of a value.
    ///
    /// # Errors
    /// [`ParamError`] when the value is of another type or out of range.
    pub fn check(&self, value: &ParamValue) -> Result<(), ParamError> {
        let in_range = match (self.kind, value) {
            (ParamKind::Bool { .. }, ParamValue::Bool(_))
            | (ParamKind::Text { .. } | ParamKind::Path { .. }, ParamValue::Text(_)) => true,
            (ParamKind::Int { min, max, .. }, ParamValue::Int(v)) => (min..=max).contains(v),
            (ParamKind::Float { min, max, .. }, ParamValue::Float(v)) => (min..=max).contains(v),
            (ParamKind::Float { min, max, .. }, ParamValue::Int(v)) => (min..=max).contains(&(*v as f64)),
            (ParamKind::Choice { choices, .. }, ParamValue::Text(v)) => choices.iter().any(|c| c.id == v),
            (ParamKind::Colour { .. }, ParamValue::Text(v)) => Rgba::parse(v).is_some(),
            _ => {
                return Err(ParamError::Type {
                    id: self.id,
                    expected: self.expected(),
                    got: value.to_string(),
                });
            }
        };
        if in_range {
            Ok(())
        } else {
            Err(ParamError::Range { id: self.id, expected: self.expected(), got: value.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRF: Param =
        Param { id: "crf", doc: "Quality.", unit: "", kind: ParamKind::Int { min: 0, max: 51, default: 16 } };

    #[test]
    fn text_becomes_value() {
        assert_eq!(CRF.parse("18"), Ok(ParamValue::Int(18)));
        assert_eq!(
            CRF.parse("52").expect_err("out of range").to_string(),
            "crf: 52 is out of range, expected a whole number from 0 to 51"
        );
        assert_eq!(
            CRF.parse("soft").expect_err("no number").to_string(),
            "crf: expected a whole number from 0 to 51, got \"soft\""
        );
    }

    #[test]
    fn choice_lists_its_ids() {
        const MODE: Param = Param {
            id: "mode",
            doc: "Mode.",
            unit: "",
            kind: ParamKind::Choice {
                choices: &[Choice { id: "a", doc: "A." }, Choice { id: "b", doc: "B." }],
                default: "a",
            },
        };
        assert_eq!(MODE.parse("b"), Ok(ParamValue::Text("b".into())));
        assert!(MODE.parse("c").expect_err("unknown").to_string().ends_with("expected one of a, b"));
    }

    #[test]
    fn not_a_number_is_out_of_every_range() {
        let p = Param {
            id: "x",
            doc: "X.",
            unit: "s",
            kind: ParamKind::Float { min: 0.0, max: 1.0, default: 0.5 },
        };
        assert!(p.parse("nan").is_err());
        assert!(p.parse("inf").is_err());
        assert_eq!(p.check(&ParamValue::Int(1)), Ok(()));
    }
}
