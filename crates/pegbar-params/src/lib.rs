//! One declaration of a parameter: type, range, unit, default, documentation.
//!
//! Nodes, degradations and options are declared once as `const` tables of [`Param`]; help texts, JSON schemas, forms and
//! reference pages are projections of those tables, and every value that arrives as text passes through
//! [`Param::parse`].
#![forbid(unsafe_code)]

mod colour;
mod param;
mod reference;
mod table;
mod value;
mod values;

pub use colour::Rgba;
pub use param::{Choice, Param, ParamError, ParamKind, PathTarget};
pub use reference::{json_schema, markdown_table};
pub use table::{TableError, check_table};
pub use value::ParamValue;
pub use values::ParamValues;
