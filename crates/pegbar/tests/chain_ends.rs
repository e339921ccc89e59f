//! Chains with several inputs and outputs, by the built binary.

mod workbench;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use workbench::{Desk, Ran, ffmpeg, ffprobe, frame_hashes, has_ffmpeg, leftovers, pegbar};

/// A chain from its nodes, as a file.
fn chain(desk: &Desk, nodes: serde_json::Value) -> PathBuf {
    let file = desk.at("chain.json");
    std::fs::write(&file, serde_json::json!({"pegbar": 1, "nodes": nodes}).to_string()).expect("written");
    file
}

fn film(desk: &Desk, name: &str, size: &str, n_frames: usize) -> PathBuf {
    let film = desk.at(name);
    ffmpeg(
        &format!("-f lavfi -i testsrc2=s={size}:r=5 -frames:v {n_frames} -c:v ffv1 -pix_fmt gbrp @0"),
        &[&film],
    );
    film
}

/// An argument of the form NODE=PATH.
fn named(node: &str, path: &Path) -> OsString {
    let mut text = OsString::from(format!("{node}="));
    text.push(path);
    text
}

fn run<S: AsRef<OsStr>>(chain: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    let mut all: Vec<OsString> = vec!["run".into(), chain.into(), "--encode=ffv1".into()];
    all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
    pegbar(all)
}

fn size_of(film: &Path) -> (i64, i64) {
    let stream = ffprobe("-show_streams -select_streams v:0", film)["streams"][0].clone();
    (stream["width"].as_i64().expect("a width"), stream["height"].as_i64().expect("a height"))
}

#[test]
fn every_output_of_a_chain_gets_its_film() {
    if !has_ffmpeg("chains with several outputs") {
        return;
    }
    let desk = Desk::new();
    let film = film(&desk, "in.mkv", "64x48", 6);
    let nodes = serde_json::json!({
        "in": {"type": "input"},
        "model": {"type": "model.load", "params": {"path": desk.model}},
        "up": {"type": "image.upscale", "inputs": {"image": "in.image", "model": "model.model"}},
        "mirror": {"type": "image.flip", "inputs": {"image": "up.image"}},
        "name": {"type": "text.join", "inputs": {"texts": ["in.name", "in.index"]}},
        "still": {"type": "image.save", "params": {"directory": desk.at("stills")},
            "inputs": {"image": "in.image", "name": "name.text"}},
        "large": {"type": "output", "inputs": {"image": "up.image"}},
        "mirrored": {"type": "video.save", "params": {"path": "mirrored.mkv", "encode": "ffv1"},
            "inputs": {"image": "mirror.image"}}});
    let both = chain(&desk, nodes);
    let large = desk.at("large.mkv");
    // What the film for one of them is called, stands in the chain.
    let report = run(&both, [film.as_os_str(), "-o".as_ref(), large.as_os_str(), "--json".as_ref()]).json(0);
    assert_eq!(report["done"].as_array().map(Vec::len), Some(2), "{report}");
    let mirrored = desk.at("mirrored.mkv");
    assert_eq!((size_of(&large), size_of(&mirrored)), ((128, 96), (128, 96)));
    let (a, b) = (frame_hashes(&large), frame_hashes(&mirrored));
    assert!(a.len() == 6 && b.len() == 6 && a != b);
    // Nodes that act do so once.
    assert_eq!(std::fs::read_dir(desk.at("stills")).expect("stills").count(), 6);
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());

    // Both named, and the stills by what is left to do when only the second is.
    let (other, l) = (desk.at("other.mkv"), desk.at("l.mkv"));
    let outputs = ["-o".into(), named("mirrored", &other), "-o".into(), named("large", &l)];
    let args =
        [film.clone().into(), "--set=still.existing=overwrite".into()].into_iter().chain(outputs.clone());
    let ran = run(&both, args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("[2/2]") && ran.stderr.contains("other.mkv"), "{ran:?}");
    assert_eq!((frame_hashes(&other), frame_hashes(&l)), (b, a));
    std::fs::remove_file(&other).and_then(|()| std::fs::remove_dir_all(desk.at("stills"))).expect("removed");
    let ran = run(&both, [film.clone().into(), "--skip-existing".into()].into_iter().chain(outputs));
    assert!(ran.code == Some(0) && other.exists(), "{ran:?}");
    assert_eq!(std::fs::read_dir(desk.at("stills")).expect("stills").count(), 6);
}

#[test]
fn an_output_fails_alone() {
    if !has_ffmpeg("chains with an output that fails") {
        return;
    }
    let desk = Desk::new();
    let film = film(&desk, "in.mkv", "64x48", 3);
    let nodes = serde_json::json!({
        "in": {"type": "input"},
        "cut": {"type": "image.crop", "params": {"mode": "border", "amount": 40}, "inputs": {"image": "in.image"}},
        "plain": {"type": "output", "inputs": {"image": "in.image"}},
        "small": {"type": "output", "inputs": {"image": "cut.image"}}});
    let chain = chain(&desk, nodes);
    let (plain, small) = (desk.at("plain.mkv"), desk.at("small.mkv"));
    let args =
        [film.clone().into(), "-o".into(), named("small", &small), "-o".into(), named("plain", &plain)];
    let ran = run(&chain, args);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.stderr.contains("node cut") && ran.stderr.contains("(for ") && ran.stderr.contains("small.mkv"),
        "{ran:?}"
    );
    assert_eq!(frame_hashes(&plain), frame_hashes(&film));
    assert!(!small.exists());
}

