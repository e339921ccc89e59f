//! Every node that makes pictures of pictures, in a chain of its own: what it makes is what its check has promised.

use pegbar_chain::{
    Accepts, Cancel, Chain, Checked, Gives, Info, NodeType, Preview, PreviewFrame, ResultCache, Role, Value,
    ValueType, check,
};
use pegbar_frame::{PlanarImage, Rational};
use pegbar_nodes::NODES;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A frame of a cartoon: a sky that runs from blue to white, a red ball with an outline that moves, hatching, and noise.
fn cartoon(channels: usize, height: usize, width: usize, frame: usize) -> PlanarImage {
    let mut image = PlanarImage::zeros(channels, height, width);
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - 40.0 - frame as f32, y as f32 - 30.0);
            let distance = (dx * dx + dy * dy).sqrt();
            let down = y as f32 / height as f32;
            let mut colour = [0.3 + 0.6 * down, 0.5 + 0.4 * down, 0.9];
            if distance < 20.0 {
                colour = [0.82, 0.24, 0.2];
            }
            if (distance - 20.0).abs() < 1.5 || (x > 70 && y > 40 && (x + y) % 4 == 0) {
                colour = [0.05; 3];
            }
            let noise = ((x * 7919 + y * 104_729 + frame * 1299) % 97) as f32 / 97.0 - 0.5;
            let all = [colour[0], colour[1], colour[2], if x < width / 3 { 0.4 } else { 1.0 }];
            for (c, sample) in all.into_iter().enumerate().take(channels) {
                image.data[(c * height + y) * width + x] = if c < 3 { sample + 0.03 * noise } else { sample };
            }
        }
    }
    image
}

/// Nodes that take pictures only and change nothing outside of the chain.
fn of_pictures() -> impl Iterator<Item = &'static NodeType> {
    NODES.0.iter().copied().filter(|kind| {
        let runs = matches!(kind.role, Role::Function { acts: false, .. } | Role::Temporal { .. });
        let pictures = kind.inputs.iter().all(|input| input.accepts == Accepts::Type(ValueType::Image));
        let room = ["image.", "restore.", "temporal."].iter().any(|room| kind.id.starts_with(room));
        let makes_pictures = kind.outputs.iter().any(|output| output.gives == Gives::Type(ValueType::Image));
        runs && pictures && room && makes_pictures && kind.id != "image.load"
    })
}

fn values(image: &PlanarImage, index: usize) -> Vec<Value> {
    let path = Path::new("folder");
    vec![
        Value::Image(Arc::new(image.clone())),
        Value::Number(index as f64),
        Value::Number(index as f64 / 24.0),
        Value::Text("frame".into()),
        Value::Directory(path.into()),
    ]
}

/// A chain with the node, all its inputs connected to the input of the chain or only those that must be.
fn chain(kind: &NodeType, folder: &Path, all: bool) -> Chain {
    let inputs: Vec<String> = kind
        .inputs
        .iter()
        .filter(|input| all || input.arity != pegbar_chain::Arity::Optional)
        .map(|input| format!("\"{}\": \"in.image\"", input.id))
        .collect();
    let text = format!(
        "{{\"pegbar\": 1, \"nodes\": {{\"in\": {{\"type\": \"input\"}}, \"n\": {{\"type\": \"{}\", \"inputs\": {{{}}}}}}}}}",
        kind.id,
        inputs.join(", ")
    );
    let mut chain = Chain::from_json(&text).expect("a chain");
    for (param, value) in kind.example {
        chain.set(&NODES, &format!("n.{param}={value}"), Path::new("")).expect("the example fits");
    }
    if kind.id == "image.lut" {
        let table = "LUT_1D_SIZE 2\n0 0.1 0\n1 1 0.8\n";
        std::fs::write(folder.join("table.cube"), table).expect("a file");
        chain.set(&NODES, "n.file=table.cube", Path::new("")).expect("a path");
    }
    chain
}

fn run(checked: &Checked, frames: &[PlanarImage]) -> Vec<PlanarImage> {
    let at = |id: &str| checked.graph.nodes.iter().position(|node| node.id == id).expect("the node is there");
    let given = frames.iter().enumerate().map(|(i, image)| PreviewFrame {
        index: i as u64,
        pts: i as i64,
        ..PreviewFrame::of_values(values(image, i))
    });
    let cache = ResultCache::new(1 << 24);
    let sources = HashMap::from([(at("in"), given.collect())]);
    let preview = Preview::new(checked, &cache, sources, Rational::new(1, 24), Cancel::default());
    let made = preview.node(at("n"), 1).unwrap_or_else(|error| panic!("{error}"));
    let images = made.iter().filter_map(|value| match value {
        Value::Image(image) => Some((**image).clone()),
        _ => None,
    });
    images.collect()
}

#[test]
fn every_node_makes_what_its_check_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut n_run = 0;
    for kind in of_pictures() {
        for (channels, height, width) in [(3, 64, 96), (1, 64, 96), (4, 64, 96), (3, 1, 1), (1, 1, 1)] {
            for all in [true, false] {
                let frames: Vec<PlanarImage> = (0..3).map(|t| cartoon(channels, height, width, t)).collect();
                let infos: Vec<Info> = values(&frames[0], 0)
                    .iter()
                    .enumerate()
                    .map(
                        |(i, value)| {
                            if i == 0 { Info::of_value(value) } else { Info::of_type(value.value_type()) }
                        },
                    )
                    .collect();
                let sources = HashMap::from([("in".to_string(), infos)]);
                let what = format!("{} of {width}x{height}x{channels}", kind.id);
                let chain = chain(kind, folder.path(), all);
                let checked = match check(&chain, &NODES, folder.path(), &Arc::default(), &sources) {
                    Ok(checked) => checked,
                    Err(faults) => {
                        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
                        assert!(kind.id == "image.crop" && width == 1, "{what}: {said:?}");
                        assert!(said[0].contains("nothing is left"), "{said:?}");
                        continue;
                    }
                };
                let made = run(&checked, &frames);
                let n = checked.graph.nodes.iter().position(|node| node.id == "n").expect("there");
                let promised: Vec<_> =
                    checked.infos[n].iter().filter_map(|info| info.image.clone()).collect();
                assert_eq!(made.len(), promised.len(), "{what}");
                for (image, promised) in made.iter().zip(&promised) {
                    assert_eq!(promised.size(), Some((image.width, image.height)), "{what}");
                    assert_eq!(promised.channels, Some(image.channels), "{what}");
                    assert!(image.data.iter().all(|sample| sample.is_finite()), "{what}");
                }
                n_run += 1;
            }
        }
    }
    assert!(n_run > 900, "only {n_run} runs");
}
