//! Numbers, texts, paths, decisions.

use super::Place::{Param, Port, Read};
use super::{Rule, rule};
use crate::chn::convert::Convert::{Bool, Choice, Colour, Number, Path, Text, Whole};
use crate::chn::sequence::{LIMIT, SKIP, STEP};
use crate::chn::special;

/// The rules.
pub(super) static RULES: &[Rule] = &[
    // Numbers, texts, decisions.
    rule("utility:number", "value.number", &[(0, Param("value", Number))], &[(0, "number")]),
    rule("utility:percent", "value.number", &[(0, Param("value", Number))], &[(0, "number")]),
    rule("utility:text", "value.text", &[(0, Param("value", Text))], &[(0, "text")]),
    rule("utility:bool", "value.bool", &[(0, Param("value", Bool))], &[(0, "bool")]),
    rule("utility:color", "value.colour", &[(0, Param("value", Colour))], &[(0, "colour")]),
    rule("utility:directory", "value.directory", &[(0, Param("path", Path))], &[(0, "directory")]),
    rule(
        "utility:into_directory",
        "path.join",
        &[(0, Param("directory", Path)), (1, Param("name", Text))],
        &[(0, "directory")],
    ),
    rule(
        "utility:back_directory",
        "path.parent",
        &[(0, Param("path", Path)), (1, Param("levels", Whole))],
        &[(0, "directory")],
    ),
    Rule {
        special: Some(special::math),
        ..rule(
            "utility:math",
            "value.math",
            &[
                (0, Param("a", Number)),
                (
                    1,
                    Param(
                        "operation",
                        Choice(&[
                            ("add", "add"),
                            ("sub", "subtract"),
                            ("mul", "multiply"),
                            ("div", "divide"),
                            ("pow", "power"),
                            ("log", "log"),
                            ("max", "max"),
                            ("min", "min"),
                            ("mod", "modulo"),
                            ("percent", "percent"),
                        ]),
                    ),
                ),
                (2, Param("b", Number)),
            ],
            &[(0, "result")],
        )
    },
    rule(
        "utility:math_expression",
        "value.math_expression",
        &[
            (0, Param("expression", Text)),
            (1, Param("a", Number)),
            (2, Param("b", Number)),
            (3, Param("c", Number)),
            (4, Param("d", Number)),
            (5, Param("e", Number)),
            (6, Param("f", Number)),
            (7, Param("g", Number)),
            (8, Param("h", Number)),
        ],
        &[(0, "result")],
    ),
    rule(
        "utility:compare",
        "value.compare",
        &[
            (
                0,
                Param(
                    "operation",
                    Choice(&[
                        ("0", "equal"),
                        ("1", "not-equal"),
                        ("2", "greater"),
                        ("3", "less"),
                        ("4", "greater-or-equal"),
                        ("5", "less-or-equal"),
                    ]),
                ),
            ),
            (1, Param("a", Text)),
            (2, Param("b", Text)),
        ],
        &[(0, "result")],
    ),
    rule(
        "utility:conditional",
        "value.conditional",
        &[(0, Param("condition", Bool)), (1, Port("then")), (2, Port("else"))],
        &[(0, "value")],
    ),
    Rule {
        rest: Some((1, "values")),
        special: Some(special::switch),
        ..rule("utility:switch", "value.switch", &[(0, Param("index", Whole))], &[(0, "value")])
    },
    Rule {
        rest: Some((1, "texts")),
        ..rule("utility:text_append", "text.join", &[(0, Param("separator", Text))], &[(0, "text")])
    },
    rule(
        "utility:text_pattern",
        "text.pattern",
        &[
            (0, Param("pattern", Text)),
            (1, Param("1", Text)),
            (2, Param("2", Text)),
            (3, Param("3", Text)),
            (4, Param("4", Text)),
            (5, Param("5", Text)),
            (6, Param("6", Text)),
            (7, Param("7", Text)),
            (8, Param("8", Text)),
            (9, Param("9", Text)),
        ],
        &[(0, "text")],
    ),
    rule(
        "utility:text_replace",
        "text.replace",
        &[
            (0, Param("text", Text)),
            (1, Param("find", Text)),
            (2, Param("replacement", Text)),
            (3, Param("count", Choice(&[("0", "all"), ("1", "first")]))),
        ],
        &[(0, "text")],
    ),
    rule(
        "utility:regex_replace",
        "text.regex_replace",
        &[
            (0, Param("text", Text)),
            (1, Param("regex", Text)),
            (2, Param("replacement", Text)),
            (3, Param("count", Choice(&[("0", "all"), ("1", "first")]))),
        ],
        &[(0, "text")],
    ),
    rule("utility:text_length", "text.length", &[(0, Param("text", Text))], &[(0, "length")]),
    rule(
        "utility:parse_number",
        "text.parse_number",
        &[(0, Param("text", Text)), (1, Param("base", Whole))],
        &[(0, "number")],
    ),
    Rule {
        special: Some(special::range),
        ..rule(
            "utility:range",
            "sequence.range",
            &[
                (0, Param("start", Number)),
                (1, Read),
                (2, Param("stop", Number)),
                (3, Param("inclusive", Bool)),
                (SKIP, Read),
                (LIMIT, Read),
                (STEP, Read),
            ],
            &[(0, "number"), (1, "index")],
        )
    },
    rule(
        "utility:logic_operation",
        "value.logic",
        &[
            (0, Param("operation", Choice(&[("and", "and"), ("or", "or"), ("xor", "xor"), ("not", "not")]))),
            (1, Param("a", Bool)),
            (2, Param("b", Bool)),
        ],
        &[(0, "result")],
    ),
    Rule {
        special: Some(special::round),
        ..rule(
            "utility:math_round",
            "value.round",
            &[
                (0, Param("number", Number)),
                (
                    1,
                    Param(
                        "operation",
                        Choice(&[("Round down", "down"), ("Round up", "up"), ("Round", "nearest")]),
                    ),
                ),
                (2, Read),
                (3, Read),
                (4, Read),
            ],
            &[(0, "result")],
        )
    },
    Rule {
        special: Some(special::random_number),
        ..rule(
            "utility:random_number",
            "value.random",
            &[(0, Param("min", Number)), (1, Param("max", Number)), (2, Param("seed", Whole))],
            &[(0, "number")],
        )
    },
    Rule {
        rest: Some((1, "values")),
        ..rule("utility:derive_seed", "value.seed", &[(0, Param("seed", Whole))], &[(0, "seed")])
    },
    Rule {
        special: Some(special::text_slice),
        ..rule(
            "utility:text_slice",
            "text.slice",
            &[(0, Param("text", Text)), (1, Read), (2, Read), (3, Read), (4, Read), (5, Read)],
            &[(0, "text")],
        )
    },
    rule(
        "utility:text_padding",
        "text.pad",
        &[
            (0, Param("text", Text)),
            (1, Param("width", Whole)),
            (2, Param("fill", Text)),
            (3, Param("side", Choice(&[("start", "start"), ("end", "end"), ("center", "both")]))),
        ],
        &[(0, "text")],
    ),
    Rule {
        fixed: &[("missing", "empty")],
        special: Some(special::regex_find),
        ..rule(
            "utility:regex_find",
            "text.regex_find",
            &[(0, Param("text", Text)), (1, Param("regex", Text)), (2, Read), (3, Read)],
            &[(0, "text"), (1, "found")],
        )
    },
    rule(
        "utility:text_append_sequence",
        "text.collect",
        &[(0, Port("text")), (1, Param("separator", Text))],
        &[(0, "text")],
    ),
    Rule {
        special: Some(special::colour_from_channels),
        ..rule(
            "utility:color_from_channels",
            "value.colour_from",
            &[(0, Read), (1, Read), (2, Read), (3, Read), (4, Read), (5, Read)],
            &[(0, "colour")],
        )
    },
    rule(
        "utility:separate_color",
        "value.colour_parts",
        &[(0, Param("colour", Colour)), (1, Param("unit", Choice(&[("0", "8-bit"), ("1", "percent")])))],
        &[(0, "red"), (1, "green"), (2, "blue"), (3, "alpha")],
    ),
    // A directory is taken where a text is.
    rule("utility:directory_to_text", "structure.pass_through", &[(0, Port("value"))], &[(0, "value")]),
    // Frames are worked on side by side in any case.
    rule("utility:multithread_sequence", "structure.pass_through", &[(0, Port("value"))], &[(0, "value")]),
    // The first of its values; the others go round it.
    rule("utility:pass_through", "structure.pass_through", &[(0, Port("value"))], &[(0, "value")]),
];
