//! Constants of a graph: weights, and the small tensors that shapes, pads and scales are computed in.

use super::size::{Ratio, Size};
use crate::import::error::{OpError, problem};
use pegbar_formats::{DType, Tensor};
use std::rc::Rc;

/// The values of a constant.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Floating point.
    Float(Rc<Vec<f32>>),
    /// Integers and Booleans (`whole`), and floating-point results of shape arithmetic.
    Sizes { values: Rc<Vec<Size>>, whole: bool },
}

/// A tensor known before the picture is.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    /// For messages and weight names.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Largest tensor that shape arithmetic is done on.
pub(super) const LARGEST_OF_SIZES: usize = 1 << 12;

/// Product of dimensions.
pub(super) fn n_elements(shape: &[usize]) -> Result<usize, OpError> {
    shape
        .iter()
        .try_fold(1usize, |n, d| n.checked_mul(*d))
        .ok_or_else(|| problem!("a constant of shape {shape:?} is impossibly large"))
}

impl Constant {
    pub(super) fn from_tensor(name: &str, tensor: &Tensor) -> Result<Self, OpError> {
        let data = match tensor.dtype() {
            DType::F16 | DType::Bf16 | DType::F32 | DType::F64 => Data::Float(Rc::new(tensor.to_f32())),
            _ if tensor.n_elements() > LARGEST_OF_SIZES => {
                return Err(problem!("reads {name:?}, a table of {} integers", tensor.n_elements()));
            }
            _ => Data::Sizes {
                values: Rc::new(tensor.to_i64().into_iter().map(Size::whole).collect()),
                whole: true,
            },
        };
        Ok(Self { name: name.to_owned(), shape: tensor.shape().to_vec(), data })
    }

    pub(super) fn floats(name: &str, shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { name: name.to_owned(), shape, data: Data::Float(Rc::new(values)) }
    }

    pub(super) fn sizes(name: &str, shape: Vec<usize>, values: Vec<Size>, whole: bool) -> Self {
        Self { name: name.to_owned(), shape, data: Data::Sizes { values: Rc::new(values), whole } }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Sizes { values, .. } => values.len(),
        }
    }

    /// Memory it takes, in elements of a weight.
    pub(super) fn cost(&self) -> usize {
        match self.data {
            Data::Float(_) => self.len(),
            Data::Sizes { .. } => self.len().saturating_mul(size_of::<Size>() / size_of::<f32>()),
        }
    }

    /// The values as floating-point numbers.
    pub(super) fn to_floats(&self) -> Result<Rc<Vec<f32>>, OpError> {
        match &self.data {
            Data::Float(values) => Ok(Rc::clone(values)),
            Data::Sizes { values, .. } => {
                let numbers: Option<Vec<f32>> =
                    values.iter().map(|size| size.number().map(Ratio::to_f32)).collect();
                match numbers {
                    Some(numbers) => Ok(Rc::new(numbers)),
                    None => {
                        Err(problem!("computes with {:?}, which depends on the picture's size", self.name))
                    }
                }
            }
        }
    }

    /// The values as sizes.
    pub(super) fn to_sizes(&self) -> Result<Rc<Vec<Size>>, OpError> {
        match &self.data {
            Data::Sizes { values, .. } => Ok(Rc::clone(values)),
            Data::Float(values) if values.len() <= LARGEST_OF_SIZES => Ok(Rc::new(
                values
                    .iter()
                    .map(|v| Ratio::from_f32(*v).map_or(Size::Opaque, |n| Size::Affine(None, n)))
                    .collect(),
            )),
            Data::Float(values) => Err(problem!("takes {} weights for sizes", values.len())),
        }
    }

    /// The values as integers that do not depend on the picture.
    pub(super) fn to_ints(&self) -> Result<Vec<i64>, OpError> {
        self.to_sizes()?
            .iter()
            .map(|size| {
                size.as_whole().ok_or_else(|| {
                    problem!(
                        "needs whole numbers in {:?} that do not depend on the picture's size",
                        self.name
                    )
                })
            })
            .collect()
    }

    /// The only value.
    pub(super) fn scalar(&self) -> Option<f32> {
        match self.len() {
            1 => self.to_floats().ok()?.first().copied(),
            _ => None,
        }
    }

    /// A tensor of the values at `indices`, as many as `shape` says.
    pub(super) fn pick(
        &self,
        shape: Vec<usize>,
        indices: impl Iterator<Item = usize>,
    ) -> Result<Self, OpError> {
        let missing = || problem!("reads beyond the end of {:?}", self.name);
        let n = n_elements(&shape)?;
        let data = match &self.data {
            Data::Float(values) => {
                let picked: Option<Vec<f32>> = indices.map(|i| values.get(i).copied()).collect();
                Data::Float(Rc::new(picked.ok_or_else(missing)?))
            }
            Data::Sizes { .. } if n > LARGEST_OF_SIZES => {
                return Err(problem!("computes a table of {n} integers"));
            }
            Data::Sizes { values, whole } => {
                let picked: Option<Vec<Size>> = indices.map(|i| values.get(i).copied()).collect();
                Data::Sizes { values: Rc::new(picked.ok_or_else(missing)?), whole: *whole }
            }
        };
        let picked = Self { name: self.name.clone(), shape, data };
        if picked.len() == n { Ok(picked) } else { Err(missing()) }
    }

    /// The same values in another shape of as many elements.
    pub(super) fn with_shape(&self, shape: Vec<usize>) -> Result<Self, OpError> {
        if n_elements(&shape)? != self.len() {
            return Err(problem!("gives {:?} of shape {:?} the shape {shape:?}", self.name, self.shape));
        }
        Ok(Self { shape, ..self.clone() })
    }
}

/// Distance in elements between neighbours along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// The source of each element of a tensor of `shape`, whose neighbours along axis `i` lie `steps[i]` apart in the
/// source.
pub(super) fn walk<'a>(
    shape: &'a [usize],
    steps: &'a [isize],
    start: usize,
) -> impl Iterator<Item = usize> + 'a {
    let mut at = vec![0usize; shape.len()];
    let mut index = start as isize;
    let mut left = shape.iter().fold(1usize, |n, d| n.saturating_mul(*d));
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let this = index as usize;
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            index += steps[axis];
            if at[axis] < shape[axis] {
                break;
            }
            index -= steps[axis] * shape[axis] as isize;
            at[axis] = 0;
        }
        Some(this)
    })
}
