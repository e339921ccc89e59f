//! Colours as numbers.

use super::{VALUE, plain, text_value};
use crate::function::function;
use pegbar_chain::{NodeError, NodeType, Output, Value, ValueType};
use pegbar_params::{Choice, Param};

/// A colour of its parts.
pub(crate) static COLOUR_FROM: NodeType = NodeType {
    id: "value.colour_from",
    name: "Colour from Numbers",
    doc: "A colour of the numbers of its parts, which may be connected. A gray has three times the same.",
    outputs: &[Output::of(ValueType::Text, "colour", "The colour, as #rrggbb or #rrggbbaa.")],
    params: &[
        Param::float("red", "Red, in steps of 8 bits.", "", (0.0, 255.0), 128.0),
        Param::float("green", "Green, in steps of 8 bits.", "", (0.0, 255.0), 128.0),
        Param::float("blue", "Blue, in steps of 8 bits.", "", (0.0, 255.0), 128.0),
        Param::float("alpha", "Opacity; the colour has no alpha where it is full.", "%", (0.0, 100.0), 100.0),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let code = |value: f64| format!("{:02x}", value.round() as u8);
        let mut colour = String::from("#");
        for part in ["red", "green", "blue"] {
            colour += &code(values.float(part));
        }
        if values.float("alpha") < 100.0 {
            colour += &code(values.float("alpha") * 255.0 / 100.0);
        }
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&colour)]))
    }),
    example: &[("red", "200"), ("green", "96"), ("blue", "32")],
    ..VALUE
};

/// The parts of a colour.
pub(crate) static COLOUR_PARTS: NodeType = NodeType {
    id: "value.colour_parts",
    name: "Parts of a Colour",
    doc: "The numbers that a colour is made of, for calculations.",
    outputs: &[
        Output::of(ValueType::Number, "red", "Red."),
        Output::of(ValueType::Number, "green", "Green."),
        Output::of(ValueType::Number, "blue", "Blue."),
        Output::of(ValueType::Number, "alpha", "Alpha, which is full where the colour has none."),
    ],
    params: &[
        Param::colour("colour", "The colour.", "#808080"),
        Param::choice(
            "unit",
            "What the numbers count.",
            &[
                Choice { id: "8-bit", doc: "From 0 to 255." },
                Choice { id: "percent", doc: "From 0 to 100." },
                Choice { id: "unit", doc: "From 0 to 1." },
            ],
            "8-bit",
        ),
    ],
    role: function(|prepare| {
        let codes = prepare.values.colour("colour").0.map(|part| (f64::from(part) * 255.0).round());
        let scale = match prepare.values.text("unit") {
            "percent" => 100.0 / 255.0,
            "unit" => 1.0 / 255.0,
            _ => 1.0,
        };
        let parts = codes.map(|code| code * scale);
        if parts.iter().any(|part| !part.is_finite()) {
            return Err(NodeError::param("colour", "this is no colour"));
        }
        plain(&[ValueType::Number; 4], move |_| Ok(parts.map(Value::Number).to_vec()))
    }),
    example: &[("colour", "#c86020")],
    ..VALUE
};

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn colours_and_their_parts() {
        assert_eq!(shown(&COLOUR_FROM, &[("red", "200"), ("green", "96.4"), ("blue", "32")], &[]), "#c86020");
        assert_eq!(
            shown(&COLOUR_FROM, &[("red", "0"), ("green", "0"), ("blue", "255"), ("alpha", "50")], &[]),
            "#0000ff80"
        );
        assert_eq!(shown(&COLOUR_PARTS, &[("colour", "#c86020")], &[]), "200 | 96 | 32 | 255");
        assert_eq!(
            shown(&COLOUR_PARTS, &[("colour", "#ff000000"), ("unit", "percent")], &[]),
            "100 | 0 | 0 | 0"
        );
    }
}
