//! Parameters set from outside: `node.param=value`.

use crate::group::PREFIX;
use crate::node_type::nearest;
use crate::{Chain, ChainNode, Fault, FaultKind, NodeTable};
use indexmap::IndexMap;
use pegbar_params::{Param, ParamKind, ParamValue};
use std::path::Path;

impl Chain {
    /// Sets a parameter to a value as typed: `denoise.strength=2`. That of a group is one that it exposes. A relative path is one from
    /// `folder`, which is relative to where those of the chain start; it may be empty.
    ///
    /// # Errors
    /// A fault that names what is not there, or what does not fit.
    pub fn set(&mut self, table: &NodeTable, assignment: &str, folder: &Path) -> Result<(), Fault> {
        let wrong = || {
            Fault::new(
                FaultKind::Param,
                format!("{assignment:?} sets nothing"),
                "write node.param=value, such as denoise.strength=2",
            )
        };
        let (place, text) = assignment.split_once('=').ok_or_else(wrong)?;
        let (id, param) = place.trim().split_once('.').ok_or_else(wrong)?;
        let node = self.nodes.get(id).ok_or_else(|| {
            let like = nearest(id, self.nodes.keys().map(String::as_str));
            let all: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
            let remedy = if like.is_empty() {
                format!("the chain has {}", all.join(", "))
            } else {
                format!("did you mean {}?", like.join(" or "))
            };
            Fault::new(FaultKind::MissingNode, format!("there is no node {id}"), remedy)
        })?;
        let declared = self.declared(node, param, table, 0).map_err(|fault| fault.at(id).port(param))?;
        if let Some(sources) = node.inputs.get(param) {
            let from: Vec<String> = sources.all().iter().map(ToString::to_string).collect();
            let message = format!("its value comes from {}", from.join(", "));
            return Err(Fault::new(FaultKind::Param, message, "set that, or take the edge out")
                .at(id)
                .port(param));
        }
        let value = declared.parse(text).map_err(|error| {
            let said = error.to_string();
            let message = said.strip_prefix(&format!("{}: ", declared.id)).unwrap_or(&said).to_owned();
            Fault::new(FaultKind::Param, message, "").at(id).port(param)
        })?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.params.insert(param.to_owned(), moved(declared, value, folder));
        }
        Ok(())
    }

    /// Makes relative paths start at another folder: `way` leads from there to where they start now.
    pub fn move_paths(&mut self, table: &NodeTable, way: &Path) {
        let is_path = |node: &ChainNode, param: &str| self.declared(node, param, table, 0).ok();
        let nodes = self.nodes.iter().map(|(id, node)| (None, id, node));
        let groups = self.groups.iter();
        let grouped =
            groups.flat_map(|(name, group)| group.nodes.iter().map(move |(id, node)| (Some(name), id, node)));
        let mut changes = Vec::new();
        for (group, id, node) in nodes.chain(grouped) {
            for (param, value) in &node.params {
                if let Some(declared) = is_path(node, param) {
                    let new = moved(declared, value.clone(), way);
                    changes.push((group.cloned(), id.clone(), param.clone(), new));
                }
            }
        }
        for (group, id, param, value) in changes {
            let nodes = match group {
                Some(name) => self.groups.get_mut(&name).map(|group| &mut group.nodes),
                None => Some(&mut self.nodes),
            };
            if let Some(node) = nodes.and_then(|nodes| nodes.get_mut(&id)) {
                node.params.insert(param, value);
            }
        }
    }

    /// The declaration of a node's parameter; that of a group is the one of a node in it.
    fn declared(
        &self,
        node: &ChainNode,
        param: &str,
        table: &NodeTable,
        depth: usize,
    ) -> Result<&'static Param, Fault> {
        let unknown = |known: Vec<&str>| {
            let like = nearest(param, known.iter().copied());
            let remedy = match (like.is_empty(), known.is_empty()) {
                (false, _) => format!("did you mean {}?", like.join(" or ")),
                (true, false) => format!("it has {}", known.join(", ")),
                (true, true) => "it has none".into(),
            };
            Fault::new(FaultKind::UnknownPort, format!("{} has no parameter {param}", node.node_type), remedy)
        };
        if let Some(name) = node.node_type.strip_prefix(PREFIX) {
            let group = self.groups.get(name).filter(|_| depth < 16);
            let group = group.ok_or_else(|| {
                Fault::new(FaultKind::UnknownNode, format!("there is no group {name}"), "correct the chain")
            })?;
            let inner = group.params.get(param).ok_or_else(|| unknown(keys(&group.params)))?;
            let inner_node = group.nodes.get(&inner.node).ok_or_else(|| {
                let message = format!("the group {name} has no node {}", inner.node);
                Fault::new(FaultKind::MissingNode, message, "correct the group")
            })?;
            return self.declared(inner_node, &inner.output, table, depth + 1);
        }
        let kind = table.get(&node.node_type).ok_or_else(|| {
            Fault::new(
                FaultKind::UnknownNode,
                format!("there is no kind of node {:?}", node.node_type),
                "\"pegbar chain nodes\" lists them",
            )
        })?;
        kind.param(param).ok_or_else(|| unknown(kind.params.iter().map(|p| p.id).collect()))
    }
}

fn keys<T>(map: &IndexMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}
/// A value; a relative path as one that starts where `folder` is relative to.
fn moved(declared: &Param, value: ParamValue, folder: &Path) -> ParamValue {
    match value {
        ParamValue::Text(path) if matches!(declared.kind, ParamKind::Path { .. }) && !path.is_empty() => {
            ParamValue::Text(folder.join(path).display().to_string())
        }
        other => other,
    }
}
