//! What special functions see of a node that is being translated, and do with it.

use super::{MOST_DOTS, Translator};
use crate::chn::RemarkKind;
use crate::chn::convert::Convert;
use indexmap::IndexMap;
use pegbar_chain::{ChainNode, Sources};
use pegbar_params::ParamValue;
use serde_json::Value as Json;
use std::cell::Cell;

/// A node that is being translated, as special functions see it.
pub(in crate::chn) struct View<'v, 'a> {
    pub(super) translator: &'v mut Translator<'a>,
    pub(super) n: usize,
    pub(super) made: &'v mut ChainNode,
    /// Why it cannot be had.
    pub(super) refused: Option<String>,
}

impl View<'_, '_> {
    /// The value that is stored for an input; where something is connected it does not count.
    pub(in crate::chn) fn stored(&self, input: u32) -> Option<&Json> {
        if self.is_connected(input) { None } else { self.translator.file.nodes[self.n].inputs.get(&input) }
    }

    /// Whether something is connected to an input.
    pub(in crate::chn) fn is_connected(&self, input: u32) -> bool {
        self.translator.incoming[self.n].contains_key(&input)
    }

    /// The kind of node that is connected to an input.
    pub(in crate::chn) fn source_schema(&self, input: u32) -> Option<&str> {
        let (from, _) = self.translator.incoming[self.n].get(&input)?;
        Some(self.translator.file.nodes[*from].schema.as_str())
    }

    /// The value of an input, stored or connected, that is the same for the whole run.
    pub(in crate::chn) fn constant(&self, input: u32) -> Option<Json> {
        self.translator.constant(self.n, input, &Cell::new(MOST_DOTS))
    }

    /// Inputs from an id on that have a value or an edge.
    pub(in crate::chn) fn given(&self, from: u32) -> Vec<u32> {
        self.translator.given(self.n, from)
    }

    /// How many outputs are connected to an input of the new node.
    pub(in crate::chn) fn n_sources(&self, port: &str) -> usize {
        self.made.inputs.get(port).map_or(0, |sources| sources.all().len())
    }

    /// Takes what is connected to an input by another name.
    pub(in crate::chn) fn rename(&mut self, from: &str, to: &str) {
        if let Some(sources) = self.made.inputs.shift_remove(from) {
            self.made.inputs.insert(to.into(), sources);
        }
    }

    /// Sets a parameter.
    pub(in crate::chn) fn set(&mut self, param: &str, value: ParamValue) {
        self.translator.set(self.n, self.made, param, value);
    }

    /// Leaves a parameter at its default.
    pub(in crate::chn) fn unset(&mut self, param: &str) {
        self.made.params.shift_remove(param);
        self.made.inputs.shift_remove(param);
    }

    /// Sets a parameter to the value of an input.
    pub(in crate::chn) fn take(&mut self, input: u32, param: &str, convert: Convert) {
        if let Some(source) = self.translator.source_of(self.n, input) {
            self.made.inputs.insert(param.into(), Sources::One(source));
        } else if let Some(stored) = self.stored(input).cloned() {
            self.translator.store(self.n, self.made, param, convert, &stored);
        }
    }

    /// Makes it a node of another kind, whose outputs have the same names.
    pub(in crate::chn) fn becomes(&mut self, kind: &str) {
        self.made.node_type = kind.into();
    }

    /// Makes it a placeholder, as with these settings it has no counterpart.
    pub(in crate::chn) fn give_up(&mut self, why: &str) {
        self.refused = Some(why.into());
    }

    /// Exchanges two parameters, connected or not.
    pub(in crate::chn) fn swap(&mut self, a: &str, b: &str) {
        swap(&mut self.made.params, a, b);
        swap(&mut self.made.inputs, a, b);
    }

    /// Remarks that a setting is not what it was.
    pub(in crate::chn) fn setting(&mut self, message: impl Into<String>) {
        self.translator.remark(RemarkKind::Setting, Some(self.n), message);
    }
}

fn swap<T>(map: &mut IndexMap<String, T>, a: &str, b: &str) {
    let (was_a, was_b) = (map.shift_remove(a), map.shift_remove(b));
    map.extend(was_b.map(|value| (a.to_owned(), value)));
    map.extend(was_a.map(|value| (b.to_owned(), value)));
}
