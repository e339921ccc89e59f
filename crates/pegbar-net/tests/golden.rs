//! Every architecture against the Python reference: detection, hyper-parameters, output.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_formats::{StateDict, Tensor, pth, read_state_dict, safetensors};
use pegbar_net::{ARCHITECTURES, Model, ModelError, Value, interpret};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{max_abs_err, run_padded, shared};

struct Case {
    folder: PathBuf,
    json: Json,
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.json[key].as_str().expect("a string")
    }

    fn number(&self, key: &str) -> usize {
        self.json[key].as_u64().expect("a number") as usize
    }

    fn file(&self) -> PathBuf {
        self.folder.join(self.text("file"))
    }

    fn ours(&self) -> bool {
        ARCHITECTURES.iter().any(|architecture| architecture.id == self.text("arch_id"))
    }

    fn golden(&self) -> (Value, Value) {
        let tensors = read_state_dict(&self.folder.join(self.text("golden"))).expect("readable").state_dict;
        (value(&tensors, "input"), value(&tensors, "output"))
    }
}

fn value(tensors: &StateDict, name: &str) -> Value {
    let tensor = tensors.get(name).expect("present");
    Value { shape: tensor.shape().try_into().expect("rank 4"), data: tensor.to_f32() }
}

fn cases(what: &str) -> Vec<Case> {
    let Some(folder) = shared(what, "golden") else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).expect("readable");
    let parse = |line| Case { folder: folder.clone(), json: serde_json::from_str(line).expect("JSON") };
    text.lines().map(parse).collect()
}

fn state_dict(path: &Path) -> StateDict {
    read_state_dict(path).expect("readable").state_dict
}

