//! Groups: chains within a chain, taken apart before anything is checked.

use crate::{Chain, ChainNode, Fault, FaultKind, OutputRef, Sources, check_id};
use indexmap::IndexMap;

/// Type of a node that is a group, before its name.
pub(crate) const PREFIX: &str = "group.";

/// Between the id of a group's node and that of a node in it.
pub(crate) const INSIDE: &str = "/";

/// Groups within groups, at most.
const DEEPEST: usize = 16;
/// Nodes of all groups taken apart, at most: a few groups that hold each other ten times are many.
const MOST_NODES: usize = 10_000;

/// The nodes of a chain with every group replaced by its nodes, which are called `group/node` then.
pub(crate) fn expand(chain: &Chain) -> Result<IndexMap<String, ChainNode>, Vec<Fault>> {
    let mut faults = Vec::new();
    for id in chain
        .nodes
        .keys()
        .chain(chain.groups.keys())
        .chain(chain.groups.values().flat_map(|g| g.nodes.keys()))
    {
        if let Err(fault) = check_id(id) {
            faults.push(fault.at(id));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut nodes = chain.nodes.clone();
    for depth in 0.. {
        let Some(at) = nodes.values().position(|node| node.node_type.starts_with(PREFIX)) else { break };
        let (id, node) = nodes.get_index(at).map(|(id, node)| (id.clone(), node.clone())).unwrap_or_default();
        if nodes.len() > MOST_NODES {
            let message = format!("with its groups the chain has more than {MOST_NODES} nodes");
            return Err(vec![Fault::new(FaultKind::Resource, message, "use fewer of them").at(&id)]);
        }
        let deep = id.matches(INSIDE).count() >= DEEPEST;
        if deep || depth > MOST_NODES {
            return Err(vec![
                Fault::new(
                    FaultKind::Cycle,
                    format!(
                        "the group {} is too deep: does it hold itself?",
                        &node.node_type[PREFIX.len()..]
                    ),
                    "a group cannot be within itself",
                )
                .at(&id),
            ]);
        }
        match expand_one(chain, &id, &node, &mut nodes) {
            Ok(()) => {}
            Err(found) => return Err(found),
        }
    }
    Ok(nodes)
}

/// Replaces one node by the nodes of its group.
fn expand_one(
    chain: &Chain,
    id: &str,
    node: &ChainNode,
    nodes: &mut IndexMap<String, ChainNode>,
) -> Result<(), Vec<Fault>> {
    let name = &node.node_type[PREFIX.len()..];
    let Some(group) = chain.groups.get(name) else {
        let known: Vec<&str> = chain.groups.keys().map(String::as_str).collect();
        let remedy = if known.is_empty() {
            "the chain has none; add it under \"groups\"".into()
        } else {
            format!("the chain has {}", known.join(", "))
        };
        return Err(vec![
            Fault::new(FaultKind::UnknownNode, format!("there is no group {name}"), remedy).at(id),
        ]);
    };
    let inner = |node: &str| format!("{id}{INSIDE}{node}");
    let mut inside: IndexMap<String, ChainNode> = IndexMap::new();
    for (inner_id, inner_node) in &group.nodes {
        let mut copy = inner_node.clone();
        copy.disabled |= node.disabled;
        copy.pass_through |= node.pass_through;
        for output in copy.inputs.values_mut().flat_map(Sources::all_mut) {
            output.node = inner(&output.node);
        }
        inside.insert(inner(inner_id), copy);
    }
    let mut faults = Vec::new();
    let missing = |what: &str, port: &str, node: &str| {
        Fault::new(
            FaultKind::MissingNode,
            format!("the group {name} has no node {node}, which its {what} {port} names"),
            "correct the group",
        )
        .at(id)
        .port(port)
    };
    for (port, sources) in &node.inputs {
        // A parameter of the group can be connected like one of a node.
        let targets = match (group.inputs.get(port), group.params.get(port)) {
            (Some(targets), _) => targets.as_slice(),
            (None, Some(param)) => std::slice::from_ref(param),
            (None, None) => {
                let known: Vec<&str> =
                    group.inputs.keys().chain(group.params.keys()).map(String::as_str).collect();
                faults.push(
                    Fault::new(
                        FaultKind::UnknownPort,
                        format!("the group {name} has no input {port}"),
                        format!("it has {}", or_none(&known)),
                    )
                    .at(id)
                    .port(port),
                );
                continue;
            }
        };
        for target in targets {
            match inside.get_mut(&inner(&target.node)) {
                Some(node) => {
                    node.inputs.insert(target.output.clone(), sources.clone());
                }
                None => faults.push(missing("input", port, &target.node)),
            }
        }
    }
    for (param, value) in &node.params {
        match group.params.get(param) {
            Some(target) => match inside.get_mut(&inner(&target.node)) {
                Some(node) => {
                    node.params.insert(target.output.clone(), value.clone());
                }
                None => faults.push(missing("parameter", param, &target.node)),
            },
            None => {
                let known: Vec<&str> = group.params.keys().map(String::as_str).collect();
                faults.push(
                    Fault::new(
                        FaultKind::UnknownPort,
                        format!("the group {name} has no parameter {param}"),
                        format!("it has {}", or_none(&known)),
                    )
                    .at(id)
                    .port(param),
                );
            }
        }
    }
    let at = nodes.get_index_of(id).unwrap_or(nodes.len());
    nodes.shift_remove(id);
    for (i, (inner_id, inner_node)) in inside.into_iter().enumerate() {
        nodes.shift_insert(at + i, inner_id, inner_node);
    }
    for (user, user_node) in nodes.iter_mut() {
        for (port, sources) in &mut user_node.inputs {
            for output in sources.all_mut().iter_mut().filter(|output| output.node == id) {
                let found = if output.output.is_empty() {
                    group.outputs.first().map(|(_, target)| target)
                } else {
                    group.outputs.get(&output.output)
                };
                match found {
                    Some(target) => *output = OutputRef::new(inner(&target.node), target.output.clone()),
                    None => {
                        let known: Vec<&str> = group.outputs.keys().map(String::as_str).collect();
                        faults.push(
                            Fault::new(
                                FaultKind::UnknownPort,
                                format!("the group {name} has no output {}", output.output),
                                format!("it has {}", or_none(&known)),
                            )
                            .at(user)
                            .port(port),
                        );
                    }
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn or_none(known: &[&str]) -> String {
    if known.is_empty() { "none".into() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(text: &str) -> Chain {
        Chain::from_json(text).expect("a chain")
    }

    #[test]
    fn a_group_becomes_its_nodes() {
        let chain = chain(
            r#"{"pegbar": 1, "nodes": {
                "in": {"type": "input"},
                "clean": {"type": "group.clean", "params": {"strength": 3}, "inputs": {"image": "in"}},
                "out": {"type": "output", "inputs": {"image": "clean.result"}}},
              "groups": {"clean": {
                "inputs": {"image": ["blur.image", "mix.base"]}, "outputs": {"result": "mix"},
                "params": {"strength": "blur.radius"},
                "nodes": {"blur": {"type": "blur"}, "mix": {"type": "mix", "inputs": {"over": "blur"}}}}}}"#,
        );
        let nodes = expand(&chain).expect("expanded");
        let ids: Vec<&str> = nodes.keys().map(String::as_str).collect();
        assert_eq!(ids, ["in", "clean/blur", "clean/mix", "out"]);
        assert_eq!(nodes["clean/blur"].params["radius"], pegbar_params::ParamValue::Int(3));
        assert_eq!(nodes["clean/mix"].inputs["base"].all()[0].to_string(), "in");
        assert_eq!(nodes["clean/mix"].inputs["over"].all()[0].to_string(), "clean/blur");
        assert_eq!(nodes["out"].inputs["image"].all()[0].to_string(), "clean/mix");
    }

    #[test]
    fn a_group_in_itself_is_refused() {
        let chain = chain(
            r#"{"pegbar": 1, "nodes": {"a": {"type": "group.g"}},
              "groups": {"g": {"nodes": {"b": {"type": "group.g"}, "c": {"type": "group.g"}}}}}"#,
        );
        let faults = expand(&chain).expect_err("too deep");
        assert_eq!(faults[0].kind, FaultKind::Cycle);
    }

    #[test]
    fn wrong_ports_of_groups_are_named() {
        let chain = chain(
            r#"{"pegbar": 1, "nodes": {
                "g": {"type": "group.g", "params": {"p": 1}, "inputs": {"x": "h"}},
                "h": {"type": "group.nothing"}},
              "groups": {"g": {"nodes": {}}}}"#,
        );
        let faults = expand(&chain).expect_err("wrong");
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "node g, x: the group g has no input x; it has none",
                "node g, p: the group g has no parameter p; it has none"
            ]
        );
    }
}
