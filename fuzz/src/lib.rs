//! Fuzz targets for the parsers of foreign files.
//!
//! A target is a function that takes any bytes and must return: with a result or an error, never with a panic, and
//! without memory out of proportion to the bytes. The test of this crate runs every target of [`TARGETS`] on mutations
//! of its corpus; the same functions can be called from any other fuzzer.

mod import;
mod media;
mod mutate;
mod ncnn;
mod onnx;
mod pth;
mod safetensors;
mod zip;

pub use mutate::Mutator;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// For messages, and to choose one.
    pub name: &'static str,
    /// Parses the bytes and reads every tensor found.
    pub run: fn(&[u8]),
    /// Small valid inputs to start from.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Pieces of the format that blind mutation would not find.
    pub dictionary: &'static [&'static [u8]],
}

/// All targets. Where a format nests lengths or has checksums, an inner part is a target of its own, wrapped anew for
/// each input: otherwise nearly every mutation would fail at the outer layer. A new parser of foreign files gets a module
/// beside the others here, and a line.
pub const TARGETS: &[Target] = &[
    Target { name: "pth", run: pth::run, corpus: pth::corpus, dictionary: pth::DICTIONARY },
    Target { name: "pickle", run: pth::run_pickle, corpus: pth::pickles, dictionary: pth::DICTIONARY },
    Target {
        name: "safetensors",
        run: safetensors::run,
        corpus: safetensors::corpus,
        dictionary: safetensors::DICTIONARY,
    },
    Target {
        name: "safetensors-table",
        run: safetensors::run_table,
        corpus: safetensors::tables,
        dictionary: safetensors::DICTIONARY,
    },
    Target { name: "ncnn", run: ncnn::run, corpus: ncnn::corpus, dictionary: ncnn::DICTIONARY },
    Target { name: "onnx", run: onnx::run, corpus: onnx::corpus, dictionary: onnx::DICTIONARY },
    Target { name: "onnx-graph", run: onnx::run_graph, corpus: onnx::graphs, dictionary: onnx::DICTIONARY },
    Target { name: "onnx-node", run: onnx::run_node, corpus: onnx::nodes, dictionary: onnx::DICTIONARY },
    Target {
        name: "onnx-tensor",
        run: onnx::run_tensor,
        corpus: onnx::tensors,
        dictionary: onnx::DICTIONARY,
    },
    Target {
        name: "import-onnx",
        run: import::run_onnx,
        corpus: import::onnx_files,
        dictionary: import::ONNX_DICTIONARY,
    },
    Target {
        name: "import-ncnn",
        run: import::run_ncnn,
        corpus: import::ncnn_pairs,
        dictionary: import::NCNN_DICTIONARY,
    },
    Target {
        name: "ffprobe",
        run: media::run_probe,
        corpus: media::probes,
        dictionary: media::PROBE_DICTIONARY,
    },
    Target { name: "nut", run: media::run_nut, corpus: media::nuts, dictionary: media::NUT_DICTIONARY },
];

/// Reads every element of a tensor, as a net would.
fn read_out(tensor: &pegbar_formats::Tensor) {
    let values = tensor.to_f32();
    assert_eq!(values.len(), tensor.n_elements());
    assert_eq!(tensor.shape().iter().product::<usize>(), tensor.n_elements());
    drop(values);
    assert_eq!(tensor.row_major_bytes().len(), tensor.n_elements() * tensor.dtype().size_bytes());
}
