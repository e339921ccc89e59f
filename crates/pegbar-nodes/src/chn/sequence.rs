//! Sequences that are cut short: chaiNNer has nodes for it, Pegbar parameters of sources.
//!
//! What skips, limits or slices a sequence holds for every value that comes from the same source, so it goes into the settings of
//! that source, and the node becomes a dot on its edge.

use super::convert::{number, truth};
use super::file::{ChnFile, ChnNode};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Inputs that no node of chaiNNer has: what a source leaves out at its beginning, how much it gives, of how many it gives one.
pub(super) const SKIP: u32 = 10_001;
/// See [`SKIP`].
pub(super) const LIMIT: u32 = 10_002;
/// See [`SKIP`].
pub(super) const STEP: u32 = 10_003;

/// Sources, and their own switch and number of a limit.
const SOURCES: &[(&str, Option<(u32, u32)>)] = &[
    ("image:load_images", Some((4, 5))),
    ("image:load_video", Some((1, 2))),
    ("pytorch:load_models", None),
    ("ncnn:load_models", None),
    ("onnx:load_models", None),
    ("utility:range", None),
];

const LIMIT_SEQUENCE: &str = "utility:limit_sequence";
const SKIP_SEQUENCE: &str = "utility:skip_sequence";
const SLICE_SEQUENCE: &str = "utility:slice_sequence";

/// Which items of a sequence are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Selection {
    skip: u64,
    /// `None` for all.
    limit: Option<u64>,
    step: u64,
}

impl Selection {
    const ALL: Self = Self { skip: 0, limit: None, step: 1 };

    /// What is left when `next` takes some of what this leaves.
    fn then(self, next: Self) -> Self {
        let skip = self.skip.saturating_add(next.skip.saturating_mul(self.step));
        // Of the items that are left after skipping, one of `step` is taken.
        let left = self.limit.map(|limit| limit.saturating_sub(next.skip).div_ceil(next.step));
        let limit = match (left, next.limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { skip, limit, step: self.step.saturating_mul(next.step) }
    }

    /// What a node does; an error says which setting is not known before the chain runs.
    fn of(node: &ChnNode, is_connected: impl Fn(u32) -> bool) -> Option<Self> {
        let whole = |input: u32, default: u64| {
            let value =
                node.inputs.get(&input).and_then(number).map_or(default, |value| value.max(0.0) as u64);
            (!is_connected(input)).then_some(value)
        };
        Some(match node.schema.as_str() {
            SKIP_SEQUENCE => Self { skip: whole(1, 1)?, ..Self::ALL },
            LIMIT_SEQUENCE => Self { limit: Some(whole(1, 10)?), ..Self::ALL },
            _ => {
                let (start, stop, step) = (whole(1, 0)?, whole(2, 10)?, whole(3, 1)?.max(1));
                let n = stop.saturating_sub(start).div_ceil(step);
                Self { skip: start, limit: Some(n), step }
            }
        })
    }
}

/// Moves what these nodes do to the sources of their sequences.
pub(super) fn fold(file: &mut ChnFile) {
    let is_sequence =
        |node: &ChnNode| [LIMIT_SEQUENCE, SKIP_SEQUENCE, SLICE_SEQUENCE].contains(&node.schema.as_str());
    if !file.nodes.iter().any(is_sequence) {
        return;
    }
    let graph = Edges::of(file);
    // Those further up come first.
    let mut found: Vec<(usize, Vec<bool>)> = (0..file.nodes.len())
        .filter(|&n| is_sequence(&file.nodes[n]))
        .map(|n| (n, graph.before(n)))
        .collect();
    found.sort_by_key(|(n, before)| (before.iter().filter(|is| **is).count(), *n));
    let mut selections: BTreeMap<usize, Selection> = BTreeMap::new();
    for (n, before) in found {
        let sources: Vec<usize> = (0..file.nodes.len())
            .filter(|&s| before[s] && SOURCES.iter().any(|(schema, _)| *schema == file.nodes[s].schema))
            .collect();
        let [source] = sources.as_slice() else { continue };
        let is_connected = |input: u32| input != 0 && graph.is_connected(n, input);
        let Some(selection) = Selection::of(&file.nodes[n], is_connected) else { continue };
        if selection.limit == Some(0) {
            continue; // an empty sequence
        }
        let so_far = selections.entry(*source).or_insert_with(|| own(&file.nodes[*source]));
        *so_far = so_far.then(selection);
        if graph.goes_round(*source, n, &before) {
            let message = "what is left out of its sequence is left out everywhere: other nodes take it before that, too";
            file.remark_node(*source, message);
        }
        let id = file.nodes[n].id.clone();
        let node = &mut file.nodes[n];
        node.schema = "utility:pass_through".into();
        node.inputs.clear();
        file.edges.retain(|edge| edge.to.0 != id || edge.to.1 == 0);
    }
    for (source, Selection { skip, limit, step }) in selections {
        let inputs = &mut file.nodes[source].inputs;
        if skip > 0 {
            inputs.insert(SKIP, json!(skip));
        }
        if let Some(limit) = limit {
            inputs.insert(LIMIT, json!(limit.max(1)));
        }
        if step > 1 {
            inputs.insert(STEP, json!(step));
        }
    }
}

/// What a source gives by its own settings.
fn own(source: &ChnNode) -> Selection {
    let limit = SOURCES.iter().find(|(schema, _)| *schema == source.schema).and_then(|(_, limit)| *limit);
    let limit = limit.filter(|(switch, _)| source.inputs.get(switch).and_then(truth) == Some(true));
    let limit = limit.and_then(|(_, limit)| source.inputs.get(&limit).and_then(number));
    Selection { limit: limit.map(|limit| limit.max(1.0) as u64), ..Selection::ALL }
}

/// Who takes from whom.
struct Edges {
    /// For each node: input, and the node that is connected to it.
    into: Vec<Vec<(u32, usize)>>,
    out_of: Vec<Vec<usize>>,
}

impl Edges {
    fn of(file: &ChnFile) -> Self {
        let n = file.nodes.len();
        let index: HashMap<&str, usize> =
            file.nodes.iter().enumerate().map(|(n, node)| (node.id.as_str(), n)).collect();
        let mut edges = Self { into: vec![Vec::new(); n], out_of: vec![Vec::new(); n] };
        for edge in &file.edges {
            if let (Some(&from), Some(&to)) = (index.get(edge.from.0.as_str()), index.get(edge.to.0.as_str()))
            {
                edges.into[to].push((edge.to.1, from));
                edges.out_of[from].push(to);
            }
        }
        edges
    }

