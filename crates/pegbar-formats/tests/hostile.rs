//! PyTorch files made to harm, and files that broke on the way.
#![allow(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod support;

use pegbar_formats::{ContainerFormat, FormatError, StateDict, Tensor, pth, read_state_dict, safetensors};
use std::io::Write;
use std::time::Instant;
use support::{finish_zip, pth_around, push_entry, stored_zip, tensor_pickle};

fn read(bytes: &[u8]) -> Result<pegbar_formats::WeightsFile, FormatError> {
    pth::read_bytes(bytes)
}

#[test]
fn a_pickle_that_calls_os_system_is_refused_by_name() {
    let marker = std::env::temp_dir().join(format!("pegbar-was-here-{}", std::process::id()));
    let command = format!("touch {}", marker.display());
    for (module, name) in [("posix", "system"), ("os", "system"), ("builtins", "exec")] {
        // reduce(system, (command,)), alone and as the value of a key beside honest ones.
        let call = [
            format!("c{module}\n{name}\nX").as_bytes(),
            &(command.len() as u32).to_le_bytes(),
            command.as_bytes(),
            b"\x85R",
        ]
        .concat();
        let alone = [b"\x80\x02", &call[..], b"."].concat();
        let beside = [b"\x80\x02}X\x01\0\0\0a", &call[..], b"s."].concat();
        for pickle in [alone, beside] {
            for file in [pth_around(&pickle, &[0; 4]), legacy(&pickle)] {
                let error = read(&file).unwrap_err();
                assert!(matches!(error, FormatError::ForbiddenGlobal { .. }), "{error}");
                let sentence = error.to_string();
                assert!(sentence.contains(&format!("`{module}.{name}`")), "{sentence}");
            }
        }
    }
    assert!(!marker.exists());
}

/// A legacy file with this object and no storages.
fn legacy(object: &[u8]) -> Vec<u8> {
    let magic = [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", object, b"\x80\x02]."].concat()
}

#[test]
fn a_name_cannot_smuggle_terminal_codes_into_the_message() {
    let pickle = b"\x80\x02\x8c\x07\x1b[2Jos\r\x8c\x06system\x93.";
    let sentence = read(&pth_around(pickle, &[])).unwrap_err().to_string();
    assert!(!sentence.contains(['\x1b', '\r']), "{sentence:?}");
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An archive with a deflated storage that claims `size` bytes.
fn deflated_pth(pickle: &[u8], packed: &[u8], size: u32, crc: u32) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    push_entry(
        &mut out,
        &mut directory,
        "m/data.pkl",
        0,
        crc32fast::hash(pickle),
        pickle,
        pickle.len() as u32,
    );
    push_entry(&mut out, &mut directory, "m/data/0", 8, crc, packed, size);
    finish_zip(out, directory, 2)
}

#[test]
fn deflated_entries_are_read_and_zip_bombs_are_not() {
    let values: Vec<u8> = (0..4000u32).flat_map(|i| (i as f32 * 0.37).sin().to_le_bytes()).collect();
    let pickle = tensor_pickle("w", 4000, b"K\x00", b"M\xa0\x0f\x85", b"K\x01\x85");
    let honest = deflated_pth(&pickle, &deflated(&values), 16_000, crc32fast::hash(&values));
    let file = read(&honest).unwrap();
    assert_eq!(file.state_dict.get("w").unwrap().to_bytes(), values);
    assert!(file.warnings.is_empty());

    let zeros = vec![0; 64 << 20];
    let pickle = tensor_pickle("w", 16 << 20, b"K\x00", b"J\0\0\0\x01\x85", b"K\x01\x85");
    let bomb = deflated(&zeros);
    assert!(bomb.len() < 100_000);
    let crc = crc32fast::hash(&zeros);
    let error = read(&deflated_pth(&pickle, &bomb, 64 << 20, crc)).unwrap_err();
    assert!(matches!(error, FormatError::OutOfProportion { .. }), "{error}");
    // The bomb that says it is small is cut at what it says; then its storage is too short.
    let error = read(&deflated_pth(&pickle, &bomb, 4096, crc)).unwrap_err();
    assert!(matches!(error, FormatError::Truncated { .. }), "{error}");
    // And the one that says it is larger than it is.
    assert!(read(&deflated_pth(&pickle, &deflated(b"tiny"), 100_000, 0)).is_err());
}

