//! Every file of the reference collection loads, as the reference counted it.

mod support;

use pegbar_formats::{ContainerFormat, read_state_dict};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_reference_file_loads_with_the_keys_and_types_it_was_saved_with() {
    let Some(folder) = support::shared("golden", "the reference collection") else { return };
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut n_cases = 0;
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let name = case["case"].as_str().unwrap();
        let file = read_state_dict(&folder.join(case["file"].as_str().unwrap()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let container = &case["container"];
        let tensors = &file.state_dict;

        assert_eq!(tensors.len() as u64, case["state_keys"].as_u64().unwrap(), "{name}: state_keys");
        let format = match container["format"].as_str().unwrap() {
            "pth-zip" | "ckpt" => ContainerFormat::PthZip,
            "legacy" => ContainerFormat::PthLegacy,
            "safetensors" => ContainerFormat::Safetensors,
            other => panic!("{name}: format {other}"),
        };
        assert_eq!(file.container.format, format, "{name}: format");
        let wrapper = match container["wrap"].as_str() {
            None | Some("flat") => None,
            Some("lightning") => Some("state_dict"),
            Some("both") => Some("params_ema"),
            wrapper => wrapper,
        };
        assert_eq!(file.container.wrapper.as_deref(), wrapper, "{name}: wrapper");
        let prefix = container["prefix"].as_str().filter(|prefix| !prefix.is_empty());
        assert_eq!(file.container.prefix.as_deref(), prefix, "{name}: prefix");
        assert_eq!(file.warnings, Vec::<String>::new(), "{name}: warnings");

        let types: BTreeSet<&str> = tensors.iter().map(|(_, t)| t.dtype().name()).collect();
        let expected: BTreeSet<&str> =
            container["dtypes"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        assert_eq!(types, expected, "{name}: types");

        let parameters: usize = tensors
            .iter()
            .filter(|(key, t)| t.dtype().is_float() && !is_buffer(key))
            .map(|(_, t)| t.n_elements())
            .sum();
        // The reference counts the one slope that 37 names of MPRNet share once.
        let tied = if name == "mprnet" { 36 } else { 0 };
        assert_eq!((parameters - tied) as u64, case["parameters"].as_u64().unwrap(), "{name}: parameters");
        for (key, tensor) in tensors.iter() {
            let values = tensor.to_f32();
            assert_eq!(values.len(), tensor.n_elements(), "{name}: {key}");
            assert!(
                values.iter().all(|v| v.is_finite() || *v == f32::NEG_INFINITY),
                "{name}: {key} is not finite"
            );
        }
        n_cases += 1;
    }
    assert_eq!(n_cases, 74);
}

/// The reference counts learned numbers only; a file also holds what is computed once or followed while training.
fn is_buffer(key: &str) -> bool {
    const BUFFERS: [&str; 15] = [
        "running_mean",
        "running_var",
        "attn_mask",
        "attn_mask_0",
        "attn_mask_1",
        "relative_coords_table",
        "init_pos",
        "rpe_biases",
        "biases_v",
        "biases_h",
        "table_w",
        "table_sh",
        "no_norm",
        "pro",
        "kernel",
    ];
    key.rsplit('.').next().is_some_and(|last| BUFFERS.contains(&last))
}
