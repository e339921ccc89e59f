//! The rows of the spatial filters.

use super::Row;

/// Each spatial defect with the filter against it.
pub const ROWS: &[Row] = &[];
