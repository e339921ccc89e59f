//! Changes for which one node becomes several.

use super::nodes;
use crate::chn::convert::{number, text};
use crate::chn::file::{ChnEdge, ChnFile, ChnNode};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashSet};

/// Differences and overlays became blends, an overlay of three pictures two of them.
pub(super) fn blends(file: &mut ChnFile) {
    for node in nodes(file, &["image:difference"]) {
        node.schema = "image:blend".into();
        node.inputs = [(2, json!(100)), (3, json!(100)), (4, json!(10))].into();
    }
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "image:overlay" {
            continue;
        }
        let node = &mut file.nodes[i];
        node.schema = "image:blend".into();
        let old = std::mem::take(&mut node.inputs);
        let opacity = |input: u32| old.get(&input).cloned();
        node.inputs = [(2, opacity(5).unwrap_or(json!(100))), (4, json!(0))].into();
        node.inputs.extend(opacity(2).map(|upper| (3, upper)));
        let id = node.id.clone();
        if !file.edges.iter().any(|edge| edge.is_into(&id, 3)) {
            continue;
        }
        let mut inputs = BTreeMap::from([(2, json!(100)), (4, json!(0))]);
        inputs.extend(opacity(4).map(|upper| (3, upper)));
        let second = beside(file, i, "second", "image:blend", inputs, [300.0, -100.0]);
        for edge in &mut file.edges {
            if edge.is_into(&id, 3) {
                edge.to = (second.clone(), 1);
            }
            if edge.is_of(&id, 0) {
                edge.from.0.clone_from(&second);
            }
        }
        connect(file, (&id, 0), (&second, 0));
    }
}

/// The opacities of a blend became nodes. Pegbar has that of the upper picture, as input 100 of its rule.
pub(super) fn opacities(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "image:blend" {
            continue;
        }
        let inputs = &mut file.nodes[i].inputs;
        let (base, upper, mode) = (inputs.remove(&2), inputs.remove(&3), inputs.remove(&4));
        inputs.extend(upper.map(|opacity| (100, opacity)));
        inputs.extend(mode.map(|mode| (2, mode)));
        if let Some(base) = base.filter(|base| number(base).is_some_and(|opacity| opacity != 100.0)) {
            before(file, i, 0, "opacity", "image:opacity", [(1, base)].into(), [-260.0, -150.0]);
        }
    }
}

/// A conversion to ONNX wrote a file, which another node read; now it gives a model, which another node writes.
pub(super) fn onnx_files(file: &mut ChnFile) {
    let mut gone = HashSet::new();
    let loaders: HashSet<String> = nodes(file, &["onnx:load_model"]).map(|node| node.id.clone()).collect();
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "pytorch:convert_to_onnx" {
            continue;
        }
        let node = &mut file.nodes[i];
        let (id, at) = (node.id.clone(), node.at);
        let stored = [1, 2].map(|input| node.inputs.remove(&input));
        let name = stored[1].clone();
        let inputs = (1..).zip(stored).filter_map(|(input, value)| Some((input, value?))).collect();
        let save = beside(file, i, "file", "onnx:save_model", inputs, [300.0, 100.0]);
        let mut name_from = None;
        for edge in file.edges.iter_mut().filter(|edge| edge.to.0 == id && matches!(edge.to.1, 1 | 2)) {
            if edge.to.1 == 2 {
                name_from = Some(edge.from.clone());
            }
            edge.to.0.clone_from(&save);
        }
        let read = file.edges.iter().filter(|edge| edge.from.0 == id && edge.to.1 == 0);
        let readers: Vec<String> =
            read.map(|edge| edge.to.0.clone()).filter(|reader| loaders.contains(reader)).collect();
        file.edges.retain(|edge| edge.from.0 != id || !readers.contains(&edge.to.0));
        if name_from.is_none()
            && file.edges.iter().any(|edge| edge.from.1 == 1 && readers.contains(&edge.from.0))
        {
            let text = format!("{id}-name");
            let inputs = name.map(|name| (0, name)).into_iter().collect();
            let at = [at[0], at[1] + 100.0];
            file.nodes.push(ChnNode {
                id: text.clone(),
                schema: "utility:text".into(),
                inputs,
                at,
                ..ChnNode::default()
            });
            name_from = Some((text, 0));
        }
        for edge in file.edges.iter_mut().filter(|edge| readers.contains(&edge.from.0)) {
            match (edge.from.1, &name_from) {
                (1, Some(name)) => edge.from = name.clone(),
                _ => edge.from = (id.clone(), 0),
            }
        }
        connect(file, (&id, 0), (&save, 0));
        gone.extend(readers);
    }
    file.nodes.retain(|node| !gone.contains(&node.id));
}

