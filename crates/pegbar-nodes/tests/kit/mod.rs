//! Files of chaiNNer's format in `tests/chn`, and what they become.

use pegbar_chain::{Chain, Graph};
use pegbar_nodes::{Imported, NODES, import_chn};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chn").join(name)
}

pub(crate) fn import(name: &str) -> Imported {
    let path = file(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let imported = import_chn(&text, &path).unwrap_or_else(|error| panic!("{name}: {error}"));
    // What is written is read again as the same.
    let again = Chain::from_json(&imported.chain.to_json()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(again, imported.chain, "{name}");
    imported
}

/// A node as a line: id, kind, parameters, edges.
pub(crate) fn line(id: &str, node: &pegbar_chain::ChainNode) -> String {
    let mut line = format!("{id} = {}", node.node_type);
    for (param, value) in &node.params {
        line += &format!(" {param}={value}");
    }
    for (port, sources) in &node.inputs {
        let from: Vec<String> = sources.all().iter().map(ToString::to_string).collect();
        line += &format!(" {port}<{}", from.join("+"));
    }
    line += if node.disabled { " disabled" } else { "" };
    line += if node.pass_through { " passes" } else { "" };
    line
}

/// Nodes are those expected, in order, whatever the order of their parameters. Of a kind that the table does not have, the importer
/// does not know defaults and writes them, too.
pub(crate) fn same_nodes(chain: &Chain, expected: &[&str]) {
    let got: Vec<String> = chain.nodes.iter().map(|(id, node)| line(id, node)).collect();
    assert_eq!(got.len(), expected.len(), "{got:#?}");
    for ((node, got), expected) in chain.nodes.values().zip(&got).zip(expected) {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let (mut got_words, wanted) = (words(got), words(expected));
        if NODES.get(&node.node_type).is_none() {
            println!("not in the table, so without its defaults: {}", node.node_type);
            got_words.retain(|word| !word.contains('=') || word == "=" || wanted.contains(word));
        }
        assert_eq!(got_words, wanted, "{got}");
    }
}

/// The report, a line each.
pub(crate) fn remarks(imported: &Imported) -> Vec<String> {
    imported.report.iter().map(ToString::to_string).collect()
}

/// Kinds, ports and parameters are all there; kinds that this version does not have are said, so that nobody takes it for a pass.
pub(crate) fn graph_is_sound(name: &str, chain: &Chain) {
    let missing: Vec<&str> = chain
        .nodes
        .values()
        .map(|node| node.node_type.as_str())
        .filter(|id| NODES.get(id).is_none())
        .collect();
    if !missing.is_empty() {
        println!("skipped: {name} needs nodes that are not there: {}", missing.join(", "));
        return;
    }
    if let Err(faults) = Graph::build(chain, &NODES) {
        panic!("{name}: {faults:?}");
    }
}
