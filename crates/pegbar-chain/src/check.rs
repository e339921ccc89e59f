//! Checks a chain and finds out what flows along its edges, before anything runs.

use crate::graph::{Graph, GraphNode, Source};
use crate::{
    Accepts, Chain, Dim, Fault, FaultKind, FrameContext, FrameSource, ImageInfo, Info, Inputs, Node,
    NodeError, NodeTable, Prepare, Role, SegmentFilter, Shared, Value, ValueType, WindowNode,
};
use pegbar_filters::temporal::TemporalFilter;
use pegbar_params::ParamValues;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which stream the values of a node belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// One value for the whole run.
    Constant,
    /// A value for each frame of the stream that a node (by index) begins.
    Stream(usize),
    /// One value, which is there when the stream has ended.
    After(usize),
}

/// What a node has been made into.
#[derive(Clone)]
pub enum Prepared {
    /// A function.
    Function(Arc<dyn Node>),
    /// A function that is made anew for each frame, as its parameters are connected to what changes.
    EachFrame,
    /// Takes one of its inputs.
    Choice,
    /// Looks at neighbours.
    Temporal(Arc<dyn TemporalFilter>),
    /// Tells of a picture and its neighbours.
    Window(Arc<dyn WindowNode>),
    /// Runs over segments.
    Segment(Arc<dyn SegmentFilter>),
    /// Begins a stream.
    Source(Arc<dyn FrameSource>),
    /// Is made when its stream begins.
    Collector,
    /// Is for whoever runs the chain.
    Host,
    /// Is not needed, or could not be made.
    Nothing,
}

/// A chain that can run.
pub struct Checked {
    /// The chain.
    pub graph: Graph,
    /// For each node, what is known of its outputs.
    pub infos: Vec<Vec<Info>>,
    /// For each node, the stream it belongs to.
    pub flows: Vec<Flow>,
    /// For each node, what it has been made into.
    pub prepared: Vec<Prepared>,
    /// The folder that paths start from.
    pub folder: PathBuf,
    /// What the nodes share.
    pub shared: Arc<Shared>,
}

/// What is known of a node, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// Its id.
    pub id: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub node_type: &'static str,
    /// Its outputs by name.
    pub outputs: Vec<OutputReport>,
    /// The node that begins the stream that its values belong to; nothing where there is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

/// What is known of an output.
#[derive(Debug, Clone, Serialize)]
pub struct OutputReport {
    /// Its id.
    pub id: &'static str,
    /// Type of its values.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// For people.
    pub is: String,
    /// Of a picture, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Of a picture, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
}

/// Checks a chain.
///
/// `folder` is where its relative paths start; `sources` tells what is known of the outputs of nodes that whoever runs the chain
/// provides, by id. Where it does not, sizes are told relative to them.
///
/// # Errors
/// Everything that is wrong.
pub fn check(
    chain: &Chain,
    table: &NodeTable,
    folder: &Path,
    shared: &Arc<Shared>,
    sources: &HashMap<String, Vec<Info>>,
) -> Result<Checked, Vec<Fault>> {
    check_graph(Graph::build(chain, table)?, folder, shared, sources)
}

/// [`check()`] of a graph that has been built: what has been left out of it cannot be wrong.
///
/// # Errors
/// Everything that is wrong.
pub fn check_graph(
    graph: Graph,
    folder: &Path,
    shared: &Arc<Shared>,
    sources: &HashMap<String, Vec<Info>>,
) -> Result<Checked, Vec<Fault>> {
    let n = graph.nodes.len();
    let mut checked = Checked {
        infos: vec![Vec::new(); n],
        flows: vec![Flow::Constant; n],
        prepared: vec![Prepared::Nothing; n],
        folder: folder.to_owned(),
        shared: shared.clone(),
        graph,
    };
    let mut faults = Vec::new();
    for &n in &checked.graph.order.clone() {
        if let Err(fault) = checked.check_node(n, sources) {
            let node = &checked.graph.nodes[n];
            checked.infos[n] = unknown(node);
            faults.push(fault);
        }
    }
    if faults.is_empty() { Ok(checked) } else { Err(faults) }
}

