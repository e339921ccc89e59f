//! Numbers, texts, paths and decisions.

mod colour;
mod decision;
mod expression;
mod math;
mod path;
mod pattern;
mod sequence;
mod text;

use crate::function::{BASE, Made, function, node};
#[cfg(test)]
use pegbar_chain::Prepare;
use pegbar_chain::{Category, Info, Inputs, NodeError, NodeType, Output, Value, ValueType};
use pegbar_params::{Param, PathTarget};

pub(crate) use colour::{COLOUR_FROM, COLOUR_PARTS};
pub(crate) use decision::{COMPARE, CONDITIONAL, LOGIC, SWITCH};
pub(crate) use math::{MATH, MATH_EXPRESSION, RANDOM, ROUND, SEED};
pub(crate) use path::{PATH_JOIN, PATH_PARENT, PATH_PARTS};
pub(crate) use sequence::RANGE;
pub(crate) use text::{
    TEXT_CASE, TEXT_JOIN, TEXT_LENGTH, TEXT_PAD, TEXT_PARSE_NUMBER, TEXT_PATTERN, TEXT_REGEX_FIND,
    TEXT_REGEX_REPLACE, TEXT_REPLACE, TEXT_SLICE,
};

/// Range of numbers that may be anything: whole ones are exact within it.
const ANY_NUMBER: (f64, f64) = (-9e15, 9e15);

/// What nodes of values have in common.
const VALUE: NodeType = NodeType { category: Category::Value, ..BASE };

/// A number.
pub(crate) static NUMBER: NodeType = NodeType {
    id: "value.number",
    name: "Number",
    doc: "A number, to be used in several places or set from the command line.",
    outputs: &[Output::of(ValueType::Number, "number", "The number.")],
    params: &[Param::float("value", "The number.", "", ANY_NUMBER, 0.0)],
    role: function(|prepare| constant(Value::Number(prepare.values.float("value")))),
    example: &[("value", "1.5")],
    ..VALUE
};

/// A text.
pub(crate) static TEXT: NodeType = NodeType {
    id: "value.text",
    name: "Text",
    doc: "A text, to be used in several places or set from the command line.",
    outputs: &[Output::of(ValueType::Text, "text", "The text.")],
    params: &[Param::text("value", "The text.", "")],
    role: function(|prepare| constant(text_value(prepare.values.text("value")))),
    example: &[("value", "Reel 12")],
    ..VALUE
};

/// True or false.
pub(crate) static BOOL: NodeType = NodeType {
    id: "value.bool",
    name: "Switch",
    doc: "True or false, to be used in several places or set from the command line.",
    outputs: &[Output::of(ValueType::Bool, "bool", "The value.")],
    params: &[Param::bool("value", "The value.", false)],
    role: function(|prepare| constant(Value::Bool(prepare.values.bool("value")))),
    example: &[("value", "true")],
    ..VALUE
};

/// A directory.
pub(crate) static DIRECTORY: NodeType = NodeType {
    id: "value.directory",
    name: "Directory",
    doc: "The path of a directory. It need not exist: what is saved there makes it.",
    outputs: &[Output::of(ValueType::Directory, "directory", "The directory.")],
    params: &[Param::path("path", "The directory, relative to the chain's file.", PathTarget::Directory)],
    role: function(|prepare| constant(Value::Directory(prepare.required_path("path")?.into()))),
    example: &[("path", "frames")],
    ..VALUE
};

/// A file.
pub(crate) static FILE: NodeType = NodeType {
    id: "value.file",
    name: "File",
    doc: "The path of a file. Whether it is there is asked by the node that reads it.",
    outputs: &[Output::of(ValueType::File, "file", "The file.")],
    params: &[Param::path("path", "The file, relative to the chain's file.", PathTarget::File)],
    role: function(|prepare| constant(Value::File(prepare.required_path("path")?.into()))),
    example: &[("path", "frame.png")],
    ..VALUE
};

