//! Values of chaiNNer as values of parameters.

use pegbar_params::ParamValue;
use serde_json::Value as Json;

/// What becomes of a stored value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Convert {
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// True or false, stored as 0 or 1 or as itself.
    Bool,
    /// A text; numbers as they are written.
    Text,
    /// A path; an empty one is none.
    Path,
    /// A colour, stored as a text of JSON.
    Colour,
    /// One of a list: as stored, and as Pegbar calls it.
    Choice(&'static [(&'static str, &'static str)]),
}

impl Convert {
    /// The value; `None` for one that says nothing.
    ///
    /// # Errors
    /// A sentence about a value that it cannot be made of.
    pub(super) fn apply(self, stored: &Json) -> Result<Option<ParamValue>, String> {
        let wrong = |what: &str| format!("{stored} is no {what}");
        Ok(Some(match self {
            Self::Whole => {
                let number = number(stored).ok_or_else(|| wrong("number"))?;
                ParamValue::Int(number.round() as i64)
            }
            Self::Number => ParamValue::Float(number(stored).ok_or_else(|| wrong("number"))?),
            Self::Bool => ParamValue::Bool(truth(stored).ok_or_else(|| wrong("switch"))?),
            Self::Text => ParamValue::Text(text(stored).ok_or_else(|| wrong("text"))?),
            Self::Path => match text(stored).ok_or_else(|| wrong("path"))? {
                path if path.is_empty() => return Ok(None),
                path => ParamValue::Text(path),
            },
            Self::Colour => ParamValue::Text(colour(stored).ok_or_else(|| wrong("colour"))?),
            Self::Choice(choices) => {
                let name = text(stored).unwrap_or_default();
                let known = choices.iter().find(|(theirs, _)| *theirs == name);
                let (_, ours) = known.ok_or_else(|| format!("Pegbar does not have the choice {stored}"))?;
                ParamValue::Text((*ours).to_owned())
            }
        }))
    }
}

/// A number, also one that was stored as a text.
pub(super) fn number(stored: &Json) -> Option<f64> {
    let number = match stored {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(is) => Some(f64::from(u8::from(*is))),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// True or false.
pub(super) fn truth(stored: &Json) -> Option<bool> {
    number(stored).map(|number| number != 0.0)
}

/// A text.
pub(super) fn text(stored: &Json) -> Option<String> {
    match stored {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => (whole as i64).to_string(),
            _ => number.to_string(),
        }),
        Json::Bool(is) => Some(u8::from(*is).to_string()),
        _ => None,
    }
}

/// `#rrggbb` or `#rrggbbaa`.
fn colour(stored: &Json) -> Option<String> {
    let parsed: Json = match stored {
        Json::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    let values: Vec<f64> = parsed.get("values")?.as_array()?.iter().filter_map(Json::as_f64).collect();
    let rgb = match *values.as_slice() {
        [gray] => vec![gray; 3],
        [_, _, _] | [_, _, _, _] => values,
        _ => return None,
    };
    let hex = rgb.iter().map(|value| format!("{:02x}", (value.clamp(0.0, 1.0) * 255.0).round() as u8));
    Some(format!("#{}", hex.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_every_kind() {
        let text = |text: &str| Ok(Some(ParamValue::Text(text.into())));
        assert_eq!(Convert::Whole.apply(&json!("12.6")), Ok(Some(ParamValue::Int(13))));
        assert_eq!(Convert::Number.apply(&json!(0.5)), Ok(Some(ParamValue::Float(0.5))));
        assert_eq!(Convert::Bool.apply(&json!(0)), Ok(Some(ParamValue::Bool(false))));
        assert_eq!(Convert::Bool.apply(&json!(true)), Ok(Some(ParamValue::Bool(true))));
        assert_eq!(Convert::Text.apply(&json!(2.0)), text("2"));
        assert_eq!(Convert::Path.apply(&json!("")), Ok(None));
        let rgba = json!("{\"kind\":\"rgba\",\"values\":[1,0,0.5,0.25]}");
        assert_eq!(Convert::Colour.apply(&rgba), text("#ff008040"));
        let gray = json!({"kind": "grayscale", "values": [0.5]});
        assert_eq!(Convert::Colour.apply(&gray), text("#808080"));
        let choice = Convert::Choice(&[("-1", "auto"), ("0", "nearest")]);
        assert_eq!(choice.apply(&json!(-1)), text("auto"));
        assert!(choice.apply(&json!(7)).is_err());
        assert!(Convert::Number.apply(&json!("many")).is_err());
        assert!(Convert::Colour.apply(&json!("red")).is_err());
    }
}
