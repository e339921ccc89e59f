//! The scalar reference.

use crate::{Net, NetError};

/// A tensor of values, NCHW.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// `N * C * H * W` values, row-major.
    pub data: Vec<f32>,
}

/// Runs a network.
///
/// # Errors
/// [`NetError`] when the graph is broken or the picture is not one it takes.
pub fn interpret(net: &Net, input: &Value) -> Result<Value, NetError> {
    let _ = net.infer_sizes(input.shape[0], input.shape[2], input.shape[3])?;
    Err(NetError::Graph { problem: "not built yet".into() })
}
