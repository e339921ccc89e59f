//! Named tensors with shared storage.

use crate::DType;
use half::{bf16, f16};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;

/// Bytes that several tensors may view.
pub(crate) type Storage = Arc<Vec<u8>>;

/// More dimensions than any framework allows.
const MAX_DIMS: usize = 64;

/// A strided view of a storage. Strides and offset are in elements; little endian.
///
/// Constructors check once that every index lies within the storage, so reading cannot fail.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset_bytes: usize,
    n_elements: usize,
    storage: Storage,
}

/// Why a description and its data do not make a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The shape's product does not fit the machine.
    #[error("shape {shape:?} is impossibly large")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// Too many dimensions.
    #[error("{n} dimensions, at most 64 make sense")]
    TooManyDims {
        /// How many there are.
        n: usize,
    },
    /// Shape and data disagree.
    #[error("shape {shape:?} needs {needed} elements, the data has {available}")]
    WrongLength {
        /// The shape.
        shape: Vec<usize>,
        /// Elements the shape (or its strides) reach.
        needed: usize,
        /// Elements that are there.
        available: usize,
    },
    /// A description that makes no sense, in words.
    #[error("{0}")]
    Malformed(String),
}

impl Tensor {
    /// A contiguous row-major tensor; fails if `shape`'s product is not the number of values.
    pub fn from_f32(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, TensorError> {
        let mut bytes = Vec::with_capacity(size_of_val(&data[..]));
        for value in &data {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Self::from_bytes(DType::F32, shape, bytes)
    }

    /// A contiguous row-major tensor of little-endian bytes; fails if `shape`'s product does not match their number.
    pub fn from_bytes(dtype: DType, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Self, TensorError> {
        let range = 0..bytes.len();
        Self::contiguous(dtype, shape, Arc::new(bytes), range)
    }

    /// The tensor that fills `range` of the storage exactly.
    pub(crate) fn contiguous(
        dtype: DType,
        shape: Vec<usize>,
        storage: Storage,
        range: Range<usize>,
    ) -> Result<Self, TensorError> {
        let needed = checked_product(&shape)?;
        let len = range.len();
        if needed.checked_mul(dtype.size_bytes()) != Some(len) {
            return Err(TensorError::WrongLength { shape, needed, available: len / dtype.size_bytes() });
        }
        let strides = row_major(&shape);
        Self::view(dtype, shape, strides, storage, range, 0)
    }

    /// A strided view of the part of the storage in `range`; `offset` in elements from its start.
    pub(crate) fn view(
        dtype: DType,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        storage: Storage,
        range: Range<usize>,
        offset: usize,
    ) -> Result<Self, TensorError> {
        let n_elements = checked_product(&shape)?;
        if shape.len() != strides.len() {
            return Err(TensorError::Malformed(format!(
                "{} dimensions but {} strides",
                shape.len(),
                strides.len()
            )));
        }
        let available = range.len() / dtype.size_bytes();
        if n_elements > 0 {
            // One past the last element reached: every index is at most this, as strides are not negative.
            let needed = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |sum, (&d, &s)| {
                    (d - 1).checked_mul(s).and_then(|step| sum.checked_add(step))
                })
                .and_then(|last| last.checked_add(1));
            match needed {
                None => return Err(TensorError::TooLarge { shape }),
                Some(needed) if needed > available => {
                    return Err(TensorError::WrongLength { shape, needed, available });
                }
                Some(_) => {}
            }
        }
        // The stride of a dimension of one element is never used; frameworks store anything there.
        for (stride, &d) in strides.iter_mut().zip(&shape) {
            if d == 1 {
                *stride = 0;
            }
        }
        if range.end > storage.len() {
            return Err(TensorError::WrongLength { shape, needed: range.end, available: storage.len() });
        }
        let offset_bytes = if n_elements > 0 { range.start + offset * dtype.size_bytes() } else { 0 };
        Ok(Self { dtype, shape, strides, offset_bytes, n_elements, storage })
    }

    /// Element type as stored.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Product of the shape.
    pub fn n_elements(&self) -> usize {
        self.n_elements
    }

    /// The elements in row-major order as `f32`: halves widened, integers and doubles rounded, `bool` as 0 or 1.
    pub fn to_f32(&self) -> Vec<f32> {
        let bytes = self.row_major_bytes();
        match self.dtype {
            DType::F32 => decode(&bytes, f32::from_le_bytes),
            DType::F16 => decode(&bytes, |b| f16::from_le_bytes(b).to_f32()),
            DType::Bf16 => decode(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
            DType::F64 => decode(&bytes, |b| f64::from_le_bytes(b) as f32),
            DType::U8 => decode(&bytes, |[b]: [u8; 1]| f32::from(b)),
            DType::U16 => decode(&bytes, |b| f32::from(u16::from_le_bytes(b))),
            DType::U32 => decode(&bytes, |b| u32::from_le_bytes(b) as f32),
            DType::U64 => decode(&bytes, |b| u64::from_le_bytes(b) as f32),
            DType::I8 => decode(&bytes, |b| f32::from(i8::from_le_bytes(b))),
            DType::I16 => decode(&bytes, |b| f32::from(i16::from_le_bytes(b))),
            DType::I32 => decode(&bytes, |b| i32::from_le_bytes(b) as f32),
            DType::I64 => decode(&bytes, |b| i64::from_le_bytes(b) as f32),
            DType::Bool => decode(&bytes, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
        }
    }

    /// The same values in half precision; values beyond its range become infinite. Anything but floating-point numbers
    /// stays what it is.
    pub fn to_half(&self) -> Self {
        if !matches!(self.dtype(), DType::F32 | DType::F64 | DType::Bf16) {
            return self.clone();
        }
        let bytes = self.to_f32().iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
        Self::from_bytes(DType::F16, self.shape().to_vec(), bytes).unwrap_or_else(|_| self.clone())
    }

    /// The elements in row-major order as `i64`: exact for integers (`u64` above `i64::MAX` saturates), floats
    /// truncated toward zero. For shapes, axes and slice ends that are stored as tensors.
    pub fn to_i64(&self) -> Vec<i64> {
        let bytes = self.row_major_bytes();
        match self.dtype {
            DType::U8 => decode(&bytes, |[b]: [u8; 1]| i64::from(b)),
            DType::U16 => decode(&bytes, |b| i64::from(u16::from_le_bytes(b))),
            DType::U32 => decode(&bytes, |b| i64::from(u32::from_le_bytes(b))),
            DType::U64 => decode(&bytes, |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)),
            DType::I8 => decode(&bytes, |b| i64::from(i8::from_le_bytes(b))),
            DType::I16 => decode(&bytes, |b| i64::from(i16::from_le_bytes(b))),
            DType::I32 => decode(&bytes, |b| i64::from(i32::from_le_bytes(b))),
            DType::I64 => decode(&bytes, i64::from_le_bytes),
            DType::Bool => decode(&bytes, |[b]: [u8; 1]| i64::from(b != 0)),
            DType::F32 | DType::F16 | DType::Bf16 => self.to_f32().into_iter().map(|v| v as i64).collect(),
            DType::F64 => decode(&bytes, |b| f64::from_le_bytes(b) as i64),
        }
    }

    /// The elements in row-major order, little endian, in their own type.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.row_major_bytes().into_owned()
    }

    /// As [`to_bytes`](Self::to_bytes), without a copy where the storage is already in order.
    pub fn row_major_bytes(&self) -> Cow<'_, [u8]> {
        let size = self.dtype.size_bytes();
        if self.n_elements == 0 {
            return Cow::Borrowed(&[]);
        }
        if self.is_row_major() {
            return Cow::Borrowed(
                &self.storage[self.offset_bytes..self.offset_bytes + self.n_elements * size],
            );
        }
        let mut out = Vec::with_capacity(self.n_elements * size);
        let mut index = vec![0usize; self.shape.len()];
        let mut at = self.offset_bytes;
        loop {
            out.extend_from_slice(&self.storage[at..at + size]);
            // Counts up like an odometer, innermost dimension first.
            let mut dim = self.shape.len();
            loop {
                if dim == 0 {
                    return Cow::Owned(out);
                }
                dim -= 1;
                index[dim] += 1;
                at += self.strides[dim] * size;
                if index[dim] < self.shape[dim] {
                    break;
                }
                at -= self.shape[dim] * self.strides[dim] * size;
                index[dim] = 0;
            }
        }
    }

    /// Strides in elements that the shape would have if contiguous.
    pub(crate) fn row_major_strides(&self) -> Vec<usize> {
        row_major(&self.shape)
    }

    fn is_row_major(&self) -> bool {
        let expected = row_major(&self.shape);
        self.shape.iter().zip(self.strides.iter().zip(&expected)).all(|(&d, (a, b))| d == 1 || a == b)
    }
}

fn decode<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|chunk| convert(*chunk)).collect()
}

