//! The rows of the temporal filters.

use super::Row;

/// Each temporal defect with the filter against it.
pub const ROWS: &[Row] = &[];
