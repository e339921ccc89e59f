//! The Python names a weights file may mention. Everything else is refused.

use crate::DType;

/// A name from the allow-list. The pickle machine gives each a meaning of its own; no Python is involved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// An empty dict, or one of a list of pairs.
    OrderedDict,
    /// `(storage, offset, size, stride, requires_grad, hooks[, metadata])`, and the form of 2017 without the last.
    RebuildTensor,
    /// `(tensor, requires_grad, hooks[, state])`.
    RebuildParameter,
    /// Names the element type within a storage's persistent id.
    Storage(DType),
    /// A tuple of integers, which it stays.
    Size,
    /// Builds a value that says nothing about weights (a device, a NumPy number): made, and never looked at.
    Inert,
}

/// Looks a name up.
pub(super) fn lookup(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
        ("torch" | "torch.cuda", name) if storage_type(name).is_some() => {
            Global::Storage(storage_type(name)?)
        }
        ("torch", "Size") => Global::Size,
        ("torch", "device") | ("torch.serialization", "_get_layout") => Global::Inert,
        (
            "torch",
            "float32" | "float16" | "bfloat16" | "float64" | "int64" | "int32" | "int16" | "int8" | "uint8"
            | "bool",
        ) => Global::Inert,
        // A training script's best score, say, is often a NumPy number: `scalar(dtype('f8'), bytes)`.
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") | ("numpy", "dtype") => Global::Inert,
        // How protocol 2 spells bytes.
        ("_codecs", "encode") => Global::Inert,
        ("builtins" | "__builtin__", "set" | "frozenset" | "bytearray") => Global::Inert,
        _ => return None,
    })
}

fn storage_type(name: &str) -> Option<DType> {
    Some(match name {
        "FloatStorage" => DType::F32,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::Bf16,
        "DoubleStorage" => DType::F64,
        "ByteStorage" => DType::U8,
        "CharStorage" => DType::I8,
        "ShortStorage" => DType::I16,
        "IntStorage" => DType::I32,
        "LongStorage" => DType::I64,
        "BoolStorage" => DType::Bool,
        _ => return None,
    })
}

/// The storage class for a type, if PyTorch has one.
pub(super) const fn storage_class(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F32 => "FloatStorage",
        DType::F16 => "HalfStorage",
        DType::Bf16 => "BFloat16Storage",
        DType::F64 => "DoubleStorage",
        DType::U8 => "ByteStorage",
        DType::I8 => "CharStorage",
        DType::I16 => "ShortStorage",
        DType::I32 => "IntStorage",
        DType::I64 => "LongStorage",
        DType::Bool => "BoolStorage",
        DType::U16 | DType::U32 | DType::U64 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_classes_and_types_are_inverse() {
        for dtype in DType::ALL {
            if let Some(class) = storage_class(dtype) {
                assert_eq!(lookup("torch", class), Some(Global::Storage(dtype)));
            }
        }
    }

    #[test]
    fn dangerous_names_are_unknown() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("collections", "OrderedDict.__class__"),
        ] {
            assert_eq!(lookup(module, name), None, "{module}.{name}");
        }
    }
}
