//! Functions of the model's own: operators that it defines by others.
//!
//! Exporters write modules or library calls so. A graph that calls some is read as if their bodies stood in it, each value
//! under a name of its own; calls within bodies likewise. Pegbar's own functions stay, since it knows what they mean.

use super::{FORMAT, node};
use crate::ModelError;
use crate::export::DOMAIN;
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::{OnnxAttribute, OnnxFunction, OnnxModel, OnnxNode};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Calls within calls.
const MOST_LEVELS: usize = 64;
/// Nodes of a graph whose calls are written out: far more than networks have, so that a few functions that call each other
/// twice do not fill the memory.
const MOST_NODES: usize = 1 << 17;
/// Characters of all names that are made: the same for names.
const MOST_CHARACTERS: usize = 16 << 20;

/// The model with calls written out; the model itself where there are none.
///
/// # Errors
/// [`ModelError::Import`] for a call with more inputs or outputs than the function has, of one that is defined twice or
/// calls itself, and where too many nodes would be made.
pub(super) fn written_out(model: &OnnxModel) -> Result<Cow<'_, OnnxModel>, ModelError> {
    let mut functions: HashMap<(&str, &str), Vec<&OnnxFunction>> = HashMap::new();
    for function in model.functions.iter().filter(|function| function.domain != DOMAIN) {
        let key = (domain(&function.domain), function.name.as_str());
        functions.entry(key).or_default().push(function);
    }
    let is_call = |node: &OnnxNode| functions.contains_key(&(domain(&node.domain), node.op_type.as_str()));
    if !model.graph.nodes.iter().any(is_call) {
        return Ok(Cow::Borrowed(model));
    }
    let names = model.graph.nodes.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs));
    let names =
        names.chain(model.graph.initializers.keys()).chain(model.graph.inputs.iter().map(|i| &i.name));
    // No name of the graph begins like the new ones.
    let longest = names.map(|name| name.len() - name.trim_start_matches('~').len()).max().unwrap_or(0);
    let mut writer = Writer {
        functions,
        prefix: "~".repeat(longest + 1),
        nodes: Vec::with_capacity(model.graph.nodes.len()),
        n_calls: 0,
        n_characters: 0,
    };
    for node in &model.graph.nodes {
        writer.node(node.clone(), 0)?;
    }
    let nodes = writer.nodes;
    let mut model = model.clone();
    model.graph.nodes = nodes;
    Ok(Cow::Owned(model))
}

/// The default domain has two names.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

struct Writer<'a> {
    functions: HashMap<(&'a str, &'a str), Vec<&'a OnnxFunction>>,
    prefix: String,
    nodes: Vec<OnnxNode>,
    n_calls: usize,
    n_characters: usize,
}

impl<'a> Writer<'a> {
    /// Appends a node, or what it calls.
    fn node(&mut self, node: OnnxNode, level: usize) -> Result<(), ModelError> {
        let Some(found) = self.functions.get(&(domain(&node.domain), node.op_type.as_str())) else {
            self.nodes.push(node);
            return Ok(());
        };
        let name = format!("{}.{}", node.domain, node.op_type);
        let refused = |problem: OpError| Err(problem.at(FORMAT, &name, node::name(&node)));
        let &[function] = &found[..] else {
            return refused(problem!(
                "is defined {} times; Pegbar does not know which one is meant",
                found.len()
            ));
        };
        if level == MOST_LEVELS {
            return refused(problem!("is called in calls of functions by functions, {level} deep"));
        }
        if self.nodes.len() + function.nodes.len() > MOST_NODES || self.n_characters > MOST_CHARACTERS {
            return refused(problem!(
                "is called so often that there are more than {} nodes",
                self.nodes.len()
            ));
        }
        if node.inputs.len() > function.inputs.len() || node.outputs.len() > function.outputs.len() {
            return refused(problem!(
                "is called with {} inputs and {} outputs, and has {} and {}",
                node.inputs.len(),
                node.outputs.len(),
                function.inputs.len(),
                function.outputs.len()
            ));
        }
        self.call(&node, function, level)
    }

    /// Appends the body of a function.
    fn call(&mut self, call: &OnnxNode, function: &'a OnnxFunction, level: usize) -> Result<(), ModelError> {
        let number = self.n_calls;
        self.n_calls += 1;
        // Names outside of values that are inputs and outputs; what is left out is "".
        let mut outside: HashMap<&str, String> = HashMap::new();
        let given = call.inputs.iter().map(String::as_str).chain(std::iter::repeat(""));
        for (inside, name) in function.inputs.iter().zip(given) {
            outside.insert(inside, name.to_owned());
        }
        let mut handed_through = vec![];
        for (inside, name) in function.outputs.iter().zip(&call.outputs).filter(|(_, name)| !name.is_empty())
        {
            // An output that is an input, or another output, once more.
            match outside.get(inside.as_str()) {
                Some(from) => handed_through.push((from.clone(), name.clone())),
                None => _ = outside.insert(inside, name.clone()),
            }
        }
        let prefix = self.prefix.clone();
        for body in &function.nodes {
            let mut rename = |inside: &String| match outside.get(inside.as_str()) {
                Some(name) => name.clone(),
                None if inside.is_empty() => String::new(),
                None => format!("{prefix}{number}/{inside}"),
            };
            let node = OnnxNode {
                name: format!("{}/{}", node::name(call), node::name(body)),
                op_type: body.op_type.clone(),
                domain: body.domain.clone(),
                inputs: body.inputs.iter().map(&mut rename).collect(),
                outputs: body.outputs.iter().map(&mut rename).collect(),
                attributes: attributes(body, call, function),
            };
            let names = node.inputs.iter().chain(&node.outputs).chain([&node.name]);
            self.n_characters += names.map(String::len).sum::<usize>();
            self.node(node, level + 1)?;
        }
        for (from, to) in handed_through {
            self.nodes.push(OnnxNode {
                name: call.name.clone(),
                op_type: "Identity".to_owned(),
                domain: String::new(),
                inputs: vec![from],
                outputs: vec![to],
                attributes: BTreeMap::new(),
            });
        }
        Ok(())
    }
}

/// The attributes of a node of a body, those that are its caller's put in.
fn attributes(body: &OnnxNode, call: &OnnxNode, function: &OnnxFunction) -> BTreeMap<String, OnnxAttribute> {
    let value = |attribute: &OnnxAttribute| match attribute {
        OnnxAttribute::OfCaller(name) => {
            call.attributes.get(name).or_else(|| function.defaults.get(name)).cloned()
        }
        other => Some(other.clone()),
    };
    body.attributes.iter().filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect()
}
