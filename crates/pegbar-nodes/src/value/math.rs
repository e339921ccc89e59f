//! Calculations.

use super::expression::Expression;
use super::{ANY_NUMBER, VALUE, number_value, plain};
use crate::function::{Made, function};
use pegbar_chain::{Input, NodeError, NodeType, Output, Prepare, Value, ValueType};
use pegbar_params::{Choice, Param};
use sha2::{Digest, Sha256};

const RESULT: &[Output] = &[Output::of(ValueType::Number, "result", "The result.")];

/// Two numbers.
pub(crate) static MATH: NodeType = NodeType {
    id: "value.math",
    name: "Math",
    doc: "Calculates with two numbers.",
    outputs: RESULT,
    params: &[
        Param::float("a", "First number.", "", ANY_NUMBER, 0.0),
        Param::choice(
            "operation",
            "What is done.",
            &[
                Choice { id: "add", doc: "a + b." },
                Choice { id: "subtract", doc: "a - b." },
                Choice { id: "multiply", doc: "a times b." },
                Choice { id: "divide", doc: "a / b." },
                Choice { id: "power", doc: "a to the power of b." },
                Choice { id: "modulo", doc: "What is left of a after division by b, with the sign of b." },
                Choice { id: "floor-divide", doc: "a / b, rounded down." },
                Choice { id: "min", doc: "The smaller one." },
                Choice { id: "max", doc: "The larger one." },
                Choice { id: "percent", doc: "b per cent of a." },
                Choice { id: "log", doc: "Logarithm of a to the base b." },
                Choice { id: "root", doc: "The b-th root of a." },
                Choice { id: "hypot", doc: "Length of the diagonal of a by b." },
                Choice { id: "atan2", doc: "Angle of the point x = b, y = a, in radians." },
                Choice { id: "difference", doc: "How far a and b are apart." },
            ],
            "add",
        ),
        Param::float("b", "Second number.", "", ANY_NUMBER, 0.0),
    ],
    role: function(math),
    example: &[("a", "1920"), ("operation", "divide"), ("b", "2")],
    ..VALUE
};

fn math(prepare: &Prepare<'_>) -> Made {
    let values = prepare.values;
    let (a, b) = (values.float("a"), values.float("b"));
    let operation = values.text("operation").to_owned();
    plain(&[ValueType::Number], move |_| {
        if matches!(operation.as_str(), "divide" | "modulo" | "floor-divide" | "root") && b == 0.0 {
            return Err(NodeError::param("b", format!("{operation} by 0 has no result")));
        }
        let result = match operation.as_str() {
            "add" => a + b,
            "subtract" => a - b,
            "multiply" => a * b,
            "divide" => a / b,
            "power" => a.powf(b),
            "modulo" => a - b * (a / b).floor(),
            "floor-divide" => (a / b).floor(),
            "min" => a.min(b),
            "max" => a.max(b),
            "percent" => a * b / 100.0,
            // To base 0 or 1 there is none: it would be 0 or infinite.
            "log" if b <= 0.0 || b == 1.0 => f64::NAN,
            "log" => a.log(b),
            "root" => a.powf(1.0 / b),
            "hypot" => a.hypot(b),
            "atan2" => a.atan2(b),
            _ => (a - b).abs(),
        };
        Ok(vec![number_value(result, || format!("{operation} of {a} and {b}"))?])
    })
}

const VARIABLE: &str = "A number of the expression.";

