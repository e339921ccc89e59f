//! Safetensors files.

use crate::read_out;
use pegbar_formats::safetensors;

pub(crate) const DICTIONARY: &[&[u8]] = &[
    b"{\"a\":",
    b"\"dtype\":\"F32\"",
    b"\"dtype\":\"BOOL\"",
    b"\"dtype\":\"F4\"",
    b"\"dtype\":\"F8_E5M2\"",
    b"\"shape\":[",
    b"\"data_offsets\":[0,0]",
    b"\"__metadata__\":{}",
    b"18446744073709551615",
    b"9223372036854775807",
    b"4294967296,",
    b"[[[[[[[[",
    b"1e99",
    b"\\u0000",
    b"{}",
    b"[]",
    b"0,",
];

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(file) = safetensors::read_bytes(bytes) {
        for (_, tensor) in file.state_dict.iter() {
            read_out(tensor);
        }
    }
}

/// The bytes as the table, with as many bytes of data as the valid tables need.
pub(crate) fn run_table(table: &[u8]) {
    run(&around(table, DATA_BYTES));
}

/// What every table of [`tables`] describes.
const DATA_BYTES: usize = 24;

pub(crate) fn tables() -> Vec<Vec<u8>> {
    [
        r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
        r#"{"__metadata__":{"format":"pt","note":"x\u00e9"},"module.w":{"dtype":"F16","shape":[1,2,2],"data_offsets":[0,8]},"module.b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},"module.m":{"dtype":"U8","shape":[4],"data_offsets":[12,16]},"module.e":{"dtype":"I64","shape":[0,7],"data_offsets":[16,16]},"module.s":{"dtype":"F64","shape":[],"data_offsets":[16,24]}}  "#,
    ]
    .iter()
    .map(|table| table.as_bytes().to_vec())
    .collect()
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = tables().iter().map(|table| around(table, DATA_BYTES)).collect();
    corpus.push(around(b"{}", 0));
    corpus
}

fn around(table: &[u8], n_bytes: usize) -> Vec<u8> {
    let mut file = (table.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(table);
    file.resize(file.len() + n_bytes, 0x3c);
    file
}
