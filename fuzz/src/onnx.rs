//! ONNX models.

use crate::read_out;
use pegbar_formats::Tensor;
use pegbar_formats::onnx::{self, OnnxAttribute};

/// Fields of the messages that hold each other.
pub(crate) const DICTIONARY: &[&[u8]] = &[
    b"\x08\x08",
    b"\x3a\x00",
    b"\x0a\x00",
    b"\x2a\x00",
    b"\x5a\x00",
    b"\x12\x00",
    b"\x0a\x02\x22\x00",
    b"\x2a\x06\x08\x01\x10\x01\x4a\x00",
    b"\x10\x01",
    b"\x10\x07",
    b"\x10\x0a",
    b"\x70\x01",
    b"\x6a\x12\x0a\x08location\x12\x06../pwn",
    b"\x4a\x04\0\0\0\0",
    b"\x22\x04\0\0\0\0",
    b"\x3a\x04\x01\x01\x01\x01",
    b"\x2a\x04\x01\x01\x01\x01",
    b"\xa0\x01\x07",
    b"\x42\x04\x01\x01\x01\x01",
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x7a\x00",
    b"\x72\x00",
];

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(model) = onnx::read_bytes(bytes, None) {
        for tensor in model.graph.initializers.values() {
            read_values(tensor);
        }
        for attribute in model.graph.nodes.iter().flat_map(|node| node.attributes.values()) {
            if let OnnxAttribute::Tensor(tensor) = attribute {
                read_values(tensor);
            }
        }
    }
}

fn read_values(tensor: &Tensor) {
    read_out(tensor);
    assert_eq!(tensor.to_i64().len(), tensor.n_elements());
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn int(field: u64, n: u64) -> Vec<u8> {
    [varint(field << 3), varint(n)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn message(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// The bytes as the graph of a model.
pub(crate) fn run_graph(graph: &[u8]) {
    run(&model(graph));
}

/// The bytes as a node.
pub(crate) fn run_node(node: &[u8]) {
    run_graph(&bytes(1, node));
}

/// The bytes as a weight.
pub(crate) fn run_tensor(tensor: &[u8]) {
    run_graph(&bytes(5, tensor));
}

fn tensor(name: &str, elem_type: u64, dims: &[u64], data: &[u8]) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = dims.iter().map(|&d| int(1, d)).collect();
    parts.extend([int(2, elem_type), bytes(8, name.as_bytes()), data.to_vec()]);
    message(&parts)
}

pub(crate) fn tensors() -> Vec<Vec<u8>> {
    vec![
        tensor("w", 1, &[2, 3], &bytes(9, &[0x3d; 24])),
        tensor("h", 10, &[2], &bytes(5, &[0x80, 0x78, 0x80, 0x78])),
        tensor("d", 11, &[1], &bytes(10, &[0; 8])),
        tensor("u", 2, &[3], &bytes(5, &[1, 2, 3])),
        tensor("i", 7, &[2], &bytes(7, &[1, 2])),
        tensor("f", 1, &[2], &[&bytes(4, &[0; 4])[..], &[0x25, 0, 0, 0x80, 0x3f]].concat()),
        tensor("c", 13, &[], &int(11, 5)),
    ]
}

pub(crate) fn nodes() -> Vec<Vec<u8>> {
    let attributes = [
        message(&[bytes(1, b"pads"), bytes(8, &[1, 1, 1, 1]), int(20, 7)]),
        message(&[bytes(1, b"mode"), bytes(4, b"nearest"), int(20, 3)]),
        message(&[bytes(1, b"alpha"), vec![0x15, 0, 0, 0x80, 0x3e], int(20, 1)]),
        message(&[bytes(1, b"scales"), bytes(7, &[0; 8]), int(20, 6)]),
        message(&[bytes(1, b"names"), bytes(9, b"x"), bytes(9, b"y"), int(20, 8)]),
        message(&[bytes(1, b"value"), bytes(5, &tensor("", 7, &[2], &bytes(7, &[1, 2]))), int(20, 4)]),
        message(&[bytes(1, b"body"), bytes(6, &bytes(2, b"g")), int(20, 5)]),
    ];
    let mut node = vec![
        bytes(1, b"x"),
        bytes(1, b""),
        bytes(1, b"w"),
        bytes(2, b"y"),
        bytes(3, b"n"),
        bytes(4, b"Conv"),
    ];
    node.extend(attributes.iter().map(|attribute| bytes(5, attribute)));
    vec![message(&node), bytes(4, b"Relu")]
}

pub(crate) fn graphs() -> Vec<Vec<u8>> {
    let value_info = |name: &str| {
        let dims = [bytes(1, &bytes(2, b"n")), bytes(1, &int(1, 3)), bytes(1, &[])];
        let shape = [int(1, 1), bytes(2, &message(&dims))];
        message(&[bytes(1, name.as_bytes()), bytes(2, &bytes(1, &message(&shape)))])
    };
    let mut whole: Vec<Vec<u8>> = nodes().iter().map(|node| bytes(1, node)).collect();
    whole.extend(tensors().iter().map(|tensor| bytes(5, tensor)));
    whole.extend([bytes(11, &value_info("x")), bytes(12, &value_info("y"))]);
    let external = message(&[
        bytes(13, &message(&[bytes(1, b"location"), bytes(2, b"w.data")])),
        bytes(13, &message(&[bytes(1, b"offset"), bytes(2, b"8")])),
        int(14, 1),
    ]);
    vec![message(&whole), bytes(5, &tensor("w", 1, &[4], &external))]
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    graphs().iter().map(|graph| model(graph)).collect()
}

fn model(graph: &[u8]) -> Vec<u8> {
    message(&[
        int(1, 8),
        bytes(2, b"hand"),
        bytes(3, b"1"),
        bytes(8, &message(&[bytes(1, b""), int(2, 17)])),
        bytes(14, &message(&[bytes(1, b"author"), bytes(2, b"me")])),
        bytes(7, graph),
    ])
}
