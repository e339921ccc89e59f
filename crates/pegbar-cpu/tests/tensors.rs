//! Graphs of tensors: the engine against the evaluator, at every level, with one thread and several.

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_formats::onnx::{OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo};
use pegbar_formats::{DType, Tensor};
use pegbar_net::{Model, Value, import_onnx, interpret};

/// Numbers that look random and are the same on every machine, `-1.0..1.0`.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn list(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// A graph while it is written.
struct Writer {
    graph: OnnxGraph,
    numbers: Numbers,
}

impl Writer {
    fn new(size: Option<[i64; 2]>) -> Self {
        let dims = vec![Some(1), Some(3), size.map(|s| s[0]), size.map(|s| s[1])];
        let info = |name: &str, dims| OnnxValueInfo { name: name.into(), elem_type: 1, dims };
        let graph = OnnxGraph {
            nodes: vec![],
            initializers: Default::default(),
            inputs: vec![info("picture", dims)],
            outputs: vec![info("output", vec![])],
        };
        Self { graph, numbers: Numbers(7) }
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, OnnxAttribute)]) -> String {
        let output = format!("v{}", self.graph.nodes.len());
        self.graph.nodes.push(OnnxNode {
            name: output.clone(),
            op_type: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.clone()],
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        });
        output
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let name = format!("c{}", self.graph.initializers.len());
        self.graph.initializers.insert(name.clone(), tensor);
        name
    }

    fn weight(&mut self, shape: &[usize]) -> String {
        let n: usize = shape.iter().product();
        let data = self.numbers.list(n).into_iter().map(|v| v * 0.5).collect();
        self.constant(Tensor::from_f32(shape.to_vec(), data).expect("as many as the shape says"))
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(Tensor::from_bytes(DType::I64, vec![values.len()], bytes).expect("as many values"))
    }

    fn reshape(&mut self, x: &str, shape: &str) -> String {
        self.node("Reshape", &[x, shape], &[])
    }

    fn transpose(&mut self, x: &str, order: &[i64]) -> String {
        self.node("Transpose", &[x], &[("perm", OnnxAttribute::Ints(order.to_vec()))])
    }

    fn conv(&mut self, x: &str, from: usize, to: usize) -> String {
        let (weight, bias) = (self.weight(&[to, from, 3, 3]), self.weight(&[to]));
        self.node("Conv", &[x, &weight, &bias], &[("pads", OnnxAttribute::Ints(vec![1; 4]))])
    }

    fn finish(mut self, output: &str) -> Model {
        for node in &mut self.graph.nodes {
            for name in &mut node.outputs {
                if name == output {
                    *name = "output".into();
                }
            }
        }
        let model = OnnxModel {
            opset: 17,
            ir_version: 8,
            producer: "test".into(),
            metadata: Default::default(),
            graph: self.graph,
            functions: vec![],
        };
        import_onnx(&model).expect("a network")
    }
}

const WINDOW: i64 = 4;
const CHANNELS: usize = 8;
const HEADS: i64 = 2;

