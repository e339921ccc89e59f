//! What is told of a frame and the one before, over a stream, and when a job goes on in the middle.

use pegbar_chain::{
    Arrival, Cancel, Chain, Finished, Preview, PreviewFrame, ResultCache, StreamOptions, Value, check,
    run_stream, stream_info,
};
use pegbar_frame::{PlanarImage, Rational};
use pegbar_nodes::NODES;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A drawing: waves that a number chooses, moved to a side.
fn drawing(which: f32, moved: f32) -> Arc<PlanarImage> {
    let (width, height) = (160, 120);
    let mut image = PlanarImage::zeros(3, height, width);
    for c in 0..3 {
        for y in 0..height {
            for x in 0..width {
                let (u, v) = ((x as f32 + moved) * 0.1, y as f32 * 0.12);
                let value = 0.4
                    + 0.15 * (u * (1.0 + which) + (v * which).sin() * 2.0).sin()
                    + 0.15 * (v * 1.3 + which * 5.0 + (u * 0.7).cos()).sin();
                image.plane_mut(c)[y * width + x] = value;
            }
        }
    }
    Arc::new(image)
}

/// A cartoon on twos that pans, with a cut before frame 6.
fn film() -> Vec<Arc<PlanarImage>> {
    let scene = |which: f32| (0..6).map(move |i| drawing(which, (i / 2) as f32 * 4.0));
    scene(0.3).chain(scene(1.7)).collect()
}

/// Whether each frame is a cut and a repeat, and how much has changed, as the colours of one pixel.
const CHAIN: &str = r##"{"pegbar": 1, "nodes": {
    "in": {"type": "input"},
    "cut": {"type": "measure.scene_change", "inputs": {"image": "in.image"}},
    "same": {"type": "measure.duplicate", "inputs": {"image": "in.image"}},
    "dot": {"type": "image.solid_colour", "params": {"width": 1, "height": 1, "colour": "#000000"}},
    "told": {"type": "image.arithmetic", "inputs":
        {"image": "dot.image", "red": "cut.change", "green": "cut.cut", "blue": "same.repeats"}},
    "out": {"type": "output", "inputs": {"image": "told.image"}}}}"##;

fn values(image: &Arc<PlanarImage>) -> Vec<Value> {
    vec![
        Value::Image(image.clone()),
        Value::Number(0.0),
        Value::Number(0.0),
        Value::Text("frame".into()),
        Value::Directory(Path::new("folder").into()),
    ]
}

fn chain() -> pegbar_chain::Checked {
    let chain = Chain::from_json(CHAIN).expect("a chain");
    let checked = check(&chain, &NODES, Path::new("."), &Arc::default(), &HashMap::new());
    checked.unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// What is told of the frames from one on, those before it only looked at.
fn told(film: &[Arc<PlanarImage>], from: usize) -> Vec<[f32; 3]> {
    let checked = chain();
    let source = checked.graph.find("in").expect("a source");
    let info = stream_info(&checked, source, Rational::new(1, 24)).expect("a stream");
    assert_eq!((info.reach_before, info.looks_around), (2, true));
    let first = from.saturating_sub(info.reach_before);
    let (sender, arrivals) = crossbeam_channel::unbounded();
    for (i, image) in film.iter().enumerate().skip(first) {
        let values = values(image);
        let arrival = Arrival {
            make: Box::new(move || Ok(values)),
            index: i as u64,
            pts: i as i64,
            starts_scene: i == first,
            starts_segment: i == first,
            is_lead: i < from,
            tag: (),
        };
        sender.send(arrival).expect("there is room");
    }
    drop(sender);
    let options = StreamOptions { threads: 2, time_base: Rational::new(1, 24), cancel: Cancel::default() };
    let mut told = Vec::new();
    let finish = |finished: Finished| match &finished.sinks[0][0][0] {
        Value::Image(image) => Ok([image.data[0], image.data[1], image.data[2]]),
        other => panic!("no picture: {other}"),
    };
    run_stream(&checked, source, &arrivals, &options, &finish, &mut |delivery| {
        told.push(delivery.result.expect("a frame"));
        ControlFlow::Continue(())
    })
    .expect("it runs");
    told
}

#[test]
fn cuts_and_repeats_are_told_wherever_a_job_goes_on() {
    let film = film();
    let all = told(&film, 0);
    let of = |which: usize| -> Vec<usize> { (0..film.len()).filter(|&i| all[i][which] == 1.0).collect() };
    assert_eq!(of(1), [0, 6], "a scene begins");
    assert_eq!(of(2), [1, 3, 5, 7, 9, 11], "held drawings");
    assert!(all[6][0] > 0.5 && all[2][0] < 0.3 && all[1][0] == 0.0, "{all:?}");
    for from in [1, 6, 7] {
        assert_eq!(told(&film, from), all[from..], "from {from}");
    }
}

#[test]
fn a_look_at_one_frame_tells_the_same() {
    let (film, checked) = (film(), chain());
    let all = told(&film, 0);
    let source = checked.graph.find("in").expect("a source");
    let node = checked.graph.find("told").expect("a node");
    let frames = film.iter().map(|image| PreviewFrame::of_values(values(image))).collect();
    let cache = ResultCache::new(1 << 20);
    let frames = HashMap::from([(source, frames)]);
    let preview = Preview::new(&checked, &cache, frames, Rational::new(1, 24), Cancel::default());
    for (i, expected) in all.iter().enumerate() {
        match &preview.node(node, i).expect("made")[0] {
            Value::Image(image) => assert_eq!(image.data, expected, "frame {i}"),
            other => panic!("no picture: {other}"),
        }
    }
}
