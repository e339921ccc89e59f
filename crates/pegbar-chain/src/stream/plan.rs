//! What runs in which order over a stream.
//!
//! Nodes that look at more than one frame, barriers, divide the chain: before, between and behind them frames are worked on one by
//! one and side by side.

use crate::{Checked, Flow, Prepared, Role, Source};
use std::collections::HashSet;

/// The way of a frame through a chain.
#[derive(Debug)]
pub(super) struct StreamPlan {
    /// Node that the stream begins with.
    pub(super) source: usize,
    /// What is done frame by frame: before the first barrier, between each and the next, behind the last.
    pub(super) stages: Vec<Stage>,
    /// Nodes that look at more than one frame.
    pub(super) barriers: Vec<usize>,
    /// Collectors of this stream, or of one that comes of it.
    pub(super) collectors: Vec<usize>,
    /// Outputs that whoever runs the chain takes.
    pub(super) sinks: Vec<usize>,
    /// Whether each segment of the stream is by itself.
    pub(super) by_segments: bool,
    /// How many barriers come first that tell of frames as they are before any other barrier: they see over the borders of segments
    /// in any case.
    pub(super) n_over_segments: usize,
}

/// What is done frame by frame.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Values that are needed behind it, and made in it.
    pub(super) targets: Vec<Source>,
    /// Nodes that act.
    pub(super) acting: Vec<usize>,
    /// Nodes whose results are needed behind it, by the barrier or later.
    pub(super) keep: HashSet<usize>,
    /// Nodes whose results are needed behind the barrier that follows.
    pub(super) keep_behind: HashSet<usize>,
}

impl StreamPlan {
    /// # Errors
    /// A sentence where no order leads to all results.
    pub(super) fn new(checked: &Checked, source: usize) -> Result<Self, String> {
        let graph = &checked.graph;
        let needed = needed_of(checked, source);
        let domains = domains(checked, source, &needed)?;
        let domain = |n: usize| match checked.flows[n] {
            Flow::Stream(of) => domains.iter().position(|&d| d == of),
            _ => None,
        };
        let of_stream = |s: &Source| domain(s.node).is_some();
        let mut barriers: Vec<usize> = needed
            .iter()
            .copied()
            .filter(|&n| is_barrier(&checked.prepared[n]))
            .filter(|&n| domain(n).is_some())
            .collect();
        let behind = behind_barriers(checked, &needed);
        let tells_first = |n: usize| matches!(checked.prepared[n], Prepared::Window(_)) && !behind[n];
        // A node that changes the number of frames comes last of those that take the frames before.
        barriers.sort_by_key(|&n| {
            let taken = graph.nodes[n].sources().filter_map(|s| domain(s.node)).max().unwrap_or(0);
            (!tells_first(n), taken, domain(n) != Some(taken))
        });
        let n_over_segments = barriers.iter().filter(|&&n| tells_first(n)).count();
        let barrier_at = |n: usize| barriers.iter().position(|&b| b == n);

        // In which stage the results of each node are made.
        let mut made = vec![0usize; graph.nodes.len()];
        for &n in &needed {
            let earliest = graph.nodes[n].sources().map(|s| made[s.node]).max().unwrap_or(0);
            made[n] = match barrier_at(n) {
                Some(at) if earliest > at => {
                    return Err(format!(
                        "{} would have to come both before and after another node",
                        graph.nodes[n].id
                    ));
                }
                Some(at) => at + 1,
                None => earliest,
            };
        }
        let last = barriers.len();
        let mut plan = Self {
            source,
            stages: (0..=last).map(|_| Stage::default()).collect(),
            collectors: Vec::new(),
            sinks: Vec::new(),
            by_segments: barriers.iter().any(|&n| matches!(checked.prepared[n], Prepared::Segment(_))),
            n_over_segments,
            barriers: barriers.clone(),
        };
        for &n in &needed {
            let node = &graph.nodes[n];
            let sources: Vec<Source> = node.sources().filter(of_stream).collect();
            // Behind which stage, or within which, its inputs are taken.
            let (taken, within) = match node.kind.role {
                _ if sources.is_empty() => continue,
                Role::HostSink => {
                    plan.sinks.push(n);
                    (last, false)
                }
                Role::Collector { .. } => {
                    plan.collectors.push(n);
                    (last, false)
                }
                _ => match barrier_at(n) {
                    Some(at) => (at, false),
                    None => (made[n], true),
                },
            };
            if matches!(node.kind.role, Role::Function { acts: true, .. }) {
                plan.stages[made[n]].acting.push(n);
            }
            for source in sources {
                let first = made[source.node];
                if within && taken == first {
                    continue; // made when it is asked for
                }
                if !plan.stages[first].targets.contains(&source) {
                    plan.stages[first].targets.push(source);
                }
                let kept = if within { first..taken } else { first..taken + 1 };
                for (at, stage) in plan.stages[kept].iter_mut().enumerate() {
                    stage.keep.insert(source.node);
                    if first + at < taken {
                        stage.keep_behind.insert(source.node);
                    }
                }
            }
        }
        Ok(plan)
    }
}

/// Whether a node looks at more than one frame.
fn is_barrier(prepared: &Prepared) -> bool {
    matches!(prepared, Prepared::Temporal(_) | Prepared::Segment(_) | Prepared::Window(_))
}

/// For each node whether what it takes comes through one that looks at more than one frame.
fn behind_barriers(checked: &Checked, needed: &[usize]) -> Vec<bool> {
    let mut behind = vec![false; checked.graph.nodes.len()];
    for &n in needed {
        let comes_through = |s: Source| behind[s.node] || is_barrier(&checked.prepared[s.node]);
        behind[n] = checked.graph.nodes[n].sources().any(comes_through);
    }
    behind
}

/// The streams that come of a source: its own, and those of nodes that change the number of its frames, one after the other.
fn domains(checked: &Checked, source: usize, needed: &[usize]) -> Result<Vec<usize>, String> {
    let mut domains = vec![source];
    for &n in needed {
        let begins = n != source && checked.flows[n] == Flow::Stream(n);
        let node = &checked.graph.nodes[n];
        let taken = node.sources().find_map(|s| match checked.flows[s.node] {
            Flow::Stream(of) => domains.iter().position(|&d| d == of),
            _ => None,
        });
        let (true, Some(taken)) = (begins, taken) else { continue };
        if taken + 1 != domains.len() {
            let other = &checked.graph.nodes[domains[taken + 1]].id;
            return Err(format!(
                "{other} and {} both change the number of frames of one stream; put one behind the other",
                node.id
            ));
        }
        domains.push(n);
    }
    Ok(domains)
}

/// Nodes that results of the stream need: what it ends in, what acts on it, and what comes of it afterwards.
fn needed_of(checked: &Checked, source: usize) -> Vec<usize> {
    let graph = &checked.graph;
    let mut reached = vec![false; graph.nodes.len()];
    reached[source] = true;
    for &n in &graph.order {
        reached[n] |= graph.nodes[n].sources().any(|s| reached[s.node]);
    }
    let roots: Vec<usize> = checked.roots().into_iter().filter(|&n| reached[n]).collect();
    checked.needed(&roots)
}
