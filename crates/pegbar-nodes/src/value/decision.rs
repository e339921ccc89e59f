//! Comparing, combining, choosing.

use super::{VALUE, plain};
use crate::function::function;
use pegbar_chain::{Input, NodeError, NodeType, Output, Role, Value, ValueType};
use pegbar_params::{Choice, Param};
use std::cmp::Ordering;

/// Two values.
pub(crate) static COMPARE: NodeType = NodeType {
    id: "value.compare",
    name: "Compare",
    doc: "Compares two values. Both are compared as numbers where both are numbers, else as texts, letter by letter.",
    outputs: &[Output::of(ValueType::Bool, "result", "Whether it is so.")],
    params: &[
        Param::text("a", "First value.", "0"),
        Param::choice(
            "operation",
            "What is asked.",
            &[
                Choice { id: "equal", doc: "Whether a is b." },
                Choice { id: "not-equal", doc: "Whether a is not b." },
                Choice { id: "greater", doc: "Whether a is greater than b." },
                Choice { id: "greater-or-equal", doc: "Whether a is b or greater." },
                Choice { id: "less", doc: "Whether a is less than b." },
                Choice { id: "less-or-equal", doc: "Whether a is b or less." },
            ],
            "equal",
        ),
        Param::text("b", "Second value.", "0"),
        Param::choice(
            "as",
            "What the values are compared as.",
            &[
                Choice { id: "auto", doc: "Numbers where both are, else texts." },
                Choice { id: "number", doc: "Numbers; anything else is an error." },
                Choice { id: "text", doc: "Texts." },
            ],
            "auto",
        ),
        Param::bool("ignore-case", "Whether capital and small letters of texts are the same.", false),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let (a, b) = (values.text("a"), values.text("b"));
        let order = order(a, b, values.text("as"), values.bool("ignore-case"));
        let operation = values.text("operation").to_owned();
        plain(&[ValueType::Bool], move |_| {
            let order = order.clone()?;
            Ok(vec![Value::Bool(match operation.as_str() {
                "equal" => order.is_eq(),
                "not-equal" => order.is_ne(),
                "greater" => order.is_gt(),
                "greater-or-equal" => order.is_ge(),
                "less" => order.is_lt(),
                _ => order.is_le(),
            })])
        })
    }),
    example: &[("a", "5"), ("operation", "greater"), ("b", "3")],
    ..VALUE
};

fn order(a: &str, b: &str, by: &str, ignore_case: bool) -> Result<Ordering, NodeError> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| !number.is_nan());
    let as_text = || match ignore_case {
        true => a.to_lowercase().cmp(&b.to_lowercase()),
        false => a.cmp(b),
    };
    match (number(a), number(b), by) {
        (.., "text") => Ok(as_text()),
        (Some(a), Some(b), _) => Ok(a.partial_cmp(&b).unwrap_or(Ordering::Equal)),
        (None, _, "number") => Err(NodeError::param("a", format!("{a:?} is no number"))),
        (_, None, "number") => Err(NodeError::param("b", format!("{b:?} is no number"))),
        _ => Ok(as_text()),
    }
}

/// Two truths.
pub(crate) static LOGIC: NodeType = NodeType {
    id: "value.logic",
    name: "Logic",
    doc: "Combines two values that are true or false.",
    outputs: &[Output::of(ValueType::Bool, "result", "The result.")],
    params: &[
        Param::bool("a", "First value.", false),
        Param::choice(
            "operation",
            "How they are combined.",
            &[
                Choice { id: "and", doc: "True if both are." },
                Choice { id: "or", doc: "True if one or both are." },
                Choice { id: "xor", doc: "True if exactly one is." },
                Choice { id: "nand", doc: "False if both are true." },
                Choice { id: "nor", doc: "True if none is." },
                Choice { id: "xnor", doc: "True if both are the same." },
                Choice { id: "not", doc: "True if the first is not; the second does not matter." },
            ],
            "and",
        ),
        Param::bool("b", "Second value.", false),
    ],
    role: function(|prepare| {
        let (a, b) = (prepare.values.bool("a"), prepare.values.bool("b"));
        let result = match prepare.values.text("operation") {
            "and" => a && b,
            "or" => a || b,
            "xor" => a != b,
            "nand" => !(a && b),
            "nor" => !(a || b),
            "xnor" => a == b,
            _ => !a,
        };
        plain(&[ValueType::Bool], move |_| Ok(vec![Value::Bool(result)]))
    }),
    example: &[("a", "true"), ("operation", "and"), ("b", "false")],
    ..VALUE
};

