//! PyTorch files: as a whole, and the pickle within a well-formed archive.

use crate::{read_out, zip};
use pegbar_formats::{DType, StateDict, Tensor, pth};

/// Opcodes and names, some of them refused.
pub(crate) const DICTIONARY: &[&[u8]] = &[
    b"\x80\x02",
    b"\x80\x04\x95",
    b"}(",
    b"](",
    b"((",
    b"u.",
    b"e.",
    b"s.",
    b"tR",
    b"\x85R",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x94",
    b"q\x00",
    b"h\x00",
    b"r\xff\xff\xff\x00",
    b"\x8a\x08",
    b"\x8b\x08\0\0\0",
    b"\x8c\x04data",
    b"X\x01\0\0\0a",
    b"K\x00",
    b"J\xff\xff\xff\xff",
    b"tQ",
    b"0",
    b"1",
    b"2",
    b")R",
    b")\x81",
    b"b",
    b"l",
    b"d",
    b"\x8f(\x90",
    b"(\x91",
    b"I01\n",
    b"L5L\n",
    b"F1.5\n",
    b"S'x'\n",
    b"Vx\n",
    b"p0\n",
    b"g0\n",
    b"P0\n",
    b"o",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nByteStorage\n",
    b"ctorch\nSize\n",
    b"iposix\nsystem\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"X\x07\0\0\0storage",
    b"X\x0a\0\0\0state_dict",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x07",
    b"ustar",
];

/// Archives, legacy streams and tars.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(file) = pth::read_bytes(bytes) {
        for (_, tensor) in file.state_dict.iter() {
            read_out(tensor);
        }
    }
}

/// The bytes as the pickle of an archive, and as the object of a legacy stream.
pub(crate) fn run_pickle(pickle: &[u8]) {
    run(&around(pickle));
    run(&legacy(pickle, LEGACY_KEYS, &STORAGES));
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let pickles = pickles();
    let mut corpus: Vec<Vec<u8>> = pickles.iter().map(|pickle| around(pickle)).collect();
    corpus.push(zip::archive(
        &[("m/data.pkl", &pickles[0]), ("m/data/0", &[1; 96]), ("m/data/1", &[2; 8])],
        true,
    ));
    corpus.push(legacy(&pickles[0], LEGACY_KEYS, &STORAGES));
    corpus.push(tar());
    corpus.extend(written());
    corpus
}

/// Pickles over the storages `0` of 24 floats and `1` of 8 bytes.
pub(crate) fn pickles() -> Vec<Vec<u8>> {
    let storage = |class: &str, key: &str, n: u8| {
        [
            b"(X\x07\0\0\0storagectorch\n",
            class.as_bytes(),
            b"\nX\x01\0\0\0",
            key.as_bytes(),
            b"X\x03\0\0\0cpuK",
            &[n],
            b"tQ",
        ]
        .concat()
    };
    let tensor = |storage: &[u8], rest: &[u8]| {
        [b"ctorch._utils\n_rebuild_tensor_v2\n(", storage, rest, b"\x89ccollections\nOrderedDict\n)RtR"]
            .concat()
    };
    let floats = storage("FloatStorage", "0", 24);
    let bytes = storage("ByteStorage", "1", 8);
    let weight = tensor(&floats, b"K\x00(K\x02K\x03K\x04t(K\x0cK\x04K\x01t");
    let strided = tensor(&floats, b"K\x02K\x02K\x05\x86K\x01K\x02\x86");
    let flags = tensor(&bytes, b"K\x00K\x08\x85K\x01\x85");
    let plain = [
        &b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\0\0\0aq\x02"[..],
        &weight,
        b"q\x03X\x01\0\0\0b",
        &strided,
        b"X\x01\0\0\0ch\x03X\x01\0\0\0d",
        &flags,
        b"u}X\x09\0\0\0_metadata}sb.",
    ]
    .concat();
    // A training checkpoint: wrapper, prefix, parameters, numbers of every spelling, NumPy's, sets, tuples.
    let checkpoint = [
        &b"\x80\x02}(X\x05\0\0\0epochM\xe8\x03X\x04\0\0\0bestcnumpy.core.multiarray\nscalar\n"[..],
        b"cnumpy\ndtype\n(X\x02\0\0\0f8\x89\x88tR(K\x03X\x01\0\0\0<NNNtbC\x08abcdefgh\x86RX\x02\0\0\0lr",
        b"G?PbM\xd2\xf1\xa9\xfcX\x05\0\0\0betas(K\x01J\xff\xff\xff\xff\x8a\x02\x00\x01NtX\x0a\0\0\0state_dict",
        b"}X\x08\0\0\0module.actorch._utils\n_rebuild_parameter\n(",
        &strided,
        b"\x88}tRsu.",
    ]
    .concat();
    // Protocol 4: frames, short strings, memoized names.
    let modern = [
        &b"\x80\x04\x95\x40\0\0\0\0\0\0\0}\x94\x8c\x06params\x94}\x94(\x8c\x01a\x94"[..],
        b"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94(",
        &floats,
        b"K\x00K\x18\x85\x94K\x01\x85\x94\x89}\x94t\x94R\x94us.",
    ]
    .concat();
    // Protocol 0 and 1, as old Python writes them.
    let old =
        [&b"(dp0\nS'net'\np1\n(dp2\nVa\np3\n(lp4\nI1\naL2L\naF0.5\nag3\nas"[..], b"U\x01b", &flags, b"ss."]
            .concat();
    let pairs = [&b"\x80\x02ccollections\nOrderedDict\n](](X\x01\0\0\0a"[..], &weight, b"ee\x85R."].concat();
    vec![plain, checkpoint, modern, old, pairs]
}

