//! Shape inference.

use crate::{Dim, Net, NetError};

impl Net {
    /// Symbolic shape of every node.
    ///
    /// # Errors
    /// [`NetError::Shape`] names the node that does not fit.
    pub fn infer_shapes(&self) -> Result<Vec<[Dim; 4]>, NetError> {
        Err(NetError::Graph { problem: "not built yet".into() })
    }

    /// Shape of every node for a batch of `n` pictures of `h` rows and `w` columns.
    ///
    /// # Errors
    /// [`NetError::Shape`] names the node that does not fit.
    pub fn infer_sizes(&self, _n: usize, _h: usize, _w: usize) -> Result<Vec<[usize; 4]>, NetError> {
        Err(NetError::Graph { problem: "not built yet".into() })
    }
}
