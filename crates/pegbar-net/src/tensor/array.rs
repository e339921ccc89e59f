//! Values of any rank and three kinds of elements.

use crate::import::error::{OpError, problem};
use pegbar_formats::{DType, Tensor};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What the elements of a tensor are. Floating-point numbers of every width are computed in single precision, integers of
/// every width in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ElementKind {
    Float,
    Int,
    Bool,
}

/// Elements, shared between those who read them.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ArrayData {
    Float(Arc<Vec<f32>>),
    Int(Arc<Vec<i64>>),
    Bool(Arc<Vec<bool>>),
}

/// A tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: ArrayData,
}

/// Largest rank that is accepted: exporters reach 8.
pub(crate) const MAX_RANK: usize = 12;

impl Array {
    /// A tensor of floating-point numbers.
    ///
    /// # Panics
    /// When there are not as many values as the shape says.
    pub fn floats(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: ArrayData::Float(Arc::new(data)) }
    }

    /// A tensor of integers.
    ///
    /// # Panics
    /// As [`Array::floats`].
    pub fn ints(shape: Vec<usize>, data: Vec<i64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: ArrayData::Int(Arc::new(data)) }
    }

    /// A tensor of truth values.
    ///
    /// # Panics
    /// As [`Array::floats`].
    pub fn bools(shape: Vec<usize>, data: Vec<bool>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: ArrayData::Bool(Arc::new(data)) }
    }

    /// A list of integers.
    pub(crate) fn list(values: Vec<i64>) -> Self {
        Self::ints(vec![values.len()], values)
    }

    /// A number that equal tensors have in common; equal bits make equal numbers.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.shape.hash(&mut hasher);
        match &self.data {
            ArrayData::Float(values) => values.iter().for_each(|v| v.to_bits().hash(&mut hasher)),
            ArrayData::Int(values) => values.hash(&mut hasher),
            ArrayData::Bool(values) => values.hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Where the elements are: tensors that share them have it in common.
    pub(super) fn address(&self) -> usize {
        match &self.data {
            ArrayData::Float(values) => Arc::as_ptr(values) as usize,
            ArrayData::Int(values) => Arc::as_ptr(values) as usize,
            ArrayData::Bool(values) => Arc::as_ptr(values) as usize,
        }
    }

    /// The tensor of a file. Elements that are no numbers (strings) cannot be in one.
    pub fn from_tensor(tensor: &Tensor) -> Self {
        let shape = tensor.shape().to_vec();
        match tensor.dtype() {
            DType::F32 | DType::F16 | DType::Bf16 | DType::F64 => Self::floats(shape, tensor.to_f32()),
            DType::Bool => Self::bools(shape, tensor.to_i64().into_iter().map(|v| v != 0).collect()),
            _ => Self::ints(shape, tensor.to_i64()),
        }
    }

    /// Dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &ArrayData {
        &self.data
    }

    /// What its elements are.
    pub fn kind(&self) -> ElementKind {
        match self.data {
            ArrayData::Float(_) => ElementKind::Float,
            ArrayData::Int(_) => ElementKind::Int,
            ArrayData::Bool(_) => ElementKind::Bool,
        }
    }

    /// Number of elements.
    pub fn n_elements(&self) -> usize {
        match &self.data {
            ArrayData::Float(v) => v.len(),
            ArrayData::Int(v) => v.len(),
            ArrayData::Bool(v) => v.len(),
        }
    }

    /// The same elements in another shape.
    ///
    /// # Panics
    /// When the shape has another number of elements.
    pub fn reshaped(&self, shape: Vec<usize>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), self.n_elements());
        Self { shape, data: self.data.clone() }
    }

    /// The elements, if they are floating-point numbers.
    pub fn as_floats(&self) -> Option<&[f32]> {
        if let ArrayData::Float(values) = &self.data { Some(values) } else { None }
    }

    /// The elements, if they are integers.
    pub fn as_ints(&self) -> Option<&[i64]> {
        if let ArrayData::Int(values) = &self.data { Some(values) } else { None }
    }

    /// The elements, if they are truth values.
    pub fn as_bools(&self) -> Option<&[bool]> {
        if let ArrayData::Bool(values) = &self.data { Some(values) } else { None }
    }

    /// The storage of floating-point numbers, to be used again; `None` while others share it.
    pub fn into_unshared_floats(self) -> Option<Vec<f32>> {
        if let ArrayData::Float(values) = self.data { Arc::try_unwrap(values).ok() } else { None }
    }

    /// The elements as integers: numbers that are whole.
    pub(crate) fn to_ints(&self) -> Result<Vec<i64>, OpError> {
        match &self.data {
            ArrayData::Int(values) => Ok(values.to_vec()),
            ArrayData::Bool(values) => Ok(values.iter().map(|&v| i64::from(v)).collect()),
            ArrayData::Float(_) => Err(problem!("reads floating-point numbers where integers are needed")),
        }
    }

    /// The elements as numbers.
    pub(crate) fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            ArrayData::Float(values) => values.to_vec(),
            ArrayData::Int(values) => values.iter().map(|&v| v as f32).collect(),
            ArrayData::Bool(values) => values.iter().map(|&v| f32::from(u8::from(v))).collect(),
        }
    }
}
