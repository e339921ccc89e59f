//! What is known of a value before anything runs.

use crate::{Value, ValueType};
use serde::Serialize;
use std::fmt;

/// A side of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// So many pixels.
    Known(usize),
    /// The side of the frames of a source times `num / den`, exactly or rounded.
    Of {
        /// Node whose frames have that side.
        source: String,
        /// Numerator, in lowest terms.
        num: usize,
        /// Denominator.
        den: usize,
    },
    /// Nothing is known.
    Unknown,
}

impl Dim {
    /// This side times `num / den`; nothing is known where that takes numbers beyond 64 bits.
    pub fn scaled(&self, num: usize, den: usize) -> Self {
        match self {
            Self::Known(n) => Self::Known(((n * num) as f64 / den as f64).round() as usize),
            Self::Of { source, num: a, den: b } => {
                let (Some(num), Some(den)) = (a.checked_mul(num), b.checked_mul(den)) else {
                    return Self::Unknown;
                };
                let divisor = gcd(num, den).max(1);
                Self::Of { source: source.clone(), num: num / divisor, den: den / divisor }
            }
            Self::Unknown => Self::Unknown,
        }
    }

    /// What a function makes of the side; without its number nothing is known.
    pub fn map(&self, f: impl FnOnce(usize) -> usize) -> Self {
        match self {
            Self::Known(n) => Self::Known(f(*n)),
            _ => Self::Unknown,
        }
    }

    /// The number of pixels, where known.
    pub fn known(&self) -> Option<usize> {
        match self {
            Self::Known(n) => Some(*n),
            _ => None,
        }
    }

    /// Whether two sides are certainly not the same.
    pub fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => a != b,
            (Self::Of { source: s, num: a, den: b }, Self::Of { source: t, num: c, den: d }) => {
                s == t && (a, b) != (c, d)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(n) => n.fmt(f),
            Self::Of { num, den: 1, .. } => write!(f, "{num}x"),
            Self::Of { num, den, .. } => write!(f, "{num}/{den}x"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What is known of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Columns.
    pub width: Dim,
    /// Rows.
    pub height: Dim,
    /// Channels, where known.
    pub channels: Option<usize>,
}

impl ImageInfo {
    /// Nothing but that it is a picture.
    pub const UNKNOWN: Self = Self { width: Dim::Unknown, height: Dim::Unknown, channels: None };

    /// A picture of this size and unknown channels.
    pub fn of_size(width: usize, height: usize) -> Self {
        Self { width: Dim::Known(width), height: Dim::Known(height), channels: None }
    }

    /// The same picture with both sides times `num / den`.
    pub fn scaled(&self, num: usize, den: usize) -> Self {
        Self { width: self.width.scaled(num, den), height: self.height.scaled(num, den), ..self.clone() }
    }

    /// Whether two pictures certainly have different sizes.
    pub fn size_differs(&self, other: &Self) -> bool {
        self.width.differs(&other.width) || self.height.differs(&other.height)
    }

    /// Both sides, where known.
    pub fn size(&self) -> Option<(usize, usize)> {
        Some((self.width.known()?, self.height.known()?))
    }
}

impl fmt::Display for ImageInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.width, &self.height) {
            (Dim::Unknown, Dim::Unknown) => f.write_str("image")?,
            (w @ Dim::Of { .. }, h) if w == h => write!(f, "image {w}")?,
            (w, h) => write!(f, "image {w} by {h}")?,
        }
        match self.channels {
            Some(1) => f.write_str(" gray"),
            Some(3) => f.write_str(" RGB"),
            Some(4) => f.write_str(" RGBA"),
            _ => Ok(()),
        }
    }
}

/// What is known of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// Size of the result over the size of the picture.
    pub scale: usize,
    /// Channels that it takes.
    pub input_channels: usize,
    /// Channels that it makes.
    pub output_channels: usize,
}

/// What is known of the values of an output.
#[derive(Debug, Clone)]
pub struct Info {
    /// Their type.
    pub value_type: ValueType,
    /// Of a picture.
    pub image: Option<ImageInfo>,
    /// Of a network.
    pub model: Option<ModelInfo>,
    /// The value itself, where it is the same for the whole run and known; of a picture never.
    pub known: Option<Value>,
}

impl Info {
    /// Nothing but the type.
    pub fn of_type(value_type: ValueType) -> Self {
        let image = (value_type == ValueType::Image).then_some(ImageInfo::UNKNOWN);
        Self { value_type, image, model: None, known: None }
    }

    /// A picture.
    pub fn image(image: ImageInfo) -> Self {
        Self { image: Some(image), ..Self::of_type(ValueType::Image) }
    }

    /// A network.
    pub fn model(model: ModelInfo) -> Self {
        Self { model: Some(model), ..Self::of_type(ValueType::Model) }
    }

    /// A value that is known.
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Image(image) => Self::image(ImageInfo {
                channels: Some(image.channels),
                ..ImageInfo::of_size(image.width, image.height)
            }),
            Value::Model(model) => Self {
                known: Some(value.clone()),
                ..Self::model(ModelInfo {
                    scale: model.scale,
                    input_channels: model.input_channels,
                    output_channels: model.output_channels,
                })
            },
            value => Self { known: Some(value.clone()), ..Self::of_type(value.value_type()) },
        }
    }

    /// As a picture; nothing is known of what is none.
    pub fn as_image(&self) -> ImageInfo {
        self.image.clone().unwrap_or(ImageInfo::UNKNOWN)
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.image, &self.model, &self.known) {
            (Some(image), ..) => image.fmt(f),
            (_, Some(model), _) => write!(f, "model {}x", model.scale),
            (.., Some(known)) => write!(f, "{} {known}", self.value_type),
            _ => self.value_type.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_scaled_and_compared() {
        let side = Dim::Of { source: "in".into(), num: 1, den: 1 };
        assert_eq!(side.scaled(4, 1).scaled(1, 2).to_string(), "2x");
        assert!(side.differs(&side.scaled(2, 1)));
        assert!(!side.differs(&side.scaled(2, 1).scaled(1, 2)));
        assert!(!side.differs(&Dim::Known(5)), "it may have 5 pixels");
        assert!(Dim::Known(4).differs(&Dim::Known(5)));
        assert_eq!(Dim::Known(5).scaled(1, 2), Dim::Known(3));
    }
}
