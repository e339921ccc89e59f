//! The example of a node: a small chain with it, as its help and its page show it.
//!
//! The settings stand in the declaration. What the node needs around it stands here: most nodes stand between the input and the
//! output of the chain, and only those that do not have a line in [`PLACES`].

use crate::NODES;
use pegbar_chain::{Chain, ChainNode, Gives, NodeType, OutputRef, Role, Sources, ValueType};

/// What is connected to inputs and connected parameters: their ids and outputs.
type Edges = &'static [(&'static str, &'static [&'static str])];

/// A node beside the one that the example is of.
struct Beside {
    id: &'static str,
    kind: &'static str,
    params: &'static [(&'static str, &'static str)],
    edges: Edges,
}

/// What stands around a node.
struct Place {
    /// The kind of the node. In its chain it goes by the last word of that.
    of: &'static str,
    /// Nodes before it.
    before: &'static [Beside],
    /// What it takes. Inputs for pictures that are not named take the input of the chain.
    edges: Edges,
    /// Nodes behind it, instead of the output of the chain.
    behind: &'static [Beside],
}

const fn beside(
    id: &'static str,
    kind: &'static str,
    params: &'static [(&'static str, &'static str)],
    edges: Edges,
) -> Beside {
    Beside { id, kind, params, edges }
}

const IN: Edges = &[("image", &["in"])];
const FADED: Beside = beside("faded", "image.levels", &[("out-black", "0.3"), ("out-white", "0.8")], IN);
const WARM: Beside =
    beside("warm", "image.white_balance", &[("method", "temperature"), ("temperature", "4000")], IN);
const DRAWN: Beside = beside("drawn", "image.threshold", &[("luma", "true"), ("level", "35")], IN);
const MODEL: Beside = beside("model", "model.load", &[("path", "models/tiny.safetensors")], &[]);
const NUMBERS: Beside = beside("numbers", "sequence.range", &[("stop", "5")], &[]);

