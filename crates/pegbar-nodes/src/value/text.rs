//! Texts: putting them together, taking them apart.

use super::pattern::Pattern;
use super::{VALUE, plain, text_value};
use crate::function::{Made, function};
use pegbar_chain::{Input, NodeError, NodeType, Output, Prepare, Value, ValueType};
use pegbar_params::{Choice, Param};
use regex::{Captures, Regex, RegexBuilder};

const TEXT_OUT: &[Output] = &[Output::of(ValueType::Text, "text", "The result.")];
const TEXT_PARAM: Param = Param::text("text", "The text.", "");

/// Memory that a regular expression may take once it is read, in bytes.
const REGEX_BYTES: usize = 4 << 20;

/// Letters that a text may be filled up to.
const MOST_LETTERS: i64 = 100_000;

/// Several texts.
pub(crate) static TEXT_JOIN: NodeType = NodeType {
    id: "text.join",
    name: "Join Texts",
    doc: "Puts texts one behind the other. Numbers and paths can be connected, too.",
    inputs: &[Input::of(ValueType::Text, "texts", "The texts, in order.").many()],
    outputs: TEXT_OUT,
    params: &[Param::text("separator", "What stands between them.", "")],
    role: function(|prepare| {
        let separator = prepare.values.text("separator").to_owned();
        plain(&[ValueType::Text], move |inputs| {
            let texts: Vec<String> = inputs.all("texts").iter().map(ToString::to_string).collect();
            Ok(vec![text_value(texts.join(&separator))])
        })
    }),
    example: &[("separator", " ")],
    ..VALUE
};

const NUMBERED: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A text with places.
pub(crate) static TEXT_PATTERN: NodeType = NodeType {
    id: "text.pattern",
    name: "Text Pattern",
    doc: "A text with places to be filled: {1} is the first text, {9} the ninth. {{ and }} stand for the brackets themselves.",
    outputs: TEXT_OUT,
    params: &[
        Param::text("pattern", "The text with places.", "{1}"),
        Param::text("1", "What stands for {1}.", ""),
        Param::text("2", "What stands for {2}.", ""),
        Param::text("3", "What stands for {3}.", ""),
        Param::text("4", "What stands for {4}.", ""),
        Param::text("5", "What stands for {5}.", ""),
        Param::text("6", "What stands for {6}.", ""),
        Param::text("7", "What stands for {7}.", ""),
        Param::text("8", "What stands for {8}.", ""),
        Param::text("9", "What stands for {9}.", ""),
    ],
    role: function(|prepare| {
        let wrong = |message: String| NodeError::param("pattern", message);
        let pattern = Pattern::parse(prepare.values.text("pattern")).map_err(wrong)?;
        let texts = NUMBERED.map(|id| prepare.values.text(id).to_owned());
        let text = pattern
            .fill(|name| NUMBERED.iter().position(|id| *id == name).map(|i| texts[i].as_str()))
            .map_err(|error| wrong(format!("{error}; places are {{1}} to {{9}}")))?;
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&text)]))
    }),
    example: &[("pattern", "{1}_{2}"), ("1", "episode"), ("2", "7")],
    ..VALUE
};

const HOW_OFTEN: Param = Param::choice(
    "count",
    "How many of them.",
    &[
        Choice { id: "all", doc: "All of them." },
        Choice { id: "first", doc: "The first one." },
        Choice { id: "last", doc: "The last one." },
    ],
    "all",
);

