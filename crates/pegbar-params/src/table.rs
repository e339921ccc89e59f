//! What holds for every table of parameters; tests of the crates that declare tables call this.

use crate::{Param, ParamError, ParamKind};
use thiserror::Error;

/// A defect in a table of parameters.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TableError {
    /// Two parameters share an id.
    #[error("{0}: declared twice")]
    DuplicateId(&'static str),
    /// The id holds something other than lower-case letters, digits and hyphens.
    #[error("{0:?}: ids are lower-case letters, digits and hyphens")]
    Id(&'static str),
    /// There is no documentation, or it is no sentence.
    #[error("{0}: the documentation is missing or does not end with a full stop")]
    Doc(&'static str),
    /// The default is not a valid value.
    #[error("default of {0}")]
    Default(#[from] ParamError),
}

/// Checks ids, documentation and defaults.
///
/// # Errors
/// The first defect.
pub fn check_table(params: &[Param]) -> Result<(), TableError> {
    for (i, p) in params.iter().enumerate() {
        let id_ok = !p.id.is_empty()
            && p.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_ok {
            return Err(TableError::Id(p.id));
        }
        if params[..i].iter().any(|q| q.id == p.id) {
            return Err(TableError::DuplicateId(p.id));
        }
        let choice_docs = match p.kind {
            ParamKind::Choice { choices, .. } => choices.iter().all(|c| c.doc.ends_with('.')),
            _ => true,
        };
        if !p.doc.ends_with('.') || !choice_docs {
            return Err(TableError::Doc(p.id));
        }
        p.check(&p.default_value())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Param =
        Param { id: "n", doc: "Count.", unit: "", kind: ParamKind::Int { min: 1, max: 9, default: 1 } };

    #[test]
    fn defects_are_found() {
        assert_eq!(check_table(&[OK]), Ok(()));
        assert_eq!(check_table(&[OK, OK]), Err(TableError::DuplicateId("n")));
        assert_eq!(check_table(&[Param { id: "N m", ..OK }]), Err(TableError::Id("N m")));
        assert_eq!(check_table(&[Param { doc: "count", ..OK }]), Err(TableError::Doc("n")));
        let bad = Param { kind: ParamKind::Int { min: 1, max: 9, default: 0 }, ..OK };
        assert!(matches!(check_table(&[bad]), Err(TableError::Default(_))));
    }
}
