//! A network that takes one size of picture gets all others in tiles.

use pegbar_engine::{Session, SessionOptions};
use pegbar_formats::onnx::{OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo};
use pegbar_frame::PlanarImage;
use pegbar_net::import_onnx;

/// `x / (1 + |x|)` of pictures of 32 x 24: each pixel by itself, so that tiles must leave no trace at all.
fn softsign() -> OnnxModel {
    let info = |name: &str| OnnxValueInfo {
        name: name.into(),
        elem_type: 1,
        dims: [1, 3, 24, 32].map(Some).to_vec(),
    };
    let node = OnnxNode {
        name: "softsign".into(),
        op_type: "Softsign".into(),
        domain: String::new(),
        inputs: vec!["x".into()],
        outputs: vec!["y".into()],
        attributes: Default::default(),
    };
    let graph = OnnxGraph {
        nodes: vec![node],
        initializers: Default::default(),
        inputs: vec![info("x")],
        outputs: vec![info("y")],
    };
    OnnxModel {
        opset: 17,
        ir_version: 8,
        producer: "test".into(),
        metadata: Default::default(),
        graph,
        functions: vec![],
    }
}

#[test]
fn pictures_of_any_size_go_through() {
    let model = import_onnx(&softsign()).expect("a network");
    assert_eq!(model.net.size_rule.exactly, Some([32, 24]));
    let session = Session::open(&model, &SessionOptions::default()).expect("it opens");
    for (width, height) in [(32, 24), (5, 3), (33, 24), (100, 70), (31, 200)] {
        let data: Vec<f32> = (0..3 * width * height).map(|i| (i * 31 % 97) as f32 / 96.0).collect();
        let image = PlanarImage { width, height, channels: 3, data };
        let result = session.run(&image).expect("it runs");
        assert_eq!((result.width, result.height, result.channels), (width, height, 3));
        for (i, (found, x)) in result.data.iter().zip(&image.data).enumerate() {
            let expected = x / (1.0 + x);
            assert!((found - expected).abs() < 1e-6, "{width} x {height}, value {i}: {found} for {expected}");
        }
    }
}
