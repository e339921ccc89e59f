//! Named tensors with shared storage.

use crate::DType;
use indexmap::IndexMap;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that several tensors may view: a memory map, or a buffer.
pub(crate) type Storage = Arc<dyn Deref<Target = [u8]> + Send + Sync>;

/// A strided view of a storage. Strides and offset are in elements; little endian.
///
/// Constructors check once that every index lies within the storage, so reading cannot fail.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) offset_bytes: usize,
    pub(crate) storage: Storage,
}

/// Tensors by name, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct StateDict {
    /// The tensors.
    pub tensors: IndexMap<String, Tensor>,
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {:?})", self.dtype, self.shape)
    }
}
