//! ONNX models made by hand, field by field.

use pegbar_formats::onnx::{self, OnnxAttribute, OnnxModel};
use pegbar_formats::{DType, FormatError, ModelFile, read_model};

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn int(field: u64, n: i64) -> Vec<u8> {
    [varint(field << 3), varint(n as u64)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn text(field: u64, content: &str) -> Vec<u8> {
    bytes(field, content.as_bytes())
}

fn fixed32(field: u64, value: f32) -> Vec<u8> {
    [varint(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

fn packed(field: u64, values: &[i64]) -> Vec<u8> {
    bytes(field, &values.iter().flat_map(|&n| varint(n as u64)).collect::<Vec<_>>())
}

fn tensor(name: &str, elem_type: i64, dims: &[i64], rest: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|&d| int(1, d)).collect();
    out.extend(int(2, elem_type));
    out.extend(text(8, name));
    out.extend(rest.concat());
    out
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|i| text(1, i)).collect();
    out.extend(outputs.iter().flat_map(|o| text(2, o)));
    out.extend(text(3, "n"));
    out.extend(text(4, op));
    out.extend(attributes.iter().flat_map(|a| bytes(5, a)));
    out
}

fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    [int(1, 8), text(2, "hand"), text(3, "1.0"), bytes(8, &[text(1, "ai.onnx.ml"), int(2, 3)].concat())]
        .into_iter()
        .chain([bytes(8, &int(2, 17)), bytes(14, &[text(1, "author"), text(2, "me")].concat())])
        .chain([bytes(7, &graph.concat())])
        .collect::<Vec<_>>()
        .concat()
}

fn with_weight(weight: &[u8]) -> Result<OnnxModel, FormatError> {
    onnx::read_bytes(&model(&[bytes(5, weight)]), None)
}

#[test]
fn a_graph_is_read_as_the_file_states_it() {
    let floats = [1.0f32, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let dim = |content: &[u8]| bytes(1, content);
    let shape = [dim(&text(2, "batch")), dim(&int(1, 3)), dim(&[]), dim(&int(1, -1))].concat();
    let value_info = [text(1, "x"), bytes(2, &bytes(1, &[int(1, 1), bytes(2, &shape)].concat()))].concat();
    let attributes = [
        [text(1, "i"), int(3, -7), int(20, 2)].concat(),
        [text(1, "i_default"), int(20, 2)].concat(),
        [text(1, "f"), fixed32(2, 0.2), int(20, 1)].concat(),
        [text(1, "s"), text(4, "nearest"), int(20, 3)].concat(),
        [text(1, "ints_packed"), packed(8, &[1, -1, 300]), int(20, 7)].concat(),
        [text(1, "ints"), int(8, 1), int(8, 2), int(20, 7)].concat(),
        [text(1, "floats"), fixed32(7, 1.0), bytes(7, &floats), int(20, 6)].concat(),
        [text(1, "strings"), text(9, "a"), text(9, "b"), int(20, 8)].concat(),
        [text(1, "t"), bytes(5, &tensor("", 7, &[2], &[packed(7, &[-1, i64::MAX])])), int(20, 4)].concat(),
        [text(1, "body"), bytes(6, &text(2, "g")), int(20, 5)].concat(),
        [text(1, "untyped"), int(3, 4)].concat(),
        [text(1, "empty"), int(20, 7)].concat(),
    ];
    let file = model(&[
        bytes(1, &node("Conv", &["x", "", "w"], &["y"], &attributes)),
        bytes(5, &tensor("w", 1, &[2, 1], &[bytes(9, &floats)])),
        bytes(11, &value_info),
        bytes(12, &text(1, "y")),
    ]);
    let model = onnx::read_bytes(&file, None).unwrap();
    assert_eq!((model.opset, model.ir_version, &*model.producer), (17, 8, "hand 1.0"));
    assert_eq!(model.metadata["author"], "me");
    assert_eq!(model.graph.initializers["w"].to_f32(), [1.0, -2.5]);
    assert_eq!(model.graph.initializers["w"].shape(), [2, 1]);
    let input = &model.graph.inputs[0];
    assert_eq!((&*input.name, input.elem_type), ("x", 1));
    assert_eq!(input.dims, [None, Some(3), None, None]);
    assert_eq!(model.graph.outputs[0].name, "y");

    let node = &model.graph.nodes[0];
    assert_eq!((&*node.op_type, &*node.name, &*node.domain), ("Conv", "n", ""));
    assert_eq!(node.inputs, ["x", "", "w"]);
    let attribute = |name: &str| &node.attributes[name];
    assert!(matches!(attribute("i"), OnnxAttribute::Int(-7)));
    assert!(matches!(attribute("i_default"), OnnxAttribute::Int(0)));
    assert!(matches!(attribute("f"), OnnxAttribute::Float(0.2)));
    assert!(matches!(attribute("s"), OnnxAttribute::String(s) if s == "nearest"));
    assert!(matches!(attribute("ints_packed"), OnnxAttribute::Ints(n) if n == &[1, -1, 300]));
    assert!(matches!(attribute("ints"), OnnxAttribute::Ints(n) if n == &[1, 2]));
    assert!(matches!(attribute("floats"), OnnxAttribute::Floats(f) if f == &[1.0, 1.0, -2.5]));
    assert!(matches!(attribute("strings"), OnnxAttribute::Strings(s) if s == &["a", "b"]));
    assert!(matches!(attribute("t"), OnnxAttribute::Tensor(t) if t.to_i64() == [-1, i64::MAX]));
    assert!(matches!(attribute("body"), OnnxAttribute::Other));
    assert!(matches!(attribute("untyped"), OnnxAttribute::Int(4)));
    assert!(matches!(attribute("empty"), OnnxAttribute::Ints(n) if n.is_empty()));
}

#[test]
fn typed_lists_of_every_element_type() {
    let f64s = [0.5f64, -4.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let f32s = [0.5f32].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    for (elem_type, dtype, lists, values) in [
        (1, DType::F32, vec![bytes(4, &f32s), fixed32(4, -4.0)], [0.5, -4.0]),
        (10, DType::F16, vec![packed(5, &[0x3800, 0xc400])], [0.5, -4.0]),
        (16, DType::Bf16, vec![packed(5, &[0x3f00, 0xc080])], [0.5, -4.0]),
        (11, DType::F64, vec![bytes(10, &f64s)], [0.5, -4.0]),
        (2, DType::U8, vec![packed(5, &[1, 255])], [1.0, 255.0]),
        (3, DType::I8, vec![int(5, 1), int(5, -1)], [1.0, -1.0]),
        (4, DType::U16, vec![packed(5, &[1, 65535])], [1.0, 65535.0]),
        (5, DType::I16, vec![packed(5, &[1, -2])], [1.0, -2.0]),
        (6, DType::I32, vec![packed(5, &[1, -3])], [1.0, -3.0]),
        (7, DType::I64, vec![packed(7, &[1, -4])], [1.0, -4.0]),
        (9, DType::Bool, vec![packed(5, &[1, 0])], [1.0, 0.0]),
        (12, DType::U32, vec![packed(11, &[1, 7])], [1.0, 7.0]),
        (13, DType::U64, vec![packed(11, &[1, 8])], [1.0, 8.0]),
    ] {
        let model = with_weight(&tensor("w", elem_type, &[2], &lists)).unwrap();
        let weight = &model.graph.initializers["w"];
        assert_eq!(weight.dtype(), dtype);
        assert_eq!(weight.to_f32(), values, "{dtype}");
    }
}

#[test]
fn weights_that_contradict_themselves_are_refused() {
    for (weight, part) in [
        (tensor("w", 1, &[3], &[bytes(9, &[0; 8])]), "`w`"),
        (tensor("w", 1, &[i64::MAX, i64::MAX], &[bytes(9, &[0; 8])]), "impossibly large"),
        (tensor("w", 1, &[-1], &[bytes(9, &[0; 8])]), "negative dimension"),
        (tensor("w", 1, &[1], &[packed(7, &[1])]), "another type"),
        (tensor("w", 8, &[1], &[]), "element type 8"),
        (tensor("w", 1, &[1], &[]), "needs 1 elements"),
        (tensor("w", 1, &[2], &[bytes(4, &[0; 7])]), "needs 2 elements"),
    ] {
        let error = with_weight(&weight).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn external_data_is_read_from_the_model_s_folder_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    let values: Vec<u8> = [1f32, 2., 3., 4.].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.join("weights.data"), &values).unwrap();
    std::fs::write(dir.path().join("secret"), &values).unwrap();
    let place = |entries: &[(&str, &str)]| {
        let mut rest: Vec<Vec<u8>> =
            entries.iter().map(|(k, v)| bytes(13, &[text(1, k), text(2, v)].concat())).collect();
        rest.push(int(14, 1));
        rest
    };
    let path = folder.join("m.onnx");
    let load = |dims: &[i64], entries: &[(&str, &str)]| {
        std::fs::write(&path, model(&[bytes(5, &tensor("w", 1, dims, &place(entries)))])).unwrap();
        match read_model(&path) {
            Ok(ModelFile::Onnx(model)) => Ok(model.graph.initializers["w"].to_f32()),
            Ok(_) => panic!("not read as ONNX"),
            Err(error) => Err(error.to_string()),
        }
    };
    assert_eq!(load(&[4], &[("location", "weights.data")]).unwrap(), [1., 2., 3., 4.]);
    let part = [("location", "./weights.data"), ("offset", "4"), ("length", "8")];
    assert_eq!(load(&[2], &part).unwrap(), [2., 3.]);
    for (entries, expected) in [
        (vec![("location", "../secret")], "outside its own folder"),
        (vec![("location", "/etc/passwd")], "outside its own folder"),
        (vec![("location", "..\\secret")], "outside its own folder"),
        (vec![("location", "C:secret")], "outside its own folder"),
        (vec![("location", "")], "outside its own folder"),
        (vec![], "outside its own folder"),
        (vec![("location", "gone.data")], "gone.data"),
        (vec![("location", ".")], "folder"),
        (vec![("location", "weights.data"), ("offset", "8"), ("length", "16")], "cut short"),
        (
            vec![("location", "weights.data"), ("offset", "18446744073709551615"), ("length", "16")],
            "cut short",
        ),
        (vec![("location", "weights.data"), ("offset", "18446744073709551615")], "cut short"),
        (vec![("location", "weights.data"), ("length", "12")], "needs 4 elements"),
        (vec![("location", "weights.data"), ("offset", "-4")], "no number"),
    ] {
        let error = load(&[4], &entries).unwrap_err();
        assert!(error.contains(expected), "{entries:?}: {error}");
    }
    let bytes = std::fs::read(&path).unwrap();
    assert!(onnx::read_bytes(&bytes, None).is_err());
}

/// A graph of many nodes, each with two inputs and an attribute, as PyTorch writes them.
fn many_nodes(name: impl Fn(usize) -> String, weight: Option<Vec<u8>>) -> Vec<u8> {
    let axis = [text(1, "axis"), int(3, 1), int(20, 2)].concat();
    let nodes = (1..4000).map(|i| {
        let names = [name(i - 1), name(i)];
        bytes(1, &node("Gather", &[&names[0], &names[0]], &[&names[1]], std::slice::from_ref(&axis)))
    });
    model(&nodes.chain(weight.map(|weight| bytes(5, &weight))).collect::<Vec<_>>())
}

#[test]
fn a_graph_may_consist_of_hardly_more_than_nodes() {
    let long = |i: usize| format!("/layers.0/residual_group/blocks.0/attn/Gather_{i}_output_0");
    let read = onnx::read_bytes(&many_nodes(long, None), None).unwrap();
    assert_eq!(read.graph.nodes.len(), 3999);
    // Shorter names make more of a file; weights beside it show that it is a network all the same.
    let short = |i: usize| format!("val_{i:06}");
    let Err(FormatError::OutOfProportion { .. }) = onnx::read_bytes(&many_nodes(short, None), None) else {
        panic!("a small file may not ask for so much");
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::File::create(dir.path().join("weights.data")).unwrap().set_len(16 << 20).unwrap();
    let entry = |key: &str, value: &str| bytes(13, &[text(1, key), text(2, value)].concat());
    let place = [entry("location", "weights.data"), entry("length", "8"), int(14, 1)];
    let path = dir.path().join("model.onnx");
    std::fs::write(&path, many_nodes(short, Some(tensor("w", 1, &[2], &place)))).unwrap();
    assert_eq!(onnx::read(&path).unwrap().graph.nodes.len(), 3999);
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_smaller_model() {
    let weight = tensor("w", 1, &[64], &[bytes(9, &[0; 256])]);
    let file = model(&[bytes(1, &node("Conv", &["x", "w"], &["y"], &[])), bytes(5, &weight)]);
    for len in 0..file.len() {
        // The graph comes last in the file, so nothing before its end is a model.
        assert!(onnx::read_bytes(&file[..len], None).is_err(), "{len} of {}", file.len());
    }
}
