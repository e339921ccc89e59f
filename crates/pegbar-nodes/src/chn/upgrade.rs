//! Files of earlier versions of chaiNNer, brought up to the last one as far as Pegbar's rules look at what changed.

use super::convert::{number, text};
use super::file::{ChnEdge, ChnFile, ChnNode};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// One change of the format.
struct Step {
    /// It is done for files that had fewer migrations.
    before: u64,
    run: fn(&mut ChnFile),
}

/// The changes in order.
const STEPS: &[Step] = &[
    Step { before: 5, run: schema_ids },
    Step { before: 6, run: percentages },
    Step { before: 7, run: adjustment_scales },
    Step { before: 8, run: blur_is_gaussian },
    Step { before: 11, run: blend_opacity },
    Step { before: 17, run: tiles_are_automatic },
    Step { before: 18, run: brightness_is_lightness },
    Step { before: 31, run: diameter_to_radius },
    Step { before: 32, run: lossless_webp },
    Step { before: 34, run: video_formats },
    Step { before: 36, run: iterators },
    Step { before: 40, run: one_video_container },
    Step { before: 43, run: advanced_video_settings },
];

/// Does what a file has missed.
pub(super) fn upgrade(file: &mut ChnFile) {
    let done = file.migration;
    for step in STEPS.iter().filter(|step| done < step.before) {
        (step.run)(file);
    }
    // These ids exist in no new file, whatever it says of its migrations.
    renumbered(file);
    pairs(file);
    renamed(file);
}

/// Kinds of nodes before 0.7: category and name.
const OLD_NAMES: &[(&str, &str)] = &[
    ("Image:Load Image", "image:load"),
    ("Image:Read Image", "image:load"),
    ("Image:Save Image", "image:save"),
    ("Image:Preview Image", "image:view"),
    ("Image:Image File Iterator", "image:file_iterator"),
    ("Image:Load Image (Iterator)", "image:file_iterator_load"),
    ("Image:Video Frame Iterator", "image:video_frame_iterator"),
    ("Image (Utility):Add Caption", "image:caption"),
    ("Image (Utility):Average Color Fix", "image:average_color_fix"),
    ("Image (Utility):Color Transfer", "image:color_transfer"),
    ("Image (Utility):Create Border", "image:create_border"),
    ("Image (Utility):Stack Images", "image:stack"),
    ("Image (Utility):Crop (Border)", "image:crop_border"),
    ("Image (Utility):Crop (Edges)", "image:crop_edges"),
    ("Image (Utility):Crop (Offsets)", "image:crop_offsets"),
    ("Image (Utility):Resize (Factor)", "image:resize_factor"),
    ("Image (Utility):Resize (Resolution)", "image:resize_resolution"),
    ("Image (Utility):Merge Transparency", "image:merge_transparency"),
    ("Image (Utility):Split Transparency", "image:split_transparency"),
    ("Image (Utility):Split Channels", "image:split_channels"),
    ("Image (Effect):Blur", "image:blur"),
    ("Image (Effect):Brightness & Contrast", "image:brightness_and_contrast"),
    ("Image (Effect):Gaussian Blur", "image:gaussian_blur"),
    ("Image (Effect):Hue & Saturation", "image:hue_and_saturation"),
    ("Image (Effect):Sharpen", "image:sharpen"),
    ("PyTorch:Load Model", "pytorch:load_model"),
    ("PyTorch:Upscale Image", "pytorch:upscale_image"),
    ("PyTorch:Interpolate Models", "pytorch:interpolate_models"),
    ("NCNN:Load Model", "ncnn:load_model"),
    ("NCNN:Upscale Image", "ncnn:upscale_image"),
    ("NCNN:Interpolate Models", "ncnn:interpolate_models"),
    ("Utility:Note", "utility:note"),
    ("Utility:Text Append", "utility:text_append"),
];

fn schema_ids(file: &mut ChnFile) {
    for node in &mut file.nodes {
        if let Some((_, schema)) = OLD_NAMES.iter().find(|(old, _)| *old == node.schema) {
            node.schema = (*schema).to_owned();
        }
    }
}