/// Words for words.
pub(crate) static TEXT_REPLACE: NodeType = NodeType {
    id: "text.replace",
    name: "Replace Text",
    doc: "Puts other words for words of a text.",
    outputs: TEXT_OUT,
    params: &[
        TEXT_PARAM,
        Param::text("find", "The words that go; nothing goes where it is empty.", ""),
        Param::text("replacement", "What stands in their place.", ""),
        HOW_OFTEN,
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let (text, find) = (values.text("text"), values.text("find"));
        let replacement = values.text("replacement");
        let result = match values.text("count") {
            _ if find.is_empty() => text.to_owned(),
            "first" => text.replacen(find, replacement, 1),
            "last" => match text.rfind(find) {
                Some(at) => format!("{}{replacement}{}", &text[..at], &text[at + find.len()..]),
                None => text.to_owned(),
            },
            _ => text.replace(find, replacement),
        };
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&result)]))
    }),
    example: &[("text", "episode_01_tape"), ("find", "tape"), ("replacement", "restored")],
    ..VALUE
};

const REGEX: Param = Param::text(
    "regex",
    "The regular expression, in the syntax of Rust's regex library: Perl's without look-around.",
    "",
);
const IGNORE_CASE: Param =
    Param::bool("ignore-case", "Whether capital and small letters are the same.", false);

fn regex(prepare: &Prepare<'_>) -> Result<Regex, NodeError> {
    RegexBuilder::new(prepare.values.text("regex"))
        .case_insensitive(prepare.values.bool("ignore-case"))
        .size_limit(REGEX_BYTES)
        .build()
        .map_err(|error| {
            // Its sentence stands in the last of several lines.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            NodeError::param("regex", last.trim_start_matches("error: "))
        })
}

/// What stands for a name in a pattern: a group by number or name; one that took no part is empty.
fn group<'a>(captures: &Captures<'a>, names: &Regex, name: &str) -> Option<&'a str> {
    let found = match name.parse::<usize>() {
        Ok(i) if i < captures.len() => captures.get(i),
        Err(_) if names.capture_names().flatten().any(|known| known == name) => captures.name(name),
        _ => return None,
    };
    Some(found.map_or("", |found| found.as_str()))
}

/// A part of a text.
pub(crate) static TEXT_REGEX_FIND: NodeType = NodeType {
    id: "text.regex_find",
    name: "Find by Regex",
    doc: "Finds the first place of a text that fits a regular expression, and gives it or groups of it.",
    outputs: &[
        Output::of(ValueType::Text, "text", "What was found, as the output pattern says."),
        Output::of(ValueType::Bool, "found", "Whether there was any."),
    ],
    params: &[
        TEXT_PARAM,
        REGEX,
        Param::text(
            "output",
            "What is given: {0} is all that fits, {1} its first group, {name} a named one.",
            "{0}",
        ),
        Param::choice(
            "missing",
            "What happens where nothing fits.",
            &[
                Choice { id: "error", doc: "The work ends with an error." },
                Choice { id: "empty", doc: "The text is empty." },
            ],
            "error",
        ),
        IGNORE_CASE,
    ],
    role: function(regex_find),
    example: &[("text", "frame_0042"), ("regex", "\\d+")],
    ..VALUE
};

fn regex_find(prepare: &Prepare<'_>) -> Made {
    let wrong = |message: String| NodeError::param("output", message);
    let regex = regex(prepare)?;
    let pattern = Pattern::parse(prepare.values.text("output")).map_err(wrong)?;
    let text = prepare.values.text("text").to_owned();
    let may_miss = prepare.values.text("missing") == "empty";
    plain(&[ValueType::Text, ValueType::Bool], move |_| match regex.captures(&text) {
        Some(captures) => {
            let found = pattern.fill(|name| group(&captures, &regex, name)).map_err(wrong)?;
            Ok(vec![text_value(found), Value::Bool(true)])
        }
        None if may_miss => Ok(vec![text_value(""), Value::Bool(false)]),
        None => Err(NodeError::param("regex", format!("nothing in {text:?} fits {}", regex.as_str()))),
    })
}

