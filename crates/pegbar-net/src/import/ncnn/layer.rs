//! Parameters and weights of a layer.

use super::OpError;
use crate::import::error::problem;
use pegbar_formats::ncnn::{NcnnLayer, NcnnParam};

/// Larger parameters are not those of a network.
const LARGEST: i64 = 1 << 24;

/// Reads of typed parameters with the defaults of the format.
pub(super) trait Parameters {
    /// An integer.
    fn integer(&self, id: i32, default: i64) -> Result<i64, OpError>;
    /// A count or size: not negative, not huge.
    fn size(&self, id: i32, default: usize) -> Result<usize, OpError>;
    /// A count or size of at least 1.
    fn at_least_one(&self, id: i32, default: usize, what: &str) -> Result<usize, OpError>;
    /// A number.
    fn number(&self, id: i32, default: f32) -> Result<f32, OpError>;
    /// A list of numbers, empty when absent.
    fn numbers(&self, id: i32) -> Result<Vec<f32>, OpError>;
    /// A list of integers, empty when absent.
    fn integers(&self, id: i32) -> Result<Vec<i64>, OpError>;
    /// The values of a weight, of which there must be `len`.
    fn weight(&self, index: usize, what: &str, len: usize) -> Result<Vec<f32>, OpError>;
}

impl Parameters for NcnnLayer {
    fn integer(&self, id: i32, default: i64) -> Result<i64, OpError> {
        match self.params.get(&id) {
            None => Ok(default),
            Some(NcnnParam::Int(value)) => Ok(*value),
            // Old converters write whole numbers as floats.
            Some(NcnnParam::Float(value)) if value.fract() == 0.0 => Ok(*value as i64),
            Some(other) => Err(problem!("parameter {id} is {other:?}, not an integer")),
        }
    }

    fn size(&self, id: i32, default: usize) -> Result<usize, OpError> {
        if !self.params.contains_key(&id) {
            return Ok(default);
        }
        match self.integer(id, 0)? {
            value @ 0..=LARGEST => Ok(value as usize),
            value => Err(problem!("parameter {id} is {value}, which is no size")),
        }
    }

    fn at_least_one(&self, id: i32, default: usize, what: &str) -> Result<usize, OpError> {
        match self.size(id, default)? {
            0 => Err(problem!("its {what} is 0")),
            value => Ok(value),
        }
    }

    fn number(&self, id: i32, default: f32) -> Result<f32, OpError> {
        match self.params.get(&id) {
            None => Ok(default),
            Some(NcnnParam::Float(value)) => Ok(*value),
            Some(NcnnParam::Int(value)) => Ok(*value as f32),
            Some(other) => Err(problem!("parameter {id} is {other:?}, not a number")),
        }
    }

    fn numbers(&self, id: i32) -> Result<Vec<f32>, OpError> {
        match self.params.get(&id) {
            None => Ok(vec![]),
            Some(NcnnParam::FloatArray(values)) => Ok(values.clone()),
            Some(NcnnParam::IntArray(values)) => Ok(values.iter().map(|v| *v as f32).collect()),
            Some(other) => Err(problem!("parameter {id} is {other:?}, not a list of numbers")),
        }
    }

    fn integers(&self, id: i32) -> Result<Vec<i64>, OpError> {
        match self.params.get(&id) {
            None => Ok(vec![]),
            Some(NcnnParam::IntArray(values)) => Ok(values.clone()),
            // Lists whose first element has no decimal point count as integers in the text, even empty ones.
            Some(NcnnParam::FloatArray(values)) if values.iter().all(|v| v.fract() == 0.0) => {
                Ok(values.iter().map(|v| *v as i64).collect())
            }
            Some(other) => Err(problem!("parameter {id} is {other:?}, not a list of integers")),
        }
    }

    fn weight(&self, index: usize, what: &str, len: usize) -> Result<Vec<f32>, OpError> {
        let Some(blob) = self.weights.get(index) else {
            return Err(problem!("its {what} is missing"));
        };
        match blob.tensor.n_elements() {
            found if found == len => Ok(blob.tensor.to_f32()),
            found => Err(problem!("its {what} holds {found} values where {len} are needed")),
        }
    }
}