#[test]
fn every_input_of_a_chain_has_its_own_output() {
    if !has_ffmpeg("chains with several inputs") {
        return;
    }
    let desk = Desk::new();
    let films = [film(&desk, "a.mkv", "64x48", 4), film(&desk, "b.mkv", "32x24", 7)];
    let nodes = serde_json::json!({
        "one": {"type": "input"}, "two": {"type": "video.load"},
        "mirror": {"type": "image.flip", "inputs": {"image": "one.image"}},
        "first": {"type": "output", "inputs": {"image": "mirror.image"}},
        "second": {"type": "output", "inputs": {"image": "two.image"}}});
    let chain = chain(&desk, nodes);
    let (first, second) = (desk.at("first.mkv"), desk.at("second.mkv"));
    let outputs: [OsString; 4] = ["-o".into(), named("first", &first), "-o".into(), named("second", &second)];
    let inputs = [named("one", &films[0]), named("two", &films[1])];
    let ran = run(&chain, inputs.iter().chain(&outputs));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((size_of(&first), size_of(&second)), ((64, 48), (32, 24)));
    assert_eq!(frame_hashes(&second), frame_hashes(&films[1]));
    assert_eq!(frame_hashes(&first).len(), 4);

    // What is not said clearly is asked for.
    for (args, expected) in [
        (vec![films[0].clone().into()], "the chain has several inputs, one and two; say which: one=PATH"),
        (vec![named("one", &films[0])], "node two, path: no path is given"),
        (vec![named("two", &films[1])], "nothing is named for the input one"),
        (inputs.to_vec(), "where to with first? give -o first=OUTPUT"),
    ] {
        let ran = run(&chain, &args);
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{expected}: {ran:?}");
    }
    let same = ["-o".into(), named("first", &first), "-o".into(), named("second", &first)];
    let ran = run(&chain, inputs.iter().chain(&same));
    assert!(ran.code == Some(2) && ran.stderr.contains("would both become"), "{ran:?}");
    let twice = ["-o".into(), named("first", &second)];
    let ran = run(&chain, inputs.iter().chain(&outputs).chain(&twice));
    assert!(ran.code == Some(2) && ran.stderr.contains("both named for the output first"), "{ran:?}");
    // No output may be an input, of whichever stream; and one file has one name.
    let before = frame_hashes(&films[1]);
    let onto =
        ["-o".into(), named("first", &films[1]), "-o".into(), named("second", &second), "--overwrite".into()];
    let ran = run(&chain, inputs.iter().chain(&onto));
    assert!(ran.code == Some(2) && ran.stderr.contains("is an input itself"), "{ran:?}");
    assert_eq!(frame_hashes(&films[1]), before);
    let other_name = desk.folder.path().join(".").join("first.mkv");
    let same = [
        "-o".into(),
        named("first", &first),
        "-o".into(),
        named("second", &other_name),
        "--overwrite".into(),
    ];
    let ran = run(&chain, inputs.iter().chain(&same));
    assert!(ran.code == Some(2) && ran.stderr.contains("would both become"), "{ran:?}");
    let mistyped = ["-o".into(), named("first", &first), "-o".into(), named("secnd", &second)];
    let ran = run(&chain, inputs.iter().chain(&mistyped));
    assert!(ran.code == Some(2) && ran.stderr.contains("the chain has first and second"), "{ran:?}");
}

#[test]
fn pictures_have_several_outputs_too() {
    let desk = Desk::new();
    let picture = desk.at("in.png");
    workbench::picture(&picture, 20, 10, 3);
    let nodes = serde_json::json!({
        "in": {"type": "input"},
        "mirror": {"type": "image.flip", "inputs": {"image": "in.image"}},
        "plain": {"type": "output", "inputs": {"image": "in.image"}},
        "mirrored": {"type": "output", "inputs": {"image": "mirror.image"}}});
    let chain = chain(&desk, nodes);
    let [plain, mirrored] = ["plain", "mirrored"].map(|name| desk.at(name));
    std::fs::create_dir_all(&plain).and_then(|()| std::fs::create_dir_all(&mirrored)).expect("folders");
    let args: [OsString; 5] = [
        picture.clone().into(),
        "-o".into(),
        named("plain", &plain),
        "-o".into(),
        named("mirrored", &mirrored),
    ];
    let ran = run(&chain, args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let read = |path: &Path| pegbar_media::still::read(path).expect("a picture").image.data;
    assert_eq!(read(&plain.join("in.png")), read(&picture));
    assert_ne!(read(&mirrored.join("in.png")), read(&picture));
}

#[test]
fn an_input_that_leads_nowhere_is_told() {
    let desk = Desk::new();
    let nodes = serde_json::json!({
        "one": {"type": "input"}, "two": {"type": "input"},
        "out": {"type": "output", "inputs": {"image": "one.image"}}});
    let ran = run(&chain(&desk, nodes), ["one=a.mkv", "two=b.mkv", "-o", "c.mkv"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("nothing of two reaches an output"), "{ran:?}");
}

#[test]
fn an_input_that_a_switch_does_not_take_is_none() {
    let desk = Desk::new();
    let nodes = serde_json::json!({
        "film": {"type": "video.load", "params": {"path": "nowhere.mkv"}},
        "picture": {"type": "image.solid_colour", "params": {"width": 8, "height": 6}},
        "which": {"type": "value.switch", "params": {"index": 1}, "inputs": {"values": ["film.image", "picture.image"]}},
        "save": {"type": "image.save", "params": {"directory": ".", "name": "x"}, "inputs": {"image": "which.value"}}});
    let file = chain(&desk, nodes);
    let ran = pegbar(["run".as_ref(), file.as_os_str()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(desk.at("x.png").exists(), "{ran:?}");
    let ran = pegbar(["run".as_ref(), file.as_os_str(), "--set=which.index=0".as_ref()]);
    assert!(ran.code != Some(0) && ran.stderr.contains("input"), "{ran:?}");
}
