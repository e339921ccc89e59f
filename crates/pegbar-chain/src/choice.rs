//! Choices that are made before a run: what they do not take is left out of the graph.

use crate::Role;
use crate::graph::{GraphNode, Source};

/// What a node takes in any run; `None` where that is seen only in the run, or where it takes nothing that is there.
pub(crate) fn known(node: &GraphNode) -> Option<Source> {
    let Role::Choice { choose } = node.kind.role else { return None };
    if !node.driven.is_empty() {
        return None;
    }
    let lengths: Vec<usize> = node.inputs.iter().map(Vec::len).collect();
    // What is wrong with a choice is told by the check.
    let (input, place) = choose(&node.values, &lengths).ok()?;
    node.inputs.get(input)?.get(place).copied()
}

/// Which nodes are left: not those that only choices took that want something else.
///
/// `before` is what each node took before that was known.
pub(crate) fn needed(nodes: &[GraphNode], before: &[Vec<Source>], order: &[usize]) -> Vec<bool> {
    let mut was_taken = vec![false; nodes.len()];
    order.iter().flat_map(|&n| &before[n]).for_each(|from| was_taken[from.node] = true);
    let (mut is_taken, mut is_needed) = (vec![false; nodes.len()], vec![false; nodes.len()]);
    for &n in order.iter().rev() {
        is_needed[n] = is_taken[n] || !was_taken[n] || nodes[n].kind.role.is_root();
        if is_needed[n] {
            nodes[n].sources().for_each(|from| is_taken[from.node] = true);
        }
    }
    is_needed
}
