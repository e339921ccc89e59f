//! From nodes of chaiNNer to those of Pegbar.

mod view;

pub(super) use view::View;

use super::convert::{Convert, number, text, truth};
use super::file::{ChnFile, ChnNode};
use super::rules::{Place, Rule, reason, rule_for};
use super::special::json;
use super::{Imported, Remark, RemarkKind};
use crate::NODES;
use pegbar_chain::{Chain, ChainNode, Note, OutputRef, Role, Sources, check_id};
use pegbar_params::{ParamKind, ParamValue};
use serde_json::Value as Json;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Dots on an edge, one behind the other, at most: more are a circle.
const MOST_DOTS: usize = 1000;

/// Kinds of nodes that have no counterpart, and without which the rest of a chain does all that it did.
const BESIDE: &[&str] = &["utility:copy_to_clipboard", "image:clipboard"];

/// Translates a file.
pub(super) fn translate(file: &ChnFile, title: String) -> Imported {
    let mut translator = Translator::new(file);
    let mut chain = Chain { title, ..Chain::default() };
    for (n, node) in file.nodes.iter().enumerate() {
        if node.schema == "utility:note" {
            let said = node.inputs.get(&0).and_then(text).unwrap_or_default();
            chain.notes.push(Note { text: said, at: Some(node.at) });
            continue;
        }
        let made = match rule_for(&node.schema) {
            Some(rule) => translator.by_rule(n, rule, &mut chain),
            None => translator.placeholder(n, reason(&node.schema)),
        };
        chain.nodes.insert(translator.ids[n].clone(), made);
    }
    translator.look_for_an_end(&chain);
    Imported { chain, report: translator.report }
}

struct Translator<'a> {
    file: &'a ChnFile,
    /// Ids of the new nodes.
    ids: Vec<String>,
    used: HashSet<String>,
    /// What is connected to the inputs of each node.
    incoming: Vec<BTreeMap<u32, (usize, u32)>>,
    report: Vec<Remark>,
}

impl<'a> Translator<'a> {
    fn new(file: &'a ChnFile) -> Self {
        let mut used = HashSet::new();
        let ids = file.nodes.iter().map(|node| unique(&mut used, &id_for(node))).collect();
        let mut translator = Self {
            file,
            ids,
            used,
            incoming: vec![BTreeMap::new(); file.nodes.len()],
            report: file.report.clone(),
        };
        for (n, message) in &file.about_nodes {
            translator.remark(RemarkKind::Setting, Some(*n), message.as_str());
        }
        let index: HashMap<&str, usize> =
            file.nodes.iter().enumerate().map(|(n, node)| (node.id.as_str(), n)).collect();
        for edge in &file.edges {
            let (from, to) = (index.get(edge.from.0.as_str()), index.get(edge.to.0.as_str()));
            let (Some(&from), Some(&to)) = (from, to) else {
                translator.remark(RemarkKind::Edge, None, "an edge leads to a node that is not there");
                continue;
            };
            let before = translator.incoming[to].insert(edge.to.1, (from, edge.from.1));
            if before.is_some() {
                let message = format!("input {} has two edges; the second one was taken", edge.to.1);
                translator.remark(RemarkKind::Edge, Some(to), message);
            }
        }
        translator
    }

    fn remark(&mut self, kind: RemarkKind, n: Option<usize>, message: impl Into<String>) {
        self.report.push(Remark {
            kind,
            node: n.map(|n| self.ids[n].clone()),
            original: n.map(|n| self.file.nodes[n].schema.clone()),
            message: message.into(),
        });
    }

    /// Says where pictures are shown and none is saved: then a run has no result.
    fn look_for_an_end(&mut self, chain: &Chain) {
        let saves = |node: &ChainNode| {
            NODES
                .get(&node.node_type)
                .is_some_and(|kind| matches!(kind.role, Role::HostSink | Role::Function { acts: true, .. }))
        };
        let shows = |node: &ChainNode| node.node_type == "structure.view";
        if !chain.nodes.values().any(shows) || chain.nodes.values().any(|node| saves(node) && !node.disabled)
        {
            return;
        }
        let disabled: Vec<&str> =
            chain.nodes.iter().filter(|(_, node)| saves(node)).map(|(id, _)| id.as_str()).collect();
        let message = if disabled.is_empty() {
            "it shows pictures and saves none: put image.save behind one, so that a run has a result"
                .to_owned()
        } else {
            format!("what saves is disabled: enable {}, so that a run has a result", disabled.join(", "))
        };
        self.remark(RemarkKind::File, None, message);
    }

