//! `pegbar chain nodes`.

use crate::cli::ChainNodesArgs;
use crate::exit::Exit;
use crate::report;
use anyhow::{Result, bail};
use pegbar_chain::{Category, Chain, NodeType};
use pegbar_nodes::{NODES, example};
use pegbar_params::json_schema;
use serde::Serialize;

/// A kind of node, for programs.
#[derive(Debug, Serialize)]
struct NodeJson {
    id: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    former_ids: &'static [&'static str],
    name: &'static str,
    category: &'static str,
    doc: &'static str,
    inputs: Vec<PortJson>,
    outputs: Vec<PortJson>,
    /// JSON schema of the parameters.
    params: serde_json::Value,
    /// A chain with it.
    example: Chain,
}

/// An input or output.
#[derive(Debug, Serialize)]
struct PortJson {
    id: &'static str,
    doc: &'static str,
    /// `any` for an input that takes every type, and for an output that gives what is put in.
    #[serde(rename = "type")]
    value_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    arity: Option<&'static str>,
}

/// Runs the command.
pub(super) fn run(args: &ChainNodesArgs) -> Result<Exit> {
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let fits = |kind: &&&NodeType| {
        [kind.id, kind.name, kind.doc].iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let exact: Vec<&&NodeType> = NODES.0.iter().filter(|kind| kind.id == wanted).collect();
    let found = if exact.is_empty() { NODES.0.iter().filter(fits).collect() } else { exact };
    if args.report.json {
        report::json(&found.iter().map(|kind| json(kind)).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    match found.as_slice() {
        [] => {
            let like = NODES.like(&wanted);
            let more =
                if like.is_empty() { String::new() } else { format!("; is it {}?", like.join(" or ")) };
            bail!("no kind of node has {wanted:?} in its id, name or description{more}");
        }
        [only] => print_whole(only),
        many => {
            for category in Category::ALL {
                let mut of_category = many.iter().filter(|kind| kind.category == category).peekable();
                if of_category.peek().is_some() {
                    outln!("{}", category.name().1);
                }
                for kind in of_category {
                    outln!("  {:28} {}", kind.id, kind.summary());
                }
            }
        }
    }
    Ok(Exit::Done)
}

fn print_whole(kind: &'static NodeType) {
    out!("{}Example\n{}", kind.help(), example(kind).0.to_json());
}

fn json(kind: &'static NodeType) -> NodeJson {
    NodeJson {
        id: kind.id,
        former_ids: kind.former_ids,
        name: kind.name,
        category: kind.category.name().0,
        doc: kind.doc,
        inputs: inputs(kind),
        outputs: outputs(kind),
        params: json_schema(kind.params),
        example: example(kind).0,
    }
}

fn inputs(kind: &NodeType) -> Vec<PortJson> {
    let of = |input: &pegbar_chain::Input| PortJson {
        id: input.id,
        doc: input.doc,
        value_type: input.takes(),
        arity: Some(input.arity.name()),
    };
    kind.inputs.iter().map(of).collect()
}

fn outputs(kind: &NodeType) -> Vec<PortJson> {
    let of = |output: &pegbar_chain::Output| PortJson {
        id: output.id,
        doc: output.doc,
        value_type: output.gives_what(),
        arity: None,
    };
    kind.outputs.iter().map(of).collect()
}