/// Words for what fits.
pub(crate) static TEXT_REGEX_REPLACE: NodeType = NodeType {
    id: "text.regex_replace",
    name: "Replace by Regex",
    doc: "Puts other words for what fits a regular expression.",
    outputs: TEXT_OUT,
    params: &[
        TEXT_PARAM,
        REGEX,
        Param::text(
            "replacement",
            "What stands in its place: {0} is all that fits, {1} its first group, {name} a named one.",
            "",
        ),
        Param::choice(
            "count",
            "How many of them.",
            &[Choice { id: "all", doc: "All of them." }, Choice { id: "first", doc: "The first one." }],
            "all",
        ),
        IGNORE_CASE,
    ],
    role: function(regex_replace),
    example: &[("text", "frame_0042"), ("regex", "0*(\\d+)"), ("replacement", "{1}")],
    ..VALUE
};

fn regex_replace(prepare: &Prepare<'_>) -> Made {
    let wrong = |message: String| NodeError::param("replacement", message);
    let regex = regex(prepare)?;
    let pattern = Pattern::parse(prepare.values.text("replacement")).map_err(wrong)?;
    let text = prepare.values.text("text").to_owned();
    let most = if prepare.values.text("count") == "first" { 1 } else { usize::MAX };
    plain(&[ValueType::Text], move |_| {
        let mut result = String::new();
        let mut at = 0;
        for captures in regex.captures_iter(&text).take(most) {
            // Group 0 is always there.
            let Some(all) = captures.get(0) else { continue };
            result += &text[at..all.start()];
            result += &pattern.fill(|name| group(&captures, &regex, name)).map_err(wrong)?;
            at = all.end();
        }
        result += &text[at..];
        Ok(vec![text_value(result)])
    })
}

/// A part of a text by place.
pub(crate) static TEXT_SLICE: NodeType = NodeType {
    id: "text.slice",
    name: "Slice Text",
    doc: "Takes a part of a text by places, counted in letters.",
    outputs: TEXT_OUT,
    params: &[
        TEXT_PARAM,
        Param::int(
            "start",
            "First letter, from 0; below 0 it counts from the end, -1 being the last one.",
            "",
            (-100_000, 100_000),
            0,
        ),
        Param::int("length", "Most letters; -1 for all that follow.", "", (-1, 100_000), -1),
        Param::choice(
            "keep",
            "Which letters stay where there are more of them.",
            &[
                Choice { id: "beginning", doc: "The first ones." },
                Choice { id: "end", doc: "The last ones." },
            ],
            "beginning",
        ),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let letters: Vec<char> = values.text("text").chars().collect();
        let start = values.int("start");
        let start = if start < 0 { letters.len() as i64 + start } else { start };
        let part = &letters[(start.max(0) as usize).min(letters.len())..];
        let length = usize::try_from(values.int("length")).unwrap_or(usize::MAX).min(part.len());
        let part = if values.text("keep") == "end" { &part[part.len() - length..] } else { &part[..length] };
        let result: String = part.iter().collect();
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&result)]))
    }),
    example: &[("text", "frame_0042"), ("length", "5")],
    ..VALUE
};

/// A text of a length.
pub(crate) static TEXT_PAD: NodeType = NodeType {
    id: "text.pad",
    name: "Pad Text",
    doc: "Fills a text up to a length, so that numbers in names of files sort well: 7 becomes 0007.",
    outputs: TEXT_OUT,
    params: &[
        TEXT_PARAM,
        Param::int("width", "Letters of the result at least.", "", (0, MOST_LETTERS), 4),
        Param::text("fill", "What it is filled with: one letter.", "0"),
        Param::choice(
            "side",
            "Where it is filled.",
            &[
                Choice { id: "start", doc: "Before the text." },
                Choice { id: "end", doc: "After it." },
                Choice { id: "both", doc: "On both sides; one more after it where it is odd." },
            ],
            "start",
        ),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let (text, fill) = (values.text("text").to_owned(), values.text("fill"));
        let mut letters = fill.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return Err(NodeError::param("fill", format!("{fill:?} is not one letter")));
        };
        let missing = values.usize("width").saturating_sub(text.chars().count());
        let before = match values.text("side") {
            "start" => missing,
            "both" => missing / 2,
            _ => 0,
        };
        let row = |n: usize| std::iter::repeat_n(letter, n).collect::<String>();
        let result = format!("{}{text}{}", row(before), row(missing - before));
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&result)]))
    }),
    example: &[("text", "7")],
    ..VALUE
};

