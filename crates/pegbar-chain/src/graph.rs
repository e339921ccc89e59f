//! The chain with its nodes found, its edges resolved and its order known.

use crate::node_type::nearest;
use crate::{
    Accepts, Arity, Chain, ChainNode, Fault, FaultKind, Gives, NodeTable, NodeType, OutputRef, Role,
    ValueType, choice, group,
};
use indexmap::IndexMap;
use pegbar_params::{Param, ParamValues};

/// Nodes that may stand one behind the other: to compute one, those before it are computed within it.
pub(crate) const MOST_DEPTH: usize = 1000;

/// A chain, ready to be checked.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Its nodes, those of groups included, in the order of the file.
    pub nodes: Vec<GraphNode>,
    /// Indices of `nodes`, each after all that it takes values from. Nodes that are disabled are not among them.
    pub order: Vec<usize>,
}

/// A node.
#[derive(Debug, Clone)]
pub struct GraphNode {
    /// Its id; within a group, `group/node`.
    pub id: String,
    /// Its kind.
    pub kind: &'static NodeType,
    /// Its parameters, as far as they are not connected.
    pub values: ParamValues,
    /// Parameters that are connected.
    pub driven: Vec<Driven>,
    /// For each input what is connected to it.
    pub inputs: Vec<Vec<Source>>,
}

/// A parameter that takes its value from an output.
#[derive(Debug, Clone, Copy)]
pub struct Driven {
    /// The parameter.
    pub param: &'static Param,
    /// Where its value comes from.
    pub from: Source,
}

/// An output of a node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// Index of the node.
    pub node: usize,
    /// Index of its output.
    pub output: usize,
}

impl GraphNode {
    /// Everything that it takes values from.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.inputs.iter().flatten().copied().chain(self.driven.iter().map(|driven| driven.from))
    }
}