const PLACES: &[Place] = &[
    // Input and output.
    Place { of: "input", before: &[], edges: &[], behind: &[beside("out", "output", &[], IN)] },
    Place { of: "output", before: &[], edges: &[], behind: &[] },
    Place {
        of: "video.load",
        before: &[],
        edges: &[],
        behind: &[beside("save", "video.save", &[("path", "restored.mkv")], &[("image", &["load"])])],
    },
    Place {
        of: "video.save",
        before: &[beside("load", "video.load", &[("path", "episode.mkv")], &[])],
        edges: &[("image", &["load"])],
        behind: &[],
    },
    Place { of: "image.save", before: &[], edges: &[], behind: &[] },
    Place {
        of: "image.load",
        before: &[],
        edges: &[],
        behind: &[beside(
            "save",
            "image.save",
            &[("directory", "restored"), ("name", "frame")],
            &[("image", &["load"])],
        )],
    },
    Place {
        of: "folder.load",
        before: &[],
        edges: &[],
        behind: &[beside(
            "save",
            "image.save",
            &[("directory", "restored")],
            &[("image", &["load"]), ("name", &["load.name"])],
        )],
    },
    // Models.
    Place { of: "image.upscale", before: &[MODEL], edges: &[("model", &["model"])], behind: &[] },
    Place { of: "model.info", before: &[MODEL], edges: &[("model", &["model"])], behind: &[] },
    Place {
        of: "model.interpolate",
        before: &[
            beside("soft", "model.load", &[("path", "models/tiny.safetensors")], &[]),
            beside("sharp", "model.load", &[("path", "models/tiny-sharp.safetensors")], &[]),
        ],
        edges: &[("a", &["soft"]), ("b", &["sharp"])],
        behind: &[
            beside("upscale", "image.upscale", &[], &[("image", &["in"]), ("model", &["interpolate"])]),
            beside("out", "output", &[], &[("image", &["upscale"])]),
        ],
    },
    Place {
        of: "folder.load_models",
        before: &[],
        edges: &[],
        behind: &[beside("info", "model.info", &[], &[("model", &["load_models"])])],
    },
    // Measures and collections.
    Place {
        of: "image.metrics",
        before: &[beside("blurred", "image.gaussian_blur", &[], IN)],
        edges: &[("image", &["blurred"]), ("reference", &["in"])],
        behind: &[],
    },
    Place { of: "image.dimensions", before: &[], edges: &[], behind: &[] },
    Place { of: "measure.average", before: &[NUMBERS], edges: &[("number", &["numbers"])], behind: &[] },
    Place {
        of: "text.collect",
        before: &[NUMBERS],
        edges: &[("text", &["numbers"])],
        behind: &[beside("save", "text.save", &[("path", "report.txt")], &[("text", &["collect"])])],
    },
    Place {
        of: "image.contact_sheet",
        before: &[],
        edges: &[],
        behind: &[beside(
            "save",
            "image.save",
            &[("directory", "sheets"), ("name", "sheet")],
            &[("image", &["contact_sheet"])],
        )],
    },
    // Decisions and texts.
    Place {
        of: "value.conditional",
        before: &[
            beside("day", "value.text", &[("value", "day")], &[]),
            beside("night", "value.text", &[("value", "night")], &[]),
        ],
        edges: &[("then", &["day"]), ("else", &["night"])],
        behind: &[],
    },
    Place {
        of: "value.switch",
        before: &[
            beside("tape", "value.text", &[("value", "tape")], &[]),
            beside("disc", "value.text", &[("value", "disc")], &[]),
            beside("film", "value.text", &[("value", "film")], &[]),
        ],
        edges: &[("values", &["tape", "disc", "film"])],
        behind: &[],
    },
    Place {
        of: "value.seed",
        before: &[beside("reel", "value.text", &[("value", "reel-12.mkv")], &[])],
        edges: &[("values", &["reel"])],
        behind: &[],
    },
    Place {
        of: "text.join",
        before: &[
            beside("series", "value.text", &[("value", "reel")], &[]),
            beside("number", "value.number", &[("value", "12")], &[]),
        ],
        edges: &[("texts", &["series", "number"])],
        behind: &[],
    },
    // Size and place.
    Place {
        of: "image.stack",
        before: &[beside("gray", "image.grayscale", &[], IN)],
        edges: &[("images", &["in", "gray"])],
        behind: &[],
    },
    // Compositing.
    Place {
        of: "image.blend",
        before: &[beside("small", "image.resize", &[("percent", "60")], IN)],
        edges: &[("base", &["in"]), ("overlay", &["small"])],
        behind: &[],
    },
    Place {
        of: "image.mix",
        before: &[beside("gray", "image.grayscale", &[("keep-channels", "true")], IN)],
        edges: &[("a", &["in"]), ("b", &["gray"])],
        behind: &[],
    },
    Place {
        of: "image.mask_blend",
        before: &[
            beside("gray", "image.grayscale", &[("keep-channels", "true")], IN),
            beside("red", "image.colour_key", &[("colour", "#d12924"), ("tolerance", "6")], IN),
        ],
        edges: &[("a", &["gray"]), ("b", &["in"]), ("mask", &["red"])],
        behind: &[],
    },
    Place {
        of: "image.split_channels",
        before: &[],
        edges: &[],
        behind: &[
            beside(
                "row",
                "image.stack",
                &[],
                &[("images", &["split_channels.red", "split_channels.green", "split_channels.blue"])],
            ),
            beside("out", "output", &[], &[("image", &["row"])]),
        ],
    },
    Place {
        of: "image.combine_channels",
        before: &[beside("channels", "image.split_channels", &[], IN)],
        edges: &[("red", &["channels.blue"]), ("green", &["channels.green"]), ("blue", &["channels.red"])],
        behind: &[],
    },
    Place {
        of: "image.merge_alpha",
        before: &[beside("mask", "image.luma_mask", &[], IN)],
        edges: &[("image", &["in"]), ("alpha", &["mask"])],
        behind: &[],
    },
    // Colour.
    Place {
        of: "image.average_colour_fix",
        before: &[WARM],
        edges: &[("image", &["warm"]), ("reference", &["in"])],
        behind: &[],
    },
    Place {
        of: "image.wavelet_colour_fix",
        before: &[WARM],
        edges: &[("image", &["warm"]), ("reference", &["in"])],
        behind: &[],
    },
    Place {
        of: "image.colour_transfer",
        before: &[FADED],
        edges: &[("image", &["faded"]), ("reference", &["in"])],
        behind: &[],
    },
    Place {
        of: "image.match_histogram",
        before: &[FADED],
        edges: &[("image", &["faded"]), ("reference", &["in"])],
        behind: &[],
    },
    // Masks.
    Place { of: "image.morphology", before: &[DRAWN], edges: &[("image", &["drawn"])], behind: &[] },
    Place { of: "image.distance_transform", before: &[DRAWN], edges: &[("image", &["drawn"])], behind: &[] },
    // Drawing.
    Place { of: "image.solid_colour", before: &[], edges: &[], behind: DRAWING_SAVED[0] },
    Place { of: "image.checkerboard", before: &[], edges: &[], behind: DRAWING_SAVED[1] },
    Place { of: "image.gradient", before: &[], edges: &[], behind: DRAWING_SAVED[2] },
    Place { of: "image.test_pattern", before: &[], edges: &[], behind: DRAWING_SAVED[3] },
    // Structure.
    Place {
        of: "structure.pass_through",
        before: &[],
        edges: &[("value", &["in"])],
        behind: &[beside("out", "output", &[], &[("image", &["pass_through"])])],
    },
    Place { of: "structure.view", before: &[], edges: &[], behind: &[beside("out", "output", &[], IN)] },
];

/// Where pictures out of nothing go: a chain without an input has no output.
const DRAWING_SAVED: [&[Beside]; 4] = [
    &[beside("save", "image.save", DRAWING, &[("image", &["solid_colour"])])],
    &[beside("save", "image.save", DRAWING, &[("image", &["checkerboard"])])],
    &[beside("save", "image.save", DRAWING, &[("image", &["gradient"])])],
    &[beside("save", "image.save", DRAWING, &[("image", &["test_pattern"])])],
];
const DRAWING: &[(&str, &str)] = &[("directory", "pictures"), ("name", "drawing")];