/// One of two.
pub(crate) static CONDITIONAL: NodeType = NodeType {
    id: "value.conditional",
    name: "Conditional",
    doc: "Gives one of two values of any type. The other one is not computed.",
    inputs: &[
        Input::any("then", "What is given if the condition is true."),
        Input::any("else", "What is given if it is not."),
    ],
    outputs: &[Output::same("value", "One of them.")],
    params: &[Param::bool("condition", "Whether it is the first.", true)],
    role: Role::Choice { choose: |values, _| Ok((usize::from(!values.bool("condition")), 0)) },
    ..VALUE
};

/// One of many.
pub(crate) static SWITCH: NodeType = NodeType {
    id: "value.switch",
    name: "Switch by Number",
    doc: "Gives one of several values of any type by its number. The others are not computed.",
    inputs: &[Input::any("values", "The values, in order.").many()],
    outputs: &[Output::same("value", "The chosen one.")],
    params: &[Param::int("index", "Number of the value, from 0.", "", (0, 999), 0)],
    role: Role::Choice {
        choose: |values, lengths| {
            let (index, n) = (values.usize("index"), lengths.first().copied().unwrap_or(0));
            if index < n {
                return Ok((0, index));
            }
            let message = format!("there is no value {index}: {n} are connected, counted from 0");
            Err(NodeError::param("index", message))
        },
    },
    example: &[("index", "2")],
    ..VALUE
};

#[cfg(test)]
mod tests {
    use super::super::{params_of, shown};
    use super::*;

    #[test]
    fn numbers_and_texts_are_compared() {
        let compare = |a: &str, operation: &str, b: &str, by: &str| {
            shown(&COMPARE, &[("a", a), ("operation", operation), ("b", b), ("as", by)], &[])
        };
        assert_eq!(compare("10", "greater", "9", "auto"), "true");
        assert_eq!(compare("10", "greater", "9", "text"), "false");
        assert_eq!(compare("1.0", "equal", "1", "auto"), "true");
        assert_eq!(compare("1.0", "equal", "1", "text"), "false");
        assert_eq!(compare("a", "less", "b", "auto"), "true");
        assert_eq!(compare("a", "less-or-equal", "a", "auto"), "true");
        assert_eq!(compare("3", "greater-or-equal", "4", "number"), "false");
        assert_eq!(compare("3", "not-equal", "4", "number"), "true");
        assert_eq!(compare("x", "equal", "4", "number"), "! parameter a: \"x\" is no number");
        let cases = [("a", "ÄB"), ("b", "äb"), ("ignore-case", "on")];
        assert_eq!(shown(&COMPARE, &cases, &[]), "true");
    }

    #[test]
    fn truths_are_combined() {
        for (operation, expected) in [
            ("and", [false, false, false, true]),
            ("or", [false, true, true, true]),
            ("xor", [false, true, true, false]),
            ("nand", [true, true, true, false]),
            ("nor", [true, false, false, false]),
            ("xnor", [true, false, false, true]),
            ("not", [true, true, false, false]),
        ] {
            for (i, expected) in expected.into_iter().enumerate() {
                let (a, b) = ((i >= 2).to_string(), (i % 2 == 1).to_string());
                let params = [("a", a.as_str()), ("operation", operation), ("b", b.as_str())];
                assert_eq!(shown(&LOGIC, &params, &[]), expected.to_string(), "{a} {operation} {b}");
            }
        }
    }

    #[test]
    fn choices() {
        let choose = |kind: &'static NodeType, params: &[(&str, &str)], lengths: &[usize]| {
            let Role::Choice { choose } = kind.role else { panic!("no choice") };
            choose(&params_of(kind, params), lengths)
        };
        assert_eq!(choose(&CONDITIONAL, &[("condition", "true")], &[1, 1]), Ok((0, 0)));
        assert_eq!(choose(&CONDITIONAL, &[("condition", "false")], &[1, 1]), Ok((1, 0)));
        assert_eq!(choose(&SWITCH, &[("index", "2")], &[3]), Ok((0, 2)));
        let error = choose(&SWITCH, &[("index", "3")], &[3]).expect_err("too large").to_string();
        assert_eq!(error, "parameter index: there is no value 3: 3 are connected, counted from 0");
    }
}
