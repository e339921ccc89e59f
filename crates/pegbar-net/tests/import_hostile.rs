//! Graphs from strangers: whatever stands in them, importing them gives a net or a sentence, never a panic, and never
//! takes memory out of proportion to the file.
//!
//! Random edits of the fixtures' graphs reach deeper than random bytes, which seldom get past the parser.

mod support;

use indexmap::IndexMap;
use pegbar_formats::ncnn::{NcnnModel, NcnnParam};
use pegbar_formats::onnx::{OnnxAttribute, OnnxModel};
use pegbar_formats::{DType, ModelFile, Tensor, read_model};
use pegbar_net::{Model, ModelError, import_ncnn, import_onnx};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::Numbers;

/// Memory an import may take for each byte of the graph, and in any case.
const MAX_FACTOR: usize = 64;
const FLOOR_BYTES: usize = 8 << 20;
/// Of an ONNX graph that is run as operations on tensors, values that follow from sizes are computed to see which sizes it takes.
const KNOWN_BYTES: usize = 96 << 20;

/// Counts what is allocated; the tests take turns.
struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TURN: Mutex<()> = Mutex::new(());
/// Largest share of the allowed memory that an import took, in percent.
static WORST: AtomicUsize = AtomicUsize::new(0);

#[allow(
    unsafe_code,
    reason = "a global allocator cannot be written without it; it only counts and passes on"
)]
// SAFETY: every call is passed on to the system allocator unchanged, and so are its results.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let current = CURRENT.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(current, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Imports and holds the importer to its promises.
fn check(
    import: impl FnOnce() -> Result<Model, ModelError>,
    graph_bytes: usize,
    floor_bytes: usize,
    origin: &str,
) -> bool {
    let before = CURRENT.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = import();
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    let limit = MAX_FACTOR * graph_bytes + floor_bytes;
    assert!(peak <= limit, "{origin}: took {peak} bytes for a graph of {graph_bytes}");
    WORST.fetch_max(100 * peak / limit, Ordering::Relaxed);
    match result {
        Ok(model) => {
            model.net.validate().unwrap_or_else(|error| panic!("{origin}: made a broken net: {error}"));
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 4096, "{origin}: {text}");
            false
        }
    }
}

fn fixtures(extension: &str) -> Vec<ModelFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("folder of fixtures")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| read_model(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).collect()
}

/// Numbers at which importers go wrong.
fn odd(numbers: &mut Numbers) -> i64 {
    const ODD: [i64; 22] = [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        64,
        255,
        4095,
        65_535,
        65_536,
        1 << 20,
        1 << 24,
        1 << 31,
        i64::MAX,
        i64::MIN,
        -1,
        -2,
        -233,
        -234,
        -65_536,
    ];
    ODD[numbers.below(ODD.len())]
}

fn odd_float(numbers: &mut Numbers) -> f32 {
    const ODD: [f32; 14] =
        [0.0, 1.0, 2.0, 0.5, 0.75, 1.0 / 3.0, 3.7, 1e9, 1e-9, -1.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX];
    ODD[numbers.below(ODD.len())]
}

/// A small tensor of odd numbers or odd shape.
fn odd_tensor(numbers: &mut Numbers) -> Tensor {
    const SHAPES: [&[usize]; 12] = [
        &[],
        &[0],
        &[1],
        &[2],
        &[4],
        &[8],
        &[1, 1],
        &[3, 1, 1],
        &[1, 3, 1, 1],
        &[3, 3, 3, 3],
        &[0, 4],
        &[2, 2, 2, 2, 2],
    ];
    let shape = SHAPES[numbers.below(SHAPES.len())].to_vec();
    let n: usize = shape.iter().product();
    if numbers.below(2) == 0 {
        let bytes = (0..n).flat_map(|_| odd(numbers).to_le_bytes()).collect();
        Tensor::from_bytes(DType::I64, shape, bytes).expect("as many values as the shape says")
    } else {
        let values = (0..n).map(|_| odd_float(numbers)).collect();
        Tensor::from_f32(shape, values).expect("as many values as the shape says")
    }
}

