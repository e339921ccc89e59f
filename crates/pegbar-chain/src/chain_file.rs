//! The chain as it stands in a file.
//!
//! A chain is a JSON object. Nodes stand under their ids; what flows into a node stands in the node, `"image": "clip.image"`, so
//! that a change of one node is a change of a few neighbouring lines. Paths are relative to the file.

use crate::{ChainError, Fault, FaultKind, migrate};
use indexmap::IndexMap;
use pegbar_params::ParamValue;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The version that is written.
pub const VERSION: u64 = 1;

/// A chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Version of the format.
    pub pegbar: u64,
    /// Name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The nodes by their ids.
    #[serde(deserialize_with = "unique_keys")]
    pub nodes: IndexMap<String, ChainNode>,
    /// Chains within the chain, by name. A node of the type `group.NAME` is one.
    #[serde(default, deserialize_with = "unique_keys", skip_serializing_if = "IndexMap::is_empty")]
    pub groups: IndexMap<String, Group>,
    /// Texts beside the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A node of a chain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainNode {
    /// Kind of node.
    #[serde(rename = "type")]
    pub node_type: String,
    /// Parameters that are not at their default.
    #[serde(default, deserialize_with = "unique_keys", skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, ParamValue>,
    /// What is connected to inputs and parameters.
    #[serde(default, deserialize_with = "unique_keys", skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, Sources>,
    /// A node that is not there for now: nothing is computed that needs it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// A node that hands on what comes in, untouched.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_through: bool,
    /// What a reader should know of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where it stands in pictures of the chain, across and down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
}

fn is_false(is: &bool) -> bool {
    !is
}

/// What is connected to an input: one output, or a list for an input that takes many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "what is connected to an input is \"NODE\" or \"NODE.OUTPUT\", or a list of such"
)]
pub enum Sources {
    /// One.
    One(OutputRef),
    /// Several, in order.
    Many(Vec<OutputRef>),
}

impl Sources {
    /// All of them.
    pub fn all(&self) -> &[OutputRef] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// All of them, to change.
    pub(crate) fn all_mut(&mut self) -> &mut [OutputRef] {
        match self {
            Self::One(one) => std::slice::from_mut(one),
            Self::Many(many) => many,
        }
    }
}

/// An output of a node, `node.output`; `node` alone is its first output.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutputRef {
    /// Id of the node.
    pub node: String,
    /// Id of the output, empty for the first.
    pub output: String,
}

impl OutputRef {
    /// An output by name.
    pub fn new(node: impl Into<String>, output: impl Into<String>) -> Self {
        Self { node: node.into(), output: output.into() }
    }
}

impl fmt::Display for OutputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.node)?;
        if !self.output.is_empty() { write!(f, ".{}", self.output) } else { Ok(()) }
    }
}

impl FromStr for OutputRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, output) = text.split_once('.').unwrap_or((text, ""));
        if node.is_empty() || output.contains('.') || (text.contains('.') && output.is_empty()) {
            return Err(format!("{text:?} names no output; write \"node.output\""));
        }
        Ok(Self::new(node, output))
    }
}

impl TryFrom<String> for OutputRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<OutputRef> for String {
    fn from(output: OutputRef) -> Self {
        output.to_string()
    }
}

/// A chain within a chain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// For each input the inner inputs that it feeds, `node.input`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, Vec<OutputRef>>,
    /// For each output the inner output that it is.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, OutputRef>,
    /// For each parameter the inner parameter that it is, `node.param`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, OutputRef>,
    /// Its nodes.
    #[serde(deserialize_with = "unique_keys")]
    pub nodes: IndexMap<String, ChainNode>,
}

/// A text beside the nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The text.
    pub text: String,
    /// Where it stands in pictures of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            pegbar: VERSION,
            title: String::new(),
            doc: String::new(),
            nodes: IndexMap::new(),
            groups: IndexMap::new(),
            notes: Vec::new(),
        }
    }
}

/// Larger files are no chains.
const LARGEST_FILE: u64 = 16 << 20;

