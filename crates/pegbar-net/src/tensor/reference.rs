//! The reference page of the operators.

use super::operators;
use crate::import::onnx::fused::FUSED;

/// A table of the operators that the general path knows, in Markdown.
pub fn reference_table() -> String {
    let mut table = String::from("| operator | limits |\n| --- | --- |\n");
    for operator in operators() {
        table.push_str(&format!("| {} | {} |\n", operator.name, operator.limits));
    }
    table.push_str(
        "\nOperators that ONNX Runtime writes into models it has optimized (`com.microsoft`):\n\n\
         | operator | read as |\n| --- | --- |\n",
    );
    for (name, meaning) in FUSED {
        table.push_str(&format!("| {name} | {meaning} |\n"));
    }
    table
}
