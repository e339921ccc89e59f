//! What flows along the edges of a chain.

use pegbar_frame::PlanarImage;
use pegbar_net::Model;
use pegbar_params::{ParamKind, ParamValue, PathTarget};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A value on an edge. Cloning is cheap.
#[derive(Debug, Clone)]
pub enum Value {
    /// A picture of 1, 3 or 4 channels (gray, RGB, RGB and alpha), gamma-encoded, nominally `0.0..=1.0`.
    Image(Arc<PlanarImage>),
    /// A network with its weights.
    Model(Arc<Model>),
    /// A number.
    Number(f64),
    /// A text.
    Text(Arc<str>),
    /// True or false.
    Bool(bool),
    /// The path of a directory.
    Directory(Arc<Path>),
    /// The path of a file.
    File(Arc<Path>),
}

/// The type of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A picture.
    Image,
    /// A network.
    Model,
    /// A number.
    Number,
    /// A text.
    Text,
    /// True or false.
    Bool,
    /// The path of a directory.
    Directory,
    /// The path of a file.
    File,
}

impl ValueType {
    /// Whether every value of this type can be taken where `wanted` is: itself, numbers, switches and paths as text, and
    /// text as a path.
    pub fn converts_to(self, wanted: Self) -> bool {
        use ValueType::{Bool, Directory, File, Number, Text};
        self == wanted
            || matches!(
                (self, wanted),
                (Number | Bool | Directory | File, Text) | (Text, Directory | File) | (Bool, Number)
            )
    }

    /// The type of the values of a parameter.
    pub fn of_param(kind: &ParamKind) -> Self {
        match kind {
            ParamKind::Bool { .. } => Self::Bool,
            ParamKind::Int { .. } | ParamKind::Float { .. } => Self::Number,
            ParamKind::Choice { .. } | ParamKind::Text { .. } | ParamKind::Colour { .. } => Self::Text,
            ParamKind::Path { target: PathTarget::File } => Self::File,
            ParamKind::Path { target: PathTarget::Directory } => Self::Directory,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Model => "model",
            Self::Number => "number",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Directory => "directory",
            Self::File => "file",
        })
    }
}

impl Value {
    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Image(_) => ValueType::Image,
            Self::Model(_) => ValueType::Model,
            Self::Number(_) => ValueType::Number,
            Self::Text(_) => ValueType::Text,
            Self::Bool(_) => ValueType::Bool,
            Self::Directory(_) => ValueType::Directory,
            Self::File(_) => ValueType::File,
        }
    }

    /// The same as another type; `None` where [`ValueType::converts_to`] says no.
    pub fn convert(self, wanted: ValueType) -> Option<Self> {
        if self.value_type() == wanted {
            return Some(self);
        }
        Some(match (self, wanted) {
            (
                value @ (Self::Number(_) | Self::Bool(_) | Self::Directory(_) | Self::File(_)),
                ValueType::Text,
            ) => Self::Text(value.to_string().into()),
            (Self::Text(text), ValueType::Directory) => Self::Directory(PathBuf::from(&*text).into()),
            (Self::Text(text), ValueType::File) => Self::File(PathBuf::from(&*text).into()),
            (Self::Bool(is), ValueType::Number) => Self::Number(f64::from(u8::from(is))),
            _ => return None,
        })
    }

    /// As the value of a parameter of a kind; numbers are rounded for whole ones. `None` for other types.
    pub fn to_param(&self, kind: &ParamKind) -> Option<ParamValue> {
        let value = self.clone().convert(ValueType::of_param(kind))?;
        Some(match value {
            Self::Number(number) if matches!(kind, ParamKind::Int { .. }) => {
                ParamValue::Int(number.round() as i64)
            }
            Self::Number(number) => ParamValue::Float(number),
            Self::Bool(is) => ParamValue::Bool(is),
            Self::Text(text) => ParamValue::Text(text.to_string()),
            Self::Directory(path) | Self::File(path) => ParamValue::Text(path.display().to_string()),
            Self::Image(_) | Self::Model(_) => return None,
        })
    }

    /// Memory that it holds, in bytes, whoever else holds it, too.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Image(image) => image.data.len() * size_of::<f32>(),
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }
}

/// For people: a number without needless digits, a path as it is, a picture by its size.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => write!(f, "{}x{} image", image.width, image.height),
            Self::Model(model) => write!(f, "{} {}x", model.architecture_name, model.scale),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Bool(is) => is.fmt(f),
            Self::Directory(path) | Self::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_those_that_are_promised() {
        let values = [
            Value::Number(2.0),
            Value::Text("a".into()),
            Value::Bool(true),
            Value::Directory(PathBuf::from("d").into()),
            Value::File(PathBuf::from("f").into()),
            Value::Image(Arc::new(PlanarImage::zeros(1, 1, 1))),
        ];
        use ValueType::{Bool, Directory, File, Image, Model, Number, Text};
        for value in values {
            for wanted in [Bool, Directory, File, Image, Model, Number, Text] {
                let promised = value.value_type().converts_to(wanted);
                let converted = value.clone().convert(wanted);
                assert_eq!(
                    converted.map(|v| v.value_type()),
                    promised.then_some(wanted),
                    "{value} to {wanted}"
                );
            }
        }
        assert_eq!(Value::Number(2.0).to_string(), "2");
        assert_eq!(
            Value::Number(2.6).to_param(&ParamKind::Int { min: 0, max: 9, default: 0 }),
            Some(ParamValue::Int(3))
        );
    }
}
