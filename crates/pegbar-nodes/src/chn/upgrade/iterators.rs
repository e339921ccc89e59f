//! Iterators with nodes within them, and how their videos were encoded.

use super::nodes;
use crate::chn::convert::{text, truth};
use crate::chn::file::{ChnEdge, ChnFile, ChnNode};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// The old node that saves frames, and the new one.
const SAVE_FRAMES: [&str; 2] = ["image:simple_video_frame_iterator_save", "image:save_video"];

/// The encoder of a node that writes no video, or an animation where its own container says so.
const NO_ENCODER: &str = "none";

/// A kind of video became encoder and container.
pub(super) fn video_formats(file: &mut ChnFile) {
    for node in nodes(file, &SAVE_FRAMES) {
        let old = std::mem::take(&mut node.inputs);
        let get = |input: u32| old.get(&input).cloned();
        let kind = get(3).and_then(|kind| text(&kind)).unwrap_or_else(|| "mp4".into());
        let (encoder, container) = match kind.as_str() {
            "avi" => ("libx264", "avi"),
            "mkv" => ("libx264", "mkv"),
            "mkv-ffv1" => ("ffv1", "mkv"),
            "webm" => ("libvpx-vp9", "webm"),
            "gif" => (NO_ENCODER, "gif"),
            "none" => (NO_ENCODER, "none"),
            _ => ("libx264", "mp4"),
        };
        node.inputs = BTreeMap::from([(3, json!(encoder))]);
        // Each encoder had a container of its own; the unification below looks for it there.
        node.inputs.extend([4, 5, 6, 7, 8].map(|input| (input, json!(container))));
        for (from, to) in [(0, 0), (1, 1), (2, 2), (4, 9), (5, 10)] {
            node.inputs.extend(get(from).map(|value| (to, value)));
        }
        if get(6).as_ref().and_then(truth) == Some(false) {
            node.inputs.insert(11, json!("none"));
        }
    }
}

/// Iterators with nodes within became nodes that begin a stream.
const ITERATORS: &[(&str, &str, &str)] = &[
    ("image:file_iterator", "image:file_iterator_load", "image:load_images"),
    ("image:paired_image_file_iterator", "image:paired_file_iterator_load", "image:load_image_pairs"),
    ("pytorch:model_file_iterator", "pytorch:model_iterator_load", "pytorch:load_models"),
    ("ncnn:model_file_iterator", "ncnn:model_iterator_load", "ncnn:load_models"),
    ("onnx:model_file_iterator", "onnx:model_iterator_load", "onnx:load_models"),
    ("image:video_frame_iterator", "image:simple_video_frame_iterator_load", "image:load_video"),
];

/// Takes iterators apart: what lay within them lies beside them.
pub(super) fn take_apart(file: &mut ChnFile) {
    let (mut gone, mut n_silent) = (HashSet::new(), 0);
    let mut added = Vec::new();
    for i in 0..file.nodes.len() {
        let Some((_, helper, new)) = ITERATORS.iter().find(|(old, ..)| *old == file.nodes[i].schema) else {
            continue;
        };
        let ChnNode { id, at, disabled, .. } = file.nodes[i].clone();
        file.nodes[i].schema = (*new).to_owned();
        if *new == "image:load_images" {
            // They went into folders before there was a switch for it, and went on after errors.
            file.nodes[i].inputs.entry(2).or_insert_with(|| json!(true));
        }
        for node in file.nodes.iter_mut().filter(|node| node.parent.as_ref() == Some(&id)) {
            node.parent = None;
            node.at = [node.at[0] + at[0], node.at[1] + at[1]];
            node.disabled |= disabled;
            if node.schema == *helper {
                gone.insert(node.id.clone());
                for edge in file.edges.iter_mut().filter(|edge| edge.from.0 == node.id) {
                    edge.from.0.clone_from(&id);
                }
            } else if node.schema == SAVE_FRAMES[0] {
                if save_frames(node) {
                    added.push(ChnEdge { from: (id.clone(), 4), to: (node.id.clone(), 14) });
                    if node.inputs.get(&10).and_then(text).as_deref() != Some("none") {
                        added.push(ChnEdge { from: (id.clone(), 5), to: (node.id.clone(), 15) });
                    }
                } else {
                    gone.insert(node.id.clone());
                    n_silent += 1;
                }
            }
        }
    }
    if n_silent > 0 {
        file.remark(format!("nodes that were set to write no video are left out: {n_silent}"));
    }
    file.edges.retain(|edge| !gone.contains(&edge.to.0) && !gone.contains(&edge.from.0));
    file.nodes.retain(|node| !gone.contains(&node.id));
    file.edges.extend(added);
}

/// Makes the node within an iterator that saved frames the one that stands by itself; false if it writes nothing.
fn save_frames(node: &mut ChnNode) -> bool {
    let old = std::mem::take(&mut node.inputs);
    let is_animation = old.get(&8).and_then(text).as_deref() == Some("gif");
    let has_encoder = old.get(&3).and_then(text).as_deref() != Some(NO_ENCODER);
    node.schema = SAVE_FRAMES[1].to_owned();
    node.inputs = old
        .into_iter()
        .filter(|(input, _)| *input != 8)
        .map(|(input, value)| (if (9..=14).contains(&input) { input - 1 } else { input }, value))
        .collect();
    if !has_encoder {
        node.inputs.insert(7, json!("gif"));
    }
    has_encoder || is_animation
}

/// The container of the encoder became the container.
pub(super) fn one_container(file: &mut ChnFile) {
    for node in nodes(file, &SAVE_FRAMES[1..]) {
        let encoder = node.inputs.get(&3).and_then(text).unwrap_or_default();
        let of = match encoder.as_str() {
            "libx265" => 5,
            "ffv1" => 6,
            "libvpx-vp9" | NO_ENCODER => 7,
            _ => 4,
        };
        let container = node.inputs.get(&of).or_else(|| node.inputs.get(&4)).cloned();
        (4..=7).chain([11]).for_each(|input| drop(node.inputs.remove(&input)));
        node.inputs.extend(container.map(|container| (4, container)));
    }
}

/// Their settings are all there.
pub(super) fn advanced_settings(file: &mut ChnFile) {
    nodes(file, &SAVE_FRAMES[1..]).for_each(|node| drop(node.inputs.insert(16, json!(1))));
}
