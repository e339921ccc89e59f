//! Nodes that send frames through the real ffmpeg, by themselves and in the streaming executor.
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

use pegbar_chain::*;
use pegbar_frame::{PlanarImage, Rational};
use pegbar_nodes::NODES;
use pegbar_params::ParamValues;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn has_ffmpeg() -> bool {
    let found = pegbar_media::Tools::find();
    if let Err(error) = &found {
        eprintln!("skipped: nodes with the real ffmpeg ({error})");
    }
    found.is_ok()
}

/// A picture with a soft gradient, a hard edge that moves, and a little noise; each sample a code of 16 bits.
fn picture(n: u64, channels: usize, (width, height): (usize, usize)) -> Arc<PlanarImage> {
    let mut data = Vec::with_capacity(width * height * channels);
    for channel in 0..channels {
        for y in 0..height {
            for x in 0..width {
                let soft = (x + y) as f32 / (width + height) as f32;
                let hard = if x < 10 + n as usize { 0.3 } else { 0.0 };
                let noise = ((x * 7 + y * 13 + channel * 5 + n as usize * 31) % 17) as f32 / 600.0;
                let value = if channel == 3 { soft } else { 0.1 + 0.5 * soft + hard + noise };
                data.push((value * 65535.0).round() / 65535.0);
            }
        }
    }
    Arc::new(PlanarImage { width, height, channels, data })
}

const SIZE: (usize, usize) = (64, 48);
const TIME_BASE: Rational = Rational::new(1, 90_000);

fn segment(id: &str, params: &[(&str, &str)], shared: &Shared) -> Result<Arc<dyn SegmentFilter>, NodeError> {
    let kind = NODES.get(id).unwrap();
    let mut values = ParamValues::defaults(kind.params);
    for (id, text) in params {
        values.set(id, kind.param(id).unwrap().parse(text).unwrap()).unwrap();
    }
    let Role::Segment { prepare } = kind.role else { panic!("{id} runs over no segments") };
    prepare(&Prepare { values: &values, folder: Path::new("/"), shared })
}

fn run(filter: &dyn SegmentFilter, frames: Vec<TimedImage>) -> Result<Vec<TimedImage>, NodeError> {
    let mut results = Vec::new();
    filter.run(
        TIME_BASE,
        &mut frames.into_iter(),
        &mut |frame| {
            results.push(frame);
            true
        },
        &Cancel::default(),
    )?;
    Ok(results)
}

fn frames(n: u64, channels: usize) -> Vec<TimedImage> {
    (0..n).map(|i| TimedImage { image: picture(i, channels, SIZE), pts: 500 + i as i64 * 3003 }).collect()
}