fn mutate_onnx(model: &mut OnnxModel, numbers: &mut Numbers, kinds: &[String]) {
    let n_nodes = model.graph.nodes.len();
    let mut names: Vec<String> = model.graph.nodes.iter().flat_map(|node| node.outputs.clone()).collect();
    names.extend(model.graph.initializers.keys().cloned());
    names.extend(model.graph.inputs.iter().map(|input| input.name.clone()));
    names.push(String::new());
    let node = numbers.below(n_nodes);
    match numbers.below(13) {
        0 => {
            let node = &mut model.graph.nodes[node];
            let at = numbers.below(node.inputs.len().max(1));
            if let Some(input) = node.inputs.get_mut(at) {
                *input = names[numbers.below(names.len())].clone();
            }
        }
        1 => model.graph.nodes[node].inputs.push(names[numbers.below(names.len())].clone()),
        2 => drop(model.graph.nodes[node].inputs.pop()),
        3 if n_nodes > 1 => drop(model.graph.nodes.remove(node)),
        4 => model.graph.nodes[node].op_type = kinds[numbers.below(kinds.len())].clone(),
        5 | 6 => {
            let value = match numbers.below(4) {
                0 => OnnxAttribute::Int(odd(numbers)),
                1 => OnnxAttribute::Float(odd_float(numbers)),
                2 => OnnxAttribute::Ints((0..numbers.below(9)).map(|_| odd(numbers)).collect()),
                _ => OnnxAttribute::Tensor(odd_tensor(numbers)),
            };
            const ATTRIBUTES: [&str; 18] = [
                "pads",
                "strides",
                "dilations",
                "group",
                "kernel_shape",
                "axis",
                "axes",
                "perm",
                "blocksize",
                "alpha",
                "keepdims",
                "to",
                "value",
                "scales",
                "split",
                "output_shape",
                "output_padding",
                "allowzero",
            ];
            let attributes = &mut model.graph.nodes[node].attributes;
            let own: Vec<String> = attributes.keys().cloned().collect();
            let name = if own.is_empty() || numbers.below(3) == 0 {
                ATTRIBUTES[numbers.below(ATTRIBUTES.len())].to_owned()
            } else {
                own[numbers.below(own.len())].clone()
            };
            attributes.insert(name, value);
        }
        7 | 8 => {
            let initializers: &mut IndexMap<String, Tensor> = &mut model.graph.initializers;
            let at = numbers.below(initializers.len().max(1));
            if let Some((_, tensor)) = initializers.get_index_mut(at) {
                *tensor = odd_tensor(numbers);
            }
        }
        9 => model.opset = 5 + numbers.below(22) as i64,
        10 => {
            if let Some(dim) =
                model.graph.inputs.first_mut().and_then(|input| input.dims.get_mut(1 + numbers.below(3)))
            {
                *dim = if numbers.below(3) == 0 { None } else { Some(odd(numbers)) };
            }
        }
        11 => {
            // Grow what a node makes by feeding it to itself through copies: doubling, doubling, doubling.
            let mut name = model.graph.nodes[node].outputs.first().cloned().unwrap_or_default();
            let mut copies = Vec::new();
            for i in 0..numbers.below(40) {
                let mut copy = model.graph.nodes[node].clone();
                copy.op_type = kinds[numbers.below(kinds.len())].clone();
                let reads = copy.inputs.len().max(1);
                copy.inputs.resize(reads, name.clone());
                copy.inputs[0] = name.clone();
                if copy.op_type == "Concat" || numbers.below(4) == 0 {
                    copy.inputs = vec![name.clone(), name.clone()];
                }
                name = format!("grown_{i}");
                copy.outputs = vec![name.clone()];
                copies.push(copy);
            }
            model.graph.nodes.splice(node + 1..node + 1, copies);
            for later in model.graph.nodes.iter_mut().rev().take(1) {
                later.inputs = vec![name.clone()];
            }
        }
        _ => {
            let other = numbers.below(n_nodes);
            model.graph.nodes.swap(node, other);
        }
    }
}