/// Capital and small letters.
pub(crate) static TEXT_CASE: NodeType = NodeType {
    id: "text.case",
    name: "Text Case",
    doc: "Makes letters of a text capital or small.",
    outputs: TEXT_OUT,
    params: &[
        TEXT_PARAM,
        Param::choice(
            "case",
            "Which letters are capital.",
            &[
                Choice { id: "lower", doc: "None." },
                Choice { id: "upper", doc: "All." },
                Choice { id: "title", doc: "The first of each word." },
                Choice { id: "sentence", doc: "The first of the text." },
            ],
            "lower",
        ),
        Param::bool("trim", "Whether blanks at both ends go.", false),
    ],
    role: function(|prepare| {
        let values = prepare.values;
        let text = values.text("text");
        let text = if values.bool("trim") { text.trim() } else { text };
        let result: String = match values.text("case") {
            "lower" => text.to_lowercase(),
            "upper" => text.to_uppercase(),
            case => {
                let every_word = case == "title";
                let mut at_start = true;
                let mut result = String::new();
                for letter in text.chars() {
                    if at_start && letter.is_alphanumeric() {
                        result.extend(letter.to_uppercase());
                        at_start = false;
                    } else {
                        result.extend(letter.to_lowercase());
                        at_start |= every_word && letter.is_whitespace();
                    }
                }
                result
            }
        };
        plain(&[ValueType::Text], move |_| Ok(vec![text_value(&result)]))
    }),
    example: &[("text", "the end of the reel"), ("case", "title")],
    ..VALUE
};

/// Letters of a text.
pub(crate) static TEXT_LENGTH: NodeType = NodeType {
    id: "text.length",
    name: "Text Length",
    doc: "Counts the letters of a text.",
    outputs: &[Output::of(ValueType::Number, "length", "How many there are.")],
    params: &[TEXT_PARAM],
    role: function(|prepare| {
        let n = prepare.values.text("text").chars().count();
        plain(&[ValueType::Number], move |_| Ok(vec![Value::Number(n as f64)]))
    }),
    example: &[("text", "frame_0042")],
    ..VALUE
};