/// A colour.
pub(crate) static COLOUR: NodeType = NodeType {
    id: "value.colour",
    name: "Colour",
    doc: "A colour, for the parameters of other nodes that are colours.",
    outputs: &[Output::of(ValueType::Text, "colour", "The colour, as #rrggbb or #rrggbbaa.")],
    params: &[Param::colour("value", "The colour.", "#ffffff")],
    role: function(|prepare| constant(text_value(prepare.values.text("value")))),
    example: &[("value", "#d12924")],
    ..VALUE
};

/// A node with one value.
fn constant(value: Value) -> Made {
    let info = Info::of_value(&value);
    node(move |_| Ok(vec![info.clone()]), move |_, _| Ok(vec![value.clone()]))
}

/// A node of values: the types of its outputs, and what makes them.
pub(crate) fn plain(
    types: &'static [ValueType],
    run: impl Fn(&Inputs<'_>) -> Result<Vec<Value>, NodeError> + Send + Sync + 'static,
) -> Made {
    node(move |_| Ok(types.iter().copied().map(Info::of_type).collect()), move |inputs, _| run(inputs))
}

/// A text as a value.
pub(crate) fn text_value(text: impl AsRef<str>) -> Value {
    Value::Text(text.as_ref().into())
}

/// A number as a value; one that is none is refused.
fn number_value(number: f64, what: impl FnOnce() -> String) -> Result<Value, NodeError> {
    if number.is_finite() {
        Ok(Value::Number(number))
    } else {
        Err(NodeError::Failed(format!("{} has no finite result", what())))
    }
}

/// Runs a node of this table with parameters as typed and values for its inputs, and gives its results.
#[cfg(test)]
pub(crate) fn run_node(
    kind: &'static NodeType,
    params: &[(&str, &str)],
    inputs: &[&[Value]],
) -> Result<Vec<Value>, NodeError> {
    let values = params_of(kind, params);
    let shared = pegbar_chain::Shared::default();
    let prepare = Prepare { values: &values, folder: std::path::Path::new("/chain"), shared: &shared };
    let pegbar_chain::Role::Function { prepare: make, .. } = kind.role else {
        panic!("{} is no function", kind.id)
    };
    let made = make(&prepare)?;
    let came: Vec<Vec<Value>> = inputs.iter().map(|values| values.to_vec()).collect();
    made.run(&Inputs::new(kind, &came), &pegbar_chain::FrameContext::still())
}

/// Parameters as typed.
#[cfg(test)]
pub(crate) fn params_of(kind: &'static NodeType, params: &[(&str, &str)]) -> pegbar_params::ParamValues {
    let mut values = pegbar_params::ParamValues::defaults(kind.params);
    for (id, text) in params {
        let param = kind.param(id).unwrap_or_else(|| panic!("{} has no {id}", kind.id));
        let value = param.parse(text).unwrap_or_else(|error| panic!("{}: {error}", kind.id));
        assert_eq!(values.set(id, value), Ok(true));
    }
    values
}

/// The results of a node as texts, or its error.
#[cfg(test)]
pub(crate) fn shown(kind: &'static NodeType, params: &[(&str, &str)], inputs: &[&[Value]]) -> String {
    match run_node(kind, params, inputs) {
        Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
        Err(error) => format!("! {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_what_is_set() {
        assert_eq!(shown(&NUMBER, &[("value", "-2.5")], &[]), "-2.5");
        assert_eq!(shown(&TEXT, &[("value", "a b")], &[]), "a b");
        assert_eq!(shown(&BOOL, &[("value", "on")], &[]), "true");
        assert_eq!(shown(&DIRECTORY, &[("path", "frames")], &[]), "/chain/frames");
        assert_eq!(shown(&FILE, &[("path", "/a/b.png")], &[]), "/a/b.png");
        assert_eq!(shown(&FILE, &[], &[]), "! parameter path: no path is given");
        assert_eq!(shown(&COLOUR, &[("value", "#102030")], &[]), "#102030");
    }
}
