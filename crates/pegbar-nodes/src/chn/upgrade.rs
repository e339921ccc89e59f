//! Files of earlier versions of chaiNNer, brought up to the last one as far as Pegbar's rules look at what changed.

mod inserted;
mod iterators;
mod legacy;

use super::convert::{number, text};
use super::file::{ChnEdge, ChnFile, ChnNode};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};

/// One change of the format.
struct Step {
    /// It is done for files that had fewer migrations.
    before: u64,
    run: fn(&mut ChnFile),
}

/// The changes in order.
const STEPS: &[Step] = &[
    Step { before: 1, run: legacy::alpha_names },
    Step { before: 2, run: legacy::categories },
    Step { before: 4, run: legacy::relative_paths },
    Step { before: 5, run: legacy::schema_ids },
    Step { before: 6, run: percentages },
    Step { before: 7, run: adjustment_scales },
    Step { before: 8, run: blur_is_gaussian },
    Step { before: 9, run: inserted::blends },
    Step { before: 10, run: quarter_turns },
    Step { before: 11, run: inserted::opacities },
    Step { before: 13, run: inserted::onnx_files },
    Step { before: 14, run: no_empty_texts },
    Step { before: 15, run: block_size_to_radius },
    Step { before: 17, run: tiles_are_automatic },
    Step { before: 18, run: inserted::brightness },
    Step { before: 19, run: colour_spaces },
    Step { before: 25, run: gamma_switch },
    Step { before: 26, run: colour_spaces_of_alpha },
    Step { before: 27, run: inserted::random_seeds },
    Step { before: 28, run: inserted::seeds },
    Step { before: 29, run: inserted::colours },
    Step { before: 30, run: no_empty_directories },
    Step { before: 31, run: diameter_to_radius },
    Step { before: 32, run: lossless_webp },
    Step { before: 34, run: iterators::video_formats },
    Step { before: 36, run: iterators::take_apart },
    Step { before: 40, run: iterators::one_container },
    Step { before: 43, run: iterators::advanced_settings },
];

/// Does what a file has missed.
pub(super) fn upgrade(file: &mut ChnFile) {
    let done = file.migration;
    for step in STEPS.iter().filter(|step| done < step.before) {
        (step.run)(file);
    }
    // An empty text says nothing in later files, and was taken for itself in those of between.
    if done >= 30 {
        empty_texts_say_nothing(file);
    }
    // These ids exist in no new file, whatever it says of its migrations.
    renumbered(file);
    pairs(file);
    renamed(file);
    inserted::resolutions(file);
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

/// A tile size was another thing before.
fn tiles_are_automatic(file: &mut ChnFile) {
    for node in file.nodes.iter_mut().filter(|node| node.schema.ends_with(":upscale_image")) {
        node.inputs.insert(2, json!(0));
    }
}

/// Quarter turns had numbers of OpenCV's, and became angles.
fn quarter_turns(file: &mut ChnFile) {
    for node in nodes(file, &["image:rotate"]) {
        let angle = match node.inputs.get(&1).and_then(number) {
            Some(0.0) => 90,
            Some(1.0) => 180,
            _ => 270,
        };
        node.inputs.insert(1, json!(angle));
    }
}

fn is_empty(value: &Json) -> bool {
    value.as_str() == Some("")
}

fn no_empty_texts(file: &mut ChnFile) {
    file.nodes.iter_mut().for_each(|node| node.inputs.retain(|_, value| !is_empty(value)));
}

/// Inputs that take an empty text as one.
const TAKE_EMPTY: &[(&str, u32)] = &[
    ("utility:regex_replace", 2),
    ("utility:text_append", 0),
    ("utility:text_replace", 2),
    ("utility:text", 0),
    ("utility:note", 0),
];

fn empty_texts_say_nothing(file: &mut ChnFile) {
    for ChnNode { schema, inputs, .. } in &mut file.nodes {
        inputs.retain(|input, value| !is_empty(value) || TAKE_EMPTY.contains(&(schema.as_str(), *input)));
    }
}

/// Directories of nodes that had them when an empty text was one.
const DIRECTORIES: &[(&str, u32)] = &[
    ("image:save", 1),
    ("image:file_iterator", 0),
    ("image:paired_image_file_iterator", 0),
    ("image:paired_image_file_iterator", 1),
    ("image:simple_video_frame_iterator_save", 1),
    ("utility:directory", 0),
    ("pytorch:model_file_iterator", 0),
    ("ncnn:model_file_iterator", 0),
    ("onnx:model_file_iterator", 0),
];

fn no_empty_directories(file: &mut ChnFile) {
    for ChnNode { schema, inputs, .. } in &mut file.nodes {
        inputs.retain(|input, value| !is_empty(value) || !DIRECTORIES.contains(&(schema.as_str(), *input)));
    }
}

fn block_size_to_radius(file: &mut ChnFile) {
    for node in nodes(file, &["image:threshold_adaptive"]) {
        let size = node.inputs.get(&4).and_then(number).unwrap_or(3.0);
        node.inputs.insert(4, json!(((size - 1.0) / 2.0).floor()));
    }
}

/// Conversions of colours had numbers of OpenCV's, and became a space that is left and one that is reached.
fn colour_spaces(file: &mut ChnFile) {
    let (gray, rgb, rgba, yuv, hsv) = (0, 1, 2, 3, 4);
    for node in nodes(file, &["image:change_colorspace"]) {
        let (from, to) = match node.inputs.get(&1).and_then(number).map(|code| code as i32) {
            Some(6) => (rgb, gray),
            Some(8) => (gray, rgb),
            Some(0) => (rgb, rgba),
            Some(10) => (rgba, gray),
            Some(9) => (gray, rgba),
            Some(82) => (rgb, yuv),
            Some(84) => (yuv, rgb),
            Some(40) => (rgb, hsv),
            Some(54) => (hsv, rgb),
            Some(1) => (rgba, rgb),
            _ => (rgb, rgb),
        };
        node.inputs.extend([(1, json!(from)), (2, json!(to))]);
    }
}

/// Spaces with alpha became a switch.
fn colour_spaces_of_alpha(file: &mut ChnFile) {
    for node in nodes(file, &["image:change_colorspace"]) {
        let to = node.inputs.get(&2).and_then(number).map_or(1, |space| space as i32);
        let without = match to {
            2 => Some(1),
            7..=9 => Some(to - 4),
            11 | 13 => Some(to - 1),
            _ => None,
        };
        node.inputs.extend([(2, json!(without.unwrap_or(to))), (3, json!(i32::from(without.is_some())))]);
    }
}

fn gamma_switch(file: &mut ChnFile) {
    for node in nodes(file, &["image:gamma"]) {
        let inverts = node.inputs.get(&2).and_then(text).as_deref() == Some("invert");
        node.inputs.insert(2, json!(i32::from(inverts)));
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
                &[(1, json!(10)), (2, json!(5))],
                "image:brightness_and_contrast",
                r#"{"2":5}"#,
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