fn farthest(a: &PlanarImage, b: &PlanarImage) -> f32 {
    assert_eq!((a.width, a.height, a.channels), (b.width, b.height, b.channels));
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn nothing_changes_but_what_the_filter_does() {
    if !has_ffmpeg() {
        return;
    }
    let shared = Shared::default();
    for (format, most) in [("auto", 3.0 / 65535.0), ("rgb16", 1e-7), ("yuv444p16", 3.0 / 65535.0)] {
        let filter = segment("ffmpeg.filter", &[("graph", "null"), ("format", format)], &shared).unwrap();
        for channels in [1, 3, 4] {
            let results = run(&*filter, frames(4, channels)).unwrap();
            assert_eq!(results.len(), 4);
            for (result, frame) in results.iter().zip(frames(4, channels)) {
                assert_eq!(result.pts, frame.pts);
                let far = farthest(&result.image, &frame.image);
                let most = if channels == 1 && format == "rgb16" { 1e-6 } else { most };
                assert!(far <= most, "{format}, {channels} channels: {far}");
            }
        }
    }
}

#[test]
fn every_typed_filter_keeps_what_it_promises() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("it's a [table], 1:2;x.cube");
    let mut cube = String::from("LUT_3D_SIZE 2\n");
    for i in 0..8 {
        cube += &format!("{} {} {}\n", i & 1, i >> 1 & 1, i >> 2 & 1);
    }
    std::fs::write(&table, cube).unwrap();
    let shared = Shared::default();
    let segments = NODES.0.iter().filter(|kind| {
        matches!(kind.role, Role::Segment { .. })
            && (kind.id.starts_with("ffmpeg.") || kind.id.starts_with("video."))
    });
    let (mut n_kept, mut wrong) = (0, Vec::new());
    for kind in segments {
        let file = table.display().to_string();
        let params = if kind.id == "ffmpeg.lut3d" { vec![("file", file.as_str())] } else { Vec::new() };
        let filter =
            segment(kind.id, &params, &shared).unwrap_or_else(|error| panic!("{}: {error}", kind.id));
        let info = filter.infer(&Info::image(ImageInfo::of_size(SIZE.0, SIZE.1))).unwrap();
        assert_eq!(info.as_image().size(), Some(SIZE), "{}", kind.id);
        if !filter.keeps_frames() {
            continue;
        }
        n_kept += 1;
        assert_eq!(filter.time_base(TIME_BASE), TIME_BASE);
        for (n, channels) in [(1, 3), (2, 1), (7, 3), (3, 4)] {
            let results =
                run(&*filter, frames(n, channels)).unwrap_or_else(|error| panic!("{}: {error}", kind.id));
            let came: Vec<_> = frames(n, channels);
            let times = |frames: &[TimedImage]| frames.iter().map(|frame| frame.pts).collect::<Vec<_>>();
            if times(&results) != times(&came) {
                wrong.push(format!("{}: {:?} of {n} frames", kind.id, times(&results)));
            }
            for (result, frame) in results.iter().zip(&came) {
                farthest(&result.image, &frame.image);
                if channels == 4 {
                    assert_eq!(result.image.plane(3), frame.image.plane(3), "{}", kind.id);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(n_kept >= 20, "{n_kept}");
}

#[test]
fn filters_do_their_work() {
    if !has_ffmpeg() {
        return;
    }
    let shared = Shared::default();
    let deviation = |image: &PlanarImage| {
        let plane = &image.plane(1)[20 * 64 + 40..20 * 64 + 60];
        plane.windows(2).map(|pair| f64::from((pair[1] - pair[0]).abs())).sum::<f64>()
    };
    let before = deviation(&picture(3, 3, SIZE));
    for (id, params) in [
        ("ffmpeg.hqdn3d", vec![("luma-spatial", "12")]),
        ("ffmpeg.nlmeans", vec![("strength", "10")]),
        ("ffmpeg.bm3d", vec![("sigma", "30")]),
        ("ffmpeg.owdenoise", vec![("luma", "20")]),
        ("ffmpeg.removegrain", vec![("luma", "11")]),
    ] {
        let filter = segment(id, &params, &shared).unwrap();
        let after = deviation(&run(&*filter, frames(5, 3)).unwrap()[3].image);
        assert!(after < before * 0.98, "{id}: {before} to {after}");
    }
    // Sharpening shoots over at edges.
    let span = |image: &PlanarImage| {
        let row = &image.plane(1)[20 * 64 + 8..20 * 64 + 18];
        row.iter().copied().fold(0.0, f32::max) - row.iter().copied().fold(1.0, f32::min)
    };
    let before = span(&picture(3, 3, SIZE));
    for (id, params) in
        [("ffmpeg.unsharp", vec![("luma-amount", "3")]), ("ffmpeg.cas", vec![("strength", "1")])]
    {
        let filter = segment(id, &params, &shared).unwrap();
        let after = span(&run(&*filter, frames(5, 3)).unwrap()[3].image);
        assert!(after > before + 0.002, "{id}: {before} to {after}");
    }
    // Only light is sharpened, so red and blue differ as before.
    let sharpen = segment("ffmpeg.cas", &[("strength", "1")], &shared).unwrap();
    let (source, sharpened) = (frames(1, 3), run(&*sharpen, frames(1, 3)).unwrap());
    let colour = |image: &PlanarImage| -> Vec<f32> {
        image.plane(0).iter().zip(image.plane(2)).map(|(red, blue)| red - blue).collect()
    };
    for (before, after) in colour(&source[0].image).iter().zip(colour(&sharpened[0].image)) {
        assert!((before - after).abs() < 0.001, "{before} to {after}");
    }
}

#[test]
fn frames_are_dropped_doubled_and_matched_with_exact_times() {
    if !has_ffmpeg() {
        return;
    }
    let shared = Shared::default();
    let fields = segment("video.deinterlace", &[("rate", "field")], &shared).unwrap();
    assert!(!fields.keeps_frames());
    assert_eq!(fields.time_base(TIME_BASE), Rational::new(1, 180_000));
    let pts: Vec<_> = run(&*fields, frames(5, 3)).unwrap().iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, (0..10).map(|i| 1000 + i * 3003).collect::<Vec<_>>());

    // On twos: each picture twice.
    let mut twos = frames(8, 3);
    for i in (1..8).step_by(2) {
        twos[i].image = twos[i - 1].image.clone();
    }
    let decimate =
        segment("video.decimate", &[("high", "64"), ("low", "32"), ("fraction", "0")], &shared).unwrap();
    let results = run(&*decimate, twos.clone()).unwrap();
    assert_eq!(results.iter().map(|frame| frame.pts).collect::<Vec<_>>(), [500, 6506, 12_512, 18_518]);
    assert!(results.iter().zip(twos.iter().step_by(2)).all(|(a, b)| Arc::ptr_eq(&a.image, &b.image)));

    let step = segment("video.frame_step", &[("step", "3")], &shared).unwrap();
    let pts: Vec<_> = run(&*step, frames(7, 3)).unwrap().iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, [500, 500 + 3 * 3003, 500 + 6 * 3003]);

    let fps = segment("video.fps", &[("rate", "59.94")], &shared).unwrap();
    let time_base = fps.time_base(TIME_BASE);
    assert_eq!(time_base, Rational::new(1, 180_000));
    let pts: Vec<_> = run(&*fps, frames(4, 3)).unwrap().iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, (0..8).map(|i| 1000 + i * 3003).collect::<Vec<_>>());

    // 2:3 pulldown: film frames A B C D as AA AB BC CC DD of top and bottom fields.
    let film: Vec<_> = (0..12).map(|i| picture(i * 2, 3, SIZE)).collect();
    let weave = |top: &PlanarImage, bottom: &PlanarImage| {
        let mut woven = top.clone();
        for (row, (to, from)) in woven.data.chunks_mut(SIZE.0).zip(bottom.data.chunks(SIZE.0)).enumerate() {
            // All planes have an even number of rows.
            if row % 2 == 1 {
                to.copy_from_slice(from);
            }
        }
        Arc::new(woven)
    };
    let mut telecined = Vec::new();
    for four in film.chunks(4) {
        for (top, bottom) in [(0, 0), (0, 1), (1, 2), (2, 2), (3, 3)] {
            let pts = 500 + telecined.len() as i64 * 3003;
            telecined.push(TimedImage { image: weave(&four[top], &four[bottom]), pts });
        }
    }
    let ivtc = segment("video.ivtc", &[], &shared).unwrap();
    assert_eq!(ivtc.time_base(TIME_BASE), Rational::new(1, 360_000));
    let results = run(&*ivtc, telecined).unwrap();
    assert_eq!(results.len(), 12);
    let pts: Vec<_> = results.iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, (0..12).map(|i| 2000 + i * 5 * 3003).collect::<Vec<_>>());
    for (result, film) in results.iter().zip(&film).skip(1).take(10) {
        assert!(farthest(&result.image, film) < 2.0 / 255.0);
    }

    let minterpolate = segment("ffmpeg.minterpolate", &[("rate", "60000/1001")], &shared).unwrap();
    let results = run(&*minterpolate, frames(6, 3)).unwrap();
    assert!(results.len() >= 6, "{}", results.len());
    let steps: Vec<_> = results.windows(2).map(|pair| pair[1].pts - pair[0].pts).collect();
    assert!(steps.iter().all(|step| *step == 3003), "{steps:?}");
}

