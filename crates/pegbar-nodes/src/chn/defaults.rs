//! What chaiNNer's inputs are where nothing is stored, as far as Pegbar's own defaults are others.

use super::convert::number;
use super::file::ChnFile;
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// A default.
#[derive(Clone, Copy)]
enum Stored {
    Number(f64),
    Text(&'static str),
}

use Stored::{Number, Text};

impl Stored {
    fn json(self) -> Json {
        match self {
            Number(number) if number.fract() == 0.0 => json!(number as i64),
            Number(number) => json!(number),
            Text(text) => json!(text),
        }
    }
}

const LIGHT_GRAY: Stored = Text(r#"{"kind":"grayscale","values":[0.75]}"#);
const DARK_GRAY: Stored = Text(r#"{"kind":"grayscale","values":[0.35]}"#);

/// Inputs of a kind of node, and in which mode: an input and what is stored there.
type Of = (&'static str, Option<(u32, f64)>, &'static [(u32, Stored)]);

#[rustfmt::skip]
const DEFAULTS: &[Of] = &[
    ("image:blend", None, &[(3, Text("centered")), (8, Number(0.0))]),
    ("image:sharpen", None, &[(1, Number(3.0))]),
    ("image:canny_edge_detection", None, &[(2, Number(300.0))]),
    ("image:crop", None, &[(1, Number(0.0))]),
    ("image:crop", Some((1, 2.0)), &[(7, Number(100.0)), (8, Number(100.0))]),
    ("image:pad", None, &[(3, Number(0.0))]),
    ("image:pad", Some((3, 2.0)), &[(9, Number(100.0)), (10, Number(100.0))]),
    ("image:resize", Some((1, 1.0)), &[(3, Number(1.0)), (4, Number(1.0))]),
    ("image:resize_to_side", None, &[(1, Number(2160.0)), (2, Text("width"))]),
    ("image:rotate", None, &[(1, Number(0.0))]),
    ("image:fill_alpha", None, &[(1, Number(1.0))]),
    ("image:add_noise", None, &[(2, Text("rgb")), (3, Number(50.0))]),
    ("image:caption", None, &[(2, Number(42.0))]),
    ("image:threshold_adaptive", None, &[(2, Number(0.0)), (4, Number(1.0)), (5, Number(0.0))]),
    ("image:create_color", None, &[(1, Number(1.0)), (2, Number(1.0))]),
    ("image:create_checkerboard", None,
        &[(0, Number(1024.0)), (1, Number(1024.0)), (2, LIGHT_GRAY), (3, DARK_GRAY), (4, Number(32.0))]),
    ("image:create_gradient", None, &[(0, Number(64.0)), (1, Number(64.0))]),
    ("image:median_blur", None, &[(1, Number(0.0))]),
    ("image:distance_transform", None, &[(1, Number(20.0))]),
    ("utility:text_append", None, &[(0, Text("-"))]),
];

/// Stores them where nothing is stored and nothing is connected.
pub(super) fn fill_in(file: &mut ChnFile) {
    let connected: HashSet<&(String, u32)> = file.edges.iter().map(|edge| &edge.to).collect();
    for node in &mut file.nodes {
        for (_, mode, defaults) in DEFAULTS.iter().filter(|(schema, ..)| *schema == node.schema) {
            if mode.is_some_and(|(input, value)| node.inputs.get(&input).and_then(number) != Some(value)) {
                continue;
            }
            for (input, default) in *defaults {
                if !connected.contains(&(node.id.clone(), *input)) {
                    node.inputs.entry(*input).or_insert_with(|| default.json());
                }
            }
        }
    }
}