impl Graph {
    /// Resolves a chain.
    ///
    /// # Errors
    /// Everything that is wrong with kinds, parameters and edges.
    pub fn build(chain: &Chain, table: &NodeTable) -> Result<Self, Vec<Fault>> {
        let nodes = group::expand(chain)?;
        let mut faults = Vec::new();
        let kinds: Vec<Option<&'static NodeType>> = nodes
            .iter()
            .map(|(id, node)| {
                let kind = table.get(&node.node_type);
                if kind.is_none() {
                    faults.push(unknown_kind(id, node, table));
                }
                kind
            })
            .collect();
        let resolver = Resolver { nodes: &nodes, kinds: &kinds };
        let mut resolved: Vec<Option<GraphNode>> = Vec::new();
        for ((id, node), kind) in nodes.iter().zip(&kinds) {
            resolved.push(kind.map(|kind| resolver.resolve(id, node, kind, &mut faults)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut graph = Self { nodes: resolved.into_iter().flatten().collect(), order: Vec::new() };
        if let Some(fault) = graph.find_cycle() {
            return Err(vec![fault]);
        }
        graph.take_out(&nodes);
        graph.check_arity(&mut faults);
        graph.check_types(&mut faults);
        if faults.is_empty() { Ok(graph) } else { Err(faults) }
    }

    /// Nodes whose work is wanted for itself: outputs, and those that act. Others run when these need them.
    pub fn roots(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|&n| self.nodes[n].kind.role.is_root()).collect()
    }

    /// Indices of the nodes that others need, in order, those themselves included.
    pub fn needed(&self, wanted: &[usize]) -> Vec<usize> {
        let mut is_needed = vec![false; self.nodes.len()];
        wanted.iter().for_each(|&n| is_needed[n] = true);
        for &n in self.order.iter().rev() {
            if is_needed[n] {
                self.nodes[n].sources().for_each(|source| is_needed[source.node] = true);
            }
        }
        self.order.iter().copied().filter(|&n| is_needed[n]).collect()
    }

    /// Leaves out what these nodes do not need.
    pub fn end_in(&mut self, wanted: &[usize]) {
        self.order = self.needed(wanted);
    }

    /// Index of a node.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    /// Puts the nodes in order; a circle is a fault.
    fn find_cycle(&mut self) -> Option<Fault> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        for start in 0..self.nodes.len() {
            if marks[start] != Mark::New {
                continue;
            }
            // Depth first, without recursion: chains may be long.
            let mut path = vec![(start, self.nodes[start].sources().collect::<Vec<_>>())];
            marks[start] = Mark::Open;
            while let Some((node, rest)) = path.last_mut() {
                let node = *node;
                let Some(next) = rest.pop() else {
                    marks[node] = Mark::Done;
                    order.push(node);
                    path.pop();
                    continue;
                };
                match marks[next.node] {
                    Mark::Done => {}
                    Mark::New => {
                        marks[next.node] = Mark::Open;
                        path.push((next.node, self.nodes[next.node].sources().collect()));
                    }
                    Mark::Open => {
                        let from = path.iter().position(|(n, _)| *n == next.node).unwrap_or(0);
                        let mut circle: Vec<&str> =
                            path[from..].iter().map(|(n, _)| self.nodes[*n].id.as_str()).collect();
                        circle.reverse();
                        circle.push(circle[0]);
                        let user = &self.nodes[node];
                        let port = user.inputs.iter().position(|sources| sources.contains(&next));
                        let driven = || user.driven.iter().find(|driven| driven.from == next);
                        let port = match port {
                            Some(i) => user.kind.inputs[i].id,
                            None => driven().map_or("", |driven| driven.param.id),
                        };
                        return Some(
                            Fault::new(
                                FaultKind::Cycle,
                                format!("nodes wait for each other: {}", circle.join(" -> ")),
                                "take one of these edges out",
                            )
                            .at(&user.id)
                            .port(port),
                        );
                    }
                }
            }
        }
        self.order = order;
        self.too_deep()
    }

    /// The first node that more nodes have to be computed for, one after the other, than [`MOST_DEPTH`].
    fn too_deep(&self) -> Option<Fault> {
        let mut depths = vec![0; self.nodes.len()];
        for &n in &self.order {
            depths[n] = 1 + self.nodes[n].sources().map(|source| depths[source.node]).max().unwrap_or(0);
            if depths[n] > MOST_DEPTH {
                let message = format!("more than {MOST_DEPTH} nodes stand one behind the other");
                let remedy = "make two chains of it, or take nodes out";
                return Some(Fault::new(FaultKind::Resource, message, remedy).at(&self.nodes[n].id));
            }
        }
        None
    }

    /// Takes out nodes that are disabled, and those that need them; goes round those that pass through; leaves of
    /// choices what they take, where that is known.
    fn take_out(&mut self, nodes: &IndexMap<String, ChainNode>) {
        let mut gone = vec![false; self.nodes.len()];
        let mut before: Vec<Vec<Source>> = vec![Vec::new(); self.nodes.len()];
        let mut instead: Vec<Vec<Option<Source>>> = vec![Vec::new(); self.nodes.len()];
        for &n in &self.order.clone() {
            let file_node = &nodes[n];
            let exists = |source: &Source| -> Option<Source> {
                if gone[source.node] {
                    return None;
                }
                match instead[source.node].get(source.output) {
                    Some(other) => *other,
                    None => Some(*source),
                }
            };
            let inputs: Vec<Vec<Source>> = self.nodes[n]
                .inputs
                .iter()
                .map(|sources| sources.iter().filter_map(exists).collect())
                .collect();
            let driven: Vec<Driven> = self.nodes[n]
                .driven
                .iter()
                .filter_map(|driven| exists(&driven.from).map(|from| Driven { from, ..*driven }))
                .collect();
            let kind = self.nodes[n].kind;
            let chosen = choice::known(&self.nodes[n]).filter(|_| !file_node.pass_through);
            let chosen = chosen.map(|from| exists(&from));
            let starves = kind.inputs.iter().enumerate().any(|(i, input)| {
                let had = !self.nodes[n].inputs[i].is_empty();
                input.arity != Arity::Optional && had && inputs[i].is_empty() && chosen.is_none()
            }) || chosen == Some(None);
            before[n] =
                inputs.iter().flatten().chain(driven.iter().map(|driven| &driven.from)).copied().collect();
            match chosen.flatten() {
                // In all places, as its number counts them.
                Some(from) => self.nodes[n].inputs.iter_mut().flatten().for_each(|source| *source = from),
                None => self.nodes[n].inputs = inputs,
            }
            self.nodes[n].driven = driven;
            if file_node.disabled || (starves && !file_node.pass_through) {
                gone[n] = true;
            } else if file_node.pass_through {
                instead[n] = self.passed(n);
                gone[n] = instead[n].is_empty();
            }
        }
        let removed: Vec<bool> =
            gone.iter().zip(&instead).map(|(gone, instead)| *gone || !instead.is_empty()).collect();
        self.order.retain(|&n| !removed[n]);
        let needed = choice::needed(&self.nodes, &before, &self.order);
        self.order.retain(|&n| needed[n]);
    }

    /// For each output of a node that passes through, the source of the first input of its type.
    fn passed(&self, n: usize) -> Vec<Option<Source>> {
        let node = &self.nodes[n];
        let first = |gives: Gives| {
            node.kind.inputs.iter().zip(&node.inputs).find_map(|(input, sources)| {
                let fits = match (gives, input.accepts) {
                    (Gives::Type(t), Accepts::Type(u)) => t == u,
                    (Gives::SameAsInput, Accepts::Any) => true,
                    _ => false,
                };
                sources.first().copied().filter(|_| fits)
            })
        };
        node.kind.outputs.iter().map(|output| first(output.gives)).collect()
    }

    fn check_arity(&self, faults: &mut Vec<Fault>) {
        for &n in &self.order {
            let node = &self.nodes[n];
            if matches!(node.kind.role, Role::Placeholder) {
                let original = node.values.get("original").map(ToString::to_string).unwrap_or_default();
                faults.push(
                    Fault::new(
                        FaultKind::Placeholder,
                        format!("it stands for {original:?}, which Pegbar does not have"),
                        "put another node in its place, or disable it",
                    )
                    .at(&node.id),
                );
                continue;
            }
            for (input, sources) in node.kind.inputs.iter().zip(&node.inputs) {
                if input.arity != Arity::Optional && sources.is_empty() {
                    faults.push(
                        Fault::new(
                            FaultKind::NotConnected,
                            "nothing is connected",
                            format!("connect {}: \"{}\": \"NODE.OUTPUT\"", wanted(input.accepts), input.id),
                        )
                        .at(&node.id)
                        .port(input.id),
                    );
                } else if input.arity != Arity::Many && sources.len() > 1 {
                    faults.push(
                        Fault::new(
                            FaultKind::Type,
                            format!("{} outputs are connected, but it takes one", sources.len()),
                            "leave one of them",
                        )
                        .at(&node.id)
                        .port(input.id),
                    );
                }
            }
        }
    }

    fn check_types(&self, faults: &mut Vec<Fault>) {
        let mut types: Vec<Vec<Option<ValueType>>> = vec![Vec::new(); self.nodes.len()];
        for &n in &self.order {
            let node = &self.nodes[n];
            let mut any: Option<(ValueType, Source)> = None;
            for (input, sources) in node.kind.inputs.iter().zip(&node.inputs) {
                for source in sources {
                    let Some(got) = types[source.node].get(source.output).copied().flatten() else {
                        continue;
                    };
                    match input.accepts {
                        Accepts::Type(wanted) if !got.converts_to(wanted) => {
                            faults.push(self.wrong_type(node, input.id, wanted, got, *source));
                        }
                        Accepts::Type(_) => {}
                        Accepts::Any => match any {
                            Some((first, _)) if !got.converts_to(first) => {
                                if node.kind.outputs.iter().any(|o| o.gives == Gives::SameAsInput) {
                                    faults.push(self.wrong_type(node, input.id, first, got, *source));
                                }
                            }
                            Some(_) => {}
                            None => any = Some((got, *source)),
                        },
                    }
                }
            }
            for driven in &node.driven {
                let wanted = ValueType::of_param(&driven.param.kind);
                let got = types[driven.from.node].get(driven.from.output).copied().flatten();
                if let Some(got) = got.filter(|got| !got.converts_to(wanted)) {
                    faults.push(self.wrong_type(node, driven.param.id, wanted, got, driven.from));
                }
            }
            types[n] = node
                .kind
                .outputs
                .iter()
                .map(|output| match output.gives {
                    Gives::Type(t) => Some(t),
                    Gives::SameAsInput => any.map(|(t, _)| t),
                })
                .collect();
        }
    }

    fn wrong_type(
        &self,
        node: &GraphNode,
        port: &str,
        wanted: ValueType,
        got: ValueType,
        source: Source,
    ) -> Fault {
        let from = &self.nodes[source.node];
        let fitting: Vec<String> = from
            .kind
            .outputs
            .iter()
            .filter(|output| matches!(output.gives, Gives::Type(t) if t.converts_to(wanted)))
            .map(|output| format!("{}.{}", from.id, output.id))
            .collect();
        let remedy = if fitting.is_empty() {
            format!("connect {}", with_article(wanted))
        } else {
            format!("{} would fit", fitting.join(" or "))
        };
        Fault::new(
            FaultKind::Type,
            format!(
                "it takes {}, but {}.{} gives {}",
                with_article(wanted),
                from.id,
                from.kind.outputs[source.output].id,
                with_article(got)
            ),
            remedy,
        )
        .at(&node.id)
        .port(port)
    }
}

fn with_article(value_type: ValueType) -> String {
    let article = if value_type == ValueType::Image { "an" } else { "a" };
    format!("{article} {value_type}")
}

fn wanted(accepts: Accepts) -> String {
    match accepts {
        Accepts::Type(value_type) => with_article(value_type),
        Accepts::Any => "something".into(),
    }
}

fn unknown_kind(id: &str, node: &ChainNode, table: &NodeTable) -> Fault {
    let like = table.like(&node.node_type);
    let remedy = if like.is_empty() {
        "\"pegbar chain nodes\" lists them".into()
    } else {
        format!("did you mean {}?", like.join(" or "))
    };
    Fault::new(FaultKind::UnknownNode, format!("there is no kind of node {:?}", node.node_type), remedy)
        .at(id)
}

/// Finds what the names in a file mean.
struct Resolver<'a> {
    nodes: &'a IndexMap<String, ChainNode>,
    kinds: &'a [Option<&'static NodeType>],
}