    fn placeholder(&mut self, n: usize, why: Option<&str>) -> ChainNode {
        let node = &self.file.nodes[n];
        let settings = serde_json::to_string(&node.inputs).unwrap_or_default();
        let mut made = blank(node, "structure.placeholder");
        made.params.insert("original".into(), ParamValue::Text(node.schema.clone()));
        if settings != "{}" {
            made.params.insert("settings".into(), ParamValue::Text(settings));
        }
        for (input, _) in self.incoming[n].clone() {
            if let Some(source) = self.source_of(n, input) {
                made.inputs.insert(format!("in_{input}"), Sources::One(source));
            }
        }
        let why = why.map_or_else(|| "Pegbar has no such node".to_owned(), str::to_owned);
        let mut message = format!("{why}; a placeholder with its settings and edges stands for it");
        if BESIDE.contains(&node.schema.as_str()) {
            made.disabled = true;
            message += ", disabled, as the rest does not need it";
        }
        self.remark(RemarkKind::Placeholder, Some(n), message);
        made
    }

    fn by_rule(&mut self, n: usize, rule: &'static Rule, chain: &mut Chain) -> ChainNode {
        let node = &self.file.nodes[n];
        let mut made = blank(node, rule.to);
        for (param, value) in rule.fixed {
            if let Some(value) = NODES.get(rule.to).and_then(|kind| kind.param(param)?.parse(value).ok()) {
                self.set(n, &mut made, param, value);
            }
        }
        for (input, place) in rule.inputs {
            let connected = self.incoming[n].contains_key(input);
            match place {
                Place::Port(port) => {
                    if let Some(source) = self.source_or_constant(n, *input, chain) {
                        made.inputs.insert((*port).into(), Sources::One(source));
                    }
                }
                Place::Param(param, _) if connected => {
                    if let Some(source) = self.source_of(n, *input) {
                        made.inputs.insert((*param).into(), Sources::One(source));
                    }
                }
                Place::Param(param, convert) => {
                    if let Some(stored) = node.inputs.get(input) {
                        self.store(n, &mut made, param, *convert, stored);
                    }
                }
                Place::Read | Place::Nothing => {}
            }
        }
        if let Some((from, port)) = rule.rest {
            self.rest(n, rule, from, port, &mut made, chain);
        }
        self.unknown_inputs(n, rule);
        if let Some(special) = rule.special {
            let mut view = View { translator: self, n, made: &mut made, refused: None };
            special(&mut view);
            if let Some(why) = view.refused {
                return self.placeholder(n, Some(&why));
            }
        }
        made
    }

    /// All inputs from an id on to one that takes many.
    fn rest(
        &mut self,
        n: usize,
        rule: &Rule,
        from: u32,
        port: &str,
        made: &mut ChainNode,
        chain: &mut Chain,
    ) {
        let mut inputs = self.given(n, from);
        inputs.retain(|input| rule.inputs.iter().all(|(known, _)| known != input));
        let sources: Vec<OutputRef> =
            inputs.iter().filter_map(|input| self.source_or_constant(n, *input, chain)).collect();
        if !sources.is_empty() {
            made.inputs.insert(port.into(), Sources::Many(sources));
        }
    }

    /// Settings and edges that the rule knows nothing of.
    fn unknown_inputs(&mut self, n: usize, rule: &Rule) {
        let known = |input: &u32| {
            rule.inputs.iter().any(|(id, _)| id == input) || rule.rest.is_some_and(|(from, _)| *input >= from)
        };
        let goes_round = rule.to == "structure.pass_through";
        let edges: Vec<u32> =
            self.incoming[n].keys().filter(|input| !known(input) && !goes_round).copied().collect();
        for input in edges {
            self.remark(RemarkKind::Edge, Some(n), format!("{} has no place for its input {input}", rule.to));
        }
        let values: Vec<(u32, Json)> = self.file.nodes[n]
            .inputs
            .iter()
            .filter(|(input, _)| !known(input) && !goes_round)
            .map(|(input, value)| (*input, value.clone()))
            .collect();
        for (input, value) in values {
            let message = format!("{} has no counterpart of its input {input}, which is {value}", rule.to);
            self.remark(RemarkKind::Setting, Some(n), message);
        }
    }