/// The id of the node of a kind in its example.
pub(crate) fn id_in_example(kind: &NodeType) -> &'static str {
    match kind.role {
        Role::HostSource if kind.id == "input" => "in",
        Role::HostSink if kind.id == "output" => "out",
        _ => kind.id.rsplit('.').next().unwrap_or(kind.id),
    }
}

/// A chain that shows what a node does, with the id that the node has in it.
///
/// It passes a check where the files that it names are there; that of a placeholder does not.
pub fn example(kind: &'static NodeType) -> (Chain, &'static str) {
    let id = id_in_example(kind);
    let place = PLACES.iter().find(|place| place.of == kind.id);
    let (before, named, behind) =
        place.map_or((&[][..], &[][..], &[][..]), |place| (place.before, place.edges, place.behind));

    let mut node = node(kind.id, kind.example, named);
    for input in kind.inputs {
        let is_image = input.accepts == pegbar_chain::Accepts::Type(ValueType::Image);
        let is_needed = input.arity != pegbar_chain::Arity::Optional;
        if is_image && is_needed && !node.inputs.contains_key(input.id) {
            node.inputs.insert(input.id.into(), sources(&["in"]));
        }
    }
    let makes_picture =
        kind.outputs.first().is_some_and(|output| matches!(output.gives, Gives::Type(ValueType::Image)));

    let mut chain = Chain::default();
    let all = || before.iter().chain(behind).flat_map(|beside| beside.edges).flat_map(|(_, from)| *from);
    let uses_input = |from: &str| from == "in" || from.starts_with("in.");
    let has_input = all().any(|from| uses_input(from))
        || node.inputs.values().flat_map(|sources| sources.all()).any(|source| source.node == "in");
    if has_input && id != "in" {
        chain.nodes.insert("in".into(), self::node("input", &[], &[]));
    }
    for Beside { id, kind, params, edges } in before {
        chain.nodes.insert((*id).into(), self::node(kind, params, edges));
    }
    chain.nodes.insert(id.into(), node);
    for Beside { id, kind, params, edges } in behind {
        chain.nodes.insert((*id).into(), self::node(kind, params, edges));
    }
    if behind.is_empty() && makes_picture {
        let mut out = self::node("output", &[], &[]);
        out.inputs.insert("image".into(), sources(&[id]));
        chain.nodes.insert("out".into(), out);
    }
    (chain, id)
}

/// A node with parameters as typed. What does not fit its declaration is left out; a test says that nothing is.
fn node(kind: &str, params: &[(&str, &str)], edges: &[(&str, &[&str])]) -> ChainNode {
    let mut node = ChainNode { node_type: kind.into(), ..ChainNode::default() };
    for (id, text) in params {
        let declared = NODES.get(kind).and_then(|kind| kind.param(id));
        if let Some(value) = declared.and_then(|param| param.parse(text).ok()) {
            node.params.insert((*id).into(), value);
        }
    }
    for (input, from) in edges {
        node.inputs.insert((*input).into(), sources(from));
    }
    node
}

fn sources(from: &[&str]) -> Sources {
    let of = |from: &&str| {
        let (node, output) = from.split_once('.').unwrap_or((from, ""));
        OutputRef::new(node, output)
    };
    match from {
        [one] => Sources::One(of(one)),
        many => Sources::Many(many.iter().map(of).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_chain::{FaultKind, Graph};

    #[test]
    fn every_place_is_of_a_node_and_nothing_in_it_is_left_out() {
        for place in PLACES {
            assert!(NODES.get(place.of).is_some_and(|kind| kind.id == place.of), "{} is no node", place.of);
            assert_eq!(PLACES.iter().filter(|other| other.of == place.of).count(), 1, "{}", place.of);
            for beside in place.before.iter().chain(place.behind) {
                let made = node(beside.kind, beside.params, beside.edges);
                assert_eq!(made.params.len(), beside.params.len(), "{}: {}", place.of, beside.id);
            }
        }
    }

    #[test]
    fn every_example_is_a_chain() {
        for &kind in NODES.0 {
            let (chain, id) = example(kind);
            assert_eq!(chain.nodes[id].node_type, kind.id);
            assert_eq!(chain.nodes[id].params.len(), kind.example.len(), "{}", kind.id);
            let again =
                Chain::from_json(&chain.to_json()).unwrap_or_else(|error| panic!("{}: {error}", kind.id));
            assert_eq!(again, chain, "{}", kind.id);
            match Graph::build(&chain, &NODES) {
                // What stands for a node that Pegbar lacks is refused, also in its own example.
                Err(faults) if kind.id == "structure.placeholder" => {
                    assert!(faults.iter().all(|fault| fault.kind == FaultKind::Placeholder), "{faults:?}");
                }
                Err(faults) => panic!("{}: {faults:?}", kind.id),
                Ok(_) => assert_ne!(kind.id, "structure.placeholder"),
            }
        }
    }
}