/// Brightness became what the lightness of another node is, which stands before now.
pub(super) fn brightness(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        let node = &mut file.nodes[i];
        if node.schema != "image:brightness_and_contrast" {
            continue;
        }
        let Some(brightness) = node.inputs.remove(&1) else { continue };
        if number(&brightness).is_some_and(|brightness| brightness != 0.0) {
            let inputs = [(3, brightness)].into();
            before(file, i, 0, "lightness", "image:hue_and_saturation", inputs, [-280.0, -20.0]);
        }
    }
}

/// What was connected to a random number beside its seed is part of the seed.
pub(super) fn random_seeds(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "utility:random_number" {
            continue;
        }
        let id = file.nodes[i].id.clone();
        let Some(source) = file.edges.iter().position(|edge| edge.is_into(&id, 3)) else { continue };
        let inputs = file.nodes[i].inputs.get(&2).map(|seed| (0, seed.clone())).into_iter().collect();
        let seed = beside(file, i, "seed", "utility:derive_seed", inputs, [-280.0, -20.0]);
        file.edges[source].to = (seed.clone(), 1);
        if let Some(edge) = file.edges.iter_mut().find(|edge| edge.is_into(&id, 2)) {
            edge.to = (seed.clone(), 2);
        }
        connect(file, (&seed, 0), (&id, 2));
    }
}

/// Seeds take seeds, which are made of whatever was connected.
pub(super) fn seeds(file: &mut ChnFile) {
    for (schema, input) in [("image:add_noise", 4), ("image:create_noise", 2)] {
        for i in 0..file.nodes.len() {
            let node = &file.nodes[i];
            if node.schema != schema || !file.edges.iter().any(|edge| edge.is_into(&node.id, input)) {
                continue;
            }
            let inputs = [(0, json!(0))].into();
            let seed = before(file, i, input, "seed", "utility:derive_seed", inputs, [-280.0, -20.0]);
            file.edges.iter_mut().filter(|edge| edge.is_into(&seed, 0)).for_each(|edge| edge.to.1 = 1);
        }
    }
}

/// Three kinds of plain pictures, by what their channels are, became one that takes a colour.
pub(super) fn colours(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        let n_channels = match file.nodes[i].schema.as_str() {
            "image:create_color_gray" => 1,
            "image:create_color_rgb" => 3,
            "image:create_color_rgba" => 4,
            _ => continue,
        };
        let node = &mut file.nodes[i];
        node.schema = "image:create_color".into();
        let (id, old) = (node.id.clone(), std::mem::take(&mut node.inputs));
        let level = |input: u32| old.get(&input).and_then(number).unwrap_or(126.0);
        let levels: Vec<f64> = (2..2 + n_channels).map(level).collect();
        let kind = ["grayscale", "", "rgb", "rgba"][n_channels as usize - 1];
        let values: Vec<f64> = levels.iter().map(|level| level / 255.0).collect();
        node.inputs = [(0, json!(json!({"kind": kind, "values": values}).to_string()))].into();
        for (from, to) in [(0, 1), (1, 2)] {
            node.inputs.extend(old.get(&from).map(|side| (to, side.clone())));
        }
        let is_of =
            |edge: &ChnEdge, inputs: std::ops::Range<u32>| edge.to.0 == id && inputs.contains(&edge.to.1);
        let mut channels: Vec<usize> = Vec::new();
        for (at, edge) in file.edges.iter_mut().enumerate() {
            if is_of(edge, 0..2) {
                edge.to.1 += 1;
            } else if is_of(edge, 2..2 + n_channels) {
                channels.push(at);
            }
        }
        if channels.is_empty() {
            continue;
        }
        // A colour of channels that come along edges.
        let gray = n_channels == 1;
        let first = if gray { 1 } else { 2 };
        let kind = if gray { 0 } else { n_channels - 2 };
        let mut inputs = BTreeMap::from([(0, json!(kind))]);
        inputs.extend((first..).zip(&levels).take(3).map(|(input, level)| (input, json!(level))));
        inputs.extend(levels.get(3).map(|alpha| (5, json!(alpha / 2.55))));
        let colour = beside(file, i, "colour", "utility:color_from_channels", inputs, [-260.0, 0.0]);
        for at in channels {
            let to = (colour.clone(), file.edges[at].to.1 - 2 + first);
            // Alpha is in per cent there.
            if to.1 == 5 {
                let inputs = [(1, json!("div")), (2, json!(2.55))].into();
                let share = beside(file, i, "alpha", "utility:math", inputs, [-540.0, 0.0]);
                file.edges[at].to = (share.clone(), 0);
                connect(file, (&share, 0), (&to.0, to.1));
            } else {
                file.edges[at].to = to;
            }
        }
        connect(file, (&colour, 0), (&id, 0));
    }
}