/// Nodes of some kinds.
fn nodes<'a>(file: &'a mut ChnFile, schemas: &'a [&str]) -> impl Iterator<Item = &'a mut ChnNode> {
    file.nodes.iter_mut().filter(|node| schemas.contains(&node.schema.as_str()))
}

/// Applies a function to a number that is stored.
fn change(node: &mut ChnNode, input: u32, f: impl Fn(f64) -> f64) {
    if let Some(value) = node.inputs.get_mut(&input)
        && let Some(old) = number(value)
    {
        *value = json!(f(old));
    }
}

/// Factors became per cent, and the weight that of the second model.
fn percentages(file: &mut ChnFile) {
    for (schema, input) in [("image:resize_factor", 1), ("image:average_color_fix", 2)] {
        nodes(file, &[schema]).for_each(|node| change(node, input, |factor| factor * 100.0));
    }
    nodes(file, &["pytorch:interpolate_models", "ncnn:interpolate_models"])
        .for_each(|node| change(node, 2, |weight| 100.0 - weight));
}

/// Scales to 255 became per cent.
fn adjustment_scales(file: &mut ChnFile) {
    let percent = |value: f64| (value / 255.0 * 1000.0).round() / 10.0;
    nodes(file, &["image:hue_and_saturation"]).for_each(|node| change(node, 2, percent));
    for input in [1, 2] {
        nodes(file, &["image:brightness_and_contrast"]).for_each(|node| change(node, input, percent));
    }
}

fn blur_is_gaussian(file: &mut ChnFile) {
    nodes(file, &["image:blur"]).for_each(|node| node.schema = "image:gaussian_blur".into());
}

/// Blend had two opacities before its mode. Pegbar has that of the upper picture, as input 100 of its rule.
fn blend_opacity(file: &mut ChnFile) {
    let mut lost = false;
    for node in nodes(file, &["image:blend"]) {
        let (base, upper, mode) = (node.inputs.remove(&2), node.inputs.remove(&3), node.inputs.remove(&4));
        lost |= base.as_ref().and_then(number).is_some_and(|opacity| opacity != 100.0);
        node.inputs.extend(upper.map(|opacity| (100, opacity)));
        node.inputs.extend(mode.map(|mode| (2, mode)));
    }
    if lost {
        file.remark("the opacity of the lower picture of a blend is full now");
    }
}

/// A tile size was another thing before.
fn tiles_are_automatic(file: &mut ChnFile) {
    for node in file.nodes.iter_mut().filter(|node| node.schema.ends_with(":upscale_image")) {
        node.inputs.insert(2, json!(0));
    }
}

/// Brightness was what is the lightness of another node now.
fn brightness_is_lightness(file: &mut ChnFile) {
    let mut both = false;
    for node in nodes(file, &["image:brightness_and_contrast"]) {
        let value = |input: u32| node.inputs.get(&input).and_then(number).unwrap_or(0.0);
        let (brightness, contrast) = (value(1), value(2));
        if brightness != 0.0 && contrast == 0.0 {
            node.schema = "image:hue_and_saturation".into();
            node.inputs = BTreeMap::from([(3, json!(brightness))]);
        }
        both |= brightness != 0.0 && contrast != 0.0;
    }
    if both {
        file.remark("brightness with contrast of this version was another formula; look at the result");
    }
}

fn diameter_to_radius(file: &mut ChnFile) {
    let radius = |diameter: f64| match diameter.round() {
        d if d <= 0.0 => 0.0,
        d if d <= 3.0 => 1.0,
        d => ((d - 1.0) / 2.0).ceil().min(100.0),
    };
    nodes(file, &["image:bilateral_blur"]).for_each(|node| change(node, 1, radius));
}

fn lossless_webp(file: &mut ChnFile) {
    for node in nodes(file, &["image:save"]) {
        if node.inputs.get(&4).and_then(text).as_deref() == Some("webp-lossless") {
            node.inputs.insert(4, json!("webp"));
            node.inputs.insert(14, json!(1));
        }
    }
}

/// The old node that saves frames, and the new one.
const SAVE_FRAMES: [&str; 2] = ["image:simple_video_frame_iterator_save", "image:save_video"];