impl Chain {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ChainError::Read`], and as [`Chain::from_json`].
    pub fn read(path: &Path) -> Result<Self, ChainError> {
        let read = |source| ChainError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > LARGEST_FILE {
            return Err(ChainError::NotAChain(format!("{size} bytes are too many for a chain")));
        }
        let bytes = std::fs::read(path).map_err(read)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ChainError::NotAChain("this is no text, so no chain".into()))?;
        Self::from_json(&text)
    }

    /// Reads a text; that of an earlier version is brought up to date.
    ///
    /// # Errors
    /// [`ChainError::Json`] with the place, [`ChainError::NotAChain`], [`ChainError::Newer`].
    pub fn from_json(text: &str) -> Result<Self, ChainError> {
        let json = |error: &serde_json::Error| ChainError::Json {
            line: error.line(),
            column: error.column(),
            message: without_place(&error.to_string()),
        };
        // Editors of Windows begin texts with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| json(&e))?;
        let version = value.get("pegbar").and_then(serde_json::Value::as_u64).filter(|version| *version > 0);
        let Some(version) = version else {
            let chn = value.get("content").is_some_and(|content| content.get("nodes").is_some());
            return Err(ChainError::NotAChain(if chn {
                "this is a chain of chaiNNer; \"pegbar chain import\" makes one of Pegbar of it".into()
            } else {
                "a chain begins with its version, \"pegbar\": 1, which is not there".into()
            }));
        };
        if version > VERSION {
            return Err(ChainError::Newer(version, VERSION));
        }
        if version == VERSION {
            // From the text, so that an error has its place.
            return serde_json::from_str(text).map_err(|e| json(&e));
        }
        serde_json::from_value(migrate::up_to_date(value, version)).map_err(|e| json(&e))
    }

    /// As the text of a file: the same for the same chain, each node on lines of its own.
    pub fn to_json(&self) -> String {
        // Maps with text as keys, and no number that JSON has not: it cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// serde_json ends its sentences with the place, which is told apart.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(what, _)| what).to_owned()
}

/// Ids of nodes and groups: what can stand in `node.output` and on a command line.
pub fn check_id(id: &str) -> Result<(), Fault> {
    let good = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.len() <= 64 && id.chars().all(good) {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::Id,
        format!("{id:?} cannot be an id"),
        "use up to 64 letters, digits, hyphens and underscores",
    ))
}

/// A map whose keys may not come twice: a parser that keeps the last of two nodes would lose one without a word.
fn unique_keys<'de, D, T>(deserializer: D) -> Result<IndexMap<String, T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
        type Value = IndexMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("what belongs to names")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = IndexMap::new();
            while let Some((key, value)) = map.next_entry::<String, T>()? {
                if all.contains_key(&key) {
                    return Err(serde::de::Error::custom(format!("{key:?} is there twice; take one out")));
                }
                all.insert(key, value);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_map(Visitor(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "pegbar": 1,
  "title": "Tape",
  "nodes": {
    "in": {
      "type": "input"
    },
    "mix": {
      "type": "image.stack",
      "params": {
        "gap": 2
      },
      "inputs": {
        "images": [
          "in",
          "in.image"
        ]
      },
      "at": [
        10.0,
        20.0
      ]
    }
  }
}
"#;

    #[test]
    fn a_text_comes_back_as_it_was() {
        let chain = Chain::from_json(TEXT).expect("a chain");
        assert_eq!(chain.to_json(), TEXT);
        assert_eq!(Chain::from_json(&format!("\u{feff}{TEXT}")).expect("a chain"), chain);
        assert_eq!(chain.nodes["mix"].inputs["images"].all()[1], OutputRef::new("in", "image"));
    }

    #[test]
    fn wrong_texts_get_a_sentence_and_a_place() {
        for (text, said) in [
            ("{\"pegbar\": 1, \"nodes\": {}", "line 1, column 25: EOF while parsing an object"),
            ("{}", "a chain begins with its version"),
            ("{\"pegbar\": 9, \"nodes\": {}}", "version 9"),
            ("{\"version\":\"0.24\",\"content\":{\"nodes\":[],\"edges\":[]}}", "chaiNNer"),
            (
                "{\"pegbar\":1,\"nodes\":{\"a\":{\"type\":\"x\"},\"a\":{\"type\":\"y\"}}}",
                "\"a\" is there twice",
            ),
            (
                "{\"pegbar\":1,\"nodes\":{\"a\":{\"type\":\"x\",\"params\":{\"p\":1,\"p\":2}}}}",
                "\"p\" is there twice",
            ),
            ("{\"pegbar\":1,\"nodes\":{\"a\":{\"typ\":\"x\"}}}", "unknown field `typ`"),
            ("{\"pegbar\": 0, \"nodes\": {}}", "a chain begins with its version"),
            (
                "{\"pegbar\":1,\"nodes\":{\"a\":{\"type\":\"x\",\"inputs\":{\"i\":\"b.\"}}}}",
                "\"NODE.OUTPUT\"",
            ),
            (
                "{\"pegbar\":1,\"nodes\":{\"a\":{\"type\":\"x\",\"params\":{\"p\":[1]}}}}",
                "is a number, a text, true or false",
            ),
        ] {
            let error = Chain::from_json(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn ids() {
        for good in ["a", "clip-2", "Ton_1", "größe"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "a/b", "a b", &"x".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
