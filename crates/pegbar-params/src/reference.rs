//! Projections of a table: a Markdown reference and a JSON schema.

use crate::{Param, ParamKind, PathTarget};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A Markdown table of parameters.
pub fn markdown_table(params: &[Param]) -> String {
    let mut out = String::from("| parameter | takes | default | what it does |\n|---|---|---|---|\n");
    for p in params {
        let mut doc = p.doc.to_string();
        if let ParamKind::Choice { choices, .. } = p.kind {
            for c in choices {
                let _ = write!(doc, " `{}`: {}", c.id, c.doc);
            }
        }
        let default = p.default_value().to_string();
        let default = if default.is_empty() { "none".into() } else { format!("`{default}`") };
        let _ =
            writeln!(out, "| `{}` | {} | {} | {} |", p.id, p.expected(), default, doc.replace('|', "\\|"));
    }
    out
}

/// A JSON schema of an object with these parameters as properties.
pub fn json_schema(params: &[Param]) -> Value {
    let mut properties = Map::new();
    for p in params {
        let mut schema = match p.kind {
            ParamKind::Bool { .. } => json!({"type": "boolean"}),
            ParamKind::Int { min, max, .. } => json!({"type": "integer", "minimum": min, "maximum": max}),
            ParamKind::Float { min, max, .. } => json!({"type": "number", "minimum": min, "maximum": max}),
            ParamKind::Choice { choices, .. } => {
                json!({"type": "string", "enum": choices.iter().map(|c| c.id).collect::<Vec<_>>()})
            }
            ParamKind::Text { .. } => json!({"type": "string"}),
            ParamKind::Path { target: PathTarget::File } => json!({"type": "string", "format": "file"}),
            ParamKind::Path { target: PathTarget::Directory } => {
                json!({"type": "string", "format": "directory"})
            }
            ParamKind::Colour { .. } => json!({"type": "string", "format": "colour"}),
        };
        schema["description"] = json!(p.doc);
        schema["default"] = json!(p.default_value());
        if !p.unit.is_empty() {
            schema["unit"] = json!(p.unit);
        }
        properties.insert(p.id.into(), schema);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Param] = &[
        Param { id: "crf", doc: "Quality.", unit: "", kind: ParamKind::Int { min: 0, max: 51, default: 16 } },
        Param { id: "name", doc: "A | B.", unit: "", kind: ParamKind::Text { default: "" } },
    ];

    #[test]
    fn markdown() {
        assert_eq!(
            markdown_table(TABLE),
            "| parameter | takes | default | what it does |\n|---|---|---|---|\n\
             | `crf` | a whole number from 0 to 51 | `16` | Quality. |\n\
             | `name` | text | none | A \\| B. |\n"
        );
    }

    #[test]
    fn schema() {
        let schema = json_schema(TABLE);
        assert_eq!(schema["properties"]["crf"]["maximum"], 51);
        assert_eq!(schema["properties"]["crf"]["default"], 16);
    }
}
