//! The concrete nodes of chains. [`NODES`] is the table that everything else is a projection of.
//!
//! A file holds the nodes of one concept. A node is a `static` of the type [`NodeType`](pegbar_chain::NodeType): its declaration, and
//! a function that makes it work; most are a line that leads to a filter.
#![forbid(unsafe_code)]

mod change;
mod chn;
mod collect;
mod example;
mod ffmpeg;
mod folder;
mod function;
mod image_file;
mod model;
mod picture;
mod restoration;
mod source_sink;
mod structure;
mod table;
mod temporal;
mod value;

pub use chn::{ChnError, Imported, Remark, RemarkKind, import_chn};
pub use example::example;
pub use ffmpeg::{AllowFfmpegFiles, check_encoder_options};
pub use model::{EngineSettings, UpscaleSessions};
pub use source_sink::Selection;
pub use table::NODES;