#[test]
fn what_is_wrong_is_said_before_the_work() {
    if !has_ffmpeg() {
        return;
    }
    let shared = Shared::default();
    let error = |id: &str, params: &[(&str, &str)]| match segment(id, params, &shared) {
        Ok(_) => panic!("{id} {params:?} is taken"),
        Err(error) => error.to_string(),
    };
    let unknown = error("ffmpeg.filter", &[("graph", "nosuchfilter=1")]);
    assert!(unknown.starts_with("parameter graph: ") && unknown.contains("nosuchfilter"), "{unknown}");
    let option = error("ffmpeg.filter", &[("graph", "hqdn3d=luma_spatial=much")]);
    assert!(option.contains("much"), "{option}");
    let format = error("ffmpeg.filter", &[("graph", "nlmeans"), ("format", "yuv444p16")]);
    assert!(format.contains("yuv444p16le") && format.contains("choose another format"), "{format}");
    assert!(error("ffmpeg.filter", &[("graph", " ")]).contains("no graph is given"));
    let rate = error("ffmpeg.filter", &[("graph", "null"), ("frame-rate", "50")]);
    assert!(rate.starts_with("parameter frame-rate"), "{rate}");
    assert!(error("ffmpeg.lut3d", &[("file", "/nowhere.cube")]).contains("no such file"));
    assert!(error("ffmpeg.nlmeans", &[("patch", "4")]).contains("no odd number"));
    assert!(error("video.fps", &[("rate", "fast")]).contains("no frame rate"));

    let filter = segment("ffmpeg.filter", &[("graph", "crop=20:10")], &shared).unwrap();
    let info = filter.infer(&Info::image(ImageInfo::of_size(SIZE.0, SIZE.1))).unwrap();
    assert_eq!(info.as_image().size(), Some((20, 10)));
    let small = filter.infer(&Info::image(ImageInfo::of_size(16, 16)));
    assert!(small.is_err(), "a crop larger than the picture");
    let mut mixed = frames(2, 3);
    mixed.push(TimedImage { image: picture(0, 3, (32, 32)), pts: 90_000 });
    let mixed = run(&*filter, mixed).unwrap_err().to_string();
    assert!(mixed.contains("a picture of 32x32 with 3 channels follows one of 64x48"), "{mixed}");
    let alpha = run(&*filter, frames(2, 4)).unwrap_err().to_string();
    assert!(alpha.contains("take the alpha channel off"), "{alpha}");
}

