//! Networks written as ONNX and read again are the same networks.

mod support;

use pegbar_formats::onnx;
use pegbar_net::{Model, OnnxOptions, export_onnx, import_onnx};
use support::{Numbers, max_abs_err, run_padded, shared};

#[test]
fn every_network_comes_back_from_onnx() {
    let Some(golden) = shared("networks written as ONNX", "golden") else { return };
    let mut files: Vec<_> = std::fs::read_dir(&golden)
        .expect("readable")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_model = [".pth", ".ckpt", ".safetensors"].iter().any(|end| name.ends_with(end));
            is_model && !name.contains(".golden.")
        })
        .collect();
    files.sort();
    let mut n_models = 0;
    let mut failures = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Those that are not built are no business of this test.
        let Ok(model) = Model::from_file(&file) else { continue };
        n_models += 1;
        let exported = match export_onnx(&model, OnnxOptions::default()) {
            Ok(exported) => exported,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let bytes = onnx::to_bytes(&exported).expect("written");
        let again = match import_onnx(&onnx::read_bytes(&bytes, None).expect("read")) {
            Ok(again) => again,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        assert_eq!(again.scale, model.scale, "{name}");
        assert_eq!(
            (again.input_channels, again.output_channels),
            (model.input_channels, model.output_channels),
            "{name}"
        );
        let (found, expected) = (again.net.size_rule, model.net.size_rule);
        if found != expected {
            failures.push(format!("{name}: {found:?}, should be {expected:?}"));
        }
        let size = model.net.size_rule.minimum.max(17);
        let input = Numbers(5).value([1, model.input_channels, size, size + 6]);
        let expected = run_padded(&model.net, &input, model.scale);
        let error = max_abs_err(&run_padded(&again.net, &input, model.scale), &expected);
        eprintln!(
            "{name}: differs by {error:.1e}, {} nodes, {} again",
            model.net.nodes.len(),
            again.net.nodes.len()
        );
        if error.is_nan() || error > 2e-6 {
            failures.push(format!("{name}: differs by {error}"));
        }
    }
    assert!(n_models >= 19, "only {n_models} models");
    assert!(failures.is_empty(), "{failures:#?}");
}
