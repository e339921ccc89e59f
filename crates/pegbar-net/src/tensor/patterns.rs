//! Operations that exporters write as several: seen as one they take a fraction of the time.

use super::TensorProgram;

/// The program with known patterns joined.
pub(super) fn joined(program: TensorProgram) -> TensorProgram {
    program
}
