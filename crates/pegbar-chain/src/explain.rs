//! A chain in words: what happens to a frame, step by step.

use crate::{Arity, Chain, ChainNode, Checked, Flow, NodeType, Role, choice};
use std::collections::HashSet;
use std::fmt::Write;

/// Tells what a checked chain does, in the order in which it is done: what is made once, what is done for each frame of each stream,
/// and what when it has ended.
pub fn explain(chain: &Chain, checked: &Checked) -> String {
    let mut text = String::new();
    if !chain.title.is_empty() {
        let _ = writeln!(text, "{}", chain.title);
    }
    if !chain.doc.is_empty() {
        let _ = writeln!(text, "{}", chain.doc);
    }
    let order = &checked.graph.order;
    let used: HashSet<usize> = checked.needed(&checked.roots()).into_iter().collect();
    let mut step = 0;
    let mut section = |text: &mut String, title: &str, nodes: Vec<usize>| {
        if nodes.is_empty() {
            return;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{title}");
        for n in nodes {
            step += 1;
            let _ = writeln!(text, "{step:3}. {}", sentence(chain, checked, n, used.contains(&n)));
        }
    };
    let of = |flow: Flow| order.iter().copied().filter(|&n| checked.flows[n] == flow).collect::<Vec<_>>();
    section(&mut text, "Once, before anything runs:", of(Flow::Constant));
    let mut streams: Vec<usize> = Vec::new();
    for &n in order {
        if let Flow::Stream(begin) | Flow::After(begin) = checked.flows[n]
            && !streams.contains(&begin)
        {
            streams.push(begin);
        }
    }
    for begin in streams {
        let id = &checked.graph.nodes[begin].id;
        let segment = matches!(checked.graph.nodes[begin].kind.role, Role::Segment { .. });
        let title = if segment {
            format!("For each frame that {id} makes:")
        } else {
            format!("For each picture of {id}:")
        };
        section(&mut text, &title, of(Flow::Stream(begin)));
        section(&mut text, &format!("When {id} has ended:"), of(Flow::After(begin)));
    }
    let left_out: Vec<&str> = chain
        .nodes
        .iter()
        .filter(|(id, _)| checked.graph.find(id).is_some_and(|n| !order.contains(&n)))
        .map(|(id, _)| id.as_str())
        .collect();
    if !left_out.is_empty() {
        let _ = writeln!(
            text,
            "\nLeft out, as they are disabled, pass through, are not chosen, or need what is: {}.",
            left_out.join(", ")
        );
    }
    for note in &chain.notes {
        let _ = writeln!(text, "\nNote: {}", note.text);
    }
    text
}

/// One step: the node, what it does, of what, and what comes out.
fn sentence(chain: &Chain, checked: &Checked, n: usize, used: bool) -> String {
    let node = &checked.graph.nodes[n];
    let first = node.kind.doc.split_inclusive(". ").next().unwrap_or(node.kind.doc).trim();
    let mut text = format!("{} ({}): {first}", node.id, node.kind.name);
    let source = |source: &crate::Source| {
        let from = &checked.graph.nodes[source.node];
        match from.kind.outputs {
            [_] => from.id.clone(),
            outputs => format!("{}.{}", from.id, outputs[source.output].id),
        }
    };
    let mut takes: Vec<String> = Vec::new();
    let chosen = choice::known(node);
    takes.extend(chosen.as_ref().map(source));
    for (input, sources) in node.kind.inputs.iter().zip(&node.inputs) {
        if !sources.is_empty() && chosen.is_none() {
            let from: Vec<String> = sources.iter().map(source).collect();
            takes.push(takes_from(node.kind, input.id, input.arity, &from.join(", ")));
        }
    }
    takes.extend(
        node.driven.iter().map(|driven| format!("{} from {}", driven.param.id, source(&driven.from))),
    );
    if !takes.is_empty() {
        let _ = write!(text, " It takes {}.", takes.join("; "));
    }
    let file_node: Option<&ChainNode> = chain.nodes.get(&node.id);
    let set: Vec<String> = node
        .values
        .iter()
        .filter(|(param, value)| **value != param.default_value())
        .map(|(param, value)| format!("{} {value}{}", param.id, unit(param.unit)))
        .collect();
    if !set.is_empty() {
        let _ = write!(text, " Set: {}.", set.join(", "));
    }
    let gives: Vec<String> = node
        .kind
        .outputs
        .iter()
        .zip(&checked.infos[n])
        .filter(|(_, info)| info.image.is_some() || info.model.is_some())
        .map(|(_, info)| info.to_string())
        .collect();
    if !gives.is_empty() {
        let _ = write!(text, " Out comes: {}.", gives.join(", "));
    }
    if !used {
        text.push_str(" Nothing that is saved needs it, so a run leaves it out.");
    }
    if let Some(note) = file_node.map(|node| node.note.as_str()).filter(|note| !note.is_empty()) {
        let _ = write!(text, " ({note})");
    }
    text
}

/// An input that is the only one needs no name.
fn takes_from(kind: &NodeType, input: &str, arity: Arity, from: &str) -> String {
    match (kind.inputs, arity) {
        ([_], Arity::Required) => from.to_owned(),
        _ => format!("{input} from {from}"),
    }
}

fn unit(unit: &str) -> String {
    match unit {
        "" => String::new(),
        "%" => "%".into(),
        unit => format!(" {unit}"),
    }
}
