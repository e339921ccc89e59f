//! What can be wrong with one node of a foreign graph.

use crate::{ModelError, NetError};

/// Why a node cannot be imported. The walk over the graph adds the format, the operator and the name of the node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OpError {
    /// The operator has no equivalent.
    Operator,
    /// The operator has one, but not with these parameters or inputs; or the node is broken. A sentence.
    Problem(String),
    /// Shape inference refused the operation.
    Net(NetError),
}

impl From<NetError> for OpError {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

impl OpError {
    /// The error a caller of the importer sees.
    pub(crate) fn at(self, format: &'static str, operator: &str, node: &str) -> ModelError {
        let (op, node) = (operator.to_owned(), node.to_owned());
        match self {
            Self::Operator => ModelError::UnsupportedOp { format, op, node },
            Self::Problem(problem) => ModelError::Import { format, op, node, problem: shorten(problem) },
            Self::Net(error) => ModelError::Import { format, op, node, problem: error.to_string() },
        }
    }
}

/// A sentence, cut where a list in it grew too long to be read.
fn shorten(mut problem: String) -> String {
    const LONGEST: usize = 400;
    if let Some((end, _)) = problem.char_indices().nth(LONGEST) {
        problem.truncate(end);
        problem.push_str(" ...");
    }
    problem
}

/// A [`OpError::Problem`] with a formatted sentence.
macro_rules! problem {
    ($($format:tt)*) => { $crate::import::error::OpError::Problem(format!($($format)*)) };
}
pub(crate) use problem;