#[test]
fn entries_that_share_their_bytes_do_not_multiply() {
    // 500 directory entries for the same megabyte.
    let blob = vec![0; 1 << 20];
    let mut pickle = b"\x80\x02}(".to_vec();
    for i in 0..500 {
        let name = format!("{i:03}");
        pickle.extend_from_slice(b"X\x03\0\0\0");
        pickle.extend_from_slice(name.as_bytes());
        pickle.extend_from_slice(
            b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n",
        );
        pickle.extend_from_slice(b"X\x03\0\0\0");
        pickle.extend_from_slice(name.as_bytes());
        pickle.extend_from_slice(b"X\x03\0\0\0cpuJ\0\0\x04\0tQK\0J\0\0\x04\0\x85K\x01\x85\x89}tR");
    }
    pickle.extend_from_slice(b"u.");
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    push_entry(&mut out, &mut directory, "m/data.pkl", 0, 0, &pickle, pickle.len() as u32);
    let shared_offset = (out.len() as u32).to_le_bytes();
    for i in 0..500 {
        let mut unused = Vec::new();
        let target = if i == 0 { &mut out } else { &mut unused };
        push_entry(target, &mut directory, &format!("m/data/{i:03}"), 0, 0, &blob, blob.len() as u32);
        let at = directory.len() - "m/data/000".len() - 4;
        directory[at..at + 4].copy_from_slice(&shared_offset);
    }
    let error = read(&finish_zip(out, directory, 501)).unwrap_err();
    assert!(matches!(error, FormatError::OutOfProportion { .. }), "{error}");
}

#[test]
fn shapes_and_strides_that_lie_are_refused() {
    // Storage of four values.
    let storage: Vec<u8> = [1f32, 2., 3., 4.].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensor = |n, offset: &[u8], shape: &[u8], strides: &[u8]| {
        read(&pth_around(&tensor_pickle("w", n, offset, shape, strides), &storage))
            .map(|file| file.state_dict.get("w").unwrap().to_f32())
    };
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let large = b"\x8a\x06\0\0\0\0\0\x01";
    let tuple = |items: &[&[u8]]| [b"(", &items.concat()[..], b"t"].concat();
    let (zero, one, two, four) = (&b"K\0"[..], &b"K\x01"[..], &b"K\x02"[..], &b"K\x04"[..]);

    assert_eq!(tensor(4, zero, &tuple(&[two, two]), &tuple(&[one, two])).unwrap(), [1., 3., 2., 4.]);
    assert_eq!(tensor(4, b"K\x03", &tuple(&[two, two]), &tuple(&[zero, zero])).unwrap(), [4.; 4]);
    for (what, n, offset, shape, strides) in [
        ("beyond the end", 4, one, tuple(&[four]), tuple(&[one])),
        ("more than the entry has", 5, zero, tuple(&[four]), tuple(&[one])),
        ("product overflows", 4, zero, tuple(&[huge, huge]), tuple(&[zero, zero])),
        ("huge with zero strides", 4, zero, tuple(&[large]), tuple(&[zero])),
        ("a million of one", 4, zero, tuple(&[b"J\0\0\x10\0"]), tuple(&[zero])),
        ("stride overflows", 4, zero, tuple(&[two, two]), tuple(&[huge, huge])),
        ("offset overflows", 4, huge, tuple(&[one]), tuple(&[one])),
        ("negative", 4, zero, tuple(&[b"J\xff\xff\xff\xff"]), tuple(&[one])),
        ("negative stride", 4, zero, tuple(&[two]), tuple(&[b"J\xff\xff\xff\xff"])),
        ("negative offset", 4, b"J\xff\xff\xff\xff", tuple(&[one]), tuple(&[one])),
        ("ranks differ", 4, zero, tuple(&[two, two]), tuple(&[one])),
        ("no numbers", 4, zero, tuple(&[b"N"]), tuple(&[b"N"])),
        ("no tuple", 4, zero, b"N".to_vec(), b"N".to_vec()),
        ("100 dimensions", 4, zero, tuple(&[one; 100]), tuple(&[one; 100])),
    ] {
        let error = tensor(n, offset, &shape, &strides).expect_err(what);
        let sentence = error.to_string();
        let named = sentence.contains("`w`") || sentence.contains("storage `0`");
        assert!(named, "{what}: {sentence}");
    }
}

