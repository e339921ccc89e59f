//! What several tests share.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// A folder of the shared reference data, or `None` with a note that `what` is skipped.
pub(crate) fn shared(folder: &str, what: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("PEGBAR_SHARED") else {
        eprintln!("skipped: {what} (PEGBAR_SHARED is not set)");
        return None;
    };
    let path = Path::new(&root).join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {what} ({} is missing)", path.display());
        return None;
    }
    Some(path)
}

/// A zip archive of stored entries, with honest checksums.
pub(crate) fn stored_zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let crc = crc32fast::hash(content);
        push_entry(&mut out, &mut directory, name, 0, crc, content, content.len() as u32);
    }
    finish_zip(out, directory, entries.len() as u16)
}

/// Adds an entry whose sizes and method may lie.
pub(crate) fn push_entry(
    out: &mut Vec<u8>,
    directory: &mut Vec<u8>,
    name: &str,
    method: u16,
    crc: u32,
    packed: &[u8],
    size: u32,
) {
    let offset = out.len() as u32;
    let mut fields = Vec::new();
    fields.extend_from_slice(&20u16.to_le_bytes());
    fields.extend_from_slice(&0u16.to_le_bytes());
    fields.extend_from_slice(&method.to_le_bytes());
    fields.extend_from_slice(&[0; 4]);
    fields.extend_from_slice(&crc.to_le_bytes());
    fields.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    fields.extend_from_slice(&size.to_le_bytes());
    fields.extend_from_slice(&(name.len() as u16).to_le_bytes());
    fields.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(b"PK\x03\x04");
    out.extend_from_slice(&fields);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(packed);
    directory.extend_from_slice(b"PK\x01\x02");
    directory.extend_from_slice(&20u16.to_le_bytes());
    directory.extend_from_slice(&fields);
    directory.extend_from_slice(&[0; 10]);
    directory.extend_from_slice(&offset.to_le_bytes());
    directory.extend_from_slice(name.as_bytes());
}

/// Adds the directory and the end record.
pub(crate) fn finish_zip(mut out: Vec<u8>, directory: Vec<u8>, n_entries: u16) -> Vec<u8> {
    let offset = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&n_entries.to_le_bytes());
    out.extend_from_slice(&n_entries.to_le_bytes());
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

/// A PyTorch file around this pickle, with one storage `0` of these bytes.
pub(crate) fn pth_around(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    stored_zip(&[
        ("m/data.pkl", pickle),
        ("m/byteorder", b"little"),
        ("m/data/0", storage),
        ("m/version", b"3\n"),
    ])
}

/// The pickle of `{name: tensor}` over storage `0` of `n` float32 values.
pub(crate) fn tensor_pickle(name: &str, n: u32, offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut p = b"\x80\x02}".to_vec();
    let text = |p: &mut Vec<u8>, s: &str| {
        p.push(b'X');
        p.extend_from_slice(&(s.len() as u32).to_le_bytes());
        p.extend_from_slice(s.as_bytes());
    };
    text(&mut p, name);
    p.extend_from_slice(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(&mut p, "storage");
    p.extend_from_slice(b"ctorch\nFloatStorage\n");
    text(&mut p, "0");
    text(&mut p, "cpu");
    p.push(b'J');
    p.extend_from_slice(&n.to_le_bytes());
    p.extend_from_slice(b"tQ");
    p.extend_from_slice(offset);
    p.extend_from_slice(shape);
    p.extend_from_slice(strides);
    p.extend_from_slice(b"\x89ccollections\nOrderedDict\n)RtRs.");
    p
}
