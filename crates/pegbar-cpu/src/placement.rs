//! Where values lie: concatenations of channels, and slices of them, are windows of shared buffers.

use crate::fusion::{Chains, Graph};
use crate::memory::Element;
use crate::program::{BufferDef, ValueDef, pixel_stride};
use crate::step::{SliceStart, ValueId};
use pegbar_net::{Net, Op};

/// A value that is also needed in a second place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    /// The node after whose step it is made.
    pub(crate) after: usize,
    pub(crate) from: ValueId,
    pub(crate) to: ValueId,
}

/// The values of a net and their places.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    pub(crate) values: Vec<ValueDef>,
    pub(crate) buffers: Vec<BufferDef>,
    /// By node; none for what is not needed or fused away.
    pub(crate) value_of: Vec<Option<ValueId>>,
    pub(crate) copies: Vec<Copy>,
}

/// Gives every value a place.
pub(crate) fn place(net: &Net, graph: &Graph, chains: &Chains, channels: &[usize]) -> Placement {
    let n = net.nodes.len();
    let is_stored = |node: usize| graph.is_needed(node) && !chains.is_inner[node];
    let mut placer = Placer {
        net,
        channels,
        placement: Placement { value_of: vec![None; n], ..Placement::default() },
        joins: vec![],
    };
    // Later concatenations are the wider ones where an earlier one is part of them, so they choose first.
    for node in (0..n).rev().filter(|&node| is_stored(node)) {
        if matches!(net.nodes[node].op, Op::Concat { axis: 1 }) {
            placer.reserve(node);
        }
    }
    for node in (0..n).filter(|&node| is_stored(node)) {
        placer.place(node);
    }
    placer.placement
}

/// The parts of a concatenation and where each has its window.
struct Join {
    node: usize,
    buffer: usize,
    first_channel: usize,
    /// Part and whether it needs a copy.
    parts: Vec<(usize, bool)>,
}

struct Placer<'a> {
    net: &'a Net,
    channels: &'a [usize],
    placement: Placement,
    joins: Vec<Join>,
}

impl Placer<'_> {
    /// The parts a concatenation of channels is made of, seen through concatenations of concatenations.
    fn parts(&self, node: usize) -> Vec<usize> {
        let mut parts = vec![];
        for input in &self.net.nodes[node].inputs {
            let input = input.0 as usize;
            match self.net.nodes[input].op {
                Op::Concat { axis: 1 } => parts.extend(self.parts(input)),
                _ => parts.push(input),
            }
        }
        parts
    }

    /// Whether a step makes the value of this node, so that it can be told where to.
    fn is_made(&self, node: usize) -> bool {
        !matches!(self.net.nodes[node].op, Op::Constant(_) | Op::Slice { axis: 1, .. })
    }

    fn new_buffer(&mut self, node: usize, channels: usize) -> usize {
        self.placement.buffers.push(BufferDef {
            node,
            element: Element::F32,
            pixel_stride: pixel_stride(channels),
            constant: None,
        });
        self.placement.buffers.len() - 1
    }

    fn new_value(&mut self, value: ValueDef) -> ValueId {
        self.placement.values.push(value);
        self.placement.values.len() - 1
    }

    /// A value that a step makes.
    fn new_made_value(&mut self, node: usize, buffer: usize, first_channel: usize) -> ValueId {
        let made_of = vec![self.placement.values.len()];
        self.new_value(ValueDef { node, channels: self.channels[node], buffer, first_channel, made_of })
    }

    /// Finds a home for a concatenation: the buffer its parts are in already, or a new one that takes the parts that are
    /// still free.
    fn reserve(&mut self, node: usize) {
        let parts = self.parts(node);
        if let Some((buffer, first_channel)) = self.common_home(&parts) {
            let parts = parts.into_iter().map(|part| (part, false)).collect();
            self.joins.push(Join { node, buffer, first_channel, parts });
            return;
        }
        let buffer = self.new_buffer(node, self.channels[node]);
        let mut first_channel = 0;
        let mut placed = vec![];
        for part in parts {
            let free = self.is_made(part) && self.placement.value_of[part].is_none();
            if free {
                let value = self.new_made_value(part, buffer, first_channel);
                self.placement.value_of[part] = Some(value);
            }
            placed.push((part, !free));
            first_channel += self.channels[part];
        }
        self.joins.push(Join { node, buffer, first_channel: 0, parts: placed });
    }

    /// The buffer and channel at which these nodes lie one after the other, if they do.
    fn common_home(&self, parts: &[usize]) -> Option<(usize, usize)> {
        let home = |part: usize| {
            let value = &self.placement.values[self.placement.value_of[part]?];
            Some((value.buffer, value.first_channel))
        };
        let (buffer, first) = home(*parts.first()?)?;
        let mut expected = first;
        for &part in parts {
            if home(part)? != (buffer, expected) {
                return None;
            }
            expected += self.channels[part];
        }
        Some((buffer, first))
    }

    /// Makes the value of a node; its inputs have theirs.
    fn place(&mut self, node: usize) {
        match &self.net.nodes[node].op {
            Op::Concat { axis: 1 } => self.place_join(node),
            Op::Slice { axis: 1, start, .. } => {
                let source = self.net.nodes[node].inputs[0].0 as usize;
                if let Some(from) = self.placement.value_of[source] {
                    let from = self.placement.values[from].clone();
                    let first = SliceStart::At(*start).of(self.channels[source]);
                    let value = self.new_value(ValueDef {
                        channels: self.channels[node],
                        first_channel: from.first_channel + first,
                        ..from
                    });
                    self.placement.value_of[node] = Some(value);
                }
            }
            _ if self.placement.value_of[node].is_none() => {
                let buffer = self.new_buffer(node, self.channels[node]);
                self.placement.value_of[node] = Some(self.new_made_value(node, buffer, 0));
            }
            _ => {}
        }
    }

    fn place_join(&mut self, node: usize) {
        let Some(at) = self.joins.iter().position(|join| join.node == node) else { return };
        let Join { buffer, first_channel, parts, .. } = self.joins.swap_remove(at);
        let mut made_of = vec![];
        let mut channel = first_channel;
        for (part, copied) in parts {
            let from = self.placement.value_of[part];
            if let (true, Some(from)) = (copied, from) {
                let to = self.new_made_value(part, buffer, channel);
                self.placement.copies.push(Copy { after: node, from, to });
                made_of.push(to);
            } else if let Some(from) = from {
                made_of.extend(self.placement.values[from].made_of.iter().copied());
            }
            channel += self.channels[part];
        }
        let value =
            self.new_value(ValueDef { node, channels: self.channels[node], buffer, first_channel, made_of });
        self.placement.value_of[node] = Some(value);
    }
}
