//! Imported graphs compute what ONNX Runtime and ncnn compute, operator by operator and for whole networks, and what
//! cannot be imported is refused with a sentence. `fixtures/make_import_fixtures.py` made the graphs and the numbers.

mod support;

use pegbar_formats::read_state_dict;
use pegbar_net::{Model, Value, interpret};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::max_abs_err;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import")
}

fn refusals() -> BTreeMap<String, String> {
    let table = std::fs::read_to_string(fixtures().join("refused.tsv")).expect("table of refused graphs");
    table
        .lines()
        .map(|line| line.split_once('\t').expect("name and message"))
        .map(|(name, part)| (name.to_owned(), part.to_owned()))
        .collect()
}

fn graphs(folder: &Path, extension: &str) -> Vec<(String, PathBuf)> {
    let mut graphs: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .expect("folder of fixtures")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| (path.file_stem().expect("name").to_string_lossy().into_owned(), path))
        .collect();
    graphs.sort();
    graphs
}

/// Runs every graph of a kind in a folder on every picture there is for it.
fn compare_all(folder: &Path, extension: &str, at_least: usize) {
    let expected =
        read_state_dict(&fixtures().join("expected.safetensors")).expect("expected values").state_dict;
    let refused = refusals();
    let mut n_pictures = 0;
    for (name, path) in graphs(folder, extension) {
        if refused.contains_key(&name) {
            continue;
        }
        let model = Model::from_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let simplified = model.net.simplified();
        for index in 0.. {
            let value = |side: &str| {
                let tensor = expected.get(&format!("{name}.{index}.{side}"))?;
                let shape = tensor.shape().try_into().expect("rank 4");
                Some(Value { shape, data: tensor.to_f32() })
            };
            let (Some(input), Some(output)) = (value("input"), value("output")) else {
                assert!(index > 0, "{name}: nothing to compare with");
                break;
            };
            assert_eq!(output.shape[2], input.shape[2] * model.scale, "{name}");
            assert_eq!(
                [input.shape[1], output.shape[1]],
                [model.input_channels, model.output_channels],
                "{name}"
            );
            let peak = output.data.iter().fold(1.0f32, |peak, value| peak.max(value.abs()));
            // Graphs in half precision are computed in single precision here, in half precision there.
            let tolerance = peak * if name.ends_with("float16") { 2e-2 } else { 1e-5 };
            for (net, which) in [(&model.net, "as imported"), (&simplified, "simplified")] {
                let result = interpret(net, &input).unwrap_or_else(|error| panic!("{name}.{index}: {error}"));
                let error = max_abs_err(&result, &output);
                assert!(error <= tolerance, "{name}.{index} {which}: differs by {error} of {peak}");
            }
            n_pictures += 1;
        }
    }
    assert!(n_pictures >= at_least, "only {n_pictures} comparisons");
}

#[test]
fn onnx_graphs_compute_what_onnx_runtime_computes() {
    compare_all(&fixtures(), "onnx", 60);
}

/// The same graphs after onnxsim, which folds what it can of the shapes; chaiNNer does so with what it converts. They make
/// the same of the same pictures.
#[test]
fn simplified_graphs_compute_what_they_did() {
    compare_all(&fixtures().with_file_name("simplified"), "onnx", 60);
}

#[test]
fn ncnn_graphs_compute_what_ncnn_computes() {
    compare_all(&fixtures(), "param", 18);
}

#[test]
fn what_cannot_be_imported_is_refused_by_name() {
    let mut n_refused = 0;
    for (name, part) in refusals() {
        let path = ["onnx", "param"]
            .map(|extension| fixtures().join(&name).with_extension(extension))
            .into_iter()
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("{name}: no graph"));
        let message = match Model::from_file(&path) {
            Ok(_) => panic!("{name}: was not refused"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(&part), "{name}: {message:?} lacks {part:?}");
        n_refused += 1;
    }
    assert!(n_refused >= 18, "only {n_refused} refusals");
}

#[test]
fn exporters_detours_leave_no_trace_in_the_net() {
    // Shape arithmetic, reshapes around a pixel shuffle, erf: all of it becomes the plain network.
    let n_nodes = |name: &str| {
        let path = fixtures().join(name).with_extension("onnx");
        Model::from_file(&path).unwrap_or_else(|error| panic!("{name}: {error}")).net.nodes.len()
    };
    let plain = n_nodes("compact_opset17");
    assert_eq!(plain, 7, "input, convolution, slopes, convolution, shuffle, resize, sum");
    for name in ["compact_fixed", "compact_reshape", "compact_sizes_opset11", "compact_sizes_opset18"] {
        assert_eq!(n_nodes(name), plain, "{name}");
    }
    assert_eq!(n_nodes("gelu_0"), 4, "input, convolution, GELU, convolution");
    assert_eq!(n_nodes("pad_to_multiple"), 4, "input, convolution, ReLU, transposed convolution");
}