/// Sizes of films by their names: widths and heights.
const RESOLUTIONS: &[(&str, u32, u32)] = &[
    ("HD_1080", 1920, 1080),
    ("HD_720", 1280, 720),
    ("NTSC MPEG2", 704, 480),
    ("NTSC_DV", 720, 480),
    ("NTSC", 720, 486),
    ("PAL", 720, 576),
    ("PAL MPEG2", 702, 576),
    ("UHD_4K", 3840, 2160),
    ("UHD2_8K", 7680, 4320),
    ("DCI_2KFLAT", 1998, 1080),
    ("DCI_2KSCOPE", 2048, 858),
    ("DCI_2K1080", 2048, 1080),
    ("DCI_4KFLAT", 3996, 2160),
    ("DCI_4KSCOPE", 4096, 1716),
    ("DCI_4K2160", 4096, 2160),
    ("SQ256", 256, 256),
    ("SQ512", 512, 512),
    ("SQ1024", 1024, 1024),
    ("SQ2048", 2048, 2048),
    ("SQ4096", 4096, 4096),
    ("SQ8192", 8192, 8192),
];

/// A size by its name, or one of one's own, is two whole numbers. No version of chaiNNer takes it apart, but Pegbar has
/// no node of two numbers.
pub(super) fn resolutions(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "utility:resolutions" {
            continue;
        }
        let node = &mut file.nodes[i];
        let (id, old) = (node.id.clone(), std::mem::take(&mut node.inputs));
        let name = old.get(&0).and_then(text).unwrap_or_else(|| "HD_1080".into());
        let named = RESOLUTIONS.iter().find(|(known, ..)| *known == name);
        let sides = match named {
            Some((_, width, height)) => [json!(width), json!(height)],
            None => {
                [(1, 1920), (2, 1080)].map(|(input, side)| old.get(&input).cloned().unwrap_or(json!(side)))
            }
        };
        let (schema, input) = if named.is_some() { ("utility:number", 0) } else { ("utility:math_round", 0) };
        let inputs = |side: &Json| -> BTreeMap<u32, Json> {
            let mut inputs = BTreeMap::from([(0, side.clone())]);
            if named.is_none() {
                inputs.extend([(1, json!("Round down")), (2, json!("Integer"))]);
            }
            inputs
        };
        node.schema = schema.into();
        node.inputs = inputs(&sides[0]);
        let height = beside(file, i, "height", schema, inputs(&sides[1]), [0.0, 120.0]);
        if named.is_some() {
            file.edges.retain(|edge| edge.to.0 != id);
        }
        for edge in &mut file.edges {
            if edge.is_of(&id, 1) {
                edge.from = (height.clone(), 0);
            }
            if edge.to.0 == id {
                edge.to = if edge.to.1 == 2 { (height.clone(), input) } else { (id.clone(), input) };
            }
        }
    }
}

/// Adds a node at a distance from another, in the same iterator; gives its id.
fn beside(
    file: &mut ChnFile,
    of: usize,
    what: &str,
    schema: &str,
    inputs: BTreeMap<u32, Json>,
    by: [f64; 2],
) -> String {
    let ChnNode { id, at, parent, disabled, .. } = file.nodes[of].clone();
    let mut id = format!("{id}-{what}");
    while file.nodes.iter().any(|node| node.id == id) {
        id.push('-');
    }
    file.nodes.push(ChnNode {
        id: id.clone(),
        schema: schema.into(),
        inputs,
        disabled,
        at: [at[0] + by[0], at[1] + by[1]],
        parent,
        ..ChnNode::default()
    });
    id
}

/// Adds a node of one input and one output on the edge to an input; gives its id.
fn before(
    file: &mut ChnFile,
    of: usize,
    input: u32,
    what: &str,
    schema: &str,
    inputs: BTreeMap<u32, Json>,
    by: [f64; 2],
) -> String {
    let id = file.nodes[of].id.clone();
    let new = beside(file, of, what, schema, inputs, by);
    for edge in file.edges.iter_mut().filter(|edge| edge.is_into(&id, input)) {
        edge.to = (new.clone(), 0);
    }
    connect(file, (&new, 0), (&id, input));
    new
}

fn connect(file: &mut ChnFile, from: (&str, u32), to: (&str, u32)) {
    file.edges.push(ChnEdge { from: (from.0.into(), from.1), to: (to.0.into(), to.1) });
}
