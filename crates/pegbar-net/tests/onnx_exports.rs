//! What real exports do that once went wrong: regressions, each as a small graph of its own.

use indexmap::IndexMap;
use pegbar_formats::onnx::{OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo};
use pegbar_formats::{DType, ModelFile, Tensor, read_model};
use pegbar_net::{SizeFill, Value, import_onnx, interpret};
use std::path::Path;

/// Graphs of NAFNet and others pad the picture to a multiple by themselves. That vanishes where the engine does it, which
/// then has to continue the picture as the graph would have: with zeros, a wrong border changed the means of whole channels.
#[test]
fn padding_to_a_multiple_is_continued_as_the_graph_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import/pad_to_multiple.onnx");
    let Ok(ModelFile::Onnx(model)) = read_model(&path) else { panic!("{} is no ONNX file", path.display()) };
    for (mode, fill) in
        [("reflect", SizeFill::Mirror), ("edge", SizeFill::Edge), ("constant", SizeFill::Zeros)]
    {
        let mut model = model.clone();
        for node in model.graph.nodes.iter_mut().filter(|node| node.op_type == "Pad") {
            node.attributes.insert("mode".into(), OnnxAttribute::String(mode.into()));
        }
        let imported = import_onnx(&model).unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert!(imported.net.tensors().is_none(), "{mode}");
        assert_eq!((imported.net.size_rule.multiple_of, imported.net.size_rule.fill), (4, fill), "{mode}");
    }
}

/// Blocks of a network that adds to the picture what it computes from its size alone: a mask of `[H * W, 64]` is filled,
/// multiplied and summed over its rows, as masks of windows are made of much larger tensors.
struct Blocks {
    nodes: Vec<OnnxNode>,
    initializers: IndexMap<String, Tensor>,
}

impl Blocks {
    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, OnnxAttribute)]) -> String {
        let output = format!("v{}", self.nodes.len());
        self.nodes.push(OnnxNode {
            name: output.clone(),
            op_type: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.clone()],
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        });
        output
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let name = format!("c{}", self.initializers.len());
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = Tensor::from_bytes(DType::I64, vec![values.len()], bytes).expect("as many values");
        self.initializers.insert(name.clone(), tensor);
        name
    }

    fn float(&mut self, value: f32) -> String {
        let name = format!("c{}", self.initializers.len());
        self.initializers.insert(name.clone(), Tensor::from_f32(vec![], vec![value]).expect("one value"));
        name
    }

    /// One block: `x + 2`, the 2 as the sum over rows of so many times one of that many, times 2.
    fn block(&mut self, x: &str, row: i64) -> String {
        let axis = [("axis", OnnxAttribute::Int(0))];
        let shape = self.node("Shape", &[x], &[]);
        let sides = [2, 3].map(|axis_of_picture| {
            let place = self.ints(&[axis_of_picture]);
            self.node("Gather", &[&shape, &place], &axis)
        });
        let pixels = self.node("Mul", &[&sides[0], &sides[1]], &[]);
        let (columns, one) = (self.ints(&[row]), self.ints(&[1]));
        let sizes = self.node("Concat", &[&pixels, &columns], &axis);
        let part = Tensor::from_f32(vec![1], vec![1.0 / row as f32]).expect("one value");
        let filled = self.node("ConstantOfShape", &[&sizes], &[("value", OnnxAttribute::Tensor(part))]);
        let two = self.float(2.0);
        let doubled = self.node("Mul", &[&filled, &two], &[]);
        let summed = self.node("ReduceSum", &[&doubled, &one], &[("keepdims", OnnxAttribute::Int(0))]);
        let picture = self.node("Concat", &[&one, &one, &sides[0], &sides[1]], &axis);
        let mask = self.node("Reshape", &[&summed, &picture], &[]);
        self.node("Add", &[x, &mask], &[])
    }

    fn model(self, result: &str) -> OnnxModel {
        let dims = vec![Some(1), Some(3), None, None];
        let info = |name: &str| OnnxValueInfo { name: name.to_owned(), elem_type: 1, dims: dims.clone() };
        OnnxModel {
            opset: 17,
            ir_version: 8,
            producer: "test".into(),
            metadata: Default::default(),
            graph: OnnxGraph {
                nodes: self.nodes,
                initializers: self.initializers,
                inputs: vec![info("picture")],
                outputs: vec![info(result)],
            },
            functions: vec![],
        }
    }
}

/// A SwinIR of 36 blocks computes its mask 36 times over, by nodes that differ in nothing but their names: each of its own
/// would not fit into what an import may take.
#[test]
fn blocks_share_what_they_compute_from_the_size() {
    const BLOCKS: usize = 40;
    let mut graph = Blocks { nodes: vec![], initializers: IndexMap::new() };
    let mut x = "picture".to_owned();
    for _ in 0..BLOCKS {
        x = graph.block(&x, 64);
    }
    let model = graph.model(&x);
    let imported = import_onnx(&model).expect("a network");
    let reason = imported.hyperparameters.get("not_as_pictures").and_then(|reason| reason.as_str());
    assert!(reason.is_some_and(|reason| reason.contains("ConstantOfShape")), "{reason:?}");
    let tensors = imported.net.tensors().expect("operations on tensors");
    let program = tensors.program(9, 13).expect("a program");
    let known: usize =
        program.values.iter().filter_map(|value| value.known.as_ref()).map(|v| v.n_elements()).sum();
    assert!(known < 3 * 9 * 13, "{known} elements are kept for {BLOCKS} blocks");
    let picture = Value { shape: [1, 3, 9, 13], data: (0..3 * 9 * 13).map(|i| i as f32 / 351.0).collect() };
    let result = interpret(&imported.net, &picture).expect("it runs");
    for (found, x) in result.data.iter().zip(&picture.data) {
        assert!((found - (x + 2.0 * BLOCKS as f32)).abs() < 1e-4, "{found} for {x}");
    }
}

/// DAT of real size has masks of more elements than an import may make. Only their shapes are asked for while sizes are tried.
#[test]
fn masks_are_not_made_while_sizes_are_tried() {
    let mut graph = Blocks { nodes: vec![], initializers: IndexMap::new() };
    let result = graph.block("picture", 1024);
    let imported = import_onnx(&graph.model(&result)).expect("a network");
    assert_eq!((imported.net.size_rule.multiple_of, imported.net.size_rule.exactly), (1, None));
    let picture = Value { shape: [1, 3, 9, 13], data: (0..3 * 9 * 13).map(|i| i as f32 / 351.0).collect() };
    let made = interpret(&imported.net, &picture).expect("it runs");
    assert!(made.data.iter().zip(&picture.data).all(|(found, x)| (found - x - 2.0).abs() < 1e-5));
}

/// What follows from the size alone is no result, be it put off or not.
#[test]
fn a_result_without_the_picture_is_refused() {
    for row in [1, 64] {
        let mut graph = Blocks { nodes: vec![], initializers: IndexMap::new() };
        graph.block("picture", row);
        // All but the sum with the picture.
        let mask = graph.nodes.pop().expect("a sum").inputs[1].clone();
        let error = import_onnx(&graph.model(&mask)).expect_err("refused").to_string();
        assert!(error.contains("does not depend"), "{error}");
    }
}
