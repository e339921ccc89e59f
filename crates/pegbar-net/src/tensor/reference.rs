//! The reference page of the operators.

use super::operators;

/// A table of the operators that the general path knows, in Markdown.
pub fn reference_table() -> String {
    let mut table = String::from("| operator | limits |\n| --- | --- |\n");
    for operator in operators() {
        table.push_str(&format!("| {} | {} |\n", operator.name, operator.limits));
    }
    table
}