    fn is_connected(&self, n: usize, input: u32) -> bool {
        self.into[n].iter().any(|(to, _)| *to == input)
    }

    /// Which nodes the sequence of a node comes through.
    fn before(&self, n: usize) -> Vec<bool> {
        let mut before = vec![false; self.into.len()];
        let mut open: Vec<usize> =
            self.into[n].iter().filter(|(input, _)| *input == 0).map(|(_, from)| *from).collect();
        while let Some(at) = open.pop() {
            if at != n && !std::mem::replace(&mut before[at], true) {
                open.extend(self.into[at].iter().map(|(_, from)| *from));
            }
        }
        before
    }

    /// Which nodes take from a node, directly or not; itself, too.
    fn behind(&self, n: usize) -> Vec<bool> {
        let mut behind = vec![false; self.into.len()];
        let mut open = vec![n];
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut behind[at], true) {
                open.extend(&self.out_of[at]);
            }
        }
        behind
    }

    /// Whether values of a source end somewhere without meeting what comes behind a node.
    fn goes_round(&self, source: usize, n: usize, before: &[bool]) -> bool {
        let behind = self.behind(n);
        let of_source = self.behind(source);
        let others = (0..self.into.len()).filter(|&at| of_source[at] && !before[at] && !behind[at]);
        others.into_iter().any(|at| {
            let meets = self.behind(at);
            !meets.iter().zip(&behind).any(|(a, b)| *a && *b)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_follow_each_other() {
        let all: Vec<u64> = (0..100).collect();
        let take = |items: &[u64], s: Selection| -> Vec<u64> {
            let left = items.iter().copied().skip(s.skip as usize).step_by(s.step as usize);
            left.take(s.limit.unwrap_or(u64::MAX) as usize).collect()
        };
        let some = [
            Selection::ALL,
            Selection { skip: 3, limit: None, step: 1 },
            Selection { skip: 0, limit: Some(20), step: 1 },
            Selection { skip: 5, limit: Some(7), step: 2 },
            Selection { skip: 1, limit: Some(40), step: 3 },
        ];
        for a in some {
            for b in some {
                for c in some {
                    let expected = take(&take(&take(&all, a), b), c);
                    assert_eq!(take(&all, a.then(b).then(c)), expected, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
