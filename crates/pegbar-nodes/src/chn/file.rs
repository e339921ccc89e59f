//! Reading a `.chn` file as it is.

use super::{ChnError, Remark, RemarkKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashSet};

/// Larger texts are no chains.
const MOST_BYTES: usize = 64 << 20;
const MOST_NODES: usize = 10_000;
const MOST_EDGES: usize = 100_000;
/// The migrations that chaiNNer had when this was written; a file with more is newer.
pub(super) const KNOWN_MIGRATIONS: u64 = 45;
/// What stands before all ids of kinds of nodes.
const PREFIX: &str = "chainner:";

/// What is in a file.
#[derive(Debug, Default)]
pub(super) struct ChnFile {
    pub(super) nodes: Vec<ChnNode>,
    pub(super) edges: Vec<ChnEdge>,
    /// How many of chaiNNer's migrations have been done.
    pub(super) migration: u64,
    pub(super) report: Vec<Remark>,
    /// What is to be said of settings of nodes, by their index.
    pub(super) about_nodes: Vec<(usize, String)>,
}

/// A node.
#[derive(Debug, Clone, Default)]
pub(super) struct ChnNode {
    pub(super) id: String,
    /// Its kind, without `chainner:`; before 0.7 `Category:Name`.
    pub(super) schema: String,
    /// Stored values by the ids of the inputs.
    pub(super) inputs: BTreeMap<u32, Json>,
    pub(super) disabled: bool,
    pub(super) pass_through: bool,
    /// What the user calls it.
    pub(super) name: String,
    pub(super) at: [f64; 2],
    /// The iterator it lies in, before 0.20.
    pub(super) parent: Option<String>,
}

/// An edge: node and output to node and input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChnEdge {
    pub(super) from: (String, u32),
    pub(super) to: (String, u32),
}

impl ChnEdge {
    /// Whether it comes from an output.
    pub(super) fn is_of(&self, node: &str, output: u32) -> bool {
        self.from.1 == output && self.from.0 == node
    }

    /// Whether it leads to an input.
    pub(super) fn is_into(&self, node: &str, input: u32) -> bool {
        self.to.1 == input && self.to.0 == node
    }
}

impl ChnFile {
    /// A remark about the file.
    pub(super) fn remark(&mut self, message: impl Into<String>) {
        let remark = Remark { kind: RemarkKind::File, node: None, original: None, message: message.into() };
        self.report.push(remark);
    }