/// Nothing but the types of a node's outputs.
fn unknown(node: &GraphNode) -> Vec<Info> {
    node.kind.output_infos(&ImageInfo::UNKNOWN)
}

impl Checked {
    fn check_node(&mut self, n: usize, sources: &HashMap<String, Vec<Info>>) -> Result<(), Fault> {
        self.flows[n] = self.flow(n)?;
        let node = &self.graph.nodes[n];
        let about = |error: NodeError| node_fault(node, error);
        let inputs = self.input_infos(n);
        let (values, all_known) = self.values(n).map_err(about)?;
        let constant = |what: &str| match node.driven.iter().find(|d| self.info(d.from).known.is_none()) {
            None => Ok(()),
            Some(driven) => Err(Fault::new(
                FaultKind::Stream,
                format!("a parameter of {what} cannot change while it runs"),
                "connect a value that is known before",
            )
            .at(&node.id)
            .port(driven.param.id)),
        };
        let prepare = Prepare { values: &values, folder: &self.folder, shared: &self.shared };
        let (prepared, infos) = match node.kind.role {
            Role::Function { prepare: make, varies, acts } => {
                let tried = make(&prepare).and_then(|made| Ok((made.infer(&inputs)?, made)));
                let (mut infos, made) = match tried {
                    Ok(tried) => tried,
                    // Where parameters are not known yet, their defaults need be no good: an empty path, for example.
                    Err(_) if !all_known => {
                        let infos = unknown(node);
                        self.prepared[n] = Prepared::EachFrame;
                        self.infos[n] = infos;
                        return Ok(());
                    }
                    Err(error) => return Err(about(error)),
                };
                let plain = |info: &Info| !matches!(info.value_type, ValueType::Image | ValueType::Model);
                let inputs_known = inputs.iter().flatten().all(|info| info.known.is_some());
                if all_known && inputs_known && !varies && !acts && infos.iter().all(plain) {
                    let came: Vec<Vec<Value>> = inputs
                        .iter()
                        .map(|port| port.iter().filter_map(|info| info.known.clone()).collect())
                        .collect();
                    let came = converted(node, came);
                    let got =
                        made.run(&Inputs::new(node.kind, &came), &FrameContext::still()).map_err(about)?;
                    infos = got.iter().map(Info::of_value).collect();
                }
                if all_known {
                    (Prepared::Function(made.into()), infos)
                } else {
                    let forget = |info: &Info| Info::of_type(info.value_type);
                    (Prepared::EachFrame, infos.iter().map(forget).collect())
                }
            }
            Role::Choice { choose } => {
                let lengths: Vec<usize> = inputs.iter().map(Vec::len).collect();
                let chosen = if all_known { Some(choose(&values, &lengths).map_err(about)?) } else { None };
                let info = match chosen {
                    Some((port, i)) => inputs.get(port).and_then(|p| p.get(i)).cloned(),
                    None => inputs.iter().flatten().next().map(|info| common(info, inputs.iter().flatten())),
                };
                let info = info.ok_or_else(|| {
                    let message = "it would take an input that is not connected";
                    Fault::new(FaultKind::NotConnected, message, "connect it").at(&node.id)
                })?;
                (Prepared::Choice, vec![info])
            }
            Role::Temporal { prepare: make } => {
                constant("a node that looks at neighbours")?;
                let filter = make(&prepare).map_err(about)?;
                let info = Info::image(
                    inputs.first().and_then(|p| p.first()).map_or(ImageInfo::UNKNOWN, Info::as_image),
                );
                (Prepared::Temporal(filter), vec![info])
            }
            Role::Window { prepare: make } => {
                constant("a node that looks at neighbours")?;
                let node = make(&prepare).map_err(about)?;
                let input = inputs.first().and_then(|p| p.first()).cloned();
                let infos =
                    node.infer(&input.unwrap_or_else(|| Info::of_type(ValueType::Image))).map_err(about)?;
                (Prepared::Window(node), infos)
            }
            Role::Segment { prepare: make } => {
                constant("a node that runs over segments")?;
                let filter = make(&prepare).map_err(about)?;
                let input = inputs.first().and_then(|p| p.first()).cloned();
                let info =
                    filter.infer(&input.unwrap_or_else(|| Info::of_type(ValueType::Image))).map_err(about)?;
                if !filter.keeps_frames() && matches!(self.flows[n], Flow::Stream(_)) {
                    self.flows[n] = Flow::Stream(n);
                }
                (Prepared::Segment(filter), vec![info])
            }
            Role::Source { prepare: make } => {
                constant("a node that begins a stream")?;
                let source = make(&prepare).map_err(about)?;
                let infos = source.infer().map_err(about)?;
                self.flows[n] = Flow::Stream(n);
                (Prepared::Source(source), infos)
            }
            Role::Collector { prepare: make } => {
                constant("a node that collects a stream")?;
                let infos = make(&prepare).map_err(about)?.infer(&inputs).map_err(about)?;
                if let Flow::Stream(of) = self.flows[n] {
                    self.flows[n] = Flow::After(of);
                }
                (Prepared::Collector, infos)
            }
            Role::HostSource => {
                constant("a node that begins a stream")?;
                self.flows[n] = Flow::Stream(n);
                let infos = sources.get(&node.id).cloned().unwrap_or_else(|| relative_to(node));
                (Prepared::Host, infos)
            }
            Role::HostSink => {
                constant("an output")?;
                (Prepared::Host, Vec::new())
            }
            Role::Placeholder => (Prepared::Nothing, unknown(node)),
        };
        self.prepared[n] = prepared;
        self.infos[n] = infos;
        Ok(())
    }