impl Resolver<'_> {
    fn resolve(
        &self,
        id: &str,
        node: &ChainNode,
        kind: &'static NodeType,
        faults: &mut Vec<Fault>,
    ) -> GraphNode {
        let mut values = ParamValues::defaults(kind.params);
        for (param, value) in &node.params {
            match values.set(param, value.clone()) {
                Ok(true) => {}
                Ok(false) => faults.push(unknown_port(id, param, kind, "parameter")),
                Err(error) => {
                    let text = error.to_string();
                    let message = text.strip_prefix(&format!("{param}: ")).unwrap_or(&text).to_owned();
                    let remedy = "correct the value".to_owned();
                    faults.push(Fault::new(FaultKind::Param, message, remedy).at(id).port(param));
                }
            }
        }
        let mut inputs = vec![Vec::new(); kind.inputs.len()];
        let mut driven = Vec::new();
        for (port, sources) in &node.inputs {
            let found: Vec<Source> =
                sources.all().iter().filter_map(|output| self.source(id, port, output, faults)).collect();
            if matches!(kind.role, Role::Placeholder) {
                continue; // it keeps the edges of what it stands for
            }
            match (kind.input(port), kind.param(port)) {
                (Some(i), _) => inputs[i] = found,
                (None, Some(param)) => match found.as_slice() {
                    [from] => driven.push(Driven { param, from: *from }),
                    [] => {}
                    _ => faults.push(
                        Fault::new(FaultKind::Type, "a parameter takes one value", "leave one of them")
                            .at(id)
                            .port(port),
                    ),
                },
                (None, None) => faults.push(unknown_port(id, port, kind, "input")),
            }
        }
        GraphNode { id: id.to_owned(), kind, values, driven, inputs }
    }

    fn source(&self, id: &str, port: &str, output: &OutputRef, faults: &mut Vec<Fault>) -> Option<Source> {
        let Some(n) = self.nodes.get_index_of(&output.node) else {
            let like = nearest(&output.node, self.nodes.keys().map(String::as_str));
            let remedy = if like.is_empty() {
                "connect another one".into()
            } else {
                format!("did you mean {}?", like.join(" or "))
            };
            faults.push(
                Fault::new(FaultKind::MissingNode, format!("there is no node {}", output.node), remedy)
                    .at(id)
                    .port(port),
            );
            return None;
        };
        let kind = self.kinds[n]?;
        if matches!(kind.role, Role::Placeholder) {
            return Some(Source { node: n, output: 0 });
        }
        let index = if output.output.is_empty() {
            (!kind.outputs.is_empty()).then_some(0)
        } else {
            kind.output(&output.output)
        };
        if index.is_none() {
            let known: Vec<&str> = kind.outputs.iter().map(|o| o.id).collect();
            let what = if output.output.is_empty() {
                "no output".into()
            } else {
                format!("no output {}", output.output)
            };
            let remedy =
                if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
            faults.push(
                Fault::new(
                    FaultKind::UnknownPort,
                    format!("node {} ({}) has {what}", output.node, kind.id),
                    remedy,
                )
                .at(id)
                .port(port),
            );
        }
        index.map(|output| Source { node: n, output })
    }
}

fn unknown_port(id: &str, port: &str, kind: &'static NodeType, what: &str) -> Fault {
    let params = kind.params.iter().map(|p| p.id);
    let known: Vec<&str> = if what == "parameter" {
        params.collect()
    } else {
        kind.inputs.iter().map(|i| i.id).chain(params).collect()
    };
    let like = nearest(port, known.iter().copied());
    let remedy = match (like.as_slice(), known.as_slice()) {
        ([], []) => "it has none".into(),
        ([], known) => format!("it has {}", known.join(", ")),
        (like, _) => format!("did you mean {}?", like.join(" or ")),
    };
    Fault::new(FaultKind::UnknownPort, format!("{} has no {what} {port}", kind.id), remedy).at(id).port(port)
}
