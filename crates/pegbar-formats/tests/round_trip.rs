//! What is written reads back bit for bit, in both formats.
#![allow(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod support;

use pegbar_formats::{ContainerFormat, DType, StateDict, Tensor, pth, read_state_dict, safetensors};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn tensor() -> impl Strategy<Value = Tensor> {
    (proptest::sample::select(&DType::ALL), proptest::collection::vec(0usize..5, 0..5)).prop_flat_map(
        |(dtype, shape)| {
            let len = shape.iter().product::<usize>() * dtype.size_bytes();
            proptest::collection::vec(any::<u8>(), len)
                .prop_map(move |bytes| Tensor::from_bytes(dtype, shape.clone(), bytes).unwrap())
        },
    )
}

fn state_dict() -> impl Strategy<Value = StateDict> {
    // At least one tensor; names that are no wrapper's prefix.
    proptest::collection::vec(("[a-l.ä0-9 \"\\\\]{1,12}", tensor()), 1..8)
        .prop_map(|tensors| tensors.into_iter().collect())
}

fn assert_same(read: &StateDict, written: &StateDict) {
    assert_eq!(read.len(), written.len());
    for (name, tensor) in written.iter() {
        let read = read.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(read.dtype(), tensor.dtype(), "{name}");
        assert_eq!(read.shape(), tensor.shape(), "{name}");
        assert_eq!(read.to_bytes(), tensor.to_bytes(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn safetensors_round_trip(written in state_dict(), note in "\\PC{0,20}") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let metadata = BTreeMap::from([("note".to_owned(), note), ("format".to_owned(), "pt".to_owned())]);
        safetensors::write(&path, &written, &metadata).unwrap();
        let read = read_state_dict(&path).unwrap();
        assert_same(&read.state_dict, &written);
        assert_eq!(read.metadata, metadata);
        assert_eq!(read.container.format, ContainerFormat::Safetensors);
    }

    #[test]
    fn pth_round_trip(written in state_dict(), wrapped in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let wrapper = wrapped.then_some("params_ema");
        match pth::write(&path, &written, wrapper) {
            Ok(()) => {
                let read = read_state_dict(&path).unwrap();
                assert_same(&read.state_dict, &written);
                assert!(read.state_dict.names().eq(written.names()), "order");
                assert_eq!(read.container.wrapper.as_deref(), wrapper);
                assert_eq!(read.container.format, ContainerFormat::PthZip);
                assert!(read.warnings.is_empty());
            }
            Err(error) => {
                let unsigned = |t: &Tensor| matches!(t.dtype(), DType::U16 | DType::U32 | DType::U64);
                assert!(written.iter().any(|(_, t)| unsigned(t)), "{error}");
            }
        }
    }
}

#[test]
fn safetensors_are_aligned_and_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = StateDict::new();
    written.insert("flag", Tensor::from_bytes(DType::U8, vec![3], vec![1, 2, 3]).unwrap());
    written.insert("half", Tensor::from_bytes(DType::F16, vec![1], vec![0, 0x3c]).unwrap());
    written.insert("wide", Tensor::from_bytes(DType::F64, vec![1], vec![0; 8]).unwrap());
    written.insert("single", Tensor::from_f32(vec![1], vec![1.0]).unwrap());
    let metadata: BTreeMap<_, _> = (0..20).map(|i| (format!("k{i}"), "v".to_owned())).collect();
    let files: Vec<Vec<u8>> = (0..3)
        .map(|i| {
            let path = dir.path().join(i.to_string());
            safetensors::write(&path, &written, &metadata).unwrap();
            std::fs::read(path).unwrap()
        })
        .collect();
    assert!(files.iter().all(|file| *file == files[0]));
    let table_len = u64::from_le_bytes(files[0][..8].try_into().unwrap());
    assert_eq!(table_len % 8, 0);
    // The reference implementation agrees with what we wrote, and finds every tensor aligned.
    let read = ::safetensors::SafeTensors::deserialize(&files[0]).unwrap();
    for (name, tensor) in written.iter() {
        let info = read.tensor(name).unwrap();
        assert_eq!(info.data(), tensor.to_bytes(), "{name}");
        let offset = info.data().as_ptr() as usize - files[0].as_ptr() as usize;
        assert_eq!(offset % tensor.dtype().size_bytes(), 0, "{name}");
    }
}

#[test]
fn every_reference_file_survives_both_formats() {
    let Some(folder) = support::shared("golden", "rewriting the reference collection") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !["pth", "ckpt", "safetensors"].iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
            continue;
        }
        let original = read_state_dict(&path).unwrap_or_else(|error| panic!("{name}: {error}")).state_dict;
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        pth::write(&a, &original, None).unwrap();
        assert_same(&read_state_dict(&a).unwrap().state_dict, &original);
        safetensors::write(&b, &original, &BTreeMap::new()).unwrap();
        assert_same(&read_state_dict(&b).unwrap().state_dict, &original);
        n_files += 1;
    }
    // 74 models and as many pairs of input and output.
    assert_eq!(n_files, 148);
}
