//! Every operator against the test data of ONNX itself, which the package `onnx` carries.
//!
//! Most cases are one node with its inputs and what the reference implementation makes of them; some are functions
//! written out as several nodes.

use pegbar_formats::onnx;
use pegbar_net::tensor::{Array, ArrayData, evaluate_graph, operators};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use zip::ZipArchive;

/// Cases of operators that are known which are not run: a part of the name, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("FLOAT8", "elements of 8 bits: no network on pictures has them"),
    ("FLOAT4", "elements of 4 bits"),
    ("INT4", "elements of 4 bits"),
    ("INT2", "elements of 2 bits"),
    ("to_BFLOAT16", "numbers are not rounded to bfloat16, but kept in single precision"),
    ("training_mode", "training"),
    ("training_dropout", "training"),
    ("ai_onnx_ml", "strings"),
    ("equal_string", "strings"),
    ("identity_opt", "optional values"),
    ("identity_sequence", "sequences"),
    ("einsum_batch_diagonal", "an ellipsis and a diagonal"),
    ("gridsample_volumetric", "three spatial axes"),
    ("maxpool_2d_uint8", "pools integers"),
    ("maxpool_with_argmax", "tells where the largest values are"),
    ("tf_crop_and_resize", "a mode that no exporter of PyTorch writes"),
];

/// Cases that run at least; more come when operators are added.
const LEAST_RUN: usize = 1080;

const FOLDER: &str = "onnx/backend/test/data/node/";

/// Relative and absolute differences that ONNX's own test runner allows, and a little for sums of another order.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-6;

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// An operator that is not claimed.
    Unknown,
    Wrong(String),
}

fn read(archive: &mut ZipArchive<File>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    archive.by_name(name).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// How two tensors differ, if they do.
fn difference(found: &Array, expected: &Array) -> Option<String> {
    if found.shape() != expected.shape() {
        return Some(format!("shape {:?} for {:?}", found.shape(), expected.shape()));
    }
    match (found.data(), expected.data()) {
        (ArrayData::Int(a), ArrayData::Int(b)) => (a != b).then(|| format!("{a:?} for {b:?}")),
        (ArrayData::Bool(a), ArrayData::Bool(b)) => (a != b).then(|| format!("{a:?} for {b:?}")),
        (ArrayData::Float(a), ArrayData::Float(b)) => a.iter().zip(b.iter()).find_map(|(&a, &b)| {
            let (wide_a, wide_b) = (f64::from(a), f64::from(b));
            let same = a == b || a.is_nan() && b.is_nan();
            let near = (wide_a - wide_b).abs() <= ABSOLUTE + RELATIVE * wide_b.abs();
            (!same && !near).then(|| format!("{a} for {b}"))
        }),
        _ => Some(format!("{:?} for {:?}", found.kind(), expected.kind())),
    }
}

fn run(archive: &mut ZipArchive<File>, case: &str) -> Verdict {
    let known = |op: &str| operators().iter().any(|known| known.name == op);
    let Some(bytes) = read(archive, &format!("{FOLDER}{case}/model.onnx")) else {
        return Verdict::Wrong("its model is missing".into());
    };
    let model = match onnx::read_bytes(&bytes, None) {
        Ok(model) => model,
        Err(error) => return Verdict::Wrong(error.to_string()),
    };
    if !model.graph.nodes.iter().all(|node| node.domain.is_empty() && known(&node.op_type)) {
        return Verdict::Unknown;
    }
    let mut inputs = vec![];
    for (index, input) in model.graph.inputs.iter().enumerate() {
        let Some(bytes) = read(archive, &format!("{FOLDER}{case}/test_data_set_0/input_{index}.pb")) else {
            return Verdict::Wrong(format!("its input {index} is missing"));
        };
        match onnx::read_tensor(&bytes) {
            Ok((_, tensor)) => inputs.push((input.name.clone(), Array::from_tensor(&tensor))),
            Err(error) => return Verdict::Wrong(error.to_string()),
        }
    }
    let outputs = match evaluate_graph(&model, &inputs) {
        Ok(outputs) => outputs,
        Err(error) => return Verdict::Wrong(error.to_string()),
    };
    for (index, output) in outputs.iter().enumerate() {
        let Some(bytes) = read(archive, &format!("{FOLDER}{case}/test_data_set_0/output_{index}.pb")) else {
            return Verdict::Wrong(format!("its output {index} is missing"));
        };
        let expected = match onnx::read_tensor(&bytes) {
            Ok((_, tensor)) => Array::from_tensor(&tensor),
            Err(error) => return Verdict::Wrong(error.to_string()),
        };
        let Some(output) = output else { return Verdict::Wrong(format!("output {index} is not made")) };
        if let Some(difference) = difference(output, &expected) {
            return Verdict::Wrong(format!("output {index}: {difference}"));
        }
    }
    Verdict::Right
}

#[test]
fn operators_agree_with_the_test_data_of_onnx() {
    let Some(path) = std::env::var_os("PEGBAR_ONNX_TESTS") else {
        eprintln!("skipped: the test data of ONNX (PEGBAR_ONNX_TESTS is not set)");
        return;
    };
    let mut archive = ZipArchive::new(File::open(path).expect("the package")).expect("a zip archive");
    let cases: BTreeSet<String> = archive
        .file_names()
        .filter_map(|name| name.ok()?.strip_prefix(FOLDER)?.strip_suffix("/model.onnx").map(str::to_owned))
        .collect();
    assert!(cases.len() > 1000, "only {} cases", cases.len());
    let (mut right, mut unknown) = (0, 0);
    let mut wrong = BTreeMap::new();
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        match run(&mut archive, case) {
            Verdict::Right => right += 1,
            Verdict::Unknown => unknown += 1,
            Verdict::Wrong(why) => match NOT_RUN.iter().find(|(part, _)| case.contains(part)) {
                Some((part, _)) => *excused.entry(part).or_default() += 1,
                None => {
                    wrong.insert(case.clone(), why);
                }
            },
        }
    }
    println!("{right} cases right, {unknown} of operators that are not known, {excused:?} left out");
    let listed: Vec<String> =
        wrong.iter().map(|(case, why)| format!("{case}: {}", &why[..why.len().min(200)])).collect();
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), listed.join("\n"));
    let idle: Vec<&str> =
        NOT_RUN.iter().map(|(part, _)| *part).filter(|part| !excused.contains_key(part)).collect();
    assert!(idle.is_empty(), "nothing is left out because of {idle:?}");
    assert!(right >= LEAST_RUN, "only {right} cases ran");
}

#[test]
fn the_reference_page_lists_the_operators_that_are_known() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/onnx.md");
    let page = std::fs::read_to_string(path).expect("docs/onnx.md").replace("\r\n", "\n");
    let table = pegbar_net::tensor::reference_table();
    assert!(page.ends_with(&table), "docs/onnx.md must end with this table:\n{table}");
}