/// Runs a chain from `in` over frames; segments begin at the given ones.
fn run_chain(nodes: &str, n: u64, segments: &[u64]) -> Result<Vec<(i64, Arc<PlanarImage>)>, String> {
    let json = format!(r#"{{"pegbar": 1, "nodes": {{"in": {{"type": "input"}}, {nodes}}}}}"#);
    let chain = Chain::from_json(&json).map_err(|error| error.to_string())?;
    let checked = check(&chain, &NODES, Path::new("/"), &Arc::default(), &HashMap::new())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let source = checked.graph.find("in").unwrap();
    let (sender, arrivals) = crossbeam_channel::bounded(2);
    let segments = segments.to_vec();
    let feeding = std::thread::spawn(move || {
        for i in 0..n {
            let make = move || {
                let name = Value::Text("film".into());
                let directory = Value::Directory(Path::new("/").into());
                let image = Value::Image(picture(i, 3, SIZE));
                Ok(vec![image, Value::Number(i as f64), Value::Number(i as f64 / 25.0), name, directory])
            };
            let starts = i == 0 || segments.contains(&i);
            let arrival = Arrival {
                make: Box::new(make),
                index: i,
                pts: i as i64 * 3600,
                starts_scene: starts,
                starts_segment: starts,
                is_lead: false,
                tag: (),
            };
            if sender.send(arrival).is_err() {
                break;
            }
        }
    });
    let options = StreamOptions { threads: 2, time_base: TIME_BASE, cancel: Cancel::default() };
    let mut results = Vec::new();
    let mut failed = None;
    let finish = |finished: Finished| match &finished.sinks[0][0][0] {
        Value::Image(image) => Ok(image.clone()),
        other => panic!("no picture: {other}"),
    };
    let report = run_stream(&checked, source, &arrivals, &options, &finish, &mut |delivery| {
        match delivery.result {
            Ok(image) => results.push((delivery.pts, image)),
            Err(error) => failed = Some(error.to_string()),
        }
        ControlFlow::Continue(())
    });
    drop(arrivals);
    feeding.join().unwrap();
    report.map_err(|error| error.to_string())?;
    failed.map_or(Ok(results), Err)
}

#[test]
fn filters_run_in_the_stream() {
    if !has_ffmpeg() {
        return;
    }
    let nodes = r#""a": {"type": "ffmpeg.atadenoise", "inputs": {"image": "in"}},
        "b": {"type": "ffmpeg.hqdn3d", "inputs": {"image": "a"}},
        "out": {"type": "output", "inputs": {"image": "b"}}"#;
    let results = run_chain(nodes, 40, &[15, 18]).unwrap();
    let times: Vec<_> = results.iter().map(|result| result.0).collect();
    assert_eq!(times, (0..40).map(|i| i * 3600).collect::<Vec<_>>());
    assert!(results.iter().enumerate().all(|(i, (_, image))| {
        let far = farthest(image, &picture(i as u64, 3, SIZE));
        far > 0.001 && far < 0.3
    }));

    let nodes = r#""a": {"type": "video.deinterlace", "params": {"rate": "field"}, "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "a"}}"#;
    let times: Vec<_> = run_chain(nodes, 9, &[4]).unwrap().iter().map(|result| result.0).collect();
    assert_eq!(times, (0..18).map(|i| i * 3600).collect::<Vec<_>>());

    // It says that frames are kept, and drops some.
    let nodes = r#""a": {"type": "ffmpeg.filter", "params": {"graph": "framestep=2"}, "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "a"}}"#;
    let error = run_chain(nodes, 9, &[]).unwrap_err();
    assert!(error.contains("node a") && error.contains("said to keep their number"), "{error}");

    let nodes = r#""a": {"type": "ffmpeg.filter", "params": {"graph": "hqdn3d=nosuchoption=1"}, "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "a"}}"#;
    let error = run_chain(nodes, 9, &[]).unwrap_err();
    assert!(error.contains("node a, graph: ffmpeg does not take this filter"), "{error}");
    let nodes = r#""a": {"type": "ffmpeg.filter", "params": {"graph": "nosuchfilter"}, "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "a"}}"#;
    let error = run_chain(nodes, 9, &[]).unwrap_err();
    assert!(
        error.contains("node a, graph: nosuchfilter is no filter that is known to leave files alone"),
        "{error}"
    );
}

#[test]
fn an_endless_filter_can_be_left() {
    if !has_ffmpeg() {
        return;
    }
    let shared = Shared::default();
    let filter = segment("ffmpeg.hqdn3d", &[], &shared).unwrap();
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let mut n = 0;
    let mut endless = (0..).map(|i| TimedImage { image: picture(1, 3, SIZE), pts: i * 3600 });
    let ended = filter.run(
        TIME_BASE,
        &mut endless,
        &mut |_| {
            n += 1;
            if n == 5 {
                stop.cancel();
            }
            true
        },
        &cancel,
    );
    assert_eq!(ended, Err(NodeError::Cancelled));
    assert_eq!(n, 5);
}
