//! The tables: kinds of nodes of chaiNNer, what they are in Pegbar, and why some are nothing.

mod files;
mod nothing;
mod pictures;
mod values;

use super::convert::Convert;
use super::special::Special;
pub(super) use nothing::reason;

/// What one kind of node becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// chaiNNer's id without `chainner:`.
    pub(super) schema: &'static str,
    /// Pegbar's id.
    pub(super) to: &'static str,
    /// Inputs by their ids.
    pub(super) inputs: &'static [(u32, Place)],
    /// An input that takes all from an id on that are not among `inputs`.
    pub(super) rest: Option<(u32, &'static str)>,
    /// Outputs by their ids.
    pub(super) outputs: &'static [(u32, &'static str)],
    /// Parameters that are always set, as typed.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    /// What the table cannot say.
    pub(super) special: Option<Special>,
}

/// Where an input leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// To an input; a stored value becomes a node of its own.
    Port(&'static str),
    /// To a parameter.
    Param(&'static str, Convert),
    /// The special function reads it.
    Read,
    /// It means nothing here: Pegbar does it by itself, or not at all.
    Nothing,
}

const fn rule(
    schema: &'static str,
    to: &'static str,
    inputs: &'static [(u32, Place)],
    outputs: &'static [(u32, &'static str)],
) -> Rule {
    Rule { schema, to, inputs, rest: None, outputs, fixed: &[], special: None }
}

/// A picture out of a picture: input 0 is the picture, output 0 the result.
const fn picture(schema: &'static str, to: &'static str, inputs: &'static [(u32, Place)]) -> Rule {
    rule(schema, to, inputs, IMAGE)
}

const IMAGE: &[(u32, &str)] = &[(0, "image")];

/// All rules, by rooms.
static TABLES: &[&[Rule]] = &[files::RULES, pictures::RULES, values::RULES];

/// The rule for a kind of node.
pub(super) fn rule_for(schema: &str) -> Option<&'static Rule> {
    TABLES.iter().flat_map(|rules| rules.iter()).find(|rule| rule.schema == schema)
}

#[cfg(test)]
mod tests {
    use super::super::convert::Convert::{Bool, Choice, Colour, Number, Path, Text, Whole};
    use super::super::special;
    use super::Place::{Param, Port};
    use super::*;
    use crate::NODES;
    use pegbar_params::{ParamKind, ParamValue};

    /// The kinds of nodes that the rules lead to and that Pegbar does not have. Empty when all of them are there.
    #[rustfmt::skip]
    const NOT_THERE: &[&str] = &[];

    /// The parameters that a rule and its special function set are there, and take what they are set to.
    fn params_fit(rule: &Rule, params: &[pegbar_params::Param]) {
        let declared = |id: &str| {
            let found = params.iter().find(|param| param.id == id);
            found.unwrap_or_else(|| panic!("{}: {} has no parameter {id}", rule.schema, rule.to))
        };
        for (_, place) in rule.inputs {
            let Param(param, convert) = place else { continue };
            let declared = declared(param);
            let fits = match (convert, declared.kind) {
                (Whole, ParamKind::Int { .. })
                | (Number, ParamKind::Float { .. })
                | (Bool, ParamKind::Bool { .. })
                | (Text, ParamKind::Text { .. })
                | (Path, ParamKind::Path { .. })
                | (Colour, ParamKind::Colour { .. }) => true,
                (Choice(choices), ParamKind::Choice { .. }) => {
                    choices.iter().all(|(_, ours)| declared.check(&ParamValue::Text((*ours).into())).is_ok())
                }
                _ => false,
            };
            assert!(fits, "{}: {convert:?} does not fit {}.{param}", rule.schema, rule.to);
        }
        for (param, text) in rule.fixed {
            assert!(declared(param).parse(text).is_ok(), "{}: {param} = {text}", rule.schema);
        }
        for (_, param, values) in special::SETS.iter().filter(|sets| sets.0 == rule.to) {
            for value in *values {
                assert!(declared(param).parse(value).is_ok(), "{}.{param} = {value}", rule.to);
            }
        }
    }

