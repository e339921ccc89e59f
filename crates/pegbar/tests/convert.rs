//! Models converted and merged by the built binary; other programs run what it writes, where they are there.

mod workbench;

use pegbar_formats::{StateDict, Tensor, pth, read_state_dict, safetensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use workbench::{Desk, RUN_NCNN, Ran, agrees, leftovers, pegbar, python, run_in_python, shared};

fn convert(input: &Path, output: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["models".as_ref(), "convert".as_ref(), input.as_os_str(), output.as_os_str()];
    args.extend(more.iter().map(std::ffi::OsStr::new));
    pegbar(args)
}

/// Reference models by the start of their name.
fn golden(folder: &Path, case: &str) -> PathBuf {
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).expect("the list of cases");
    let named = |line: &str| -> Option<PathBuf> {
        let json: serde_json::Value = serde_json::from_str(line).ok()?;
        (json["case"] == case).then(|| folder.join(json["file"].as_str().unwrap_or_default()))
    };
    text.lines().find_map(named).unwrap_or_else(|| panic!("there is no case {case}"))
}

#[test]
fn weights_keep_names_and_values() {
    let desk = Desk::new();
    let original = read_state_dict(&desk.model).expect("readable").state_dict;
    for extension in ["pth", "safetensors"] {
        let output = desk.at(&format!("copy.{extension}"));
        let json = convert(&desk.model, &output, &["--json"]).json(0);
        assert_eq!((&json["architecture"], &json["max_abs_err"]), (&"Compact".into(), &0.0.into()), "{json}");
        let copy = read_state_dict(&output).expect("readable").state_dict;
        assert_eq!(copy.len(), original.len());
        for (name, tensor) in original.iter() {
            assert_eq!(copy.get(name).expect("the same names").to_f32(), tensor.to_f32(), "{name}");
        }
        // There it stays.
        let again = convert(&desk.model, &output, &[]);
        assert!(again.code == Some(1) && again.stderr.contains("exists already"), "{again:?}");
    }
    let half = desk.at("half.safetensors");
    assert_eq!(convert(&desk.model, &half, &["--half"]).code, Some(0));
    let sizes = [&half, &desk.model].map(|path| path.metadata().expect("there").len());
    assert!(sizes[0] * 3 < sizes[1] * 2, "{sizes:?}");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_cannot_be_converted_is_said() {
    let desk = Desk::new();
    let other = convert(&desk.model, &desk.at("x.bin"), &[]);
    assert!(other.code == Some(2) && other.stderr.contains(".onnx"), "{other:?}");
    let graph = desk.at("graph.onnx");
    assert_eq!(convert(&desk.model, &graph, &[]).code, Some(0));
    let back = convert(&graph, &desk.at("back.pth"), &[]);
    assert!(back.code == Some(1) && back.stderr.contains("names"), "{back:?}");
    let missing = convert(&desk.at("none.pth"), &desk.at("y.onnx"), &[]);
    assert!(missing.code == Some(1) && missing.stderr.contains("none.pth"), "{missing:?}");
    let text = desk.at("text.pth");
    std::fs::write(&text, "hello").expect("written");
    assert_eq!(convert(&text, &desk.at("z.onnx"), &[]).code, Some(1));
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn models_are_mixed() {
    let desk = Desk::new();
    let first = read_state_dict(&desk.model).expect("readable").state_dict;
    let second = desk.at("second.pth");
    let doubled = first
        .iter()
        .map(|(name, tensor)| {
            let values = tensor.to_f32().iter().map(|v| 2.0 * v).collect();
            (name.to_owned(), Tensor::from_f32(tensor.shape().to_vec(), values).expect("sizes"))
        })
        .collect();
    pth::write(&second, &doubled, Some("params_ema")).expect("written");
    let output = desk.at("mixed.safetensors");
    let merge = |a: &Path, b: &Path, output: &Path, more: &[&str]| {
        let mut args: Vec<&std::ffi::OsStr> =
            vec!["models".as_ref(), "merge".as_ref(), a.as_ref(), b.as_ref()];
        args.extend(["-o".as_ref(), output.as_os_str()]);
        args.extend(more.iter().map(std::ffi::OsStr::new));
        pegbar(args)
    };
    assert_eq!(merge(&desk.model, &second, &output, &["--weight=0.25"]).code, Some(0));
    let mixed = read_state_dict(&output).expect("readable").state_dict;
    for (name, tensor) in first.iter() {
        let found = mixed.get(name).expect("the same names").to_f32();
        assert!(found.iter().zip(tensor.to_f32()).all(|(x, y)| (x - 1.25 * y).abs() < 1e-6), "{name}");
    }
    let other = desk.at("other.safetensors");
    safetensors::write(&other, &workbench::compact(3, 16, 1, 2), &BTreeMap::new()).expect("written");
    let refused = merge(&desk.model, &other, &desk.at("never.pth"), &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("body.0.weight is"), "{refused:?}");
    let wrong = merge(&desk.model, &second, &desk.at("never.pth"), &["--weight=2"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("from 0 to 1"), "{wrong:?}");
}

/// Of an ESRGAN with one up-convolution and the old keys, only the name tells 3x from 2x.
#[test]
fn a_scale_that_only_the_name_tells_is_kept() {
    let desk = Desk::new();
    let mut dict = StateDict::new();
    let mut conv = |name: &str, out: usize, input: usize| {
        let values = (0..out * input * 9).map(|i| ((i * 7 % 11) as f32 - 5.0) * 0.004).collect();
        let weight = Tensor::from_f32(vec![out, input, 3, 3], values).expect("sizes");
        dict.insert(format!("{name}.weight"), weight);
        dict.insert(format!("{name}.bias"), Tensor::from_f32(vec![out], vec![0.1; out]).expect("sizes"));
    };
    let (features, growth) = (8, 4);
    conv("model.0", features, 3);
    for (rdb, i) in (1..=3).flat_map(|rdb| (1..=5).map(move |i| (rdb, i))) {
        let out = if i == 5 { features } else { growth };
        conv(&format!("model.1.sub.0.RDB{rdb}.conv{i}.0"), out, features + (i - 1) * growth);
    }
    conv("model.1.sub.1", features, features);
    conv("model.3", features, features);
    conv("model.5", features, features);
    conv("model.7", 3, features);
    let original = desk.at("esrgan_x3.pth");
    pth::write(&original, &dict, None).expect("written");

    let plain = desk.at("foo.safetensors");
    let refused = convert(&original, &plain, &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("3x_foo.safetensors"), "{refused:?}");
    let named = desk.at("3x_foo.safetensors");
    assert_eq!(convert(&original, &named, &["--json"]).json(0)["scale"], 3);
    assert_eq!(convert(&original, &desk.at("foo.onnx"), &["--json"]).json(0)["scale"], 3);

    let merge = |output: &Path, more: &[&str]| {
        let mut args = vec!["models".as_ref(), "merge".as_ref(), original.as_os_str(), named.as_os_str()];
        args.extend(["-o".as_ref(), output.as_os_str()]);
        args.extend(more.iter().map(std::ffi::OsStr::new));
        pegbar(args)
    };
    let refused = merge(&plain, &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("3x_foo.safetensors"), "{refused:?}");
    assert!(!plain.exists());
    assert_eq!(merge(&desk.at("mixed_3x.safetensors"), &["--json"]).json(0)["scale"], 3);
    // What the user says counts for more than the names of the inputs.
    let twice = merge(&desk.at("2x_mixed.safetensors"), &["--model-scale=2"]);
    assert!(twice.code == Some(0) && !twice.stderr.contains(".pegbar-"), "{twice:?}");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

/// ncnn's file has no place for the least side that a network takes.
#[test]
fn a_least_side_that_ncnn_cannot_say_is_noted() {
    let desk = Desk::new();
    let output = desk.at("plain.param");
    let notes = convert(&desk.model, &output, &["--json"]).json(0)["notes"].to_string();
    assert!(!notes.contains("cannot say"), "{notes}");
    // Mirrored by three pixels, which a picture of three has not.
    let graph = "7767517\n3 3\nInput data 0 1 data\nPadding pad 1 1 data padded 0=3 1=3 2=3 3=3 4=2\n\
                 Convolution conv 1 1 padded out 0=3 1=7 5=1 6=441\n";
    let mirrored = desk.at("mirrored.param");
    std::fs::write(&mirrored, graph).expect("written");
    std::fs::write(desk.at("mirrored.bin"), [0; 4 * (1 + 441 + 3)]).expect("written");
    let notes = convert(&mirrored, &desk.at("least.param"), &["--json"]).json(0)["notes"].to_string();
    assert!(notes.contains("4 px or more, which an ncnn file cannot say"), "{notes}");
}

#[test]
fn the_cost_of_a_model_is_told() {
    let desk = Desk::new();
    let model = desk.model.to_str().expect("UTF-8");
    let json = pegbar(["models", "info", model, "--size=64x48", "--json"]).json(0);
    assert_eq!((&json["architecture"], &json["estimated"]), (&"Compact".into(), &false.into()), "{json}");
    assert!(
        json["seconds_per_frame"].as_f64() > Some(0.0) && json["memory_bytes"].as_u64() > Some(10_000),
        "{json}"
    );
    assert_eq!(json["safe_precision"], "fast");
    let text = pegbar(["models", "info", model, "--size=64x48"]);
    assert!(text.code == Some(0) && text.stdout.contains("s for a frame of 64x48"), "{text:?}");
}

/// For `run_in_python`; of whatever precision the model is.
const RUN_ONNX: &str = "\
import onnxruntime
def run(path, x):
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    kind = numpy.float16 if 'float16' in session.get_inputs()[0].type else numpy.float32
    return session.run(None, {'input': x.astype(kind)})[0]";

#[test]
fn onnx_runtime_computes_the_same() {
    let Some(shared) = shared("ONNX Runtime") else { return };
    let Some(python) = python("onnxruntime, numpy", "ONNX Runtime") else { return };
    let golden_folder = shared.join("golden");
    let desk = Desk::new();
    for case in [
        "compact_x2_nf16_nc3",
        "esrgan_x4_real",
        "esrgan_x2_unshuffle",
        "span_x4_norm_stale",
        "dat_x2",
        "dat_light_x2",
        "swinir_x2_classical",
        "swinir_x4_real",
        "realplksr_x2",
        "realplksr_x4_dysample",
        "omnisr_x2",
        "hat_x2",
        "swin2sr_x2",
        "rgt_x2",
        "scunet",
        "nafnet",
        "restormer",
    ] {
        let model = golden(&golden_folder, case);
        let expected = golden_folder.join(format!("{case}.golden.safetensors"));
        let onnx = desk.at(&format!("{case}.onnx"));
        let ran = convert(&model, &onnx, &[]);
        assert_eq!(ran.code, Some(0), "{case}: {ran:?}");
        let theirs = run_in_python(&python, RUN_ONNX, &onnx, &expected, desk.folder.path());
        agrees(&model, &theirs, "1e-4");
        agrees(&onnx, &expected, "1e-4");
    }
}

/// Smaller than the network takes, and so long that the mirror image of the short side ends before a whole window.
#[test]
fn onnx_runtime_computes_the_same_of_small_pictures() {
    let Some(shared) = shared("ONNX Runtime") else { return };
    let Some(python) = python("onnxruntime, numpy", "ONNX Runtime") else { return };
    let golden_folder = shared.join("golden");
    let desk = Desk::new();
    for (case, scale) in [
        ("swinir_x2_classical", 2),
        ("dat_x2", 2),
        ("hat_x2", 2),
        ("esrgan_x2_unshuffle", 2),
        ("esrgan_x1_old", 1),
        ("esrgan_x2_old", 2),
    ] {
        let model = golden(&golden_folder, case);
        let onnx = desk.at(&format!("{case}.onnx"));
        let ran = convert(&model, &onnx, &[]);
        assert_eq!(ran.code, Some(0), "{case}: {ran:?}");
        for [height, width] in [[1, 1], [2, 3], [7, 120], [70, 5]] {
            // Without a multiple to keep, these stay plain operators, which take two pixels at least.
            if height < 2 && matches!(case, "esrgan_x1_old" | "esrgan_x2_old") {
                continue;
            }
            let values = |n: usize| (0..n).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
            let picture = |height, width| {
                Tensor::from_f32(vec![1, 3, height, width], values(3 * height * width)).expect("sizes agree")
            };
            let input = desk.at("small.safetensors");
            let tensors =
                [("input", picture(height, width)), ("output", picture(height * scale, width * scale))];
            let dict = tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into_iter().collect();
            safetensors::write(&input, &dict, &BTreeMap::new()).expect("written");
            eprintln!("{case}, {width}x{height}");
            let theirs = run_in_python(&python, RUN_ONNX, &onnx, &input, desk.folder.path());
            agrees(&model, &theirs, "1e-4");
            agrees(&onnx, &theirs, "1e-4");
        }
    }
}

/// Cosines of vectors that are nothing, as those around a picture are, are no numbers unless half precision holds what they
/// are divided by.
#[test]
fn onnx_runtime_computes_in_half_precision() {
    let Some(shared) = shared("ONNX Runtime") else { return };
    let Some(python) = python("onnxruntime, numpy", "ONNX Runtime") else { return };
    let golden_folder = shared.join("golden");
    let desk = Desk::new();
    for case in ["swin2sr_x2", "grl_x2"] {
        let model = golden(&golden_folder, case);
        let expected = golden_folder.join(format!("{case}.golden.safetensors"));
        let onnx = desk.at(&format!("{case}.onnx"));
        let made = convert(&model, &onnx, &["--half", "--json"]).json(0);
        assert!(made["notes"].to_string().contains("half precision"), "{made}");
        let theirs = run_in_python(&python, RUN_ONNX, &onnx, &expected, desk.folder.path());
        agrees(&model, &theirs, "2e-2");
    }
    let safe = convert(&desk.model, &desk.at("safe.onnx"), &["--half", "--json"]).json(0);
    assert_eq!(safe["notes"], serde_json::json!([]), "{safe}");
}

#[test]
fn ncnn_computes_the_same() {
    let Some(shared) = shared("ncnn") else { return };
    let Some(python) = python("ncnn, numpy", "ncnn") else { return };
    let golden_folder = shared.join("golden");
    let desk = Desk::new();
    for case in [
        "compact_x4_nf24_nc4",
        "compact_x2_nf16_nc3",
        "esrgan_x4_real",
        "esrgan_x4_lite",
        "span_x2_no_norm",
        "dncnn",
    ] {
        let model = golden(&golden_folder, case);
        let expected = golden_folder.join(format!("{case}.golden.safetensors"));
        let param = desk.at(&format!("{case}.param"));
        let ran = convert(&model, &param, &[]);
        assert_eq!(ran.code, Some(0), "{case}: {ran:?}");
        let theirs = run_in_python(&python, RUN_NCNN, &param, &expected, desk.folder.path());
        agrees(&model, &theirs, "2e-3");
    }
}
