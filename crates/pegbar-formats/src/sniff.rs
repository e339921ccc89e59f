//! What kind of file this is, by its content; and a sentence for the many files that are no model.

use crate::FormatError;
use crate::source::Source;
use crate::{ncnn, onnx};
use std::path::Path;

/// The kinds of model files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pth,
    Safetensors,
    Ncnn,
    Onnx,
}

/// Bytes from the start that decide.
const HEAD_BYTES: u64 = 1024;

/// Decides by the content; the name is asked only where the content says nothing: an ncnn `.bin` is bare numbers.
pub(crate) fn sniff(source: &Source<'_>, path: &Path) -> Result<Kind, FormatError> {
    let head = source.head(HEAD_BYTES)?;
    if let Some(kind) = by_signature(&head, source.len()) {
        return Ok(kind);
    }
    if let Some((what, hint)) = known_stranger(&head) {
        return Err(FormatError::NotAModel { what: what.into(), hint });
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match &*extension {
        "bin" if path.with_extension("param").exists() => return Ok(Kind::Ncnn),
        "param" => return Ok(Kind::Ncnn),
        "onnx" => return Ok(Kind::Onnx),
        // An honest attempt gives the more telling error.
        "safetensors" if !is_text(&head) => return Ok(Kind::Safetensors),
        "bin" if onnx::looks_like(&head) => return Ok(Kind::Onnx),
        "bin" => {
            return Err(FormatError::NotAModel {
                what: "bare numbers, or the half of a model".into(),
                hint: "; if it is from ncnn, put its .param file beside it under the same name",
            });
        }
        _ => {}
    }
    if onnx::looks_like(&head) {
        return Ok(Kind::Onnx);
    }
    if is_text(&head) {
        return Err(FormatError::NotAModel { what: "a text file".into(), hint: "" });
    }
    if head.iter().all(|&b| b == 0) {
        return Err(FormatError::NotAModel {
            what: "a file of zeros, as a broken download leaves it".into(),
            hint: "; download it again",
        });
    }
    Err(FormatError::Unknown)
}

fn by_signature(head: &[u8], len: u64) -> Option<Kind> {
    if head.starts_with(b"PK\x03\x04")
        || head.starts_with(b"PK\x05\x06")
        || head.get(257..262) == Some(b"ustar")
    {
        return Some(Kind::Pth);
    }
    // PROTO 2 to 5, and an opcode that a pickle can begin with.
    if let [0x80, 2..=5, first, ..] = head
        && matches!(first, 0x8a | 0x95 | b'}' | b']' | b'(' | b'c' | b'X' | b')')
    {
        return Some(Kind::Pth);
    }
    if ncnn::looks_like_param(head) {
        return Some(Kind::Ncnn);
    }
    if let Some((length, rest)) = head.split_first_chunk::<8>() {
        let table = u64::from_le_bytes(*length);
        if rest.first() == Some(&b'{') && table < 1 << 32 && (table <= len || rest.starts_with(b"{\"")) {
            return Some(Kind::Safetensors);
        }
    }
    None
}

const RETRY: &str = "; download the model again: the link may need a click on \"download\" or \"raw\"";
const UNPACK: &str = "; unpack it and name the model within";
const SWAPPED: &str = "; give it as the input and name a model file here";

/// Things that users give instead of a model: what it is, and what to do.
fn known_stranger(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let signatures: &[(&[u8], &str, &str)] = &[
        (
            b"version https://git-lfs",
            "a Git LFS pointer",
            "; the model itself was not downloaded: run `git lfs pull`, or use the site's download button",
        ),
        (b"\x89PNG\r\n", "a PNG picture", SWAPPED),
        (b"\xff\xd8\xff", "a JPEG picture", SWAPPED),
        (b"GIF8", "a GIF picture", SWAPPED),
        (b"BM", "a BMP picture", SWAPPED),
        (b"II*\0", "a TIFF picture", SWAPPED),
        (b"MM\0*", "a TIFF picture", SWAPPED),
        (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video", SWAPPED),
        (b"FLV\x01", "a Flash video", SWAPPED),
        (b"OggS", "an Ogg file", SWAPPED),
        (b"\0\0\x01\xba", "an MPEG video", SWAPPED),
        (b"\0\0\x01\xb3", "an MPEG video", SWAPPED),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file", SWAPPED),
        (b"\x1f\x8b", "a gzip archive", UNPACK),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
        (b"Rar!", "a RAR archive", UNPACK),
        (b"\xfd7zXZ", "an xz archive", UNPACK),
        (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
        (b"BZh", "a bzip2 archive", UNPACK),
        (b"%PDF", "a PDF document", ""),
        (b"GGUF", "a GGUF language model", ""),
        (b"\x89HDF", "an HDF5 file (Keras)", "; ask for the model as .onnx"),
        (b"TFL3", "a TensorFlow Lite model", "; ask for the model as .onnx"),
        (b"\x7fELF", "a program", ""),
        (b"MZ", "a Windows program", ""),
    ];
    if let Some(&(_, what, hint)) = signatures.iter().find(|(signature, ..)| head.starts_with(signature)) {
        // Two letters are thin evidence: a bitmap states its own reserved zeros.
        if what != "a BMP picture" || head.get(6..10) == Some(&[0; 4]) {
            return Some((what, hint));
        }
    }
    match (head.get(..4), head.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return Some(("a WebP picture", SWAPPED)),
        (Some(b"RIFF"), Some(b"AVI ")) => return Some(("an AVI video", SWAPPED)),
        _ => {}
    }
    match (head.get(4..8), head.get(8..12)) {
        (Some(b"ftyp"), Some(b"avif" | b"avis")) => return Some(("an AVIF picture", SWAPPED)),
        (Some(b"ftyp"), Some(b"heic" | b"heix" | b"mif1")) => return Some(("a HEIF picture", SWAPPED)),
        (Some(b"ftyp"), _) => return Some(("an MP4 or QuickTime video", SWAPPED)),
        (Some(b"TFL3"), _) => return Some(("a TensorFlow Lite model", "; ask for the model as .onnx")),
        _ => {}
    }
    // Transport streams repeat their sync byte every 188 bytes.
    if head.first() == Some(&0x47) && head.get(188) == Some(&0x47) && head.get(376) == Some(&0x47) {
        return Some(("an MPEG transport stream", SWAPPED));
    }
    let start = head.trim_ascii_start();
    let tag = String::from_utf8_lossy(&start[..start.len().min(64)]).to_ascii_lowercase();
    if ["<!doctype html", "<html", "<head"].iter().any(|t| tag.starts_with(t)) {
        return Some(("a web page", RETRY));
    }
    if tag.starts_with("<?xml") || tag.starts_with("<error") {
        return Some(("an XML document", RETRY));
    }
    if tag.starts_with("{\"") || tag.starts_with("{\n") {
        return Some(("a JSON document", ""));
    }
    None
}

/// Mostly printable and no zero bytes.
fn is_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|&&b| b < 0x20 && !b.is_ascii_whitespace()).count();
    // The head may end within a character.
    let valid =
        std::str::from_utf8(head).map_or_else(|error| error.valid_up_to() + 3 >= head.len(), |_| true);
    valid && !head.contains(&0) && odd * 50 < head.len()
}
