//! Chains: what a node is, how nodes are put together in a file, what flows between them, and how they run.
//!
//! This crate knows no concrete node. A program has a [`NodeTable`]; [`Chain`] is what stands in a file; [`check()`] resolves it,
//! finds out types, sizes and streams, and makes the nodes; then it runs, over single pictures or over the frames of a stream.
#![forbid(unsafe_code)]

mod chain_file;
mod check;
mod choice;
mod draw;
mod error;
mod evaluate;
mod explain;
mod graph;
mod group;
mod info;
mod migrate;
mod node;
mod node_type;
mod preview;
mod reference;
mod set;
mod stream;
mod value;

pub use chain_file::{Chain, ChainNode, Group, Note, OutputRef, Sources, VERSION, check_id};
pub use check::{Checked, Flow, NodeReport, OutputReport, Prepared, check, check_graph};
pub use draw::{mermaid, svg};
pub use error::{ChainError, Fault, FaultKind};
pub use evaluate::NodeCost;
pub use explain::explain;
pub use graph::{Driven, Graph, GraphNode, Source};
pub use info::{Dim, ImageInfo, Info, ModelInfo};
pub use node::{
    Cancel, Collector, FrameContext, FrameSource, FrameTaker, Inputs, Node, NodeError, Prepare, Round,
    SegmentFilter, Shared, TimedImage, WindowNode,
};
pub use node_type::{
    Accepts, Arity, Category, Choose, Gives, Input, NodeTable, NodeType, Output, PrepareNode, Role, same_size,
};
pub use preview::{Preview, PreviewFrame, ResultCache};
pub use stream::{
    Arrival, Delivery, Finish, Finished, MakeValues, StreamInfo, StreamOptions, StreamReport, run_stream,
    stream_info,
};
pub use value::{Value, ValueType};