#[test]
fn a_thousand_expanded_tensors_stay_in_proportion() {
    let mut pickle = b"\x80\x02}(".to_vec();
    let one = tensor_pickle("0000", 1, b"K\0", b"J\0\0\x01\0\x85", b"K\0\x85");
    // Between `}` with its name and the final `s.`.
    let body = &one[3 + 9..one.len() - 2];
    for i in 0..1000 {
        pickle.extend_from_slice(format!("X\x04\0\0\0{i:04}").as_bytes());
        pickle.extend_from_slice(body);
    }
    pickle.extend_from_slice(b"u.");
    let error = read(&pth_around(&pickle, &[0; 4])).unwrap_err();
    assert!(matches!(error, FormatError::OutOfProportion { .. }), "{error}");
}

#[test]
fn cycles_end() {
    // A dict that holds itself, under an ordinary key and under every key that is unwrapped.
    for key in ["a", "state_dict", "model"] {
        let len = (key.len() as u32).to_le_bytes();
        let pickle = [b"\x80\x02}q\0X", &len[..], key.as_bytes(), b"h\0s."].concat();
        assert!(matches!(read(&pth_around(&pickle, &[])), Err(FormatError::NoTensors { .. })));
    }
    // A parameter of itself cannot be written, but a tuple within a list within its tuple can.
    assert!(read(&pth_around(b"\x80\x02]q\0(h\0ta.", &[])).is_err());
}