#[test]
fn golden_cases_are_reproduced() {
    let cases: Vec<Case> = cases("golden cases").into_iter().filter(Case::ours).collect();
    let mut failures = Vec::new();
    for case in &cases {
        let name = case.text("case");
        let model = Model::from_file(&case.file()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(model.architecture, case.text("arch_id"), "{name}");
        assert_eq!(model.architecture_name, case.text("arch_name"), "{name}");
        assert_eq!(model.scale, case.number("scale"), "{name}");
        assert_eq!(model.input_channels, case.number("input_channels"), "{name}");
        assert_eq!(model.output_channels, case.number("output_channels"), "{name}");
        assert_eq!(model.half_safe, case.json["supports_half"], "{name}");
        let rule = &case.json["size_requirements"];
        assert_eq!(model.net.size_rule.minimum as u64, rule["minimum"].as_u64().unwrap().max(1), "{name}");
        // What the reference's module pads by itself is a rule of the net here.
        let stated = rule["multiple_of"].as_u64().unwrap();
        assert!((model.net.size_rule.multiple_of as u64).is_multiple_of(stated), "{name}");
        assert_eq!(model.net.size_rule.square, rule["square"], "{name}");
        let tags: Vec<&str> =
            case.json["tags"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        assert_eq!(model.tags, tags, "{name}");
        for (key, expected) in case.json["hyperparameters"].as_object().unwrap() {
            assert_eq!(model.hyperparameters.get(key), Some(expected), "{name}: {key}");
        }

        let (input, expected) = case.golden();
        let output = run_padded(&model.net, &input, model.scale);
        let error = max_abs_err(&output, &expected);
        let tolerance = case.json["tolerance"].as_f64().unwrap() as f32;
        let simplified = model.net.simplified();
        let simplified_error = max_abs_err(&run_padded(&simplified, &input, model.scale), &output);
        eprintln!(
            "{name}: error {error:.1e}, simplified {simplified_error:.1e}, {} -> {} nodes",
            model.net.nodes.len(),
            simplified.nodes.len()
        );
        if error.is_nan() || error > tolerance {
            failures.push(format!("{name}: error {error} > {tolerance}"));
        }
        if simplified_error.is_nan() || simplified_error > 1e-5 {
            failures.push(format!("{name}: simplified differs by {simplified_error}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A copy in other containers is the same network to the last bit.
#[test]
fn containers_do_not_change_the_network() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases("container round trips").iter().filter(|case| case.ours()) {
        let name = case.text("case");
        let weights = state_dict(&case.file());
        // Without the file's name, which might tell the scale.
        let original = Model::from_state_dict(&weights).unwrap();
        assert_eq!(original.scale, case.number("scale"), "{name}");
        let copies = [folder.path().join("copy.pth"), folder.path().join("copy.safetensors")];
        pth::write(&copies[0], &weights, Some("params_ema")).unwrap();
        safetensors::write(&copies[1], &weights, &BTreeMap::new()).unwrap();
        let mut numbers = support::Numbers(7);
        let rule = original.net.size_rule;
        let side = rule.minimum.max(8).next_multiple_of(rule.multiple_of);
        let input = numbers.value([1, original.input_channels, side, side]);
        let expected = interpret(&original.net, &input).unwrap();
        for copy in copies {
            let model = Model::from_file(&copy).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(model.architecture, original.architecture, "{name}");
            // Written order may differ, so weights are compared through what they compute.
            let output = interpret(&model.net, &input).unwrap();
            let same = expected.data.iter().zip(&output.data).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name}: {}", copy.display());
            std::fs::remove_file(copy).unwrap();
        }
    }
}

#[test]
fn what_is_not_built_is_named() {
    for case in cases("unsupported architectures").iter().filter(|case| !case.ours()) {
        let name = case.text("case");
        let error = match Model::from_file(&case.file()) {
            Err(ModelError::Unsupported { architecture }) => architecture,
            Err(other) => panic!("{name}: {other}"),
            Ok(model) => panic!("{name} was taken for {}", model.architecture),
        };
        let plain = |s: &str| s.replace(['-', ' '], "").to_lowercase();
        let expected = match case.text("arch_id") {
            "PLKSR" if name.starts_with("real") => "RealPLKSR",
            id => id,
        };
        assert_eq!(plain(error), plain(expected), "{name}");
    }
}

/// A sample of each network's tensors, absent or of other sizes: an error or a network, never a panic.
#[test]
fn damage_of_any_architecture_is_no_panic() {
    for case in cases("damaged networks").iter().filter(|case| case.ours()) {
        let weights = state_dict(&case.file());
        let keys: Vec<String> = weights.names().map(str::to_string).collect();
        for (index, key) in keys.iter().enumerate().step_by((keys.len() / 12).max(1)) {
            let mut damaged = weights.clone();
            damaged.tensors.shift_remove(key.as_str());
            let _ = Model::from_state_dict(&damaged);
            let mut shape = weights.get(key).unwrap().shape().to_vec();
            match index % 4 {
                0 => shape.reverse(),
                1 => shape.clear(),
                2 => shape.iter_mut().for_each(|n| *n = 0),
                _ => shape.iter_mut().take(1).for_each(|n| *n *= 2),
            }
            let values = vec![0.5; shape.iter().product()];
            damaged.insert(key.clone(), Tensor::from_f32(shape, values).unwrap());
            if let Ok(model) = Model::from_state_dict(&damaged) {
                model.net.validate().unwrap_or_else(|e| panic!("{}, {key}: {e}", case.text("case")));
            }
        }
    }
}

fn first_case(id: &str) -> Option<StateDict> {
    cases("damaged state dicts")
        .iter()
        .find(|case| case.text("case") == id)
        .map(|case| state_dict(&case.file()))
}

fn message(weights: &StateDict) -> String {
    Model::from_state_dict(weights).expect_err("must not build").to_string()
}

#[test]
fn damaged_state_dicts_are_explained() {
    let Some(weights) = first_case("esrgan_x4_real") else { return };
    let mut lacking = weights.clone();
    lacking.tensors.shift_remove("body.0.rdb2.conv4.weight");
    let text = message(&lacking);
    assert!(text.contains("ESRGAN") && text.contains("body.0.rdb2.conv4.weight"), "{text}");

    let mut extra = weights.clone();
    extra.insert("head.attention.weight", Tensor::from_f32(vec![2], vec![0.0; 2]).unwrap());
    let text = message(&extra);
    assert!(text.contains("ESRGAN") && text.contains("head.attention.weight"), "{text}");

    let mut reshaped = weights.clone();
    reshaped.insert("conv_body.weight", Tensor::from_f32(vec![8, 8, 3, 1], vec![0.0; 192]).unwrap());
    let text = message(&reshaped);
    assert!(text.contains("conv_body.weight") && text.contains("[8, 8, 3, 1]"), "{text}");

    let mut diverged = weights.clone();
    let mut bias = vec![0.0; 8];
    (bias[2], bias[5]) = (f32::NAN, f32::INFINITY);
    diverged.insert("conv_body.bias", Tensor::from_f32(vec![8], bias).unwrap());
    let text = message(&diverged);
    assert!(text.contains("conv_body.bias") && text.contains("2 values of 8"), "{text}");

    let shuffled: StateDict = weights
        .iter()
        .enumerate()
        .map(|(i, (key, tensor))| {
            (if i % 3 == 0 { format!("ema.{key}") } else { key.to_string() }, tensor.clone())
        })
        .collect();
    let text = message(&shuffled);
    assert!(text.contains("Nearest: ESRGAN") && text.contains("ema."), "{text}");
}
