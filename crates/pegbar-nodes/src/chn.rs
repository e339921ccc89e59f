//! Chains of chaiNNer: reads `.chn` files and says what became of each node.
//!
//! A file is read ([`file`]), brought up to the last version of its format ([`upgrade`]), and translated node by node
//! ([`translate`]) by tables ([`rules`]), with chaiNNer's defaults where Pegbar's are others ([`defaults`]). What skips or limits a sequence goes to its source ([`sequence`]). What Pegbar does not have
//! becomes a placeholder that keeps settings and edges.

mod convert;
mod defaults;
mod file;
mod rules;
mod sequence;
mod special;
mod translate;
mod upgrade;

use pegbar_chain::Chain;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use thiserror::Error;

/// A chain that was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The chain.
    pub chain: Chain,
    /// What is not as it was, in the order of the nodes.
    pub report: Vec<Remark>,
}

impl Imported {
    /// How many nodes have no counterpart: the chain runs when it is 0.
    pub fn n_placeholders(&self) -> usize {
        self.report.iter().filter(|remark| remark.kind == RemarkKind::Placeholder).count()
    }
}

/// What kind of remark it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RemarkKind {
    /// A node has no counterpart, and a placeholder stands for it.
    Placeholder,
    /// A setting has no counterpart, or another value.
    Setting,
    /// An edge is not there any more.
    Edge,
    /// Something about the file.
    File,
}

/// One thing that is not in the imported chain as it was in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Its kind.
    pub kind: RemarkKind,
    /// The node of the imported chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What chaiNNer calls the kind of node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// A sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.node, &self.original) {
            (Some(node), Some(original)) => write!(f, "node {node} ({original}): ")?,
            (Some(node), None) => write!(f, "node {node}: ")?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

/// Why a file is no chain of chaiNNer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChnError {
    /// Neither JSON nor base64 of it.
    #[error("this is neither JSON nor base64 of it, so no chain of chaiNNer")]
    NotText,
    /// The JSON is broken, or holds what no chain holds.
    #[error("line {line}, column {column}: {message}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// JSON of something else.
    #[error("{0}")]
    NotAChain(String),
    /// More than any chain has.
    #[error("the file has {n} {what}; chains of more than {most} are not read")]
    TooLarge {
        /// How many.
        n: usize,
        /// Of what.
        what: &'static str,
        /// How many are read.
        most: usize,
    },
}

/// Makes a chain of the text of a `.chn` file; `file` is its path, which gives the title.
///
/// # Errors
/// [`ChnError`] where the text is no chain of chaiNNer. What a chain holds that Pegbar does not have is no error, but in the report.
pub fn import_chn(text: &str, file: &Path) -> Result<Imported, ChnError> {
    let mut chn = file::read(text)?;
    upgrade::upgrade(&mut chn);
    defaults::fill_in(&mut chn);
    sequence::fold(&mut chn);
    let title = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(translate::translate(&chn, title))
}