/// The list of storages `0` and `1`.
const LEGACY_KEYS: &[u8] = b"\x80\x02](X\x01\x00\x00\x000X\x01\x00\x00\x001e.";
/// Element counts and bytes of the storages in a legacy stream.
const STORAGES: [(u64, usize); 2] = [(24, 96), (8, 8)];

fn around(pickle: &[u8]) -> Vec<u8> {
    zip::archive(
        &[
            ("m/data.pkl", pickle),
            ("m/byteorder", b"little"),
            ("m/data/0", &[0x3d; 96]),
            ("m/data/1", &[1; 8]),
            ("m/version", b"3\n"),
        ],
        false,
    )
}

fn legacy(object: &[u8], keys: &[u8], storages: &[(u64, usize)]) -> Vec<u8> {
    let mut out = vec![0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    out.extend_from_slice(b"\x80\x02M\xe9\x03.");
    out.extend_from_slice(b"\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    out.extend_from_slice(object);
    out.extend_from_slice(keys);
    for &(n_elements, n_bytes) in storages {
        out.extend_from_slice(&n_elements.to_le_bytes());
        out.resize(out.len() + n_bytes, 0x3d);
    }
    out
}

fn tar() -> Vec<u8> {
    let storages = [
        &b"\x80\x02K\x01.\x80\x02(K\x64X\x03\0\0\0cpuctorch\nFloatStorage\nt.\x06\0\0\0\0\0\0\0"[..],
        &[0x3d; 24],
        b"\x80\x02](K\x65K\x64K\x02K\x04ta.",
    ]
    .concat();
    let numbers = |n: &[u64]| n.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let tensors =
        [&b"\x80\x02K\x01.\x80\x02(K\x01K\x65Nt.\x02\0\0\0\0\0\0\0"[..], &numbers(&[2, 2, 2, 1, 0])].concat();
    let mut out = Vec::new();
    for (name, content) in
        [("pickle", &b"\x80\x02}X\x01\0\0\0aK\x01Qs."[..]), ("tensors", &tensors), ("storages", &storages)]
    {
        let start = out.len();
        out.resize(start + 512, 0);
        out[start..start + name.len()].copy_from_slice(name.as_bytes());
        out[start + 124..start + 135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        out[start + 257..start + 262].copy_from_slice(b"ustar");
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

/// What our own writer makes.
fn written() -> Option<Vec<u8>> {
    let mut state_dict = StateDict::new();
    for (name, dtype, shape) in [
        ("body.0.weight", DType::F16, vec![2, 3, 1, 1]),
        ("n", DType::I64, vec![]),
        ("e", DType::F32, vec![0, 3]),
    ] {
        let n_bytes = shape.iter().product::<usize>() * dtype.size_bytes();
        state_dict.insert(name, Tensor::from_bytes(dtype, shape, vec![7; n_bytes]).ok()?);
    }
    let folder = tempfile::tempdir().ok()?;
    let path = folder.path().join("written.pth");
    pth::write(&path, &state_dict, Some("params_ema")).ok()?;
    std::fs::read(path).ok()
}
