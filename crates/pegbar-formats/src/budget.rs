//! How much memory a file may cost us.
//!
//! Every format lets a few bytes ask for many: a one-byte pickle opcode makes an object, a zip entry unpacks to a
//! thousand times its size, a two-byte protobuf field makes a node. So parsers pay for what they allocate from an
//! account opened in proportion to the file, and a file that overdraws it is refused. Honest weights are nearly all
//! raw numbers and stay far below.

use crate::FormatError;

/// Bytes of bookkeeping granted per byte of file.
const PER_FILE_BYTE: u64 = 8;
/// The same for ONNX graphs: nodes of 160 bytes in the file take 1.6 KB, and where the weights lie in files beside it, the
/// file holds nothing but nodes.
const PER_GRAPH_BYTE: u64 = 14;
/// Most bytes granted for each byte of a graph because of the files beside it.
const MOST_PER_GRAPH_BYTE: u64 = 24;
/// Granted on top, so that small files may be mostly structure.
const FLOOR_BYTES: u64 = 256 << 10;

/// The account of one file.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    file_bytes: u64,
}

impl Budget {
    pub(crate) fn for_file(file_bytes: u64) -> Self {
        Self { left: file_bytes.saturating_mul(PER_FILE_BYTE).saturating_add(FLOOR_BYTES), file_bytes }
    }

    /// The account of a file that may hold hardly more than a graph.
    pub(crate) fn for_graph(file_bytes: u64) -> Self {
        Self { left: file_bytes.saturating_mul(PER_GRAPH_BYTE).saturating_add(FLOOR_BYTES), file_bytes }
    }

    /// Grants more because of a file of weights beside a graph, within bounds that the graph sets.
    pub(crate) fn grant(&mut self, companion_bytes: u64) {
        let most = self.file_bytes.saturating_mul(MOST_PER_GRAPH_BYTE);
        self.left = self.left.saturating_add(companion_bytes.min(most));
    }

    /// An account of exactly `bytes`.
    pub(crate) fn of_bytes(bytes: u64, file_bytes: u64) -> Self {
        Self { left: bytes, file_bytes }
    }

    /// Pays for an allocation before it is made.
    pub(crate) fn take(&mut self, bytes: u64, what: &'static str) -> Result<(), FormatError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(FormatError::OutOfProportion { what, file_bytes: self.file_bytes }),
        }
    }

    /// Pays for `n` values of type `T`. A growing `Vec` holds up to twice what is in it, so callers that push one by
    /// one pay for two.
    pub(crate) fn take_items<T>(&mut self, n: usize, what: &'static str) -> Result<(), FormatError> {
        self.take((n as u64).saturating_mul(size_of::<T>() as u64), what)
    }

    /// Pays for an owned copy of a string.
    pub(crate) fn take_string(&mut self, s: &str, what: &'static str) -> Result<(), FormatError> {
        // 16: what an allocator adds to a small block.
        self.take(s.len() as u64 + 16, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdrawing_is_refused_and_changes_nothing() {
        let mut budget = Budget::for_file(10);
        assert!(budget.take(u64::MAX, "a test").is_err());
        budget.take(FLOOR_BYTES + 80, "a test").unwrap();
        let error = budget.take(1, "a test").unwrap_err();
        assert!(error.to_string().contains("10 bytes"), "{error}");
    }
}