/// A number in a text.
pub(crate) static TEXT_PARSE_NUMBER: NodeType = NodeType {
    id: "text.parse_number",
    name: "Parse Number",
    doc: "Reads a number from a text. To read one among other words, find it by a regular expression first.",
    outputs: &[Output::of(ValueType::Number, "number", "The number.")],
    params: &[
        TEXT_PARAM,
        Param::int("base", "Base of its digits; with 10 it may have a decimal point.", "", (2, 36), 10),
    ],
    role: function(|prepare| {
        let (text, base) = (prepare.values.text("text").to_owned(), prepare.values.int("base"));
        plain(&[ValueType::Number], move |_| {
            let trimmed = text.trim();
            let number = if base == 10 {
                trimmed.parse::<f64>().ok()
            } else {
                i64::from_str_radix(trimmed, base as u32).ok().map(|number| number as f64)
            };
            match number.filter(|number| number.is_finite()) {
                Some(number) => Ok(vec![Value::Number(number)]),
                None => Err(NodeError::param("text", format!("{text:?} is no number of base {base}"))),
            }
        })
    }),
    example: &[("text", "0042")],
    ..VALUE
};

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn texts_are_put_together() {
        let texts = [text_value("a"), Value::Number(2.0), text_value("c")];
        assert_eq!(shown(&TEXT_JOIN, &[("separator", "-")], &[&texts]), "a-2-c");
        let pattern = |text: &str| shown(&TEXT_PATTERN, &[("pattern", text), ("1", "a"), ("9", "z")], &[]);
        assert_eq!(pattern("{9}{1}{2}{{"), "za{");
        assert!(pattern("{0}").starts_with("! parameter pattern: there is nothing for {0} at character 1"));
        let pad = |side: &str| shown(&TEXT_PAD, &[("text", "7"), ("side", side)], &[]);
        assert_eq!((pad("start"), pad("end"), pad("both")), ("0007".into(), "7000".into(), "0700".into()));
        assert!(shown(&TEXT_PAD, &[("fill", "ab")], &[]).contains("not one letter"));
    }

    #[test]
    fn words_are_replaced() {
        let replace = |count: &str| {
            let params = [("text", "a.b.c"), ("find", "."), ("replacement", "--"), ("count", count)];
            shown(&TEXT_REPLACE, &params, &[])
        };
        assert_eq!(replace("all"), "a--b--c");
        assert_eq!(replace("first"), "a--b.c");
        assert_eq!(replace("last"), "a.b--c");
        assert_eq!(shown(&TEXT_REPLACE, &[("text", "abc"), ("replacement", "x")], &[]), "abc");
    }

    #[test]
    fn regular_expressions() {
        let find = |regex: &str, output: &str, missing: &str| {
            let params =
                [("text", "S01E07 pilot"), ("regex", regex), ("output", output), ("missing", missing)];
            shown(&TEXT_REGEX_FIND, &params, &[])
        };
        assert_eq!(find("S(\\d+)E(?<episode>\\d+)", "{1}-{episode}", "error"), "01-07 | true");
        assert_eq!(find("x", "{0}", "empty"), " | false");
        assert_eq!(find("x", "{0}", "error"), "! parameter regex: nothing in \"S01E07 pilot\" fits x");
        assert!(
            find("(", "{0}", "error").starts_with("! parameter regex: unclosed group"),
            "{}",
            find("(", "", "error")
        );
        assert!(find("S", "{1}", "error").starts_with("! parameter output: there is nothing for {1}"));
        let replace = |regex: &str, replacement: &str, count: &str| {
            let params =
                [("text", "a1b22"), ("regex", regex), ("replacement", replacement), ("count", count)];
            shown(&TEXT_REGEX_REPLACE, &params, &[])
        };
        assert_eq!(replace("(\\d)\\d*", "<{1}>", "all"), "a<1>b<2>");
        assert_eq!(replace("\\d+", "", "first"), "ab22");
        assert_eq!(replace("$", "!", "all"), "a1b22!");
        let huge = replace("(\\w{900}){900}", "", "all");
        assert!(huge.starts_with("! parameter regex"), "{huge}");
    }

    #[test]
    fn parts_and_cases() {
        let slice = |start: &str, length: &str, keep: &str| {
            let params = [("text", "häuser"), ("start", start), ("length", length), ("keep", keep)];
            shown(&TEXT_SLICE, &params, &[])
        };
        assert_eq!(slice("1", "2", "beginning"), "äu");
        assert_eq!(slice("1", "2", "end"), "er");
        assert_eq!(slice("-2", "-1", "beginning"), "er");
        assert_eq!(slice("-99", "-1", "end"), "häuser");
        assert_eq!(slice("99", "5", "end"), "");
        let case = |case: &str| shown(&TEXT_CASE, &[("text", " the CAT's ête"), ("case", case)], &[]);
        assert_eq!(case("upper"), " THE CAT'S ÊTE");
        assert_eq!(case("lower"), " the cat's ête");
        assert_eq!(case("title"), " The Cat's Ête");
        assert_eq!(case("sentence"), " The cat's ête");
        assert_eq!(shown(&TEXT_LENGTH, &[("text", "häuser")], &[]), "6");
        let number =
            |text: &str, base: &str| shown(&TEXT_PARSE_NUMBER, &[("text", text), ("base", base)], &[]);
        assert_eq!(number(" 1.5 ", "10"), "1.5");
        assert_eq!(number("-ff", "16"), "-255");
        assert_eq!(number("nan", "10"), "! parameter text: \"nan\" is no number of base 10");
    }
}