#[test]
fn what_is_no_state_dict_says_what_it_is() {
    for (pickle, expected) in [
        (&b"\x80\x02]."[..], "a list"),
        (b"\x80\x02K\x01.", "a single value"),
        (b"\x80\x02}.", "is empty"),
        (b"\x80\x02}(X\x05\0\0\0epochK\x03X\x02\0\0\0lrK\x01u.", "`epoch`, `lr`"),
    ] {
        let sentence = read(&pth_around(pickle, &[])).unwrap_err().to_string();
        assert!(sentence.contains(expected), "{sentence}");
    }
    for (entries, expected) in [
        (vec![("m/data.pkl", &b"."[..]), ("m/constants.pkl", b"")], "TorchScript"),
        (vec![("m/readme", b"")], "PyTorch did not write"),
        (vec![("a/data.pkl", b"N."), ("b/data.pkl", b"N.")], "two data.pkl"),
        (vec![("m/data.pkl", b"N."), ("m/byteorder", b"big")], "big-endian"),
    ] {
        let sentence = read(&stored_zip(&entries)).unwrap_err().to_string();
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn a_flipped_bit_in_the_numbers_is_a_warning_and_in_the_pickle_an_error() {
    let storage = [7u8; 64];
    let pickle = tensor_pickle("weight_one", 16, b"K\0", b"K\x10\x85", b"K\x01\x85");
    let file = pth_around(&pickle, &storage);
    assert!(read(&file).unwrap().warnings.is_empty());
    let flipped = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 1;
        file
    };
    let numbers = file.windows(64).position(|w| w == storage).unwrap();
    let warnings = read(&flipped(numbers)).unwrap().warnings;
    assert!(warnings[0].contains("m/data/0"), "{warnings:?}");
    let name = file.windows(6).position(|w| w == b"weight").unwrap();
    let sentence = read(&flipped(name)).unwrap_err().to_string();
    assert!(sentence.contains("checksum"), "{sentence}");
}

#[test]
fn files_cut_short_say_so() {
    let Some(folder) = support::shared("golden", "cutting the reference files short") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    for name in ["compact_x2_gray.ckpt", "compact_x3_nf12_nc5_legacy.pth", "compact_x1_nf16_nc2.safetensors"]
    {
        let whole = std::fs::read(folder.join(name)).unwrap();
        let path = dir.path().join(name);
        for i in 1..50 {
            std::fs::write(&path, &whole[..whole.len() * i / 50]).unwrap();
            let error = read_state_dict(&path).unwrap_err();
            assert!(matches!(error, FormatError::Truncated { .. }), "{name} {i}/50: {error}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(read_state_dict(&path).is_err(), "{name}: the last byte");
    }
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn safetensors_tables_that_lie_are_refused() {
    let file =
        |table: &str, data: &[u8]| [&(table.len() as u64).to_le_bytes()[..], table.as_bytes(), data].concat();
    let read = |bytes: &[u8]| safetensors::read_bytes(bytes);
    let good = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    assert_eq!(read(&file(good, &[0; 8])).unwrap().state_dict.get("a").unwrap().shape(), [2]);
    for (table, n) in [
        (good.to_owned(), 7),
        (good.to_owned(), 9),
        (good.replace("[2]", "[3]"), 8),
        (good.replace("[0,8]", "[4,12]"), 12),
        (good.replace("[0,8]", "[8,0]"), 8),
        (good.replace("[2]", "[18446744073709551615]").replace("[0,8]", "[0,18446744073709551615]"), 8),
        (
            good.replace("F32", "U8")
                .replace("[2]", "[18446744073709551615]")
                .replace("8]", "18446744073709551615]"),
            8,
        ),
        (good.replace("[2]", "[4294967296,4294967296]"), 8),
        (good.replace("F32", "F8_E4M3").replace("[2]", "[8]"), 8),
        (good.replace("F32", "X"), 8),
        (good.replace("[2]", "[-2]"), 8),
        ("{".into(), 0),
        ("[]".into(), 0),
        (format!("{{\"a\":{}{}", "[".repeat(100_000), "]".repeat(100_000)), 0),
        (format!("{{\"a\":[{}0]}}", "0,".repeat(2_000_000)), 0),
    ] {
        assert!(read(&file(&table, &vec![0; n])).is_err(), "{}", &table[..table.len().min(100)]);
    }
    assert!(matches!(read(&u64::MAX.to_le_bytes()), Err(FormatError::Damaged { .. })));
    assert!(matches!(read(&[0; 7]), Err(FormatError::Truncated { .. })));
}

#[test]
fn a_written_file_with_its_end_cut_off_is_told_apart_from_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut state_dict = StateDict::new();
    state_dict.insert("a", Tensor::from_f32(vec![100], vec![1.0; 100]).unwrap());
    let path = dir.path().join("a.pth");
    pth::write(&path, &state_dict, None).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for len in 1..whole.len() {
        assert!(pth::read_bytes(&whole[..len]).is_err(), "{len} of {}", whole.len());
    }
}

#[test]
fn the_tar_layout_of_2017_is_read() {
    // One storage of six values and a view of its last four; two tensors, one a transpose.
    let values: Vec<u8> = [1f32, 2., 3., 4., 5., 6.].iter().flat_map(|v| v.to_le_bytes()).collect();
    let pickled = |body: &[u8]| [b"\x80\x02", body, b"."].concat();
    let quads = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let storages = [
        pickled(b"K\x01"),
        pickled(b"(K\x64X\x03\0\0\0cpuctorch\nFloatStorage\nt"),
        quads(&[6]),
        values,
        pickled(b"](K\x65K\x64K\x02K\x04ta"),
    ]
    .concat();
    let tensors = [
        pickled(b"K\x02"),
        pickled(b"(K\x01K\x64Nt"),
        vec![2, 0, 0, 0, 9, 9, 9, 9],
        quads(&[3, 2, 1, 3, 0]),
        pickled(b"(K\x02K\x65Nt"),
        vec![1, 0, 0, 0, 0, 0, 0, 0],
        quads(&[3, 1, 1]),
    ]
    .concat();
    let object = pickled(b"ccollections\nOrderedDict\n](](X\x01\0\0\0aK\x01Qe](X\x01\0\0\0bK\x02Qee\x85R");
    let mut tar = Vec::new();
    for (name, content) in
        [("sys_info", &b"x"[..]), ("pickle", &object), ("tensors", &tensors), ("storages", &storages)]
    {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[257..262].copy_from_slice(b"ustar");
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let file = read(&tar).unwrap();
    assert_eq!(file.container.format, ContainerFormat::PthTar);
    assert_eq!(file.state_dict.get("a").unwrap().to_f32(), [1., 4., 2., 5., 3., 6.]);
    assert_eq!(file.state_dict.get("b").unwrap().to_f32(), [4., 5., 6.]);
    // The padding at the end may go, the rest may not.
    let n_used = tar.iter().rposition(|&b| b != 0).unwrap() + 1;
    for i in 1..50 {
        assert!(read(&tar[..n_used * i / 50]).is_err(), "{i}/50");
    }
}
