//! What `--json` reports: the names of the fields are a promise to scripts.

mod workbench;

use serde_json::Value;
use std::collections::BTreeSet;
use workbench::{ffmpeg, has_ffmpeg, pegbar, picture, small_model};

/// Paths of all fields with the type of their values; list elements share one path.
fn fields(value: &Value) -> String {
    fn walk(value: &Value, path: &str, out: &mut BTreeSet<String>) {
        let kind = match value {
            Value::Object(map) => return map.iter().for_each(|(k, v)| walk(v, &format!("{path}.{k}"), out)),
            Value::Array(items) => return items.iter().for_each(|v| walk(v, &format!("{path}[]"), out)),
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
        };
        out.insert(format!("{path}: {kind}"));
    }
    let mut out = BTreeSet::new();
    walk(value, "", &mut out);
    out.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn models() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let model = small_model(folder.path(), 2);
    let model = model.to_str().expect("UTF-8");
    let mut inspected = pegbar(["models", "inspect", model, "--json"]).json(0);
    inspected["file"] = "FILE".into();
    insta::assert_json_snapshot!("models_inspect", inspected);
    let bench =
        pegbar(["bench", model, "--size", "32x24", "--threads", "1", "--runs", "3", "--json"]).json(0);
    insta::assert_snapshot!("bench", fields(&bench));
    assert_eq!((&bench["width"], &bench["height"], &bench["runs"]), (&32.into(), &24.into(), &3.into()));
    assert!(bench["seconds_per_frame"].as_f64().expect("number") > 0.0);
    let video =
        pegbar(["bench", model, "--size", "32x24", "--threads", "2", "--runs", "3", "--video", "--json"])
            .json(0);
    insta::assert_snapshot!("bench_video", fields(&video["video"]));
    assert_eq!((&video["video"]["frames_at_once"], &video["video"]["frames"]), (&2.into(), &6.into()));
    let explained = pegbar(["bench", model, "--size", "32x24", "--runs", "1", "--explain", "--json"]).json(0);
    assert!(explained["steps"].as_array().expect("steps").len() >= 3);
}

#[test]
fn upscale_and_metrics() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let model = small_model(folder.path(), 1);
    let (a, b) = (folder.path().join("a.png"), folder.path().join("b.png"));
    picture(&a, 200, 180, 3);
    let [m, a, b] = [&model, &a, &b].map(|p| p.to_str().expect("UTF-8"));
    insta::assert_snapshot!("upscale", fields(&pegbar(["upscale", a, "-m", m, "-o", b, "--json"]).json(0)));
    insta::assert_snapshot!("metrics", fields(&pegbar(["metrics", a, b, "--json"]).json(0)));
}

#[test]
fn probe_and_doctor() {
    if !has_ffmpeg("probe and doctor") {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let clip = folder.path().join("clip.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=32x24:r=10:d=1 -f lavfi -i sine=d=1 -c:v libx264 -preset ultrafast -colorspace bt709 \
         -c:a aac @0",
        &[&clip],
    );
    insta::assert_snapshot!(
        "probe",
        fields(&pegbar(["probe", clip.to_str().expect("UTF-8"), "--json"]).json(0))
    );
    let doctor = pegbar(["doctor", "--json"]).json(0);
    for field in ["version", "cpu_level", "cores", "memory_available_mib", "ffmpeg", "problems"] {
        assert!(!doctor[field].is_null(), "{field} in {doctor}");
    }
}
