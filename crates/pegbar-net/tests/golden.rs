//! Every architecture against the Python reference: detection, hyper-parameters, output. Of those that the reference
//! data lacks there are small ones in `fixtures/architectures`, made by `fixtures/make_architecture_fixtures.py`.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_formats::{StateDict, Tensor, pth, read_state_dict, safetensors};
use pegbar_net::{ARCHITECTURES, Model, ModelError, Value};
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

/// The cases of the reference data, where it is to be had, and those kept here.
fn cases(what: &str) -> Vec<Case> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures");
    shared(what, "golden").into_iter().chain([fixtures]).flat_map(cases_in).collect()
}

fn cases_in(folder: PathBuf) -> Vec<Case> {
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
        let input = numbers.value([1, original.input_channels, 8, 8]);
        let expected = run_padded(&original.net, &input, original.scale);
        for copy in copies {
            let model = Model::from_file(&copy).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(model.architecture, original.architecture, "{name}");
            // Written order may differ, so weights are compared through what they compute.
            let output = run_padded(&model.net, &input, model.scale);
            let same = expected.data.iter().zip(&output.data).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name}: {}", copy.display());
            std::fs::remove_file(copy).unwrap();
        }
    }
}

/// Without a bias the layers still fit together, and make another picture.
#[test]
fn what_was_lost_from_a_file_is_named() {
    let lost = [
        ("dat_x2", "conv_first.bias"),
        ("hat_x2", "conv_last.bias"),
        ("esrgan_x4_real", "conv_hr.bias"),
        ("esrgan_x2_old", "model.1.sub.0.RDB2.conv3.0.bias"),
        ("swinir_x3_lightweight", "layers.0.residual_group.blocks.1.mlp.fc1.bias"),
        ("compact_x2_nf16_nc3", "body.4.bias"),
        ("compact_x1_nf16_nc2", "body.1.weight"),
    ];
    let cases = cases("files that lack a tensor");
    for (name, key) in lost {
        let Some(case) = cases.iter().find(|case| case.text("case") == name) else { continue };
        let weights = state_dict(&case.file());
        assert!(weights.contains(key), "{name} has no {key}");
        let rest: StateDict =
            weights.iter().filter(|(n, _)| *n != key).map(|(n, t)| (n.to_owned(), t.clone())).collect();
        match Model::from_state_dict(&rest) {
            Err(ModelError::MissingKey { key: named, .. }) => assert_eq!(named, key, "{name}"),
            other => panic!("{name} without {key}: {other:?}"),
        }
    }
}

#[test]
fn offsets_that_are_no_numbers_are_told_as_such() {
    let cases = cases("offsets that are no numbers");
    let Some(case) = cases.iter().find(|case| case.text("case") == "dat_x2") else { return };
    let weights = state_dict(&case.file());
    for (value, expected) in [(f32::NAN, "not finite"), (1e30, "1e30")] {
        let spoilt: StateDict = weights
            .iter()
            .map(|(name, tensor)| {
                let values = vec![value; tensor.to_f32().len()];
                let float = Tensor::from_f32(tensor.shape().to_vec(), values).unwrap();
                (name.to_owned(), if name.ends_with("rpe_biases") { float } else { tensor.clone() })
            })
            .collect();
        let error = Model::from_state_dict(&spoilt).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("rpe_biases"), "{error}");
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

/// Whatever is missing or has another shape, there is a message or a network, never a panic.
#[test]
fn damaged_tensors_never_panic() {
    let mut numbers = support::Numbers(11);
    for case in cases("damaged tensors").iter().filter(|case| case.ours()) {
        let weights = state_dict(&case.file());
        let names: Vec<String> = weights.names().map(str::to_string).collect();
        for _ in 0..60 {
            let mut damaged = weights.clone();
            let name = &names[numbers.below(names.len())];
            let mut shape = weights.get(name).expect("present").shape().to_vec();
            match numbers.below(7) {
                0 => {
                    damaged.tensors.shift_remove(name);
                    let _ = Model::from_state_dict(&damaged);
                    continue;
                }
                1 => shape.reverse(),
                2 => shape = Vec::new(),
                3 => shape.push(2),
                4 if !shape.is_empty() => shape[0] = 0,
                5 if shape.len() > 1 => shape[1] += 1,
                _ => shape = vec![1 + numbers.below(300), 1 + numbers.below(8)],
            }
            let data = (0..shape.iter().product()).map(|_| numbers.signed() * 100.0).collect();
            damaged.insert(name.clone(), Tensor::from_f32(shape, data).unwrap());
            let _ = Model::from_state_dict(&damaged);
        }
    }
}

/// Every architecture with tensors left out, cut and stretched, and layers counted wrongly: a network or a sentence.
#[test]
fn edited_state_dicts_never_panic() {
    let mut numbers = support::Numbers(11);
    let (mut built, mut refused) = (0, 0);
    for case in cases("edited state dicts").iter().filter(|case| case.ours()) {
        let weights = state_dict(&case.file());
        for _ in 0..24 {
            let mut edited = weights.clone();
            for _ in 0..1 + numbers.below(3) {
                let names: Vec<String> = edited.names().map(str::to_string).collect();
                let name = &names[numbers.below(names.len())];
                let tensor = edited.get(name).unwrap().clone();
                match numbers.below(5) {
                    0 => drop(edited.tensors.shift_remove(name)),
                    1 => {
                        // A layer far behind the last one.
                        let at = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
                        let number = ["99999999", "18446744073709551615", "7"][numbers.below(3)];
                        let rest = name[at..].trim_start_matches(|c: char| c.is_ascii_digit());
                        edited.insert(format!("{}{number}{rest}", &name[..at]), tensor);
                    }
                    which => {
                        let mut shape = tensor.shape().to_vec();
                        if which == 2 && !shape.is_empty() {
                            let axis = numbers.below(shape.len());
                            shape[axis] = [0, 1, shape[axis] + 1, 2 * shape[axis], 7, 64][numbers.below(6)];
                        } else if which == 3 {
                            shape.push(1 + numbers.below(2));
                        } else {
                            shape.pop();
                        }
                        let len = shape.iter().product::<usize>();
                        let fill = [0.25, 0.0, -1.0, 3e38, f32::NAN][numbers.below(5)];
                        edited.insert(name.clone(), Tensor::from_f32(shape, vec![fill; len]).unwrap());
                    }
                }
            }
            match Model::from_state_dict(&edited) {
                Ok(_) => built += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    eprintln!("{built} built, {refused} refused");
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