/// A convolution, attention in windows as PyTorch's exporter writes it, a GELU that is written out, a pixel shuffle.
fn window_attention(size: Option<[i64; 2]>) -> Model {
    let mut w = Writer::new(size);
    let c = CHANNELS as i64;
    let tokens = WINDOW * WINDOW;
    let x = w.conv("picture", 3, CHANNELS);
    // Sizes from the shape, as numbers of windows.
    let shape = w.node("Shape", &[&x], &[]);
    let [one, channels, window] = [1, c, WINDOW].map(|n| w.ints(&[n]));
    let windows = [2, 3].map(|axis| {
        let (from, to) = (w.ints(&[axis]), w.ints(&[axis + 1]));
        let side = w.node("Slice", &[&shape, &from, &to], &[]);
        w.node("Div", &[&side, &window], &[])
    });
    let axis = [("axis", OnnxAttribute::Int(0))];
    let cut = w.node("Concat", &[&one, &channels, &windows[0], &window, &windows[1], &window], &axis);
    let list = w.ints(&[-1, tokens, c]);
    let cut_up = w.reshape(&x, &cut);
    let cut_up = w.transpose(&cut_up, &[0, 2, 4, 3, 5, 1]);
    let t = w.reshape(&cut_up, &list);
    let (scale, shift) = (w.weight(&[CHANNELS]), w.weight(&[CHANNELS]));
    let n = w.node("LayerNormalization", &[&t, &scale, &shift], &[]);
    let (weight, bias) = (w.weight(&[CHANNELS, 3 * CHANNELS]), w.weight(&[3 * CHANNELS]));
    let qkv = w.node("MatMul", &[&n, &weight], &[]);
    let qkv = w.node("Add", &[&bias, &qkv], &[]);
    let heads = w.ints(&[-1, tokens, 3, HEADS, c / HEADS]);
    let qkv = w.reshape(&qkv, &heads);
    let qkv = w.transpose(&qkv, &[2, 0, 3, 1, 4]);
    let [q, k, v] = [0, 1, 2].map(|i| {
        let bytes = i64::to_le_bytes(i).to_vec();
        let at = w.constant(Tensor::from_bytes(DType::I64, vec![], bytes).expect("one value"));
        w.node("Gather", &[&qkv, &at], &axis)
    });
    let factor = w.constant(Tensor::from_f32(vec![], vec![0.5]).expect("one value"));
    let q = w.node("Mul", &[&q, &factor], &[]);
    let k = w.transpose(&k, &[0, 1, 3, 2]);
    let scores = w.node("MatMul", &[&q, &k], &[]);
    let places = w.weight(&[1, HEADS as usize, tokens as usize, tokens as usize]);
    let scores = w.node("Add", &[&scores, &places], &[]);
    let scores = w.node("Softmax", &[&scores], &[("axis", OnnxAttribute::Int(-1))]);
    let mixed = w.node("MatMul", &[&scores, &v], &[]);
    let mixed = w.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = w.reshape(&mixed, &list);
    let weight = w.weight(&[CHANNELS, CHANNELS]);
    let mixed = w.node("MatMul", &[&mixed, &weight], &[]);
    let t = w.node("Add", &[&t, &mixed], &[]);
    // x * (1 + erf(x / sqrt 2)) / 2
    let [root, unit] =
        [2f32.sqrt(), 1.0].map(|v| w.constant(Tensor::from_f32(vec![], vec![v]).expect("one value")));
    let erf = w.node("Div", &[&t, &root], &[]);
    let erf = w.node("Erf", &[&erf], &[]);
    let gate = w.node("Add", &[&erf, &unit], &[]);
    let t = w.node("Mul", &[&t, &gate], &[]);
    let t = w.node("Mul", &[&t, &factor], &[]);
    let joined = w.node("Concat", &[&one, &windows[0], &windows[1], &window, &window, &channels], &axis);
    let t = w.reshape(&t, &joined);
    let t = w.transpose(&t, &[0, 5, 1, 3, 2, 4]);
    let t = w.reshape(&t, &shape);
    let x = w.node("Add", &[&x, &t], &[]);
    let x = w.conv(&x, CHANNELS, 12);
    let crd = OnnxAttribute::String("CRD".into());
    let x = w.node("DepthToSpace", &[&x], &[("blocksize", OnnxAttribute::Int(2)), ("mode", crd)]);
    w.finish(&x)
}

#[test]
fn attention_in_windows_equals_the_evaluator() {
    let model = window_attention(None);
    assert!(model.net.tensors().is_some(), "no graph of tensors");
    assert_eq!((model.scale, model.input_channels, model.output_channels), (2, 3, 3));
    assert_eq!((model.net.size_rule.multiple_of, model.net.size_rule.minimum), (4, 4));
    let mut numbers = Numbers(3);
    for (height, width) in [(4, 4), (20, 36), (64, 132)] {
        let data = numbers.list(2 * 3 * height * width);
        let shape = [2, 3, height, width];
        let expected = interpret(&model.net, &Value { shape, data: data.clone() }).expect("it runs");
        for level in CpuLevel::available() {
            for threads in [1, 3] {
                let options = CpuOptions { threads, level, precision: CpuPrecision::Exact };
                let net = CpuNet::compile(&model.net, &options).expect("it compiles");
                let mut output = vec![];
                // Twice, with memory that was used before.
                for _ in 0..2 {
                    let made = net.run(shape, &data, &mut output).expect("it runs");
                    assert_eq!(made, [2, 3, 2 * height, 2 * width]);
                    let error =
                        output.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(error < 2e-5, "{level} with {threads} threads: differs by {error}");
                }
                assert!(net.working_memory_bytes(1, height, width).expect("it fits") > 4 * data.len());
                assert!(net.explain().iter().any(|line| line.contains("Softmax")), "{:?}", net.explain());
            }
        }
    }
}

#[test]
fn sizes_that_are_not_taken_are_refused() {
    let net = CpuNet::compile(&window_attention(None).net, &CpuOptions::default()).expect("it compiles");
    let error = net.run([1, 3, 6, 8], &[0.5; 144], &mut vec![]).expect_err("no multiple of the window");
    assert!(error.to_string().contains("Reshape"), "{error}");
    // A graph of one size says so.
    let model = window_attention(Some([16, 24]));
    let rule = model.net.size_rule;
    if model.net.tensors().is_some() {
        assert_eq!(rule.exactly, Some([24, 16]));
        let net = CpuNet::compile(&model.net, &CpuOptions::default()).expect("it compiles");
        let error = net.run([1, 3, 16, 16], &[0.5; 768], &mut vec![]).expect_err("another size");
        assert!(error.to_string().contains("exactly 24 x 16"), "{error}");
    }
}
