//! Models as they are published, against outputs of the Python reference.

mod workbench;

use pegbar_formats::{pth, read_state_dict, safetensors};
use pegbar_net::{Model, Value, interpret};
use std::collections::BTreeMap;
use std::path::Path;
use workbench::{pegbar, shared};

/// All of them.
fn cases(golden: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(golden.join("cases.jsonl")).expect("the list of cases");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_case_is_detected_and_agrees() {
    let Some(shared) = shared("golden models") else { return };
    let golden = shared.join("golden");
    let cases = cases(&golden);
    assert!(cases.len() >= 74, "only {} cases", cases.len());
    for case in &cases {
        let name = case["case"].as_str().expect("name");
        let file = golden.join(case["file"].as_str().expect("file"));
        let file = file.to_str().expect("UTF-8");
        let inspected = pegbar(["models", "inspect", file, "--json"]).json(0);
        for (ours, theirs) in [
            ("architecture", "arch_id"),
            ("scale", "scale"),
            ("input_channels", "input_channels"),
            ("output_channels", "output_channels"),
        ] {
            assert_eq!(inspected[ours], case[theirs], "{name}: {ours}");
        }
        let expected = golden.join(case["golden"].as_str().expect("golden"));
        for extra in [&["--tile=off"][..], &["--tile=auto", "--threads=1"], &["--threads=3"]] {
            let tolerance = case["tolerance"].to_string();
            let mut args = vec!["models", "verify", file, "--golden", expected.to_str().expect("UTF-8")];
            args.extend(["--tolerance", &tolerance, "--json"]);
            args.extend(extra);
            let verified = pegbar(&args);
            let json = verified.json(0);
            assert!(
                json["max_abs_err"].as_f64().expect("number") <= case["tolerance"].as_f64().expect("number"),
                "{name}"
            );
        }
    }
}

#[test]
fn rewritten_weights_give_identical_bits() {
    let Some(shared) = shared("rewritten golden models") else { return };
    let golden = shared.join("golden");
    let folder = tempfile::tempdir().expect("temporary folder");
    for case in cases(&golden) {
        let name = case["case"].as_str().expect("name");
        let original =
            read_state_dict(&golden.join(case["file"].as_str().expect("file"))).expect("readable").state_dict;
        let as_pth = folder.path().join(format!("{name}.pth"));
        let as_safetensors = folder.path().join(format!("{name}.safetensors"));
        pth::write(&as_pth, &original, Some("params_ema")).expect("written");
        safetensors::write(&as_safetensors, &original, &BTreeMap::new()).expect("written");
        let rule = Model::from_state_dict(&original).expect("a model").net.size_rule;
        let side = rule.minimum.max(12).next_multiple_of(rule.multiple_of);
        if side > 32 {
            continue; // plain loops would take minutes
        }
        let channels = case["input_channels"].as_u64().expect("n") as usize;
        let input = Value { shape: [1, channels, side, side], data: vec![] };
        let data = workbench::noise(input.shape.iter().product(), 11).iter().map(|v| v * 0.5 + 0.5).collect();
        let input = Value { data, ..input };
        let run = |dict: &pegbar_formats::StateDict| {
            let model = Model::from_state_dict(dict).expect("a model");
            interpret(&model.net, &input).expect("runs").data
        };
        let expected = run(&original);
        for path in [&as_pth, &as_safetensors] {
            let again = read_state_dict(path).expect("readable").state_dict;
            assert_eq!(again.tensors.len(), original.tensors.len(), "{name}: tensors in {}", path.display());
            let output = run(&again);
            let same = output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && output.len() == expected.len(), "{name}: {} differs", path.display());
        }
    }
}