    #[test]
    fn every_rule_fits_the_node_it_leads_to() {
        let mut missing: Vec<&str> = Vec::new();
        let all: Vec<&Rule> = TABLES.iter().flat_map(|rules| rules.iter()).collect();
        for (i, rule) in all.iter().enumerate() {
            let schema = rule.schema;
            assert!(all[..i].iter().all(|other| other.schema != schema), "{schema} is there twice");
            assert!(reason(schema).is_none(), "{schema} has a rule, and a reason to have none");
            for (id, _) in rule.inputs {
                assert_eq!(rule.inputs.iter().filter(|(other, _)| other == id).count(), 1, "{schema} {id}");
            }
            let Some(kind) = NODES.get(rule.to) else {
                missing.push(rule.to);
                // Its parameters are those of the filter all the same.
                let filter = rule.to.strip_prefix("image.").unwrap_or_default();
                let tables = pegbar_filters::picture::TABLES;
                if let Some((_, params)) = tables.iter().find(|(id, _)| *id == filter) {
                    params_fit(rule, params);
                }
                continue;
            };
            params_fit(rule, kind.params);
            assert_eq!(kind.id, rule.to, "{schema} leads to a former id");
            for (_, place) in rule.inputs {
                if let Port(port) = place {
                    assert!(kind.input(port).is_some(), "{schema}: {} has no {port}", rule.to);
                }
            }
            if let Some((_, port)) = rule.rest {
                assert!(kind.input(port).is_some(), "{schema}: {} has no {port}", rule.to);
            }
            for (_, output) in rule.outputs {
                assert!(kind.output(output).is_some(), "{schema}: {} has no output {output}", rule.to);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        assert_eq!(missing, NOT_THERE, "kinds of nodes that are not in the table");
    }

    /// Each rule in a chain of its own, all its inputs connected: nothing is wrong with it but files that are not there.
    #[test]
    fn every_rule_makes_a_node_that_passes_a_check() {
        use pegbar_chain::{Accepts, FaultKind, ValueType};
        use serde_json::json;
        let source = |id: &str| match id {
            "image" => json!({"schemaId": "chainner:image:create_color", "inputData": {"1": 32, "2": 24}}),
            "model" => json!({"schemaId": "chainner:pytorch:load_model", "inputData": {"0": "/none.pth"}}),
            "number" => json!({"schemaId": "chainner:utility:number", "inputData": {"0": 1}}),
            _ => json!({"schemaId": "chainner:utility:text", "inputData": {"0": "a"}}),
        };
        for rule in TABLES.iter().flat_map(|rules| rules.iter()) {
            let kind = NODES.get(rule.to).unwrap_or_else(|| panic!("{} is not there", rule.to));
            let data = json!({"schemaId": format!("chainner:{}", rule.schema), "inputData": {}});
            let mut nodes = vec![json!({"id": "x", "data": data})];
            let mut edges = Vec::new();
            let ports = rule.inputs.iter().filter_map(|(id, place)| match place {
                Port(port) => Some((*id, *port)),
                _ => None,
            });
            for (id, port) in ports.chain(rule.rest) {
                let input =
                    kind.inputs[kind.input(port).unwrap_or_else(|| panic!("{} has no {port}", kind.id))];
                let from = match input.accepts {
                    Accepts::Type(ValueType::Image) => "image",
                    Accepts::Type(ValueType::Model) => "model",
                    Accepts::Type(ValueType::Text) => "text",
                    _ => "number",
                };
                if nodes.iter().all(|node| node["id"] != from) {
                    nodes.push(json!({"id": from, "data": source(from)}));
                }
                edges.push(json!({"source": from, "target": "x", "sourceHandle": format!("{from}-0"),
                                  "targetHandle": format!("x-{id}")}));
            }
            let file =
                json!({"version": "0.24.1", "migration": 45, "content": {"nodes": nodes, "edges": edges}});
            let imported = crate::import_chn(&file.to_string(), std::path::Path::new("a.chn"))
                .unwrap_or_else(|error| panic!("{}: {error}", rule.schema));
            let again = pegbar_chain::Chain::from_json(&imported.chain.to_json());
            assert_eq!(again.ok().as_ref(), Some(&imported.chain), "{}", rule.schema);
            let known = std::collections::HashMap::new();
            let folder = std::path::Path::new(".");
            let checked =
                pegbar_chain::check(&imported.chain, &NODES, folder, &std::sync::Arc::default(), &known);
            for fault in checked.err().unwrap_or_default() {
                // Texts are empty here.
                let said = fault.to_string();
                let is_empty = said.contains("no name is given") || said.contains("\"\" is no number");
                assert!(fault.kind == FaultKind::Resource || is_empty, "{}: {fault}", rule.schema);
            }
        }
    }
}