    /// The stream that a node belongs to by what it takes.
    fn flow(&self, n: usize) -> Result<Flow, Fault> {
        let node = &self.graph.nodes[n];
        let name = |n: usize| &self.graph.nodes[n].id;
        let mut flow = Flow::Constant;
        for source in node.sources() {
            flow = match (flow, self.flows[source.node]) {
                (flow, Flow::Constant) => flow,
                (Flow::Constant, other) => other,
                (a, b) if a == b => a,
                (Flow::After(_), after @ Flow::After(_)) => after,
                (Flow::Stream(a), Flow::Stream(b)) => {
                    return Err(Fault::new(
                        FaultKind::Stream,
                        format!("frames of {} and of {} meet, which are different streams", name(a), name(b)),
                        "connect outputs that come from one source",
                    )
                    .at(&node.id));
                }
                (Flow::Stream(a), Flow::After(b)) | (Flow::After(b), Flow::Stream(a)) => {
                    return Err(Fault::new(
                        FaultKind::Stream,
                        format!(
                            "frames of {} meet a value that is there when {} has ended",
                            name(a),
                            name(b)
                        ),
                        "make it in two runs",
                    )
                    .at(&node.id));
                }
            };
        }
        Ok(flow)
    }

    /// What is known of an output.
    pub fn info(&self, source: Source) -> &Info {
        &self.infos[source.node][source.output]
    }

    /// What is known of the inputs of a node.
    pub fn input_infos(&self, n: usize) -> Vec<Vec<Info>> {
        let of = |sources: &Vec<Source>| sources.iter().map(|source| self.info(*source).clone()).collect();
        self.graph.nodes[n].inputs.iter().map(of).collect()
    }

    /// The parameters of a node, connected ones included where they are known; and whether all are.
    fn values(&self, n: usize) -> Result<(ParamValues, bool), NodeError> {
        let node = &self.graph.nodes[n];
        let mut values = node.values.clone();
        let mut all_known = true;
        for driven in &node.driven {
            match &self.info(driven.from).known {
                Some(value) => drive(&mut values, driven.param, value)?,
                None => all_known = false,
            }
        }
        Ok((values, all_known))
    }