/// Product of the shape, checked to fit `isize` bytes of the widest element even without its zero dimensions.
fn checked_product(shape: &[usize]) -> Result<usize, TensorError> {
    if shape.len() > MAX_DIMS {
        return Err(TensorError::TooManyDims { n: shape.len() });
    }
    let too_large = || TensorError::TooLarge { shape: shape.to_vec() };
    let nonzero =
        shape.iter().filter(|&&d| d != 0).try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(too_large)?;
    if nonzero > isize::MAX as usize / 16 {
        return Err(too_large());
    }
    Ok(if shape.contains(&0) { 0 } else { nonzero })
}

/// Strides of a contiguous tensor, in elements. The shape's product has been checked.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for dim in (1..shape.len()).rev() {
        strides[dim - 1] = strides[dim] * shape[dim].max(1);
    }
    strides
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({}, {:?})", self.dtype, self.shape)
    }
}

/// Tensors by name, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct StateDict {
    /// The tensors.
    pub tensors: IndexMap<String, Tensor>,
}

impl StateDict {
    /// An empty dict.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Adds a tensor, or replaces the one of this name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }

    /// Names and tensors, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

impl FromIterator<(String, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(items: I) -> Self {
        Self { tensors: items.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage_of(values: &[f32]) -> Storage {
        Arc::new(values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    #[test]
    fn strided_views_read_in_row_major_order() {
        let storage = storage_of(&[0., 1., 2., 3., 4., 5., 6.]);
        // The transpose of rows [1 2 3], [4 5 6] that start at element 1.
        let t = Tensor::view(DType::F32, vec![3, 2], vec![1, 3], storage, 0..28, 1).unwrap();
        assert_eq!(t.to_f32(), [1., 4., 2., 5., 3., 6.]);
        assert_eq!(t.to_i64(), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn views_beyond_the_storage_are_refused() {
        let storage = storage_of(&[0.; 4]);
        let view = |shape: &[usize], strides: &[usize], offset| {
            Tensor::view(DType::F32, shape.to_vec(), strides.to_vec(), storage.clone(), 0..16, offset)
        };
        assert!(view(&[4], &[1], 0).is_ok());
        assert!(view(&[4], &[1], 1).is_err());
        assert!(view(&[2], &[4], 0).is_err());
        assert!(view(&[2, 2], &[1], 0).is_err());
        assert!(view(&[2], &[usize::MAX], 0).is_err());
        assert_eq!(view(&[1, 2], &[usize::MAX, 1], 2).unwrap().to_f32(), [0.; 2]);
        assert_eq!(view(&[2, 1, 2], &[1, usize::MAX, 2], 0).unwrap().to_f32(), [0.; 4]);
        assert!(view(&[1], &[1], usize::MAX).is_err());
        assert!(view(&[usize::MAX, 2], &[0, 0], 0).is_err());
        assert!(view(&[0, usize::MAX, 3], &[0, 0, 0], 0).is_err());
        assert!(view(&[1; 65], &[1; 65], 0).is_err());
        // Nothing is read of an empty tensor, wherever it points.
        assert!(view(&[0], &[1], 100).unwrap().to_f32().is_empty());
    }

    #[test]
    fn every_type_converts() {
        let one = |dtype, bytes: &[u8]| Tensor::from_bytes(dtype, vec![1], bytes.to_vec()).unwrap();
        for (dtype, bytes, value) in [
            (DType::F16, &0x3e00u16.to_le_bytes()[..], 1.5),
            (DType::Bf16, &0xbfc0u16.to_le_bytes(), -1.5),
            (DType::F32, &2.5f32.to_le_bytes(), 2.5),
            (DType::F64, &(-2.5f64).to_le_bytes(), -2.5),
            (DType::U8, &[255], 255.),
            (DType::U16, &65535u16.to_le_bytes(), 65535.),
            (DType::U32, &7u32.to_le_bytes(), 7.),
            (DType::U64, &7u64.to_le_bytes(), 7.),
            (DType::I8, &[0xff], -1.),
            (DType::I16, &(-2i16).to_le_bytes(), -2.),
            (DType::I32, &(-3i32).to_le_bytes(), -3.),
            (DType::I64, &(-4i64).to_le_bytes(), -4.),
            (DType::Bool, &[2], 1.),
        ] {
            let t = one(dtype, bytes);
            assert_eq!(t.to_f32(), [value], "{dtype}");
            assert_eq!(t.to_i64(), [value as i64], "{dtype}");
            assert_eq!(t.to_bytes(), bytes, "{dtype}");
        }
    }

    #[test]
    fn from_f32_wants_as_many_values_as_the_shape_says() {
        assert!(Tensor::from_f32(vec![2, 2], vec![0.; 4]).is_ok());
        let error = Tensor::from_f32(vec![2, 2], vec![0.; 3]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 2] needs 4 elements, the data has 3");
    }
}
