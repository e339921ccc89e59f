//! Importers of graphs: what the parsers let through becomes a net or an error.

use pegbar_formats::{ncnn, onnx};
use pegbar_net::{import_ncnn, import_onnx};

/// Names that decide which way an importer goes.
pub(crate) const ONNX_DICTIONARY: &[&[u8]] = &[
    b"Conv",
    b"PRelu",
    b"Relu",
    b"Concat",
    b"Reshape",
    b"Transpose",
    b"Slice",
    b"Split",
    b"Shape",
    b"Gather",
    b"Expand",
    b"Resize",
    b"MatMul",
    b"DepthToSpace",
    b"Identity",
    b"Unsqueeze",
    b"input",
    b"output",
    b"pads",
    b"axis",
    b"perm",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
];

/// Kinds, and parameters with a meaning of their own.
pub(crate) const NCNN_DICTIONARY: &[&[u8]] = &[
    b"Convolution ",
    b"Concat ",
    b"Reshape ",
    b"Slice ",
    b"Crop ",
    b"Interp ",
    b"Reorg ",
    b"PixelShuffle ",
    b"ShuffleChannel ",
    b"Pooling ",
    b"Split ",
    b"data",
    b"output",
    b" 0=65536",
    b" 1=-233",
    b" 4=-234",
    b" -23309=2,1,2",
    b" 3=0",
    b"\n",
];

/// A whole ONNX file.
pub(crate) fn run_onnx(bytes: &[u8]) {
    if let Ok(model) = onnx::read_bytes(bytes, None) {
        drop(import_onnx(&model));
    }
}

/// An ncnn pair: text, a zero byte, weights.
pub(crate) fn run_ncnn(bytes: &[u8]) {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return };
    if let Ok(model) = ncnn::read_bytes(text, bytes.get(end + 1..).unwrap_or_default()) {
        drop(import_ncnn(&model));
    }
}

/// Graphs that the importer's own tests compare with ONNX Runtime.
pub(crate) fn onnx_files() -> Vec<Vec<u8>> {
    macro_rules! graphs {
        ($($name:literal),*) => {
            vec![$(include_bytes!(concat!("../../crates/pegbar-net/tests/fixtures/import/", $name, ".onnx")).to_vec()),*]
        };
    }
    graphs![
        "compact_reshape",
        "compact_sizes_opset18",
        "pad_to_multiple",
        "slices",
        "computed_weights",
        "torch_pads",
        "squeeze_excite_shapes",
        "resizes",
        "channel_shuffle"
    ]
}

/// Graphs that the importer's own tests compare with ncnn.
pub(crate) fn ncnn_pairs() -> Vec<Vec<u8>> {
    macro_rules! graphs {
        ($($name:literal),*) => {
            vec![$([
                &include_bytes!(concat!("../../crates/pegbar-net/tests/fixtures/import/", $name, ".param"))[..],
                b"\0",
                &include_bytes!(concat!("../../crates/pegbar-net/tests/fixtures/import/", $name, ".bin"))[..],
            ].concat()),*]
        };
    }
    graphs!["n_compact", "n_cunet", "n_layouts", "n_pools", "n_squeeze_excite", "n_deconvolutions"]
}