fn mutate_ncnn(model: &mut NcnnModel, numbers: &mut Numbers, kinds: &[String]) {
    let n_layers = model.layers.len();
    let names: Vec<String> = model.layers.iter().flat_map(|layer| layer.outputs.clone()).collect();
    let at = numbers.below(n_layers);
    let layer = &mut model.layers[at];
    match numbers.below(10) {
        0 => {
            let index = numbers.below(layer.inputs.len().max(1));
            if let Some(input) = layer.inputs.get_mut(index) {
                *input = names[numbers.below(names.len())].clone();
            }
        }
        1 => layer.inputs.push(names[numbers.below(names.len())].clone()),
        2 => drop(layer.inputs.pop()),
        3 if n_layers > 2 => drop(model.layers.remove(at)),
        4 => layer.kind = kinds[numbers.below(kinds.len())].clone(),
        5..=7 => {
            let value = match numbers.below(4) {
                0 | 1 => NcnnParam::Int(odd(numbers)),
                2 => NcnnParam::Float(odd_float(numbers)),
                _ => NcnnParam::IntArray((0..numbers.below(6)).map(|_| odd(numbers)).collect()),
            };
            layer.params.insert(numbers.below(22) as i32, value);
        }
        8 => {
            if let Some(weight) = layer.weights.first_mut() {
                weight.tensor = odd_tensor(numbers);
            }
        }
        _ => {
            let mut name = layer.outputs.first().cloned().unwrap_or_default();
            let original = layer.clone();
            let mut copies = Vec::new();
            for i in 0..numbers.below(40) {
                let mut copy = original.clone();
                copy.kind = kinds[numbers.below(kinds.len())].clone();
                copy.inputs = vec![name.clone(), name.clone()];
                name = format!("grown_{i}");
                copy.outputs = vec![name.clone()];
                copies.push(copy);
            }
            model.layers.splice(at + 1..at + 1, copies);
            if let Some(last) = model.layers.last_mut() {
                last.inputs = vec![name];
            }
        }
    }
}

/// Runs for each format, as many as `PEGBAR_FUZZ_RUNS` says; each has a seed of its own.
fn n_runs() -> u64 {
    std::env::var("PEGBAR_FUZZ_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

#[test]
fn edited_onnx_graphs_give_a_net_or_a_sentence() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let models: Vec<OnnxModel> = fixtures("onnx")
        .into_iter()
        .filter_map(|file| match file {
            ModelFile::Onnx(model) => Some(model),
            _ => None,
        })
        .collect();
    let mut kinds: Vec<String> =
        models.iter().flat_map(|model| model.graph.nodes.iter().map(|node| node.op_type.clone())).collect();
    kinds.sort();
    kinds.dedup();
    let mut n_imported = 0;
    let runs = n_runs();
    for seed in 1..=runs {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut model = models[numbers.below(models.len())].clone();
        for _ in 0..1 + numbers.below(4) {
            mutate_onnx(&mut model, &mut numbers, &kinds);
        }
        let weights: usize = model.graph.initializers.values().map(|tensor| tensor.n_elements() * 4).sum();
        let bytes = weights + 64 * model.graph.nodes.len();
        n_imported +=
            u64::from(check(|| import_onnx(&model), bytes, KNOWN_BYTES, &format!("ONNX seed {seed}")));
    }
    // Edits that no importer minds show that the others failed for what they changed.
    eprintln!(
        "{n_imported} of {runs} were imported, at most {} % of the allowed memory",
        WORST.load(Ordering::Relaxed)
    );
    assert!(n_imported > runs / 20, "only {n_imported} of {runs} were imported");
}

#[test]
fn edited_ncnn_graphs_give_a_net_or_a_sentence() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let models: Vec<NcnnModel> = fixtures("param")
        .into_iter()
        .filter_map(|file| match file {
            ModelFile::Ncnn(model) => Some(model),
            _ => None,
        })
        .collect();
    let mut kinds: Vec<String> =
        models.iter().flat_map(|model| model.layers.iter().map(|layer| layer.kind.clone())).collect();
    kinds.sort();
    kinds.dedup();
    let mut n_imported = 0;
    let runs = n_runs();
    for seed in 1..=runs {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut model = models[numbers.below(models.len())].clone();
        for _ in 0..1 + numbers.below(4) {
            mutate_ncnn(&mut model, &mut numbers, &kinds);
        }
        let weights: usize = model
            .layers
            .iter()
            .flat_map(|layer| &layer.weights)
            .map(|blob| blob.tensor.n_elements() * 4)
            .sum();
        let bytes = weights + 64 * model.layers.len();
        n_imported +=
            u64::from(check(|| import_ncnn(&model), bytes, FLOOR_BYTES, &format!("ncnn seed {seed}")));
    }
    eprintln!(
        "{n_imported} of {runs} were imported, at most {} % of the allowed memory",
        WORST.load(Ordering::Relaxed)
    );
    assert!(n_imported > runs / 20, "only {n_imported} of {runs} were imported");
}