/// A formula.
pub(crate) static MATH_EXPRESSION: NodeType = NodeType {
    id: "value.math_expression",
    name: "Math Expression",
    doc: "Calculates a formula of the numbers a to h. It knows + - * / // % ** (or ^), comparisons (== != < <= > >=), \"and\", \"or\", \
          \"not\", \"x if condition else y\", pi, e, tau, and the functions abs, acos, asin, atan, atan2, ceil, clamp, cos, degrees, exp, \
          floor, fract, hypot, if, int, lerp, log, log10, log2, max, min, pow, radians, round, sign, sin, sqrt, tan, trunc. What is true \
          counts as 1, what is not as 0.",
    outputs: RESULT,
    params: &[
        Param::text("expression", "The formula.", "a + b"),
        Param::float("a", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float("b", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float("c", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float("d", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float(
            "e",
            "A number of the expression, in place of Euler's number unless it is 0.",
            "",
            ANY_NUMBER,
            0.0,
        ),
        Param::float("f", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float("g", VARIABLE, "", ANY_NUMBER, 0.0),
        Param::float("h", VARIABLE, "", ANY_NUMBER, 0.0),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let expression = Expression::parse(values.text("expression"))
            .map_err(|error| NodeError::param("expression", error.to_string()))?;
        let variables = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| values.float(id));
        plain(&[ValueType::Number], move |_| {
            let result = expression.value(&|name| {
                let i = (name.len() == 1).then(|| name.as_bytes()[0].wrapping_sub(b'a'))?;
                let value = variables.get(usize::from(i)).copied()?;
                Some(if name == "e" && value == 0.0 { std::f64::consts::E } else { value })
            });
            let result = result.map_err(|error| NodeError::param("expression", error.to_string()))?;
            Ok(vec![number_value(result, || "the expression".to_owned())?])
        })
    }),
    example: &[("expression", "round(a * 1.5) + 1"), ("a", "35")],
    ..VALUE
};

/// A rounder number.
pub(crate) static ROUND: NodeType = NodeType {
    id: "value.round",
    name: "Round",
    doc: "Rounds a number to a multiple of another, or to a power of it.",
    outputs: RESULT,
    params: &[
        Param::float("number", "The number.", "", ANY_NUMBER, 0.0),
        Param::choice(
            "operation",
            "Which way.",
            &[
                Choice { id: "nearest", doc: "To the nearest, from the middle away from zero." },
                Choice { id: "down", doc: "To the next below." },
                Choice { id: "up", doc: "To the next above." },
                Choice { id: "towards-zero", doc: "To the next towards zero." },
            ],
            "nearest",
        ),
        Param::choice(
            "to",
            "To what.",
            &[
                Choice { id: "multiple", doc: "Multiples of the step." },
                Choice {
                    id: "power",
                    doc: "Powers of the step, which is more than 1; the number has to be positive.",
                },
            ],
            "multiple",
        ),
        Param::float("step", "What multiples or powers are of.", "", (1e-9, 9e15), 1.0),
    ],
    role: function(round),
    example: &[("number", "37"), ("step", "8")],
    ..VALUE
};

fn round(prepare: &Prepare<'_>) -> Made {
    let values = prepare.values;
    let (number, step) = (values.float("number"), values.float("step"));
    let (operation, to_power) = (values.text("operation").to_owned(), values.text("to") == "power");
    plain(&[ValueType::Number], move |_| {
        let towards = |x: f64| {
            // What is whole but for the last bits is whole: 0.3 / 0.1 is no less than 3.
            let near = x.round();
            if (x - near).abs() <= 1e-12 * x.abs().max(1.0) {
                return near;
            }
            match operation.as_str() {
                "down" => x.floor(),
                "up" => x.ceil(),
                "towards-zero" => x.trunc(),
                _ => near,
            }
        };
        let result = if !to_power {
            towards(number / step) * step
        } else if step <= 1.0 {
            return Err(NodeError::param("step", "powers are of a number above 1"));
        } else if number <= 0.0 {
            return Err(NodeError::param(
                "number",
                format!("{number} is near no power of {step}: it is not positive"),
            ));
        } else {
            step.powf(towards(number.ln() / step.ln()))
        };
        Ok(vec![number_value(result, || format!("rounding of {number}"))?])
    })
}

/// A number by chance.
pub(crate) static RANDOM: NodeType = NodeType {
    id: "value.random",
    name: "Random Number",
    doc: "A number by chance, the same for the same seed. Connect the number of the frame to the seed for another one each frame.",
    outputs: &[Output::of(ValueType::Number, "number", "The number.")],
    params: &[
        Param::float("min", "Smallest number.", "", ANY_NUMBER, 0.0),
        Param::float("max", "Largest number.", "", ANY_NUMBER, 100.0),
        Param::bool("whole", "Whether it is a whole number.", true),
        Param::int("seed", "What the number depends on.", "", (0, 9_007_199_254_740_991), 0),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let (min, max, whole) = (values.float("min"), values.float("max"), values.bool("whole"));
        let seed = values.int("seed") as u64;
        plain(&[ValueType::Number], move |_| {
            if max < min {
                return Err(NodeError::param("max", format!("{max} is less than min, {min}")));
            }
            let share = fraction(seed);
            let number = if whole {
                let (first, last) = (min.ceil(), max.floor());
                if last < first {
                    return Err(NodeError::param(
                        "max",
                        format!("there is no whole number from {min} to {max}"),
                    ));
                }
                (first + (share * (last - first + 1.0)).floor()).min(last)
            } else {
                min + share * (max - min)
            };
            Ok(vec![number_value(number, || "the number".to_owned())?])
        })
    }),
    ..VALUE
};

/// A seed of values.
pub(crate) static SEED: NodeType = NodeType {
    id: "value.seed",
    name: "Derive Seed",
    doc: "A seed made of other values, numbers and texts in their order: the same for the same values, and as good as by chance for \
          others. Connect the name of a file or the number of a frame, so that each has noise of its own that comes again.",
    inputs: &[Input::any("values", "The values.").many()],
    outputs: &[Output::of(ValueType::Number, "seed", "The seed: a whole number from 0 to 2^32 - 1.")],
    params: &[Param::int("seed", "One more value.", "", (0, 9_007_199_254_740_991), 0)],
    role: function(|prepare| {
        let seed = prepare.values.int("seed");
        plain(&[ValueType::Number], move |inputs| {
            let mut hash = Sha256::new();
            hash.update(seed.to_le_bytes());
            for value in inputs.all("values") {
                if matches!(value, Value::Image(_) | Value::Model(_)) {
                    return Err(NodeError::input("values", "a seed is made of numbers, texts and paths"));
                }
                let text = value.to_string();
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
            let bytes: [u8; 32] = hash.finalize().into();
            let seed = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            Ok(vec![Value::Number(f64::from(seed))])
        })
    }),
    ..VALUE
};

/// A number in `0.0..1.0` for a seed: SplitMix64 of Steele, Lea and Flood (2014), its upper 53 bits.
fn fraction(seed: u64) -> f64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::super::{run_node, shown};
    use super::*;
    use pegbar_chain::Value;

    #[test]
    fn operations() {
        for (a, operation, b, expected) in [
            ("7", "add", "2", "9"),
            ("7", "subtract", "2", "5"),
            ("7", "multiply", "2", "14"),
            ("7", "divide", "2", "3.5"),
            ("7", "power", "2", "49"),
            ("-7", "modulo", "3", "2"),
            ("-7", "floor-divide", "2", "-4"),
            ("7", "min", "2", "2"),
            ("7", "max", "2", "7"),
            ("50", "percent", "10", "5"),
            ("27", "root", "3", "3"),
            ("3", "hypot", "4", "5"),
            ("0", "atan2", "1", "0"),
            ("2", "difference", "7", "5"),
            ("1", "divide", "0", "! parameter b: divide by 0 has no result"),
            ("-1", "log", "2", "! log of -1 and 2 has no finite result"),
        ] {
            assert_eq!(
                shown(&MATH, &[("a", a), ("operation", operation), ("b", b)], &[]),
                expected,
                "{operation}"
            );
        }
    }

    #[test]
    fn formulas() {
        let expression =
            |text: &str| shown(&MATH_EXPRESSION, &[("expression", text), ("a", "3"), ("b", "4")], &[]);
        assert_eq!(expression("sqrt(a ** 2 + b^2)"), "5");
        assert_eq!(expression("a if a > b else b"), "4");
        assert_eq!(expression("round(e * 100) / 100"), "2.72");
        assert_eq!(
            expression("a + * b"),
            "! parameter expression: a number, name or ( is expected at character 5, before \"* b\""
        );
        assert_eq!(expression("a / (b - 4)"), "! parameter expression: division by 0 at character 3");
        assert_eq!(expression("x"), "! parameter expression: there is no \"x\" at character 1");
    }

    #[test]
    fn rounding() {
        let rounded = |number: &str, operation: &str, to: &str, step: &str| {
            shown(&ROUND, &[("number", number), ("operation", operation), ("to", to), ("step", step)], &[])
        };
        assert_eq!(rounded("2.5", "nearest", "multiple", "1"), "3");
        assert_eq!(rounded("-2.5", "down", "multiple", "1"), "-3");
        assert_eq!(rounded("-2.5", "towards-zero", "multiple", "1"), "-2");
        assert_eq!(rounded("37", "up", "multiple", "8"), "40");
        assert_eq!(rounded("37", "down", "multiple", "8"), "32");
        assert_eq!(rounded("100", "up", "power", "2"), "128");
        assert_eq!(rounded("64", "down", "power", "2"), "64");
        assert_eq!(rounded("8", "up", "power", "2"), "8");
        assert!(rounded("-8", "up", "power", "2").starts_with("! parameter number"));
        assert!(rounded("8", "up", "power", "1").starts_with("! parameter step"));
    }

    #[test]
    fn chance_keeps_to_its_seed_and_bounds() {
        let number = |seed: i64, whole: &str| {
            let seed = seed.to_string();
            let params = [("min", "2.5"), ("max", "6.5"), ("seed", seed.as_str()), ("whole", whole)];
            match run_node(&RANDOM, &params, &[]).expect("a number")[0] {
                Value::Number(number) => number,
                _ => panic!("no number"),
            }
        };
        assert_eq!(number(7, "off"), number(7, "off"));
        let mut counts = [0; 7];
        for seed in 0..400 {
            let (whole, any) = (number(seed, "on"), number(seed, "off"));
            assert!((2.5..=6.5).contains(&any));
            counts[whole as usize] += 1;
        }
        assert_eq!(counts[..3], [0; 3]);
        assert!(counts[3..].iter().all(|n| (60..140).contains(n)), "{counts:?}");
        assert!(shown(&RANDOM, &[("min", "0.2"), ("max", "0.8")], &[]).starts_with("! parameter max"));
    }
}