    /// Sets a parameter to a stored value.
    fn store(&mut self, n: usize, made: &mut ChainNode, param: &str, convert: Convert, stored: &Json) {
        match convert.apply(stored) {
            Ok(Some(value)) => self.set(n, made, param, value),
            Ok(None) => {}
            Err(message) => {
                self.remark(RemarkKind::Setting, Some(n), format!("{param} keeps its default: {message}"));
            }
        }
    }

    /// Sets a parameter; a value out of range is brought into it, and a default is not written.
    fn set(&mut self, n: usize, made: &mut ChainNode, param: &str, value: ParamValue) {
        let Some(declared) = NODES.get(&made.node_type).and_then(|kind| kind.param(param)) else {
            made.params.insert(param.into(), value);
            return;
        };
        let fitting = match (declared.kind, &value) {
            (ParamKind::Int { min, max, .. }, ParamValue::Int(v)) => ParamValue::Int((*v).clamp(min, max)),
            (ParamKind::Float { min, max, .. }, ParamValue::Float(v)) => ParamValue::Float(v.clamp(min, max)),
            _ => value.clone(),
        };
        if declared.check(&fitting).is_err() {
            let message = format!("{param} keeps its default: it takes {}, not {value}", declared.expected());
            self.remark(RemarkKind::Setting, Some(n), message);
            return;
        }
        if fitting != value {
            let message =
                format!("{param} is {fitting} instead of {value}: it takes {}", declared.expected());
            self.remark(RemarkKind::Setting, Some(n), message);
        }
        if fitting == declared.default_value() {
            made.params.shift_remove(param);
        } else {
            made.params.insert(param.into(), fitting);
        }
    }

    /// The output that is connected to an input.
    fn source_of(&mut self, n: usize, input: u32) -> Option<OutputRef> {
        let (mut node, mut output) = *self.incoming[n].get(&input)?;
        // A dot of several values becomes a dot of one; the others go round it.
        for _ in 0..MOST_DOTS {
            if self.file.nodes[node].schema != "utility:pass_through" || output == 0 {
                break;
            }
            (node, output) = *self.incoming[node].get(&output)?;
        }
        let id = self.ids[node].clone();
        let schema = &self.file.nodes[node].schema;
        let Some(rule) = rule_for(schema) else {
            return Some(OutputRef::new(id, format!("out_{output}")));
        };
        let named = rule.outputs.iter().find(|(known, _)| *known == output);
        if named.is_none() {
            // Sound and frame rate go along by themselves.
            let by_itself = schema == "image:load_video" && matches!(output, 4 | 5);
            if !(by_itself && self.file.nodes[n].schema == "image:save_video") {
                let message =
                    format!("nothing goes to input {input}: {id} ({}) has no output {output}", rule.to);
                self.remark(RemarkKind::Edge, Some(n), message);
            }
        }
        named.map(|(_, name)| OutputRef::new(id, *name))
    }

    /// The output that is connected to an input, or a new node with the value that is stored.
    fn source_or_constant(&mut self, n: usize, input: u32, chain: &mut Chain) -> Option<OutputRef> {
        if self.incoming[n].contains_key(&input) {
            return self.source_of(n, input);
        }
        let node = &self.file.nodes[n];
        let (kind, output, value) = match node.inputs.get(&input)? {
            Json::Number(number) => ("value.number", "number", ParamValue::Float(number.as_f64()?)),
            Json::String(text) => match Convert::Colour.apply(&json(text.as_str())) {
                Ok(Some(colour)) => ("value.colour", "colour", colour),
                _ => ("value.text", "text", ParamValue::Text(text.clone())),
            },
            stored @ Json::Bool(_) => ("value.bool", "bool", ParamValue::Bool(truth(stored)?)),
            _ => return None,
        };
        let id = unique(&mut self.used, &format!("{}-{input}", self.ids[n]));
        let mut made = ChainNode {
            node_type: kind.into(),
            at: Some([node.at[0] - 240.0, node.at[1] + 60.0 * f64::from(input)]),
            ..ChainNode::default()
        };
        made.params.insert("value".into(), value);
        chain.nodes.insert(id.clone(), made);
        Some(OutputRef::new(id, output))
    }

