//! Chains imported, drawn, explained and begun by the built binary.

mod workbench;

use std::path::Path;
use workbench::pegbar;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pegbar-nodes/tests/chn").join(name)
}

fn run(args: &[&Path]) -> (i32, String, String) {
    let ran = pegbar(args);
    (ran.code.unwrap_or(-1), ran.stdout, ran.stderr)
}

#[test]
fn an_import_says_what_is_missing_and_by_its_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("a.json");
    let [chain, import, o] = ["chain", "import", "-o"].map(Path::new);
    let (code, out, error) = run(&[chain, import, &fixture("unknown.chn"), o, &output]);
    assert_eq!(code, 3, "{error}");
    assert!(out.ends_with("3 nodes, 1 of which Pegbar does not have\n"), "{out}");
    assert!(error.contains("image:normal_generator"), "{error}");
    assert!(output.exists());
    // It is there now.
    let (code, _, error) = run(&[chain, import, &fixture("video.chn"), o, &output]);
    assert!(code == 1 && error.contains("--overwrite"), "{error}");
    let (code, out, error) = run(&[
        chain,
        import,
        &fixture("video.chn"),
        o,
        &output,
        Path::new("--overwrite"),
        Path::new("--json"),
    ]);
    assert_eq!(code, 0, "{error}");
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&json["nodes"], &json["placeholders"]), (&4.into(), &0.into()));
    // What is none leaves nothing behind.
    let other = folder.path().join("b.json");
    let (code, _, error) = run(&[chain, import, &output, o, &other]);
    assert!(code == 1 && error.contains("no chain of chaiNNer") && !other.exists(), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn chains_are_begun_drawn_and_written_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let [chain, new, graph, export, o] = ["chain", "new", "graph", "export", "-o"].map(Path::new);
    let (begun, again) = (folder.path().join("a.json"), folder.path().join("b.json"));
    assert_eq!(run(&[chain, new, o, &begun]).0, 0);
    assert_eq!(run(&[chain, export, &begun, o, &again]).0, 0);
    let read = |path: &Path| std::fs::read_to_string(path).expect("written");
    assert_eq!(read(&begun), read(&again), "a template is as Pegbar writes it");
    let drawing = folder.path().join("a.svg");
    assert_eq!(run(&[chain, graph, &begun, o, &drawing]).0, 0);
    assert!(read(&drawing).contains("image.upscale"));
    let (code, out, _) = run(&[chain, graph, &begun]);
    assert!(code == 0 && out.starts_with("flowchart LR\n"), "{out}");
    let (code, _, error) = run(&[chain, graph, &begun, o, &folder.path().join("a.png")]);
    assert!(code == 2 && error.contains(".svg"), "{error}");
    let unknown = ["chain", "new", "--template", "no", "-o", "x.json"].map(Path::new);
    let (code, _, error) = run(&unknown);
    assert!(code == 2 && error.contains("tape-rip"), "{error}");
}

#[test]
fn chains_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    let text = r#"{"pegbar": 1, "title": "Copy", "nodes": {
        "in": {"type": "input"}, "out": {"type": "output", "inputs": {"image": "in"}}}}"#;
    std::fs::write(&file, text).expect("written");
    let (code, out, error) = run(&[Path::new("chain"), Path::new("explain"), &file]);
    assert_eq!(code, 0, "{error}");
    assert!(out.starts_with("Copy\n\nFor each picture of in:\n  1. in (Input): "), "{out}");
    assert!(out.contains("2. out (Output): "), "{out}");
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = folder.path().join("c.json");
    let nodes = r#"{"pegbar": 1, "nodes": {"in": {"type": "input"}, "out": {"type": "output", "inputs": {"image": "in"}}}}"#;
    std::fs::write(&chain, nodes).expect("written");
    let chain = chain.to_str().expect("UTF-8");
    for args in [
        &["chain", "nodes"][..],
        &["chain", "nodes", "image.blend"],
        &["chain", "explain", chain],
        &["chain", "graph", chain],
        &["chain", "check", chain],
    ] {
        let mut child = workbench::binary()
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked") && output.status.code() == Some(0), "{args:?}: {stderr}");
    }
}

#[test]
fn paths_stay_where_they_lead() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["luts", "sub", "other"] {
        std::fs::create_dir(at(name)).expect("made");
    }
    let lut = "LUT_3D_SIZE 2\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";
    std::fs::write(at("luts/a.cube"), lut).expect("written");
    let nodes = r#"{"pegbar": 1, "nodes": {"in": {"type": "input"},
        "lut": {"type": "image.lut", "params": {"file": "luts/a.cube"}, "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "lut"}}}}"#;
    std::fs::write(at("c.json"), nodes).expect("written");
    let in_folder = |folder: &str, args: &[&str]| {
        let output =
            workbench::binary().current_dir(at(folder)).args(args).output().expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let done = (Some(0), String::new());
    assert_eq!(in_folder(".", &["chain", "export", "c.json", "-o", "sub/c.json"]), done);
    let moved = std::fs::read_to_string(at("sub/c.json")).expect("there");
    assert!(moved.contains("\"../luts/a.cube\""), "{moved}");
    assert_eq!(in_folder("other", &["chain", "check", "../sub/c.json"]), done);
    // What is typed is meant from where it is typed.
    std::fs::write(at("other/b.cube"), lut).expect("written");
    assert_eq!(in_folder("other", &["chain", "check", "../c.json", "--set", "lut.file=b.cube"]), done);
    let (code, stderr) = in_folder("other", &["chain", "check", "../c.json", "--set", "lut.file=a.cube"]);
    assert!(code == Some(1) && stderr.contains("a.cube"), "{stderr}");
}
