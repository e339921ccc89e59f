//! Python reads what we write: its own zip and pickle modules always, PyTorch where it is installed.
//!
//! `PEGBAR_PYTHON` names another interpreter than `python3`.
#![allow(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use pegbar_formats::{DType, StateDict, Tensor, pth};
use std::process::Command;

/// Loads the file with nothing allowed but what weights need, and prints each tensor: name, class, shape, strides,
/// bytes in hex. Also that the storages are aligned as PyTorch expects.
const STDLIB: &str = r#"
import collections, io, pickle, struct, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
for info in archive.infolist():
    archive.fp.seek(info.header_offset + 26)
    name_len, extra_len = struct.unpack('<HH', archive.fp.read(4))
    start = info.header_offset + 30 + name_len + extra_len
    assert info.compress_type == 0, info
    assert start % 64 == 0, (info, start)
folder = archive.namelist()[0].split('/')[0]
assert archive.read(folder + '/version') == b'3\n'
assert archive.read(folder + '/byteorder') == b'little'
class Storage:
    def __init__(self, name): self.name = name
def rebuild(storage, offset, size, stride, requires_grad, hooks):
    (kind, key, location, n) = storage
    assert (location, requires_grad, offset, hooks) == ('cpu', False, 0, collections.OrderedDict())
    data = archive.read('%s/data/%s' % (folder, key))
    assert len(data) % n == 0 if n else not data
    return (kind.name, size, stride, data.hex())
class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ('collections', 'OrderedDict'): return collections.OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'): return rebuild
        if module == 'torch' and name.endswith('Storage'): return Storage(name)
        raise pickle.UnpicklingError(module + '.' + name)
    def persistent_load(self, saved):
        assert saved[0] == 'storage'
        return saved[1:]
content = Unpickler(io.BytesIO(archive.read(folder + '/data.pkl'))).load()
assert type(content) is dict and list(content) == ['params_ema'], content
for name, (kind, size, stride, data) in content['params_ema'].items():
    print(name, kind, list(size), list(stride), data or '-')
"#;

const TORCH: &str = r#"
import sys
try: import torch
except ImportError: sys.exit(77)
content = torch.load(sys.argv[1], weights_only=True)
assert list(content) == ['params_ema']
for name, t in content['params_ema'].items():
    data = t.contiguous().view(torch.uint8).numpy().tobytes().hex() if t.dim() and t.numel() else ''
    if not t.dim(): data = t.reshape(1).view(torch.uint8).numpy().tobytes().hex()
    kind = {torch.float32: 'Float', torch.float16: 'Half', torch.bfloat16: 'BFloat16', torch.float64: 'Double',
        torch.uint8: 'Byte', torch.int8: 'Char', torch.int16: 'Short', torch.int32: 'Int', torch.int64: 'Long',
        torch.bool: 'Bool'}[t.dtype] + 'Storage'
    print(name, kind, list(t.shape), list(t.stride()), data or '-')
"#;

/// How `TORCH` ends where there is no PyTorch.
const NOT_INSTALLED: i32 = 77;

fn state_dict() -> (StateDict, String) {
    let mut state_dict = StateDict::new();
    let mut expected = String::new();
    let types = [
        (DType::F32, "FloatStorage"),
        (DType::F16, "HalfStorage"),
        (DType::Bf16, "BFloat16Storage"),
        (DType::F64, "DoubleStorage"),
        (DType::U8, "ByteStorage"),
        (DType::I8, "CharStorage"),
        (DType::I16, "ShortStorage"),
        (DType::I32, "IntStorage"),
        (DType::I64, "LongStorage"),
        (DType::Bool, "BoolStorage"),
    ];
    for (i, (dtype, class)) in types.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..6 * dtype.size_bytes())
            .map(|b| if dtype == DType::Bool { (b % 2) as u8 } else { (b * 37 + i) as u8 & 0x3f })
            .collect();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let name = format!("body.{i}.weight");
        state_dict.insert(&*name, Tensor::from_bytes(dtype, vec![1, 2, 3], bytes).unwrap());
        expected += &format!("{name} {class} [1, 2, 3] [6, 3, 1] {hex}\n");
    }
    state_dict.insert("scalar", Tensor::from_bytes(DType::U8, vec![], vec![9]).unwrap());
    expected += "scalar ByteStorage [] [] 09\n";
    // Beyond two-byte and four-byte numbers in the pickle.
    state_dict.insert("empty", Tensor::from_bytes(DType::U8, vec![0, 70_000, 1 << 33], vec![]).unwrap());
    expected += "empty ByteStorage [0, 70000, 8589934592] [601295421440000, 8589934592, 1] -\n";
    (state_dict, expected)
}

#[test]
fn python_and_pytorch_read_a_written_pth() {
    let python = std::env::var_os("PEGBAR_PYTHON").unwrap_or_else(|| "python3".into());
    if !Command::new(&python).arg("--version").output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: reading a written .pth in Python (no python3)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pth");
    let (state_dict, expected) = state_dict();
    pth::write(&path, &state_dict, Some("params_ema")).unwrap();

    let check = |script: &str| {
        let out = Command::new(&python).arg("-c").arg(script).arg(&path).output().unwrap();
        if out.status.code() == Some(NOT_INSTALLED) {
            eprintln!("skipped: reading a written .pth in PyTorch (not installed)");
            return;
        }
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(String::from_utf8_lossy(&out.stdout), expected);
    };
    check(STDLIB);
    check(TORCH);
}
