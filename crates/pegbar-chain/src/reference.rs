//! Projections of a declaration for people: what the help of a node and its page say.

use crate::{Accepts, Arity, Gives, Input, NodeType, Output};
use pegbar_params::{Param, ParamKind, markdown_table};
use std::fmt::Write;

impl Input {
    /// What it takes, in a word: a type, or `any`.
    pub fn takes(&self) -> String {
        match self.accepts {
            Accepts::Type(value_type) => value_type.to_string(),
            Accepts::Any => "any".into(),
        }
    }
}

impl Output {
    /// What it gives, in a word: a type, or `any` for what is put in.
    pub fn gives_what(&self) -> String {
        match self.gives {
            Gives::Type(value_type) => value_type.to_string(),
            Gives::SameAsInput => "any".into(),
        }
    }
}

impl Arity {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "one",
            Self::Optional => "optional",
            Self::Many => "many",
        }
    }
}

impl NodeType {
    /// What it does, the first sentence of it.
    pub fn summary(&self) -> &'static str {
        self.doc.split_inclusive(". ").next().unwrap_or(self.doc).trim()
    }

    /// Everything that is declared of it, as plain text.
    pub fn help(&self) -> String {
        let mut out = format!("{} ({}, {})\n{}\n", self.id, self.name, self.category.name().1, self.doc);
        if !self.inputs.is_empty() {
            out.push_str("Inputs\n");
        }
        for input in self.inputs {
            let arity = match input.arity {
                Arity::Required => String::new(),
                other => format!(", {}", other.name()),
            };
            let _ = writeln!(out, "  {} ({}{arity}): {}", input.id, input.takes(), input.doc);
        }
        if !self.outputs.is_empty() {
            out.push_str("Outputs\n");
        }
        for output in self.outputs {
            let _ = writeln!(out, "  {} ({}): {}", output.id, output.gives_what(), output.doc);
        }
        if !self.params.is_empty() {
            out.push_str("Parameters\n");
        }
        for param in self.params {
            help_of_param(param, &mut out);
        }
        if !self.former_ids.is_empty() {
            let _ = writeln!(out, "Former ids: {}", self.former_ids.join(", "));
        }
        out
    }

    /// Its inputs, outputs and parameters, as Markdown with headings of the second level.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        if !self.inputs.is_empty() {
            out.push_str("## Inputs\n\n| input | takes | how many | what it is |\n|---|---|---|---|\n");
        }
        for input in self.inputs {
            let (arity, doc) = (input.arity.name(), in_a_cell(input.doc));
            let _ = writeln!(out, "| `{}` | {} | {arity} | {doc} |", input.id, input.takes());
        }
        if !self.outputs.is_empty() {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = write!(out, "{gap}## Outputs\n\n| output | gives | what it is |\n|---|---|---|\n");
        }
        for output in self.outputs {
            let _ =
                writeln!(out, "| `{}` | {} | {} |", output.id, output.gives_what(), in_a_cell(output.doc));
        }
        if !self.params.is_empty() {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = write!(out, "{gap}## Parameters\n\n{}", markdown_table(self.params));
        }
        out
    }
}

fn help_of_param(param: &Param, out: &mut String) {
    let default = param.default_value().to_string();
    let _ = writeln!(out, "  {} ({}, default {default:?}): {}", param.id, param.expected(), param.doc);
    if let ParamKind::Choice { choices, .. } = param.kind {
        for choice in choices {
            let _ = writeln!(out, "    {}: {}", choice.id, choice.doc);
        }
    }
}

/// A text that is no border of its cell.
fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Category, Role, ValueType};
    use pegbar_params::Choice;

    static KIND: NodeType = NodeType {
        id: "image.try",
        former_ids: &["image.attempt"],
        name: "Try",
        category: Category::Filter,
        doc: "Tries it. And more.",
        inputs: &[Input::image("image", "A | B."), Input::any("more", "More.").many()],
        outputs: &[Output::of(ValueType::Number, "n", "How many.")],
        params: &[Param::choice("mode", "How.", &[Choice { id: "a", doc: "So." }], "a")],
        role: Role::Placeholder,
        example: &[],
    };

    #[test]
    fn help_and_page_say_the_same() {
        assert_eq!(KIND.summary(), "Tries it.");
        assert_eq!(
            KIND.help(),
            "image.try (Try, Blur, sharpen, edges)\nTries it. And more.\nInputs\n  image (image): A | B.\n  \
             more (any, many): More.\nOutputs\n  n (number): How many.\nParameters\n  \
             mode (one of a, default \"a\"): How.\n    a: So.\nFormer ids: image.attempt\n"
        );
        assert_eq!(
            KIND.markdown(),
            "## Inputs\n\n| input | takes | how many | what it is |\n|---|---|---|---|\n\
             | `image` | image | one | A \\| B. |\n| `more` | any | many | More. |\n\n\
             ## Outputs\n\n| output | gives | what it is |\n|---|---|---|\n| `n` | number | How many. |\n\n\
             ## Parameters\n\n| parameter | takes | default | what it does |\n|---|---|---|---|\n\
             | `mode` | one of a | `a` | How. `a`: So. |\n"
        );
    }
}
