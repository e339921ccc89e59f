//! What can be wrong with a chain.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// No such kind of node.
    UnknownNode,
    /// No such node in the chain.
    MissingNode,
    /// No such input, output or parameter.
    UnknownPort,
    /// Nothing is connected where something has to be.
    NotConnected,
    /// A value of another type is connected.
    Type,
    /// A parameter has a value of another type or out of range.
    Param,
    /// Nodes wait for each other in a circle.
    Cycle,
    /// Pictures of different sizes meet.
    Size,
    /// Frames of different streams meet.
    Stream,
    /// A node stands for something that is not there.
    Placeholder,
    /// A file, directory or model is missing or of no use.
    Resource,
    /// An id that cannot be one.
    Id,
    /// A node says so.
    Node,
}

/// One thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The node, by its id; within a group, `group/node`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The input, output or parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    /// A fault of a chain as a whole.
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, node: None, port: None, message: message.into(), remedy: remedy.into() }
    }

    /// The same, of a node.
    pub(crate) fn at(self, node: &str) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// The same, of a port.
    pub(crate) fn port(self, port: &str) -> Self {
        Self { port: Some(port.into()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.node, &self.port) {
            (Some(node), Some(port)) => write!(f, "node {node}, {port}: ")?,
            (Some(node), None) => write!(f, "node {node}: ")?,
            _ => {}
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Why there is no chain, or why it does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no JSON, or holds what no chain holds.
    #[error("line {line}, column {column}: {message}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The file is something else.
    #[error("{0}")]
    NotAChain(String),
    /// It was written by a later version.
    #[error("this chain is of version {0}, and this program knows versions up to {1}: a newer one reads it")]
    Newer(u64, u64),
    /// There are faults.
    #[error("{}", shown(.0))]
    Faults(Vec<Fault>),
    /// A node failed while it ran.
    #[error("node {node}: {error}")]
    Node {
        /// The node.
        node: String,
        /// Why.
        error: crate::NodeError,
    },
    /// Somebody wanted it to end.
    #[error("cancelled")]
    Cancelled,
}

fn shown(faults: &[Fault]) -> String {
    match faults {
        [] => "nothing is wrong".into(),
        [one] => one.to_string(),
        many => {
            let lines: String = many.iter().map(|fault| format!("\n  {fault}")).collect();
            format!("{} things are wrong:{lines}", many.len())
        }
    }
}