/// A kind of video became encoder and container.
fn video_formats(file: &mut ChnFile) {
    for node in nodes(file, &SAVE_FRAMES) {
        let old = std::mem::take(&mut node.inputs);
        let get = |input: u32| old.get(&input).cloned();
        let kind = get(3).and_then(|kind| text(&kind)).unwrap_or_else(|| "mp4".into());
        let (encoder, container) = match kind.as_str() {
            "avi" => ("libx264", "avi"),
            "mkv" => ("libx264", "mkv"),
            "mkv-ffv1" => ("ffv1", "mkv"),
            "webm" => ("libvpx-vp9", "webm"),
            "gif" => ("none", "gif"),
            _ => ("libx264", "mp4"),
        };
        node.inputs = BTreeMap::from([(3, json!(encoder))]);
        // Each encoder had a container of its own; the unification below looks for it there.
        node.inputs.extend([4, 5, 6, 7].map(|input| (input, json!(container))));
        for (from, to) in [(0, 0), (1, 1), (2, 2), (4, 9), (5, 10)] {
            node.inputs.extend(get(from).map(|value| (to, value)));
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

fn iterators(file: &mut ChnFile) {
    let mut gone = HashSet::new();
    let mut added = Vec::new();
    for i in 0..file.nodes.len() {
        let schema = file.nodes[i].schema.clone();
        let Some((_, helper, new)) = ITERATORS.iter().find(|(old, ..)| *old == schema) else { continue };
        let (id, at) = (file.nodes[i].id.clone(), file.nodes[i].at);
        file.nodes[i].schema = (*new).to_owned();
        if *new == "image:load_images" {
            // They went into folders, and went on after errors.
            file.nodes[i].inputs.insert(2, json!(true));
        }
        for node in file.nodes.iter_mut().filter(|node| node.parent.as_ref() == Some(&id)) {
            node.parent = None;
            node.at = [node.at[0] + at[0], node.at[1] + at[1]];
            if node.schema == *helper {
                gone.insert(node.id.clone());
                for edge in file.edges.iter_mut().filter(|edge| edge.from.0 == node.id) {
                    edge.from.0.clone_from(&id);
                }
            } else if node.schema == SAVE_FRAMES[0] {
                node.schema = SAVE_FRAMES[1].to_owned();
                let old = std::mem::take(&mut node.inputs);
                node.inputs = old
                    .into_iter()
                    .map(|(input, value)| (if (9..=14).contains(&input) { input - 1 } else { input }, value))
                    .collect();
                for (output, input) in [(4, 14), (5, 15)] {
                    added.push(ChnEdge { from: (id.clone(), output), to: (node.id.clone(), input) });
                }
            }
        }
    }
    file.edges.retain(|edge| !gone.contains(&edge.to.0) && !gone.contains(&edge.from.0));
    file.nodes.retain(|node| !gone.contains(&node.id));
    file.edges.extend(added);
}

/// The container of the encoder became the container.
fn one_video_container(file: &mut ChnFile) {
    for node in nodes(file, &SAVE_FRAMES[1..]) {
        let encoder = node.inputs.get(&3).and_then(text).unwrap_or_default();
        let of = match encoder.as_str() {
            "libx265" => 5,
            "ffv1" => 6,
            "libvpx-vp9" | "none" => 7,
            _ => 4,
        };
        let container = node.inputs.get(&of).or_else(|| node.inputs.get(&4)).cloned();
        (4..=7).chain([11]).for_each(|input| drop(node.inputs.remove(&input)));
        node.inputs.extend(container.map(|container| (4, container)));
    }
}

fn advanced_video_settings(file: &mut ChnFile) {
    nodes(file, &SAVE_FRAMES[1..]).for_each(|node| drop(node.inputs.insert(16, json!(1))));
}

/// A kind of node that went into another: what it is set to, and new ids of inputs by old ones.
type Renumbered = (&'static str, &'static str, &'static [(u32, i64)], &'static [(u32, u32)]);

const RENUMBERED: &[Renumbered] = &[
    ("image:crop_border", "image:crop", &[(1, 0)], &[(0, 0), (1, 2)]),
    ("image:crop_edges", "image:crop", &[(1, 1)], &[(0, 0), (1, 3), (2, 4), (3, 6), (4, 5)]),
    ("image:crop_offsets", "image:crop", &[(1, 2)], &[(0, 0), (1, 3), (2, 4), (3, 7), (4, 8)]),
    ("image:resize_factor", "image:resize", &[(1, 0)], &[(0, 0), (1, 2), (2, 5)]),
    ("image:resize_resolution", "image:resize", &[(1, 1)], &[(0, 0), (1, 3), (2, 4), (3, 5)]),
    ("image:create_border", "image:pad", &[(3, 0)], &[(0, 0), (1, 1), (3, 2), (2, 4)]),
    ("image:create_edges", "image:pad", &[(3, 1)], &[(0, 0), (1, 1), (6, 2), (2, 6), (3, 5), (4, 7), (5, 8)]),
];

fn renumbered(file: &mut ChnFile) {
    let mut moved: HashMap<String, &[(u32, u32)]> = HashMap::new();
    for node in &mut file.nodes {
        let Some((_, new, set, map)) = RENUMBERED.iter().find(|(old, ..)| *old == node.schema) else {
            continue;
        };
        node.schema = (*new).to_owned();
        let old = std::mem::take(&mut node.inputs);
        node.inputs.extend(set.iter().map(|(input, value)| (*input, json!(value))));
        node.inputs.extend(map.iter().filter_map(|(from, to)| Some((*to, old.get(from)?.clone()))));
        moved.insert(node.id.clone(), map);
    }
    for edge in &mut file.edges {
        let map = moved.get(&edge.to.0).copied().unwrap_or_default();
        if let Some((_, to)) = map.iter().find(|(from, _)| *from == edge.to.1) {
            edge.to.1 = *to;
        }
    }
}

/// Pairs of pictures became two nodes that load pictures.
fn pairs(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        if file.nodes[i].schema != "image:load_image_pairs" {
            continue;
        }
        let pair = file.nodes[i].clone();
        let one = |input: u32, suffix: &str, down: f64| {
            let mut inputs = BTreeMap::from([(2, json!(true))]);
            let stored = [(input, 0), (2, 4), (3, 5), (4, 6)];
            inputs.extend(stored.iter().filter_map(|(from, to)| Some((*to, pair.inputs.get(from)?.clone()))));
            ChnNode {
                id: format!("{}{suffix}", pair.id),
                schema: "image:load_images".into(),
                inputs,
                name: if pair.name.is_empty() { String::new() } else { format!("{} {suffix}", pair.name) },
                at: [pair.at[0], pair.at[1] + down],
                ..pair.clone()
            }
        };
        let (a, b) = (one(0, "A", -250.0), one(1, "B", 250.0));
        let mut more = Vec::new();
        for edge in &mut file.edges {
            if edge.from.0 == pair.id {
                let output = edge.from.1;
                edge.from = match output {
                    8 => (a.id.clone(), 4),
                    even if even % 2 == 0 => (a.id.clone(), even / 2),
                    odd => (b.id.clone(), odd / 2),
                };
            }
            if edge.to.0 == pair.id {
                edge.to = match edge.to.1 {
                    1 => (b.id.clone(), 0),
                    3 => {
                        more.push(ChnEdge { from: edge.from.clone(), to: (b.id.clone(), 5) });
                        (a.id.clone(), 5)
                    }
                    _ => (a.id.clone(), 0),
                };
            }
        }
        file.edges.extend(more);
        file.nodes[i] = a;
        file.nodes.push(b);
    }
}

/// Ids that changed and nothing else.
fn renamed(file: &mut ChnFile) {
    for node in &mut file.nodes {
        let new = match node.schema.as_str() {
            "image:preview" => "image:view",
            "image:merge_channels" => continue,
            "utility:directory_go_into" => "utility:into_directory",
            "utility:directory_go_up" => "utility:back_directory",
            _ => continue,
        };
        node.schema = new.to_owned();
    }
    // A stored null or an empty setting says nothing.
    for node in &mut file.nodes {
        node.inputs.retain(|_, value| !matches!(value, Json::Null));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(schema: &str, inputs: &[(u32, Json)]) -> ChnNode {
        ChnNode {
            id: schema.into(),
            schema: schema.into(),
            inputs: inputs.iter().cloned().collect(),
            ..ChnNode::default()
        }
    }

    fn upgraded(migration: u64, schema: &str, inputs: &[(u32, Json)]) -> (String, String) {
        let mut file = ChnFile { nodes: vec![node(schema, inputs)], migration, ..ChnFile::default() };
        upgrade(&mut file);
        let node = &file.nodes[0];
        (node.schema.clone(), serde_json::to_string(&node.inputs).expect("JSON"))
    }

    /// Migration, kind and inputs before; kind and inputs after.
    type Row<'a> = (u64, &'a str, &'a [(u32, Json)], &'a str, &'a str);

    #[test]
    fn old_settings_become_new_ones() {
        let rows: &[Row<'_>] = &[
            (
                4,
                "Image (Utility):Resize (Factor)",
                &[(1, json!(2)), (2, json!(1))],
                "image:resize",
                r#"{"1":0,"2":200.0,"5":1}"#,
            ),
            (
                5,
                "pytorch:interpolate_models",
                &[(2, json!(30))],
                "pytorch:interpolate_models",
                r#"{"2":70.0}"#,
            ),
            (
                45,
                "pytorch:interpolate_models",
                &[(2, json!(30))],
                "pytorch:interpolate_models",
                r#"{"2":30}"#,
            ),
            (6, "image:hue_and_saturation", &[(2, json!(51))], "image:hue_and_saturation", r#"{"2":20.0}"#),
            (
                10,
                "image:blend",
                &[(2, json!(100)), (3, json!(40)), (4, json!(9))],
                "image:blend",
                r#"{"2":9,"100":40}"#,
            ),
            (
                17,
                "image:brightness_and_contrast",
                &[(1, json!(10))],
                "image:hue_and_saturation",
                r#"{"3":10.0}"#,
            ),
            (30, "image:bilateral_blur", &[(1, json!(9))], "image:bilateral_blur", r#"{"1":4.0}"#),
            (31, "image:save", &[(4, json!("webp-lossless"))], "image:save", r#"{"4":"webp","14":1}"#),
            (
                20,
                "image:crop_edges",
                &[(1, json!(1)), (2, json!(2)), (3, json!(3)), (4, json!(4))],
                "image:crop",
                r#"{"1":1,"3":1,"4":2,"5":4,"6":3}"#,
            ),
            (20, "image:preview", &[], "image:view", "{}"),
        ];
        for (migration, schema, inputs, new, stored) in rows {
            assert_eq!(
                upgraded(*migration, schema, inputs),
                ((*new).to_owned(), (*stored).to_owned()),
                "{schema}"
            );
        }
    }

    #[test]
    fn pairs_become_two_nodes() {
        let edge = |output, input| ChnEdge {
            from: ("image:load_image_pairs".into(), output),
            to: ("x".into(), input),
        };
        let mut file = ChnFile {
            nodes: vec![
                node(
                    "image:load_image_pairs",
                    &[(0, json!("a")), (1, json!("b")), (2, json!(1)), (3, json!(5))],
                ),
                node("x", &[]),
            ],
            edges: vec![edge(0, 0), edge(1, 1), edge(7, 2), edge(8, 3)],
            migration: 44,
            ..ChnFile::default()
        };
        upgrade(&mut file);
        let stored: Vec<String> =
            file.nodes.iter().map(|node| serde_json::to_string(&node.inputs).expect("JSON")).collect();
        assert_eq!(stored, [r#"{"0":"a","2":true,"4":1,"5":5}"#, "{}", r#"{"0":"b","2":true,"4":1,"5":5}"#]);
        let from: Vec<(&str, u32)> = file.edges.iter().map(|e| (e.from.0.as_str(), e.from.1)).collect();
        let (a, b) = ("image:load_image_pairsA", "image:load_image_pairsB");
        assert_eq!(from, [(a, 0), (b, 0), (b, 3), (a, 4)]);
    }
}
