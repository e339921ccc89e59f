//! A directory of pictures through a chain to files and a report, in the streaming executor.
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

use pegbar_chain::*;
use pegbar_frame::{PlanarImage, Rational};
use pegbar_media::still::{self, Format, StillImage, WriteOptions};
use pegbar_nodes::NODES;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn write(path: &Path, value: f32) {
    let image = PlanarImage { width: 16, height: 12, channels: 3, data: vec![value; 3 * 16 * 12] };
    let still = StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
    still::write(path, &still, &WriteOptions::new(Format::Png, 90)).unwrap();
}

/// Runs a chain over the rounds of its node `in`; what went wrong with rounds, or with all.
fn run(folder: &Path, nodes: &str) -> Vec<String> {
    let chain = Chain::from_json(&format!(r#"{{"pegbar": 1, "nodes": {{{nodes}}}}}"#)).unwrap();
    let checked = match check(&chain, &NODES, folder, &Arc::default(), &HashMap::new()) {
        Ok(checked) => checked,
        Err(faults) => return faults.iter().map(ToString::to_string).collect(),
    };
    let n = checked.graph.find("in").unwrap();
    let Prepared::Source(source) = checked.prepared[n].clone() else { panic!("no source") };
    let (sender, arrivals) = crossbeam_channel::bounded(2);
    let feeding = std::thread::spawn(move || {
        for (i, round) in source.open().unwrap().enumerate() {
            let arrival = Arrival {
                make: Box::new(move || round),
                index: i as u64,
                pts: i as i64,
                starts_scene: true,
                starts_segment: i == 0,
                is_lead: false,
                tag: (),
            };
            if sender.send(arrival).is_err() {
                break;
            }
        }
    });
    let options = StreamOptions { threads: 2, time_base: Rational::new(1, 1), cancel: Cancel::default() };
    let mut wrong = Vec::new();
    let report = run_stream(&checked, n, &arrivals, &options, &|_| Ok(()), &mut |delivery| {
        wrong.extend(delivery.result.err().map(|error| error.to_string()));
        ControlFlow::Continue(())
    });
    drop(arrivals);
    feeding.join().unwrap();
    wrong.extend(report.err().map(|error| error.to_string()));
    wrong
}

#[test]
fn pictures_of_a_directory_become_files_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("frames/sub")).unwrap();
    for (name, value) in [("a2.png", 0.25), ("a10.png", 0.5), ("sub/b.png", 0.75)] {
        write(&folder.path().join("frames").join(name), value);
    }
    let nodes = r#"
        "in": {"type": "folder.load", "params": {"directory": "frames", "recursive": true}},
        "number": {"type": "value.math_expression", "params": {"expression": "a * 10 + 5"}, "inputs": {"a": "in.index"}},
        "padded": {"type": "text.pad", "inputs": {"text": "number"}},
        "name": {"type": "text.pattern", "params": {"pattern": "{1}-{2}"}, "inputs": {"1": "in.name", "2": "padded"}},
        "save": {"type": "image.save", "params": {"directory": "out"},
            "inputs": {"image": "in", "name": "name", "subdirectory": "in.subdirectory"}},
        "size": {"type": "image.dimensions", "inputs": {"image": "in"}},
        "line": {"type": "text.join", "params": {"separator": " "}, "inputs": {"texts": ["in.name", "size.width"]}},
        "lines": {"type": "text.collect", "inputs": {"text": "line"}},
        "mean": {"type": "measure.average", "inputs": {"number": "number"}},
        "report": {"type": "text.join", "params": {"separator": "; "}, "inputs": {"texts": ["lines.text", "mean.mean"]}},
        "text": {"type": "text.save", "params": {"path": "report.txt"}, "inputs": {"text": "report"}}"#;
    assert_eq!(run(folder.path(), nodes), Vec::<String>::new());
    for (name, value) in [("a2-0005.png", 0.25), ("a10-0015.png", 0.5), ("sub/b-0025.png", 0.75)] {
        let image = still::read(&folder.path().join("out").join(name)).unwrap().image;
        assert!((image.data[0] - value).abs() < 0.01, "{name}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.txt")).unwrap();
    assert_eq!(report, "a2 16\na10 16\nb 16; 15\n");

    // Again: nothing is overwritten.
    let again = run(folder.path(), nodes);
    assert!(again.iter().any(|error| error.contains("a2-0005.png is there already")), "{again:?}");
}

#[test]
fn two_pictures_of_one_name_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("frames")).unwrap();
    for name in ["a.png", "b.png"] {
        write(&folder.path().join("frames").join(name), 0.5);
    }
    let nodes = r#"
        "in": {"type": "folder.load", "params": {"directory": "frames"}},
        "save": {"type": "image.save", "params": {"directory": "out", "name": "same", "existing": "overwrite"},
            "inputs": {"image": "in"}}"#;
    let wrong = run(folder.path(), nodes);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(
        wrong[0].contains("node save") && wrong[0].contains("was written before in this run"),
        "{wrong:?}"
    );

    // What is known before is refused before.
    let nodes = r#"
        "in": {"type": "folder.load", "params": {"directory": "frames"}},
        "save": {"type": "image.save", "params": {"name": "x"}, "inputs": {"image": "in"}}"#;
    let wrong = run(folder.path(), nodes);
    assert_eq!(wrong, ["node save, directory: no path is given; set it: --set save.directory=PATH"]);
}