    /// A remark about a setting of a node, which has no new id yet.
    pub(super) fn remark_node(&mut self, n: usize, message: impl Into<String>) {
        self.about_nodes.push((n, message.into()));
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    content: Option<IgnoredAny>,
    #[serde(default)]
    nodes: Option<IgnoredAny>,
    #[serde(default)]
    elements: Option<IgnoredAny>,
    /// What chains of our own begin with.
    #[serde(default)]
    pegbar: Option<IgnoredAny>,
    #[serde(default)]
    checksum: Option<String>,
    #[serde(default)]
    migration: Option<u64>,
}

#[derive(Deserialize)]
struct Whole {
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    nodes: Option<Vec<FileNode>>,
    #[serde(default)]
    edges: Vec<FileEdge>,
    /// Nodes and edges of before 0.5.
    #[serde(default)]
    elements: Option<Vec<Element>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Edge(FileEdge),
    Node(Box<FileNode>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileNode {
    id: String,
    #[serde(default, rename = "type")]
    node_type: Option<String>,
    #[serde(default)]
    position: Position,
    data: Data,
    #[serde(default)]
    parent_node: Option<String>,
}

#[derive(Deserialize, Default)]
struct Position {
    #[serde(default)]
    x: Option<f64>,
    #[serde(default)]
    y: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default)]
    schema_id: Option<String>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    input_data: Json,
    #[serde(default)]
    is_disabled: Option<bool>,
    #[serde(default)]
    is_passthrough: Option<bool>,
    #[serde(default)]
    node_name: Option<String>,
    #[serde(default)]
    parent_node: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileEdge {
    source: String,
    target: String,
    #[serde(default)]
    source_handle: Option<String>,
    #[serde(default)]
    target_handle: Option<String>,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<ChnFile, ChnError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.len() > MOST_BYTES {
        return Err(ChnError::TooLarge { n: text.len(), what: "bytes", most: MOST_BYTES });
    }
    if text.starts_with('{') {
        return read_json(text);
    }
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(packed).map_err(|_| ChnError::NotText)?;
    let text = String::from_utf8(bytes).map_err(|_| ChnError::NotText)?;
    if text.trim_start().starts_with('{') { read_json(text.trim()) } else { Err(ChnError::NotText) }
}

fn read_json(text: &str) -> Result<ChnFile, ChnError> {
    let head: Head = serde_json::from_str(text).map_err(|error| json_error(&error))?;
    let other = |what: &str| ChnError::NotAChain(format!("this is no chain of chaiNNer: it has no {what}"));
    if head.pegbar.is_some() {
        return Err(ChnError::NotAChain("this is no chain of chaiNNer, but one of Pegbar already".into()));
    }
    let version = head.version.as_deref();
    let content = match (head.content, version) {
        (Some(_), _) => serde_json::from_str(text).map(|whole: Whole| whole.content),
        (None, Some(_)) => return Err(other("\"content\"")),
        (None, None) if head.nodes.is_none() && head.elements.is_none() => return Err(other("\"nodes\"")),
        (None, None) => serde_json::from_str(text),
    };
    let Content { nodes, mut edges, elements } = content.map_err(|error| json_error(&error))?;
    if nodes.is_none() && elements.is_none() {
        return Err(other("\"nodes\""));
    }
    let mut nodes = nodes.unwrap_or_default();
    for element in elements.into_iter().flatten() {
        match element {
            Element::Edge(edge) => edges.push(edge),
            Element::Node(node) => nodes.push(*node),
        }
    }
    for (n, what, most) in [(nodes.len(), "nodes", MOST_NODES), (edges.len(), "edges", MOST_EDGES)] {
        if n > most {
            return Err(ChnError::TooLarge { n, what, most });
        }
    }
    let migration = head.migration.unwrap_or_else(|| version.map_or(0, migration_of));
    let mut file = ChnFile { migration, ..ChnFile::default() };
    if migration > KNOWN_MIGRATIONS {
        file.remark("the file is of a newer chaiNNer than Pegbar knows; look whether everything came along");
    }
    if let (Some(content), Some(checksum)) = (member(text, "content"), head.checksum)
        && checksum != checksum_of(content)
    {
        file.remark("its checksum is another: the file was edited by hand");
    }
    let mut ids = HashSet::new();
    for node in nodes {
        if ids.insert(node.id.clone()) {
            let node = file_node(node, &mut file);
            file.nodes.push(node);
        } else {
            file.remark(format!("there are two nodes {:?}; the first one was taken", node.id));
        }
    }
    for edge in edges {
        let handle = |id: &str, handle: Option<&str>| port_of(id, handle.unwrap_or_default());
        let from = handle(&edge.source, edge.source_handle.as_deref());
        let to = handle(&edge.target, edge.target_handle.as_deref());
        match (from, to) {
            (Some(output), Some(input)) => {
                file.edges.push(ChnEdge { from: (edge.source, output), to: (edge.target, input) });
            }
            _ => file.remark(format!(
                "the edge from {:?} to {:?} does not say which output and input it connects",
                edge.source, edge.target
            )),
        }
    }
    Ok(file)
}

fn json_error(error: &serde_json::Error) -> ChnError {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
    ChnError::Json { line: error.line(), column: error.column(), message }
}

/// Number of an output or input: what follows the id of the node and a hyphen.
fn port_of(node: &str, handle: &str) -> Option<u32> {
    let number = handle.strip_prefix(node).and_then(|rest| rest.strip_prefix('-'));
    number.or_else(|| handle.rsplit('-').next()).and_then(|number| number.parse().ok())
}

fn file_node(node: FileNode, file: &mut ChnFile) -> ChnNode {
    let FileNode { id, node_type, position, data, parent_node } = node;
    let reroute = node_type.as_deref() == Some("breakPoint");
    let schema = match (data.schema_id.filter(|schema| !schema.is_empty()), data.category, data.kind) {
        _ if reroute => "utility:pass_through".to_owned(),
        (Some(schema), ..) => schema.strip_prefix(PREFIX).unwrap_or(&schema).to_owned(),
        (None, Some(category), Some(kind)) => format!("{category}:{kind}"),
        (None, _, Some(kind)) => kind,
        (None, ..) => node_type.unwrap_or_else(|| "nameless".into()),
    };
    let mut inputs = BTreeMap::new();
    let mut store = |input: Option<u32>, value: Json| {
        if let Some(input) = input.filter(|_| !value.is_null()) {
            inputs.insert(input, value);
        }
    };
    match data.input_data {
        Json::Object(values) => values.into_iter().for_each(|(key, value)| store(key.parse().ok(), value)),
        Json::Array(values) => (0..).zip(values).for_each(|(i, value)| store(Some(i), value)),
        Json::Null => {}
        other => file.remark(format!("node {id:?} has no settings but {other}")),
    }
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite()).unwrap_or(0.0);
    ChnNode {
        schema,
        inputs,
        disabled: data.is_disabled.unwrap_or(false),
        pass_through: data.is_passthrough.unwrap_or(false),
        name: data.node_name.unwrap_or_default(),
        at: [finite(position.x), finite(position.y)],
        parent: parent_node.or(data.parent_node),
        id,
    }
}

/// The migrations that a version had done when it had no number of them.
fn migration_of(version: &str) -> u64 {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let version = (next(), next(), next());
    let steps = [(0, 1, 0), (0, 3, 0), (0, 5, 0), (0, 5, 2), (0, 7, 0), (0, 8, 0)];
    steps.iter().position(|step| version < *step).unwrap_or(steps.len()) as u64
}

/// The text of a value of the outermost object, as it stands in JSON that is known to be sound.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let (mut string_from, mut key, mut value_from) = (0, "", None);
    for (at, c) in json.char_indices() {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if in_string => escaped = !was_escaped,
            '"' if was_escaped => {}
            '"' => {
                in_string = !in_string;
                if in_string {
                    string_from = at + 1;
                } else if depth == 1 && value_from.is_none() {
                    key = &json[string_from..at];
                }
            }
            _ if in_string => {}
            ':' if depth == 1 && key == name => value_from = value_from.or(Some(at + 1)),
            ',' | '}' if depth == 1 && value_from.is_some() => return value_from.map(|from| &json[from..at]),
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// MD5 of JSON without the white space between its parts, in hexadecimal digits.
fn checksum_of(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string || !c.is_ascii_whitespace() {
            compact.push(c);
        }
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
    }
    Md5::digest(compact).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_without_migrations() {
        for (version, migration) in [
            ("0.0.9", 0),
            ("0.1.0-alpha", 1),
            ("0.4.1", 2),
            ("0.5.1", 3),
            ("0.6.0", 4),
            ("0.7.3", 5),
            ("0.8.0", 6),
        ] {
            assert_eq!(migration_of(version), migration, "{version}");
        }
    }

    #[test]
    fn checksums_are_of_the_compact_text() {
        assert_eq!(checksum_of("{}"), "99914b932bd37a50b983c5e7c90ae93b");
        assert_eq!(checksum_of(" {\n}\t"), checksum_of("{}"));
        assert_ne!(checksum_of("{\"a b\":1}"), checksum_of("{\"ab\":1}"), "a blank within a text counts");
        assert_eq!(checksum_of(r#"{"a\" b": 1}"#), checksum_of(r#"{"a\" b":1}"#));
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let json = r#"{"a": "content", "x": {"content": 1}, "content": {"s": "}\"{\\", "l": [1]}, "b": 2}"#;
        assert_eq!(member(json, "content"), Some(r#" {"s": "}\"{\\", "l": [1]}"#));
        assert_eq!(member(json, "b"), Some(" 2"));
        assert_eq!(member(json, "c"), None);
    }

    #[test]
    fn ports() {
        let id = "0f5b-1";
        assert_eq!(port_of(id, "0f5b-1-12"), Some(12));
        assert_eq!(port_of(id, "other-3"), Some(3));
        assert_eq!(port_of(id, ""), None);
        assert_eq!(port_of(id, "0f5b-1-x"), None);
    }

    #[test]
    fn what_is_none_gets_a_sentence() {
        for (text, said) in [
            ("", "neither JSON nor base64"),
            ("hello world!", "neither JSON nor base64"),
            ("aGVsbG8=", "neither JSON nor base64"),
            ("{\"version\":\"0.20.0\"}", "no \"content\""),
            ("{\"a\":1}", "no \"nodes\""),
            (
                "{\"version\":\"0.20.0\",\"content\":{\"nodes\":[{}]}}",
                "line 1, column 42: missing field `id`",
            ),
            ("{\"version\":\"0.20.0\",\"content\":{", "EOF"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