    /// Nodes whose work is wanted for itself: outputs, and those that act. Others run when these need them.
    pub fn roots(&self) -> Vec<usize> {
        self.graph.roots()
    }

    /// Indices of the nodes that others need, in order, those themselves included.
    pub fn needed(&self, wanted: &[usize]) -> Vec<usize> {
        self.graph.needed(wanted)
    }

    /// What is known of each node.
    pub fn report(&self) -> Vec<NodeReport> {
        let of = |&n: &usize| {
            let node = &self.graph.nodes[n];
            let outputs = node.kind.outputs.iter().zip(&self.infos[n]).map(|(output, info)| {
                let size = info.image.as_ref();
                OutputReport {
                    id: output.id,
                    value_type: info.value_type,
                    is: info.to_string(),
                    width: size.and_then(|image| image.width.known()),
                    height: size.and_then(|image| image.height.known()),
                }
            });
            NodeReport {
                id: node.id.clone(),
                node_type: node.kind.id,
                outputs: outputs.collect(),
                stream: match self.flows[n] {
                    Flow::Constant => None,
                    Flow::Stream(of) | Flow::After(of) => Some(self.graph.nodes[of].id.clone()),
                },
            }
        };
        self.graph.order.iter().map(of).collect()
    }
}

/// Puts a value that came along an edge into a parameter.
pub(crate) fn drive(
    values: &mut ParamValues,
    param: &'static pegbar_params::Param,
    value: &Value,
) -> Result<(), NodeError> {
    let wrong = || NodeError::param(param.id, format!("takes {}, but {value} came", param.expected()));
    let value = value.to_param(&param.kind).ok_or_else(wrong)?;
    values.set(param.id, value)?;
    Ok(())
}

/// Values as the inputs of a node take them.
pub(crate) fn converted(node: &GraphNode, came: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let convert = |(values, input): (Vec<Value>, &crate::Input)| match input.accepts {
        Accepts::Any => values,
        // Types have been checked: each converts.
        Accepts::Type(wanted) => values.into_iter().filter_map(|value| value.convert(wanted)).collect(),
    };
    came.into_iter().zip(node.kind.inputs).map(convert).collect()
}

/// The outputs of a source of which nothing is known: sizes relative to it.
fn relative_to(node: &GraphNode) -> Vec<Info> {
    let side = || Dim::Of { source: node.id.clone(), num: 1, den: 1 };
    node.kind.output_infos(&ImageInfo { width: side(), height: side(), channels: None })
}

/// What is known of all of several values.
fn common<'a>(first: &Info, all: impl Iterator<Item = &'a Info>) -> Info {
    let mut common = Info { known: None, ..first.clone() };
    for info in all {
        if common.image != info.image {
            common.image = common.image.map(|_| ImageInfo::UNKNOWN);
        }
        if common.model != info.model {
            common.model = None;
        }
    }
    common
}

fn node_fault(node: &GraphNode, error: NodeError) -> Fault {
    let fault = match error {
        NodeError::Input { port, message } => Fault::new(FaultKind::Node, message, "").port(&port),
        NodeError::Param { param, message } => {
            let is_path = node
                .kind
                .param(&param)
                .is_some_and(|p| matches!(p.kind, pegbar_params::ParamKind::Path { .. }));
            if is_path {
                let remedy = if node.driven.iter().any(|driven| driven.param.id == param) {
                    "correct what is connected to it".to_owned()
                } else if node.id.contains('/') {
                    // Parameters within groups are set in the group.
                    "set it".to_owned()
                } else {
                    format!("set it: --set {}.{param}=PATH", node.id)
                };
                Fault::new(FaultKind::Resource, message, remedy).port(&param)
            } else {
                Fault::new(FaultKind::Param, message, "").port(&param)
            }
        }
        other => Fault::new(FaultKind::Node, other.to_string(), ""),
    };
    fault.at(&node.id)
}
