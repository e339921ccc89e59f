//! Writes the zip layout, as `torch.save` does: stored entries, raw numbers aligned to 64 bytes, pickle protocol 2.

use super::globals::storage_class;
use crate::atomic_file::write_atomically;
use crate::{DType, FormatError, StateDict, Tensor};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// PyTorch maps storages into memory where they are aligned to this.
const ALIGN_BYTES: u16 = 64;
/// The folder within the archive; PyTorch takes any.
const FOLDER: &str = "archive";
/// Entries from this size on need zip64 fields; smaller ones are spared them.
const LARGE_BYTES: usize = 0xffff_0000;

/// Writes a state dict that `torch.load(..., weights_only=True)` reads, under the key `wrapper` if there is one.
///
/// Tensors come out contiguous, in their order and type. Unsigned types beyond `uint8` are refused: PyTorch has no
/// storages for them. Complete or not at all.
pub fn write(path: &Path, state_dict: &StateDict, wrapper: Option<&str>) -> Result<(), FormatError> {
    let pickle = pickle(state_dict, wrapper)?;
    write_atomically(path, |file| {
        let mut archive = ZipWriter::new(file);
        let mut entry = |name: &str, content: &[u8]| -> Result<(), FormatError> {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .with_alignment(ALIGN_BYTES)
                .large_file(content.len() >= LARGE_BYTES);
            archive.start_file(format!("{FOLDER}/{name}"), options).map_err(io::Error::from)?;
            Ok(archive.write_all(content)?)
        };
        entry("data.pkl", &pickle)?;
        entry("byteorder", b"little")?;
        for (i, (_, tensor)) in state_dict.iter().enumerate() {
            entry(&format!("data/{i}"), &tensor.row_major_bytes())?;
        }
        // The archive's own version, not PyTorch's: 3 is what every reader since 1.6 expects.
        entry("version", b"3\n")?;
        archive.finish().map_err(io::Error::from)?;
        Ok(())
    })
}

fn pickle(state_dict: &StateDict, wrapper: Option<&str>) -> Result<Vec<u8>, FormatError> {
    let mut out = Pickler { bytes: vec![0x80, 2], memo: HashMap::new() };
    if let Some(wrapper) = wrapper {
        out.op(b"}");
        out.text(wrapper)?;
    }
    out.global("collections", "OrderedDict");
    out.op(b")R(");
    for (i, (name, tensor)) in state_dict.iter().enumerate() {
        out.text(name)?;
        out.tensor(i, tensor).map_err(|dtype| {
            FormatError::unsupported(
                format!("the type {dtype} of tensor `{name}` in .pth"),
                "write .safetensors, or convert the tensor to int64 first",
            )
        })?;
    }
    out.op(b"u");
    if wrapper.is_some() {
        out.op(b"s");
    }
    out.op(b".");
    Ok(out.bytes)
}

struct Pickler {
    bytes: Vec<u8>,
    /// Names of functions already written, so that each is spelled once.
    memo: HashMap<(&'static str, &'static str), u8>,
}

impl Pickler {
    fn op(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn global(&mut self, module: &'static str, name: &'static str) {
        if let Some(&index) = self.memo.get(&(module, name)) {
            self.op(&[b'h', index]);
        } else {
            // A dozen names at most.
            let index = self.memo.len() as u8;
            self.memo.insert((module, name), index);
            self.op(b"c");
            self.op(module.as_bytes());
            self.op(b"\n");
            self.op(name.as_bytes());
            self.op(&[b'\n', b'q', index]);
        }
    }

    fn text(&mut self, text: &str) -> Result<(), FormatError> {
        let len = u32::try_from(text.len())
            .map_err(|_| FormatError::unsupported("a name of more than 4 GiB", "shorten it"))?;
        self.op(b"X");
        self.op(&len.to_le_bytes());
        self.op(text.as_bytes());
        Ok(())
    }

    /// A number as protocol 2 spells it: BININT1, BININT2, BININT or LONG1.
    fn int(&mut self, n: usize) {
        let wide = (n as u64).to_le_bytes();
        match n {
            0..=0xff => self.op(&[b'K', wide[0]]),
            0x100..=0xffff => self.op(&[b'M', wide[0], wide[1]]),
            0x1_0000..=0x7fff_ffff => self.op(&[b'J', wide[0], wide[1], wide[2], wide[3]]),
            _ => {
                // A ninth byte keeps the sign positive.
                self.op(&[0x8a, 9]);
                self.op(&wide);
                self.op(&[0]);
            }
        }
    }

    fn ints(&mut self, numbers: &[usize]) {
        self.op(b"(");
        for &n in numbers {
            self.int(n);
        }
        self.op(b"t");
    }

    /// `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`; the type, if it has no storage class.
    fn tensor(&mut self, key: usize, tensor: &Tensor) -> Result<(), DType> {
        let class = storage_class(tensor.dtype()).ok_or(tensor.dtype())?;
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.op(b"((");
        self.ascii("storage");
        self.global("torch", class);
        self.ascii(&key.to_string());
        self.ascii("cpu");
        self.int(tensor.n_elements());
        self.op(b"tQK\x00");
        self.ints(tensor.shape());
        self.ints(&tensor.row_major_strides());
        self.op(b"\x89");
        self.global("collections", "OrderedDict");
        self.op(b")RtR");
        Ok(())
    }

    /// A short text.
    fn ascii(&mut self, text: &str) {
        self.op(b"X");
        self.op(&(text.len() as u32).to_le_bytes());
        self.op(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pth;

    #[test]
    fn a_written_file_reads_back_bit_identical() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pth");
        let mut state_dict = StateDict::new();
        let values: Vec<f32> = (0..24).map(|i| i as f32 * 0.1 - 1.0).collect();
        state_dict.insert("body.0.weight", Tensor::from_f32(vec![2, 3, 4], values).unwrap());
        state_dict
            .insert("größe", Tensor::from_bytes(DType::I64, vec![], vec![7, 0, 0, 0, 0, 0, 0, 0]).unwrap());
        state_dict.insert("empty", Tensor::from_bytes(DType::F16, vec![0, 70_000], vec![]).unwrap());
        for wrapper in [None, Some("params_ema")] {
            write(&path, &state_dict, wrapper).unwrap();
            let back = pth::read(&path).unwrap();
            assert_eq!(back.container.wrapper.as_deref(), wrapper);
            assert_eq!(back.warnings, Vec::<String>::new());
            assert!(back.state_dict.names().eq(state_dict.names()));
            for (name, tensor) in state_dict.iter() {
                let read = back.state_dict.get(name).unwrap();
                assert_eq!((read.dtype(), read.shape()), (tensor.dtype(), tensor.shape()), "{name}");
                assert_eq!(read.to_bytes(), tensor.to_bytes(), "{name}");
            }
        }
    }

    #[test]
    fn types_without_a_storage_class_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pth");
        let mut state_dict = StateDict::new();
        state_dict.insert("a", Tensor::from_bytes(DType::U16, vec![1], vec![0, 0]).unwrap());
        let error = write(&path, &state_dict, None).unwrap_err();
        assert!(error.to_string().contains("uint16"), "{error}");
        assert!(!path.exists());
    }
}