    /// The value of an input that does not change during a run; `steps` is how many edges are looked at for it at most.
    fn constant(&self, n: usize, input: u32, steps: &Cell<usize>) -> Option<Json> {
        let Some(&(from, output)) = self.incoming[n].get(&input) else {
            return self.file.nodes[n].inputs.get(&input).cloned();
        };
        steps.set(steps.get().checked_sub(1)?);
        let own = |input: u32| self.constant(from, input, steps);
        let of_path = |directory: u32, name: u32| {
            let path = text(&own(0)?)?;
            let (folder, file) = path.rsplit_once(['/', '\\']).unwrap_or(("", path.as_str()));
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            match output {
                output if output == directory => Some(json(folder)),
                output if output == name => Some(json(stem)),
                _ => None,
            }
        };
        match self.file.nodes[from].schema.as_str() {
            "utility:text" | "utility:directory" | "utility:number" | "utility:directory_to_text" => own(0),
            "utility:pass_through" => own(output),
            "utility:switch" => {
                let index = own(0).map_or(Some(0.0), |index| number(&index))?;
                own(1 + index as u32)
            }
            "utility:text_append" => {
                let separator = own(0).map_or(Some("-".into()), |separator| text(&separator))?;
                let parts =
                    self.given(from, 1).into_iter().map(|input| own(input).and_then(|part| text(&part)));
                Some(json(parts.collect::<Option<Vec<String>>>()?.join(&separator)))
            }
            "utility:into_directory" => {
                let (directory, name) = (text(&own(0)?)?, text(&own(1)?)?);
                Some(json(format!("{}/{name}", directory.trim_end_matches('/'))))
            }
            "image:load_images" if output == 1 => own(0),
            "image:load_video" => of_path(2, 3),
            "image:load" => of_path(1, 2),
            "pytorch:load_model" | "ncnn:load_model" | "onnx:load_model" => of_path(2, 1),
            _ => None,
        }
    }

    /// Inputs from an id on that have a value or an edge.
    fn given(&self, n: usize, from: u32) -> Vec<u32> {
        let mut inputs: Vec<u32> =
            self.file.nodes[n].inputs.keys().chain(self.incoming[n].keys()).copied().collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs.retain(|input| *input >= from);
        inputs
    }
}

/// A node with what all nodes have.
fn blank(node: &ChnNode, kind: &str) -> ChainNode {
    ChainNode {
        node_type: kind.into(),
        disabled: node.disabled,
        pass_through: node.pass_through,
        at: Some(node.at),
        ..ChainNode::default()
    }
}

/// The id that a node would like: the name that the user gave it, else that of its kind.
fn id_for(node: &ChnNode) -> String {
    let name = valid_id(&node.name);
    if !name.is_empty() {
        return name;
    }
    let kind = rule_for(&node.schema).map_or(node.schema.as_str(), |rule| rule.to);
    let (room, concept) = kind.rsplit_once(['.', ':']).unwrap_or(("", kind));
    let alone = matches!(room, "image" | "structure") && !matches!(concept, "load" | "save");
    let id =
        if alone || room.is_empty() { valid_id(concept) } else { valid_id(&format!("{room}-{concept}")) };
    if id.is_empty() { "node".into() } else { id }
}

/// The letters of a name that can stand in an id, hyphens for the others.
fn valid_id(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
        if id.len() >= 48 {
            break;
        }
    }
    id.trim_end_matches('-').to_owned()
}

/// The id, or with a number behind it where it is taken.
fn unique(used: &mut HashSet<String>, id: &str) -> String {
    let mut name = id.to_owned();
    for number in 2.. {
        if used.insert(name.clone()) {
            break;
        }
        name = format!("{id}-{number}");
    }
    debug_assert!(check_id(&name).is_ok(), "{name}");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        assert_eq!(valid_id("  Upscale (2x), first!"), "Upscale-2x-first");
        assert_eq!(valid_id("größe"), "größe");
        assert_eq!(valid_id("..."), "");
        assert!(valid_id(&"x".repeat(500)).len() <= 64);
        let mut used = HashSet::new();
        assert_eq!(
            [unique(&mut used, "a"), unique(&mut used, "a"), unique(&mut used, "a")],
            ["a", "a-2", "a-3"]
        );
        let of = |schema: &str| id_for(&ChnNode { schema: schema.into(), ..ChnNode::default() });
        assert_eq!(of("image:load"), "image-load");
        assert_eq!(of("onnx:upscale_image"), "upscale");
        assert_eq!(of("utility:text_pattern"), "text-pattern");
        assert_eq!(of("image:guided_filter"), "guided_filter");
        assert_eq!(of("Image:Something Old"), "Image-Something-Old");
    }
}