#[test]
fn ncnn_and_safetensors_agree() {
    let Some(shared) = shared("realesr-animevideov3") else { return };
    let folder = tempfile::tempdir().expect("temporary folder");
    let ncnn =
        pegbar_formats::ncnn::read(&shared.join("models/realesr-animevideov3-x4.param")).expect("readable");
    // The state dict of Compact: convolutions at even places, slopes at odd ones.
    let mut dict = pegbar_formats::StateDict::default();
    let mut n = 0;
    let mut input_channels = 3;
    for layer in &ncnn.layers {
        let mut put = |key: String, shape: Vec<usize>, blob: usize| {
            let tensor =
                pegbar_formats::Tensor::from_f32(shape, layer.weights[blob].tensor.to_f32()).expect("sizes");
            dict.tensors.insert(key, tensor);
        };
        match layer.kind.as_str() {
            "Convolution" => {
                let outputs = layer.weights[1].tensor.n_elements();
                put(format!("body.{n}.weight"), vec![outputs, input_channels, 3, 3], 0);
                put(format!("body.{n}.bias"), vec![outputs], 1);
                input_channels = outputs;
                n += 1;
            }
            "PReLU" => {
                let slopes = layer.weights[0].tensor.n_elements();
                put(format!("body.{n}.weight"), vec![slopes], 0);
                n += 1;
            }
            _ => {}
        }
    }
    assert_eq!(n, 35, "18 convolutions and 17 activations");
    let as_safetensors = folder.path().join("animevideo.safetensors");
    safetensors::write(&as_safetensors, &dict, &BTreeMap::new()).expect("written");

    let picture = folder.path().join("in.png");
    workbench::picture(&picture, 45, 31, 3);
    let output = |model: &Path, name: &str| {
        let out = folder.path().join(name);
        let args = [
            "upscale".as_ref(),
            picture.as_os_str(),
            "-m".as_ref(),
            model.as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
        ];
        pegbar(args).code.filter(|&c| c == 0).expect("upscaled");
        pegbar_media::still::read(&out).expect("readable").image
    };
    let a = output(&shared.join("models/realesr-animevideov3-x4.bin"), "a.tiff");
    let b = output(&as_safetensors, "b.tiff");
    assert_eq!((a.width, a.height), (180, 124));
    assert_eq!(a, b);
}

/// A file with two hundred keys that are shuffled, lacking or too many: a sentence that names what it is most like, and some of them.
#[test]
fn many_wrong_keys_make_a_sentence() {
    let Some(shared) = shared("wrong keys") else { return };
    let golden = shared.join("golden");
    let folder = tempfile::tempdir().expect("temporary folder");
    let case = cases(&golden).into_iter().find(|case| case["case"] == "rgt_x2").expect("the case");
    let original =
        read_state_dict(&golden.join(case["file"].as_str().expect("file"))).expect("readable").state_dict;
    let names: Vec<String> = original.names().map(str::to_owned).collect();
    assert!(names.len() > 60, "{} tensors", names.len());
    let refused = |what: &str, dict: &pegbar_formats::StateDict| -> String {
        let path = folder.path().join("wrong.safetensors");
        safetensors::write(&path, dict, &BTreeMap::new()).expect("written");
        let ran = pegbar(["models", "inspect", path.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        assert!(!ran.stderr.contains("panicked") && ran.stderr.len() < 2000, "{what}: {ran:?}");
        ran.stderr
    };
    // Too many.
    let mut extra = original.clone();
    for n in 0..200 {
        extra.insert(format!("optimizer.{n}.state"), original.get(&names[0]).expect("there").clone());
    }
    let said = refused("200 more", &extra);
    assert!(said.contains("RGT") && said.contains("optimizer.0.state") && said.contains("more"), "{said}");
    // Lacking.
    let lacking =
        original.iter().filter(|(name, _)| !name.contains("mlp")).map(|(n, t)| (n.to_owned(), t.clone()));
    let said = refused("lacking", &lacking.collect());
    assert!(said.contains("mlp"), "{said}");
    // Each under the name of another.
    let shuffled = names
        .iter()
        .zip(names.iter().cycle().skip(7))
        .map(|(name, other)| (name.clone(), original.get(other).expect("there").clone()));
    let said = refused("shuffled", &shuffled.collect());
    assert!(names.iter().any(|name| said.contains(name.as_str())), "{said}");
}
