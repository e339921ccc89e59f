//! Functions of the model's own are read as what they consist of.

mod support;

use pegbar_formats::onnx::{
    self, OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo,
};
use pegbar_net::{Model, OnnxOptions, SizeFill, SizeRule, Value, export_onnx, import_onnx, interpret};
use std::collections::BTreeMap;
use std::path::Path;
use support::{Numbers, max_abs_err, run_padded};

const OWN: &str = "someone.layers";

fn node(domain: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> OnnxNode {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    OnnxNode {
        name: String::new(),
        op_type: op.to_owned(),
        domain: domain.to_owned(),
        inputs: names(inputs),
        outputs: names(outputs),
        attributes: BTreeMap::new(),
    }
}

fn with(mut node: OnnxNode, name: &str, value: OnnxAttribute) -> OnnxNode {
    node.attributes.insert(name.to_owned(), value);
    node
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<OnnxNode>) -> OnnxFunction {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    OnnxFunction {
        domain: OWN.to_owned(),
        name: name.to_owned(),
        inputs: names(inputs),
        outputs: names(outputs),
        attributes: vec![],
        defaults: BTreeMap::new(),
        nodes,
    }
}

fn model(nodes: Vec<OnnxNode>, functions: Vec<OnnxFunction>) -> OnnxModel {
    let info = |name: &str| OnnxValueInfo {
        name: name.to_owned(),
        elem_type: 1,
        dims: vec![Some(1), Some(3), None, None],
    };
    OnnxModel {
        opset: 17,
        ir_version: 8,
        producer: "test".to_owned(),
        metadata: BTreeMap::new(),
        graph: OnnxGraph {
            nodes,
            initializers: [].into(),
            inputs: vec![info("picture")],
            outputs: vec![info("result")],
        },
        functions,
    }
}

/// The model as it is after writing and reading.
fn from_file(model: &OnnxModel) -> OnnxModel {
    onnx::read_bytes(&onnx::to_bytes(model).expect("written"), None).expect("read")
}

fn picture() -> Value {
    Value { shape: [1, 3, 4, 5], data: (0..60).map(|i| i as f32 / 20.0 - 1.5).collect() }
}

/// `leaky`: a LeakyRelu whose slope is the caller's, or 0.25. `twice`: two of them, the inner one by its default; its second
/// output is its input.
fn leaky_functions() -> Vec<OnnxFunction> {
    let body = node("", "LeakyRelu", &["x"], &["y"]);
    let body = with(body, "alpha", OnnxAttribute::OfCaller("slope".into()));
    let mut leaky = function("leaky", &["x", "unused"], &["y"], vec![body]);
    leaky.defaults.insert("slope".into(), OnnxAttribute::Float(0.25));
    let outer =
        with(node(OWN, "leaky", &["inner", ""], &["y"]), "slope", OnnxAttribute::OfCaller("s".into()));
    let mut twice =
        function("twice", &["x"], &["y", "x"], vec![node(OWN, "leaky", &["x"], &["inner"]), outer]);
    twice.attributes.push("s".to_owned());
    vec![leaky, twice]
}

#[test]
fn calls_take_attributes_of_their_callers_or_their_defaults() {
    // The names inside are those outside, which must not meet.
    let first = with(node(OWN, "twice", &["picture"], &["inner", "same"]), "s", OnnxAttribute::Float(0.5));
    let second = with(node(OWN, "twice", &["inner"], &["y"]), "s", OnnxAttribute::Float(2.0));
    let sum = node("", "Add", &["y", "same"], &["result"]);
    let read = from_file(&model(vec![first, second, sum], leaky_functions()));
    assert_eq!(read.functions.len(), 2);
    let imported = import_onnx(&read).expect("a network");
    assert!(imported.net.tensors().is_none(), "{:?}", imported.hyperparameters);
    let made = interpret(&imported.net, &picture()).expect("it runs");
    let leaky = |v: f32, slope: f32| if v < 0.0 { v * slope } else { v };
    for (found, v) in made.data.iter().zip(picture().data) {
        let expected = leaky(leaky(leaky(leaky(v, 0.25), 0.5), 0.25), 2.0) + v;
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}

/// What is written of a model, as somebody else's, whose operators mean what their definitions say.
fn under_another_name(known: &Model) -> OnnxModel {
    let mut written = export_onnx(known, OnnxOptions::default()).expect("written");
    assert!(!written.functions.is_empty());
    written.producer = "someone".to_owned();
    let own = written.functions[0].domain.clone();
    written.functions.iter_mut().for_each(|function| function.domain = OWN.to_owned());
    for node in written.graph.nodes.iter_mut().filter(|node| node.domain == own) {
        node.domain = OWN.to_owned();
    }
    from_file(&written)
}

/// Pegbar's networks define their operators. Under another name nobody knows what those mean, and the definitions have to do:
/// attention in windows, with its masks, and padding to a multiple.
#[test]
fn networks_run_by_their_definitions() {
    for name in ["srformer_x2_w10", "swin2sr_x2_aux"] {
        let path = format!("tests/fixtures/architectures/{name}.safetensors");
        let known = Model::from_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a network");
        let again =
            import_onnx(&under_another_name(&known)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(again.net.tensors().is_some(), "{name}");
        let rule = known.net.size_rule;
        let side = rule.multiple_of * rule.minimum.div_ceil(rule.multiple_of).max(3);
        let shape = [1, 3, side, side];
        let data = (0..3 * side * side).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
        let picture = Value { shape, data };
        let expected = interpret(&known.net, &picture).expect("it runs");
        let made = interpret(&again.net, &picture).expect("it runs");
        assert_eq!(made.shape, expected.shape, "{name}");
        let largest = made.data.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        eprintln!("{name}: differs by {largest:.1e}");
        assert!(largest < 2e-5, "{name}: differs by {largest}");
    }
}

/// The mirror image of a small picture ends before the size that the network needs.
#[test]
fn definitions_pad_pictures_of_every_size_as_the_engine_does() {
    let path = "tests/fixtures/architectures/edsr_x3_basicsr.safetensors";
    let known = Model::from_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a network");
    let plain = SizeRule::default();
    let rules = [
        SizeRule { minimum: 9, ..plain },
        SizeRule { minimum: 16, ..plain },
        SizeRule { multiple_of: 8, ..plain },
        SizeRule { minimum: 8, multiple_of: 12, fill: SizeFill::Symmetric, ..plain },
        SizeRule { minimum: 5, multiple_of: 4, fill: SizeFill::Edge, square: true, ..plain },
        SizeRule { minimum: 6, multiple_of: 8, fill: SizeFill::Zeros, ..plain },
        SizeRule { minimum: 3, multiple_of: 4, square: true, ..plain },
    ];
    for size_rule in rules {
        let mut model = known.clone();
        model.net.size_rule = size_rule;
        let own = import_onnx(&from_file(&export_onnx(&model, OnnxOptions::default()).expect("written")));
        assert_eq!(own.expect("read again").net.size_rule, size_rule);
        let again = import_onnx(&under_another_name(&model)).unwrap_or_else(|e| panic!("{size_rule:?}: {e}"));
        for [height, width] in [[1, 1], [2, 3], [7, 29], [30, 5], [8, 8], [13, 24]] {
            let picture = Numbers(3).value([1, model.input_channels, height, width]);
            let expected = run_padded(&model.net, &picture, model.scale);
            let made = interpret(&again.net, &picture).expect("it runs");
            let error = max_abs_err(&made, &expected);
            assert!(error < 2e-5, "{size_rule:?}, {height}x{width}: differs by {error}");
        }
    }
}

#[test]
fn functions_that_cannot_be_written_out_are_refused() {
    let call = |op: &str| node(OWN, op, &["picture"], &["result"]);
    let refused = |model: &OnnxModel, words: &str| {
        let error = import_onnx(&from_file(model)).expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    };
    let endless = function("endless", &["x"], &["y"], vec![node(OWN, "endless", &["x"], &["y"])]);
    refused(&model(vec![call("endless")], vec![endless]), "calls of functions by functions");
    // Each level calls the one below twice.
    let level = |i: usize| {
        let below = format!("f{}", i + 1);
        let nodes = vec![node(OWN, &below, &["x"], &["t"]), node(OWN, &below, &["t"], &["y"])];
        function(&format!("f{i}"), &["x"], &["y"], nodes)
    };
    let mut levels: Vec<OnnxFunction> = (0..40).map(level).collect();
    levels.push(function("f40", &["x"], &["y"], vec![node("", "Relu", &["x"], &["y"])]));
    refused(&model(vec![call("f0")], levels), "called so often");
    let relu = || function("act", &["x"], &["y"], vec![node("", "Relu", &["x"], &["y"])]);
    refused(&model(vec![call("act")], vec![relu(), relu()]), "defined 2 times");
    let greedy = node(OWN, "act", &["picture", "picture"], &["result"]);
    refused(&model(vec![greedy], vec![relu()]), "called with 2 inputs");
}
